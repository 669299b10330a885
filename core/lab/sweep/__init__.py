"""The fast sweep: the same decisions and fills, compiled, trade for trade what the trader would do."""
