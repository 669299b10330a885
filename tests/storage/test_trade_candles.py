"""Candles held against the trades of their time: a recording of an exchange's, and what is wrong with either."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from core.market.importing import ObservedFile, read_market_file
from core.market.trade_bars import bars_of_trades
from storage.data_admin import check_data, import_file
from storage.database import Database

RECORDED = Path(__file__).parents[1] / "core" / "market" / "importing" / "recorded" / "BTCUSDT-trades.parquet"
MINUTE = 60_000
T0 = 1_749_081_600_000
COLUMNS = ["open", "high", "low", "close", "volume"]


def candles_of(rows: pd.DataFrame, rule: str) -> pd.DataFrame:
    """By other hands: what the recording's trades come to."""
    rows = rows.set_index(pd.to_datetime(rows["trade_time"], unit="ms", utc=True)).sort_values("trade_id")
    found = rows["price"].resample(rule).ohlc().dropna()
    found["volume"] = rows["qty"].resample(rule).sum().round(3)
    return found


@pytest.mark.parametrize("seconds", [1, 5, 60])
def test_they_come_to_what_pandas_makes_of_them(seconds: int) -> None:
    found = read_market_file(RECORDED)
    assert isinstance(found, ObservedFile)
    bars = bars_of_trades(found.observations, seconds * 1_000)
    wanted = candles_of(pd.read_parquet(RECORDED), f"{seconds}s")
    assert bars.open_time_ms.tolist() == wanted.index.as_unit("ms").view("int64").tolist()
    for name in COLUMNS:
        assert getattr(bars, name).tolist() == wanted[name].tolist(), name


def stored(database: Database, folder: Path, **changes: float) -> list[tuple[str, str, int, str]]:
    """Three minutes of trades, the first from its midst on, beside their candles; and what is found."""
    trades = [
        (T0 + minute * MINUTE + 20_000 * n + 20_000, 100.0 + n + minute, 1.5) for minute in range(4) for n in range(2)
    ]
    lines = [f"{time_ms},{n},{price},{qty},true" for n, (time_ms, price, qty) in enumerate(trades)]
    path = folder / "AUSDT-trades.csv"
    path.write_text("\n".join(["time,id,price,qty,isBuyerMaker", *lines]))
    import_file(database, path, now_ms=1)
    candles = pd.DataFrame(
        [(T0 + n * MINUTE, 100.0 + n, 101.0 + n, 100.0 + n, 101.0 + n, 3.0) for n in range(4)],
        columns=["open_time", *COLUMNS],
    )
    candles.loc[[0, 3], "close"] += 0.5
    candles.loc[[0, 3], "high"] += 0.5
    for name, value in changes.items():
        candles.loc[2, name] = value
    path = folder / "AUSDT-1m.csv"
    candles.to_csv(path, index=False)
    import_file(database, path, now_ms=1)
    return [(one.symbol, one.kind, one.count, one.text) for one in check_data(database) if one.kind == "trades"]


def test_a_minute_that_may_lack_trades_is_not_judged(database: Database, tmp_path: Path) -> None:
    assert stored(database, tmp_path) == []


def test_a_candle_that_its_trades_do_not_come_to_is_named(database: Database, tmp_path: Path) -> None:
    text = "1 candles are not what their trades come to, the first has volume 2.5 and not 3"
    assert stored(database, tmp_path, volume=2.5) == [("AUSDT", "trades", 1, text)]
