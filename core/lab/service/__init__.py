"""What the lab does for the command line and the console, over the stores of a home."""
