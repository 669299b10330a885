"""The backtest lab: the trader over history, many times, and what the result is worth."""
