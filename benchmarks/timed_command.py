"""`python -m benchmarks.timed_command ARGUMENTS`: `quarterdeck` with a clock on LightGBM in its workers."""

from __future__ import annotations

import sys
from dataclasses import replace

from core.lab.service import plan
from core.settings.schema import Settings
from core.strategy.declaration import Strategy

load = plan.load


def load_clocked(name: str, settings: Settings) -> Strategy:
    strategy = load(name, settings)
    if strategy.part.model is None:
        return strategy
    timed = replace(strategy.part.model, factory="benchmarks.timed_scalper")
    return replace(strategy, parts=(replace(strategy.part, source=timed),))


def main() -> None:
    plan.load = load_clocked
    sys.argv[0] = "quarterdeck"
    from quarterdeck import main as run_quarterdeck

    run_quarterdeck()


if __name__ == "__main__":
    main()
