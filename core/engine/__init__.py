"""The asyncio shell around the trader: start, steps, views, and the end of a running engine."""
