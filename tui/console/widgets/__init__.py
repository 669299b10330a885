"""What stands on the screen beside the panels: the lines above and below them, and what is typed."""
