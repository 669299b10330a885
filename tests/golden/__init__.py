"""Runs held bit for bit: what was decided, ordered, filled and booked in files that a change of rooms cannot touch."""
