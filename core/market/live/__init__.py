"""A real exchange's market as it comes: streams, and what REST makes up for."""
