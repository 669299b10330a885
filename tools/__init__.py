"""What keeps the repository itself: the locks."""
