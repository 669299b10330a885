"""One folder a user can name: where state lives, its lock, its log, and the keys that stay in one process."""
