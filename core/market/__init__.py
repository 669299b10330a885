"""Candles and feeds."""
