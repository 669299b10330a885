"""Recorded market told again as events, and how far an account has taken the market in."""
