"""Everything that speaks to a real exchange, through ccxt."""
