"""When a model is trained, watched, promoted, taken down and deleted, and on what evidence: pure functions."""
