"""A file a panel of the registry: a snapshot becomes rows."""
