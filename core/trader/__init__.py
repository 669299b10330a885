"""The decision core, sans-IO: events in, commands out."""
