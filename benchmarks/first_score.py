"""A program of its own: the first parameter set of a process. Prints JSON: seconds of imports and of that set."""

from __future__ import annotations

import json
import time

BEGAN = time.perf_counter()

from benchmarks.kernel import settings_of  # noqa: E402
from benchmarks.workload import fine_instruments, free_settings, one_symbol  # noqa: E402
from core.lab.run.fixed_predictions import rule_values  # noqa: E402
from core.lab.sweep.prepared import prepare  # noqa: E402
from core.lab.sweep.sweep import score  # noqa: E402
from strategies.ema_cross.declaration import build  # noqa: E402


def main() -> None:
    imported = time.perf_counter()
    history = one_symbol(2_000)
    settings = settings_of("bracket", free_settings())
    began = time.perf_counter()
    strategy = build(settings)
    score(
        prepare(history, fine_instruments(history.symbols), settings.costs.assumed_funding_bps),
        settings,
        strategy,
        rule_values(strategy, history),
    )
    print(json.dumps({"imports_s": imported - BEGAN, "first_s": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
