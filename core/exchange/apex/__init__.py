"""Apex Omni perpetual swaps: what is said and meant there alone."""
