"""Many parameter sets tried: grids, Optuna, and walk-forward."""
