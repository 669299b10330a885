"""SQLite: the durable journal, candles, model versions and statistics."""
