"""The face for Python: a home opened in a notebook or a script, its bars, runs and accounts as pandas frames."""
