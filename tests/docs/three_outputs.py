"""The model of docs/models.md in every mode, as a program of its own: its workers are to find it where it is installed.

Prints what a test looks at, as JSON.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from core.domain.forecast import words
from core.domain.records import ForecastRecord, SignalRecord
from core.domain.trading import SignalAction
from quarterdeck import QuarterdeckRuntime
from tests.engine import modes
from tests.engine.test_parity import FROM_MS, HOUR_MS, assert_the_same

SETTINGS = """
strategy = "tri_model"
[market]
symbols = ["SOLUSDT", "BTCUSDT"]
[tri_model]
needed = 0.45
[limits]
max_trades_per_day = 60
max_losses_in_row = 12
"""


def main(home: Path) -> None:
    QuarterdeckRuntime().lab(home).market("recorded")
    (home / "settings.toml").write_text(SETTINGS)
    period = (FROM_MS, FROM_MS + 3 * HOUR_MS)
    demo = modes.demo(home, *period)
    run_id, own = modes.backtest(home, "tri_model", "event-driven", *period)
    _, swept = modes.backtest(home, "tri_model", "sweep", *period, run_id)
    assert_the_same(own.trades, demo, "event-driven")
    assert_the_same(swept.trades, demo, "sweep")
    assert own.plans is not None
    assert swept.plans is not None
    records = modes.journalled(home)
    values = [record.forecast.values for record in records if isinstance(record, ForecastRecord)]
    entered = [
        record.signal
        for record in records
        if isinstance(record, SignalRecord) and record.signal.action is SignalAction.ENTER
    ]
    told = own.predictions["SOLUSDT"]
    print(
        json.dumps(
            {
                "trades": len(demo),
                "exits": Counter(demo.exit_reason.tolist()),
                "sums": [min(map(sum, values)), max(map(sum, values))],
                "words": [words(signal.because) for signal in entered],
                "confidence": [signal.confidence for signal in entered],
                "swept_confidence": [own.plans.confidence.tolist(), swept.plans.confidence.tolist()],
                "names": told.names.tolist(),
                "units": told.units.tolist(),
                "verified": modes.verified(home)["equal"],
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
