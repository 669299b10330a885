"""The account as the exchange tells it: settings, streams, and the comparison with the books."""
