"""Orders on their way to an exchange and what comes of them, until there is evidence."""
