"""Binance USD-M futures: what is said and meant there alone."""
