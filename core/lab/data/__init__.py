"""The recorded market of a run: columns, holes, funding, and the events they are told as."""
