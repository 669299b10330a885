"""Market data fetched over the network: an exchange's published archive, and its REST interface for the rest."""
