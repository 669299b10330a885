"""A run told: to the terminal, as a page, and in the forms of other programs."""
