"""The terminal: command line and Textual console."""
