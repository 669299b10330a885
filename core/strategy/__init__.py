"""What a strategy is: its declaration, its rule at work, and how it is found by name."""
