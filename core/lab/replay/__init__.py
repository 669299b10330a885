"""A finished session proved from its journal."""
