"""LightGBM on 19 causal features: a cost-aware ten-minute scalper."""
