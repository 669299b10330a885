"""The one door for requests: client, limits, clock, keys, and what a failed call means."""
