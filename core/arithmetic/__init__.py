"""Pure arithmetic of orders and money, compiled where it pays: one definition for trader, venue and sweep."""
