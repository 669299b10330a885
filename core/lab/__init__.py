"""Strategies over history: runs, searches, validation, and what their figures are worth."""
