"""What one trade can do, written once: open, add, reduce, move its stop, close, and what its exits are told."""
