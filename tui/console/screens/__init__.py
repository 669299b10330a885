"""The console's one screen and where its panels stand."""
