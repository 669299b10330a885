"""A strategy of several parts on the recorded market in demo, interrupted demo and lab: a program of its own, as its
workers are to find it where it is installed.

Prints what a test looks at, as JSON.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from core.domain.forecast import Forecast
from core.domain.records import FillRecord, ForecastRecord, TrainingRecord, TrainingStatus
from core.home.folder import Home
from core.settings.schema import Settings
from core.strategy.loading import load_strategy
from quarterdeck import QuarterdeckRuntime
from tests.engine import modes
from tests.engine.test_parity import FROM_MS, HOUR_MS, assert_the_same

SETTINGS = """
strategy = "{name}"
[market]
symbols = ["SOLUSDT", "BTCUSDT"]
[limits]
max_trades_per_day = 60
max_losses_in_row = 12
"""
MINUTE_MS = 60_000
ENDS = (61, 100, 101)
"""Minutes after which a demo is ended and begun again: just behind a training, and twice between."""


def main(name: str, home: Path, hours: int = 3) -> None:
    from_ms, to_ms = FROM_MS, FROM_MS + hours * HOUR_MS
    again = home.with_name("again")
    for one in (home, again):
        QuarterdeckRuntime().lab(one).market("recorded")
        (one / "settings.toml").write_text(SETTINGS.format(name=name))
    demo = modes.demo(home, from_ms, to_ms)
    for minutes in ENDS:
        modes.demo(again, from_ms, from_ms + minutes * MINUTE_MS)
    assert_the_same(modes.demo(again, from_ms, to_ms), demo, "a demo that was interrupted")
    run_id, own = modes.backtest(home, name, "event-driven", from_ms, to_ms)
    assert_the_same(own.trades, demo, "event-driven")
    strategy = load_strategy(name, Settings())
    if not any(part.latency_ms for part in strategy.parts):
        _, swept = modes.backtest(home, name, "sweep", from_ms, to_ms, run_id)
        assert_the_same(swept.trades, demo, "sweep")
    said = _said(home)
    decided = [part.name for part in strategy.decided]
    lab = {
        symbol: [[at, *values] for at, values in zip(made.close_ms.tolist(), made.values.tolist(), strict=True)]
        for symbol, made in own.predictions.items()
    }
    print(
        json.dumps(
            {
                "trades": len(demo),
                "parts": sorted({part for part, _ in said}),
                "whole": _told(said),
                "interrupted": _told(_said(again)),
                "decided_on": _together(said, decided),
                "lab": lab,
                "filled": sorted(
                    {
                        (record.order.role, record.order.place)
                        for record in modes.journalled(home)
                        if isinstance(record, FillRecord)
                    }
                ),
                "trained": _trained(home),
                "trained_again": _trained(again),
                "verified": [modes.verified(one)["equal"] for one in (home, again)],
                "fault": QuarterdeckRuntime().lab(home).store.load(run_id).provenance.fault,
                "log": [line for line in Home(home).log.read_text().splitlines() if "forecast" in line],
            }
        )
    )


def _said(home: Path) -> dict[tuple[str, str], list[Forecast]]:
    """By part and symbol, in order."""
    told: dict[tuple[str, str], list[Forecast]] = defaultdict(list)
    for record in modes.journalled(home):
        if isinstance(record, ForecastRecord):
            told[record.forecast.origin.part, record.forecast.symbol].append(record.forecast)
    return told


def _told(said: dict[tuple[str, str], list[Forecast]]) -> dict[str, list[object]]:
    return {
        f"{part} {symbol}": [[f.bar_close_ms, f.made_ms, *f.values] for f in its]
        for (part, symbol), its in said.items()
    }


def _together(said: dict[tuple[str, str], list[Forecast]], parts: Sequence[str]) -> dict[str, list[object]]:
    """By symbol, what is decided on: of the bars of which each part has spoken."""
    whole = {}
    for symbol in sorted({symbol for _, symbol in said}):
        its = [{f.bar_close_ms: f.values for f in said[part, symbol]} for part in parts]
        closes = sorted(set(its[0]).intersection(*its[1:]))
        whole[symbol] = [[at, *(value for one in its for value in one[at])] for at in closes]
    return whole


def _trained(home: Path) -> list[str]:
    return [
        f"{record.origin.part}:{record.origin.version}"
        for record in modes.journalled(home)
        if isinstance(record, TrainingRecord) and record.status is TrainingStatus.SWAPPED
    ]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
