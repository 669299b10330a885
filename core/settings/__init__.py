"""What an operator may set: one typed, frozen whole of settings.toml."""
