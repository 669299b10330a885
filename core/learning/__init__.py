"""Features, models, training workers and versions."""
