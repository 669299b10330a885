"""Two moving averages that cross: a rule without a model, the example for strategies of your own."""
