"""One parameter set over history: the live code fed slot by slot, and its result."""
