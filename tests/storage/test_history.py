from __future__ import annotations

import stat
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import DataError, StorageError
from core.domain.market import Bar
from storage import column_cache
from storage.candles import SqliteCandles
from storage.data_admin import import_file
from storage.database import Database
from storage.history import load_history, prepare_history, stored_series

MINUTE = 60_000
T0 = 1_748_995_200_000
END = T0 + 10_000 * MINUTE


@pytest.fixture
def put(database: Database, tmp_path: Path) -> Callable[..., None]:
    """Imports candles of some minutes, with a close that tells symbol and minute."""

    def put(symbol: str, minutes: range | list[int], synthetic: bool = False, name: str = "a") -> None:
        lines = [f"{T0 + n * MINUTE},100,1000,1,{close(symbol, n)},{n + 1}" for n in minutes]
        path = tmp_path / f"{symbol}-1m-{name}.csv"
        path.write_text("open_time,open,high,low,close,volume\n" + "\n".join(lines))
        import_file(database, path, synthetic=synthetic, now_ms=1)

    return put


def close(symbol: str, minute: int) -> float:
    return ord(symbol[0]) + minute / 64


def cache_of(database: Database, symbol: str = "AUSDT") -> Path:
    return database.path.parent / "cache" / f"{symbol}-60000.columns"


def test_a_period_with_its_warm_up(database: Database, put: Callable[..., None]) -> None:
    put("AUSDT", range(100))
    put("BUSDT", [0, 1, 50, 52, 99])
    for _ in range(2):
        history = load_history(database, ["BUSDT", "AUSDT"], MINUTE, T0 + 50 * MINUTE, T0 + 60 * MINUTE, 7)
        assert history.symbols == ("BUSDT", "AUSDT")
        assert (history.first, len(history), history.from_ms) == (7, 17, T0 + 50 * MINUTE)
        assert history.close[1].tolist() == [close("AUSDT", n) for n in range(43, 60)]
        assert [n + 43 for n in np.flatnonzero(~np.isnan(history.volume[0]))] == [50, 52]
        assert (history.source, history.is_synthetic) == ("BUSDT-1m-a.csv, AUSDT-1m-a.csv", False)


async def test_it_holds_what_the_candle_store_holds(database: Database, put: Callable[..., None]) -> None:
    put("AUSDT", range(50))
    candles = await SqliteCandles.open(database)
    bars = await candles.bars("AUSDT", 0, END)
    await candles.close()
    fresh, cached = (load_history(database, ["AUSDT"], MINUTE, T0, END, 0) for _ in range(2))
    for name in ("open_time_ms", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(fresh.columns("AUSDT"), name), getattr(bars, name))
    assert fresh.data_hash == cached.data_hash


def test_more_rows_than_one_chunk(
    database: Database, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("AUSDT", [0, 1, *range(2, 40, 2)], name="some")
    put("AUSDT", range(40), name="all", synthetic=True)
    monkeypatch.setattr(column_cache, "CHUNK_ROWS", 7)
    history = load_history(database, ["AUSDT"], MINUTE, T0, END, 0)
    assert history.close[0].tolist() == [close("AUSDT", n) for n in range(40)]
    assert history.source == "AUSDT-1m-some.csv, AUSDT-1m-all.csv"


def test_an_import_and_a_bar_that_arrives_are_seen(database: Database, put: Callable[..., None]) -> None:
    def minutes() -> list[int]:
        return ((load_history(database, ["AUSDT"], MINUTE, 0, END, 0).open_time_ms - T0) // MINUTE).tolist()

    put("AUSDT", [10, 11])
    assert minutes() == [10, 11]
    put("AUSDT", [8, 9], name="before")
    assert minutes() == [8, 9, 10, 11]


async def test_bars_of_the_stream_are_seen(database: Database, put: Callable[..., None]) -> None:
    put("AUSDT", [0, 1])
    candles = await SqliteCandles.open(database)
    lengths = []
    for minute in (2, 3):
        lengths.append(len(load_history(database, ["AUSDT"], MINUTE, T0, END, 0)))
        await candles.append([Bar("AUSDT", T0 + minute * MINUTE, MINUTE, 1.0, 2.0, 0.5, 1.5, 3.0)])
    await candles.close()
    history = load_history(database, ["AUSDT"], MINUTE, T0, END, 0)
    assert (lengths, len(history), history.source) == ([2, 3], 4, "AUSDT-1m-a.csv, stream")


@pytest.mark.parametrize("how", ["cut", "empty", "flipped", "text", "other header"])
def test_a_damaged_cache_is_made_again(database: Database, put: Callable[..., None], how: str) -> None:
    put("AUSDT", range(30))
    wanted = load_history(database, ["AUSDT"], MINUTE, T0, END, 0).data_hash
    path = cache_of(database)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "cut": whole[:-8],
            "empty": b"",
            "flipped": whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
            "text": b"what is this?\n",
            "other header": b"[]\n" + whole,
        }[how]
    )
    assert load_history(database, ["AUSDT"], MINUTE, T0, END, 0).data_hash == wanted
    assert path.read_bytes() == whole


def test_the_cache_is_private_and_survives_what_a_run_does_to_its_arrays(
    database: Database, put: Callable[..., None]
) -> None:
    put("AUSDT", range(30))
    load_history(database, ["AUSDT"], MINUTE, T0, END, 0)
    path = cache_of(database)
    before = path.read_bytes()
    assert [stat.S_IMODE(item.stat().st_mode) for item in (path.parent, path)] == [0o700, 0o600]
    history = load_history(database, ["AUSDT"], MINUTE, T0, END, 0)
    history.close[:] = 0.0
    history.open_time_ms[:] = 0
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_prepared_history_reads_no_rows(
    database: Database, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("AUSDT", range(3))
    prepare_history(database, "AUSDT", MINUTE)
    monkeypatch.setattr(column_cache, "_from_rows", None)
    assert len(load_history(database, ["AUSDT"], MINUTE, T0, END, 0)) == 3


def test_a_cache_that_cannot_be_written_is_told(database: Database, put: Callable[..., None]) -> None:
    put("AUSDT", range(3))
    cache_of(database).parent.write_text("a file in its place")
    with pytest.raises(StorageError, match=r"AUSDT-60000.columns: cannot be written"):
        load_history(database, ["AUSDT"], MINUTE, T0, END, 0)


def test_synthetic_data_marks_only_the_periods_that_hold_it(database: Database, put: Callable[..., None]) -> None:
    put("AUSDT", range(10))
    put("AUSDT", range(10, 20), synthetic=True, name="made-up")
    marks = [
        load_history(database, ["AUSDT"], MINUTE, T0 + a * MINUTE, T0 + b * MINUTE, warm_up).is_synthetic
        for a, b, warm_up in ((0, 10, 0), (0, 11, 0), (12, 15, 0), (12, 15, 2))
    ]
    assert marks == [False, True, True, True]


def test_funding_of_the_period_with_its_price_and_source(
    database: Database, put: Callable[..., None], tmp_path: Path
) -> None:
    put("AUSDT", range(1000))
    path = tmp_path / "AUSDT-8h-rates.csv"
    path.write_text("funding_time,funding_rate\n" + "\n".join(f"{T0 + n * 480 * MINUTE},0.0001" for n in range(3)))
    import_file(database, path, synthetic=True, now_ms=1)
    history = load_history(database, ["AUSDT"], MINUTE, T0 + MINUTE, END, 1)
    assert [(rate.time_ms - T0, rate.rate, rate.mark_price) for rate in history.funding] == [
        (480 * MINUTE, Decimal("0.0001"), Decimal("100.0")),
        (960 * MINUTE, Decimal("0.0001"), Decimal("100.0")),
    ]
    assert (history.source, history.is_synthetic) == ("AUSDT-1m-a.csv, AUSDT-8h-rates.csv", True)


def test_a_contract_that_is_delivered_lacks_no_settlement(database: Database, put: Callable[..., None]) -> None:
    put("BTCUSDT_250328", range(1000))
    assert load_history(database, ["BTCUSDT_250328"], MINUTE, T0 + MINUTE, END, 1).missing_funding == ()


def test_settlements_that_are_missing_are_told_with_their_interval_and_price(
    database: Database, put: Callable[..., None], tmp_path: Path
) -> None:
    put("AUSDT", range(1000))
    put("BUSDT", range(1000))
    path = tmp_path / "AUSDT-rates.csv"
    kept = [n for n in range(12) if n not in (1, 4)]
    path.write_text("funding_time,funding_rate\n" + "\n".join(f"{T0 + n * 120 * MINUTE + 4},0.0001" for n in kept))
    import_file(database, path, now_ms=1)
    history = load_history(database, ["AUSDT", "BUSDT"], MINUTE, T0 + MINUTE, END, 1)
    told = [(gap.symbol, (gap.time_ms - T0) // MINUTE, gap.interval_ms // MINUTE) for gap in history.missing_funding]
    assert told == [("AUSDT", 120, 120), ("AUSDT", 480, 120), ("BUSDT", 480, 480), ("BUSDT", 960, 480)]
    assert {gap.mark_price for gap in history.missing_funding} == {Decimal("100.0")}
    early = load_history(database, ["AUSDT"], MINUTE, T0 + MINUTE, T0 + 110 * MINUTE, 1)
    assert early.missing_funding == ()


def test_many_sources_are_counted(database: Database, put: Callable[..., None]) -> None:
    for symbol in "ABCDE":
        put(f"{symbol}USDT", range(2))
    symbols = [f"{symbol}USDT" for symbol in "ABCDE"]
    history = load_history(database, symbols, MINUTE, T0, END, 0)
    assert history.source == "AUSDT-1m-a.csv, BUSDT-1m-a.csv, CUSDT-1m-a.csv and 2 more"


def test_missing_candles_are_told_with_what_there_is(database: Database, put: Callable[..., None]) -> None:
    put("AUSDT", range(60))
    with pytest.raises(DataError, match="no 1m candles of BUSDT are stored; import some with: quarterdeck data import"):
        load_history(database, ["AUSDT", "BUSDT"], MINUTE, T0, END, 0)
    with pytest.raises(DataError, match=r"AUSDT: no candle in the period; stored are 2025-06-04T00:00 to .*T01:00 UTC"):
        load_history(database, ["AUSDT"], MINUTE, T0 + 60 * MINUTE, END, 60)


def test_the_series_there_are(database: Database, put: Callable[..., None]) -> None:
    put("BUSDT", range(2, 5), synthetic=True)
    put("AUSDT", range(3))
    series = stored_series(database, MINUTE)
    assert [(s.symbol, s.first_ms - T0, s.last_ms - T0, s.is_synthetic) for s in series.values()] == [
        ("AUSDT", 0, 3 * MINUTE, False),
        ("BUSDT", 2 * MINUTE, 5 * MINUTE, True),
    ]
