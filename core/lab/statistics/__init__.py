"""Figures of a run, what they stand on, and within what they may lie."""
