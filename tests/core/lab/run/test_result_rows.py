import json
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from core.lab.run.result import EquityCurve, RunResult, TradeColumns, trade_columns
from core.lab.run.result_rows import curve_row, trade_rows

EQUITY = npst.arrays(np.float64, st.integers(0, 300), elements=st.floats(1.0, 1e6))


def result(equity: np.ndarray) -> RunResult:
    times = np.arange(len(equity), dtype=np.int64) * 60_000
    curve = EquityCurve(times, equity, np.zeros(len(equity)), np.zeros(len(equity)))
    return RunResult(trade_columns([]), curve, 1_000.0, 1_000.0)


@given(EQUITY, st.integers(0, 60))
def test_a_thinned_curve_keeps_its_extremes_and_ends(equity: np.ndarray, points: int) -> None:
    row = curve_row(result(equity), points)
    kept = row["equity_usdt"]
    assert len(kept) == len(row["time_ms"]) == len(row["drawdown_pct"]) <= max(points, 8)
    assert row["time_ms"] == sorted(set(row["time_ms"]))
    if len(equity):
        assert (min(kept), max(kept), kept[0], kept[-1]) == (equity.min(), equity.max(), equity[0], equity[-1])
        whole = curve_row(result(equity), 10_000)
        assert whole["equity_usdt"] == equity.tolist()
        assert min(row["drawdown_pct"]) == min(whole["drawdown_pct"]) <= 0.0


def test_trades_as_rows_that_json_takes() -> None:
    ones = np.array([1.5, float(Decimal("0.1"))])
    names = np.array(["AUSDT", "BUSDT"], np.str_)
    times = np.array([60_000, 120_000], np.int64)
    columns = TradeColumns(names, np.array([1, -1], np.int8), times, times + 1, *([ones] * 7), exit_reason=names)
    rows = json.loads(json.dumps(trade_rows(columns)))
    assert [(row["symbol"], row["side"], row["exit_time_ms"], row["net_usdt"]) for row in rows] == [
        ("AUSDT", 1, 60_001, 1.5),
        ("BUSDT", -1, 120_001, 0.1),
    ]
    assert trade_rows(trade_columns([])) == []
