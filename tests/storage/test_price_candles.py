"""Candles of mark, index and premium prices and of spot: stored as what they are, and taken for trades by nobody."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from core.domain.errors import DataError
from storage.candles import SqliteCandles
from storage.data_admin import check_data, import_file, list_data
from storage.database import Database
from storage.history import load_history, stored_series

MINUTE = 60_000
T0 = 1_748_995_200_000
NOW = 1_760_000_000_000
ROWS = 481


def candle_file(folder: Path, kind: str, price: float, skipped: int = -1) -> Path:
    path = folder / f"AUSDT-1m{kind and '-'}{kind}.csv"
    rows = [f"{T0 + n * MINUTE},{price},{price},{price},{price},{n + 1}" for n in range(ROWS) if n != skipped]
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]))
    return path


async def test_they_are_kept_apart_from_trades(database: Database, tmp_path: Path) -> None:
    for price, kind in enumerate(("mark", "index", "premium", "spot"), 1):
        report = import_file(database, candle_file(tmp_path, kind, -price if kind == "premium" else price), now_ms=NOW)
        assert (report.kind, report.added) == (kind, ROWS)
        assert import_file(database, tmp_path / f"AUSDT-1m-{kind}.csv", now_ms=NOW).added == 0
    assert [(row.kind, row.symbol, row.rows) for row in list_data(database)] == [
        (kind, "AUSDT", ROWS) for kind in ("index", "mark", "premium", "spot")
    ]
    assert stored_series(database, MINUTE) == {}
    with pytest.raises(DataError, match="no 1m candles of AUSDT are stored"):
        load_history(database, ["AUSDT"], MINUTE, T0, T0 + MINUTE, 0)
    candles = await SqliteCandles.open(database)
    assert await candles.span("AUSDT") is None
    await candles.close()
    with database.connect_sync(durable=False) as connection:
        rows = connection.execute("SELECT kind, open, volume FROM price_candles WHERE open_time_ms = ?", (T0,))
        assert sorted(rows) == [("index", 2, None), ("mark", 1, None), ("premium", -3, None), ("spot", 4, 1)]
    assert check_data(database) == []


def test_the_same_kind_may_not_be_told_otherwise(database: Database, tmp_path: Path) -> None:
    import_file(database, candle_file(tmp_path, "mark", 5), now_ms=NOW)
    with pytest.raises(DataError, match=r"line 2: .* other values from AUSDT-1m-mark.csv"):
        import_file(database, candle_file(tmp_path, "mark", 6), now_ms=NOW)
    import_file(database, candle_file(tmp_path, "index", 6), now_ms=NOW)


def test_their_gaps_are_told(database: Database, tmp_path: Path) -> None:
    import_file(database, candle_file(tmp_path, "mark", 5, skipped=7), now_ms=NOW)
    (found,) = check_data(database)
    assert (found.symbol, found.kind, found.from_ms) == ("AUSDT mark", "gap", T0 + 7 * MINUTE)


async def test_funding_without_a_mark_price_is_priced_by_mark_candles(database: Database, tmp_path: Path) -> None:
    import_file(database, candle_file(tmp_path, "", 100), now_ms=NOW)
    funding = tmp_path / "AUSDT-8h.csv"
    funding.write_text(f"funding_time,funding_rate\n{T0 + 3},0.001\n{T0 + 480 * MINUTE + 7},0.001")
    import_file(database, funding, now_ms=NOW)

    async def marks() -> list[Decimal]:
        candles = await SqliteCandles.open(database)
        rates = await candles.funding("AUSDT", T0, T0 + 481 * MINUTE)
        await candles.close()
        return [rate.mark_price for rate in rates]

    assert await marks() == [100, 100]
    assert load_history(database, ["AUSDT"], MINUTE, T0, T0 + 481 * MINUTE, 0).source == "AUSDT-1m.csv, AUSDT-8h.csv"
    import_file(database, candle_file(tmp_path, "mark", 101, skipped=480), synthetic=True, now_ms=NOW)
    import_file(database, candle_file(tmp_path, "index", 102), now_ms=NOW)
    assert await marks() == [101, 100]
    history = load_history(database, ["AUSDT"], MINUTE, T0, T0 + 481 * MINUTE, 0)
    assert history.source == "AUSDT-1m.csv, AUSDT-8h.csv, AUSDT-1m-mark.csv"
    assert history.is_synthetic
