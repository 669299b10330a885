"""Columns: what is known of a market at a closed bar, as numbers that models, rules and charts take by name."""
