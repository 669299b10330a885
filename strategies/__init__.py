"""One folder per strategy, each a declaration of parts plus the model that only it uses."""
