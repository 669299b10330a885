"""What is left out when a model or a choice is judged, and what that says of luck."""
