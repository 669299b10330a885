"""The one way to look at and steer a running engine: snapshots out, operator commands in."""
