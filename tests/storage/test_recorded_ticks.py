"""Ticks as an exchange told them: imported, joined to bars, and replayed as the market told them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.control.requests import ImportWish
from core.domain.market import Bar
from core.domain.progress import AT_ONCE
from core.domain.stream import Observation
from core.lab.data.seeing import seen_by
from core.market.importing import read_market_file
from core.market.replay.events import ReplayFeed
from core.market.seeing import Sight
from storage.candles import SqliteCandles
from storage.data_admin import import_file, list_data
from storage.database import Database
from storage.history import load_history
from storage.market import SqliteMarket
from storage.observations import SqliteObservations

RECORDED = Path(__file__).parents[1] / "core" / "market" / "importing" / "recorded"
SNAPSHOT = RECORDED / "BTCUSDT-depth_snapshot.json"
INPUTS = ("trades", "quotes", "book10")
MINUTE = 60_000
FIRST_MS = 1_723_161_180_000
"""23:53; the ticks are of 23:54:16 to 23:54:27."""

BARS = 6
NOW = 1_760_000_000_000


def bar_file(folder: Path) -> Path:
    path = folder / "BTCUSDT-1m.csv"
    rows = [f"{FIRST_MS + n * MINUTE},61800,61820,61790,61810,{n + 1}" for n in range(BARS)]
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]))
    return path


async def test_they_join_as_they_were_known_and_replay_tells_what_the_lab_sees(
    database: Database, tmp_path: Path
) -> None:
    import_file(database, bar_file(tmp_path), now_ms=NOW)
    for name in ("trades", "book_ticker", "depth_diffs"):
        snapshot = SNAPSHOT if name == "depth_diffs" else None
        import_file(database, RECORDED / f"BTCUSDT-{name}.parquet", snapshot=snapshot, now_ms=NOW)
    listed = {row.kind: row.rows for row in list_data(database)}
    assert listed == {"candles": BARS, "trades": 600, "quotes": 600, "book10": 11}

    history = load_history(database, ["BTCUSDT"], MINUTE, FIRST_MS, FIRST_MS + BARS * MINUTE, 0, streams=INPUTS)
    whole = seen_by(history, "BTCUSDT", INPUTS)
    changes = read_market_file(RECORDED / "BTCUSDT-depth_diffs.parquet", snapshot=SNAPSHOT)
    book = [whole.column(name) for name in whole.names if name.startswith("book10.")]
    # Of 23:54:26, at the close of 23:55; a minute later it is too old, and nothing stands in for it.
    assert [values[1] for values in book] == changes.observations.values[-1].tolist()  # type: ignore[union-attr]
    assert np.isnan(book)[:, [0, 2, 3, 4, 5]].all()

    candles, observations = await SqliteCandles.open(database), await SqliteObservations.open(database)
    to_ms = FIRST_MS + BARS * MINUTE
    feed = ReplayFeed(candles, ("BTCUSDT",), FIRST_MS, to_ms, 1_000, {}, observed=observations, streams=INPUTS)
    sight, told = Sight("BTCUSDT", INPUTS, MINUTE, BARS), 0
    async for event in feed.events():
        if isinstance(event, Observation):
            sight.take(event)
            told += 1
        elif isinstance(event, Bar):
            sight.close(event)
    await candles.close()
    await observations.close()
    replayed = sight.window(BARS, to_ms)
    np.testing.assert_array_equal(replayed.values, whole.values)
    assert [lack.name for lack in replayed.lacking(1)] == []
    assert [lack.name for lack in replayed.lacking(2)] == ["quotes", "book10"]
    assert told == 1_211


def test_the_operator_s_wish_names_the_snapshot(database: Database) -> None:
    wish = ImportWish(snapshot=SNAPSHOT)
    report = SqliteMarket(database).take(RECORDED / "BTCUSDT-depth_diffs.parquet", wish, NOW, AT_ONCE)
    assert (report.kind, report.rows, report.added) == ("book10", 11, 11)
