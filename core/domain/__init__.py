"""What traders talk about, as frozen data."""
