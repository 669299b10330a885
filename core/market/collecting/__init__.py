"""An exchange's streams gathered for later: what came is stored, what was missed asked for, and what is lost told."""
