"""Bars in which provably nothing can happen, passed over by both engines."""
