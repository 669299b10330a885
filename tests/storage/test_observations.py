"""Observations in the store: told again, equal or otherwise, read of any stream, listed, checked and deleted."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.domain.errors import BadInputError, DataError, RefusedError
from core.domain.progress import Manner
from core.domain.stream import Observation
from core.lab.data.seeing import seen_by
from core.market.higher_bars import built
from core.market.history import bar_at
from core.market.intervals import INTERVALS_MS
from core.market.seeing import Sight, streams_of
from core.ports import ObservationColumns
from storage.candles import CHUNK_ROWS, SqliteCandles
from storage.data_admin import check_data, import_file, list_data
from storage.database import Database
from storage.deleting import delete_data
from storage.history import load_history
from storage.observations import SqliteObservations

T0 = 1_749_081_600_000
MINUTE = 60_000
H4 = 240 * MINUTE
NOW = 1_760_000_000_000
ALWAYS = (0, 1 << 60)
OI = "timestamp,sumOpenInterest,sumOpenInterestValue"


def oi_file(folder: Path, places: range, value: float = 10.0, name: str = "a") -> Path:
    path = folder / f"AUSDT-4h-{name}.csv"
    path.write_text("\n".join([OI, *(f"{T0 + n * H4},{value + n},{n}" for n in places)]))
    return path


def trade_file(folder: Path, count: int, name: str = "trades", price: float = 100.0) -> Path:
    """Four trades a millisecond."""
    path = folder / f"AUSDT-{name}.csv"
    rows = [f"{T0 + n // 4},{n},{price},{n + 1},{n % 2 == 0}" for n in range(count)]
    path.write_text("\n".join(["time,id,price,qty,isBuyerMaker", *rows]))
    return path


def bar_file(folder: Path, minutes: range | list[int], interval: int = 1, name: str = "a") -> Path:
    path = folder / f"AUSDT-{interval}m-{name}.csv"
    rows = [f"{T0 + n * MINUTE},{100 + n % 7},{110 + n % 5},{90 - n % 3},{101 + n % 4},{n / 10}" for n in minutes]
    path.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]))
    return path


async def read(database: Database, name: str, from_ms: int = 0, to_ms: int = ALWAYS[1]) -> ObservationColumns:
    store = await SqliteObservations.open(database)
    try:
        return await store.observations("AUSDT", name, from_ms, to_ms)
    finally:
        await store.close()


async def append(database: Database, *observations: Observation) -> None:
    store = await SqliteObservations.open(database)
    try:
        await store.append(observations)
    finally:
        await store.close()


def one(n: int, value: float = 1.0, stream: str = "open_interest", number: int = 0) -> Observation:
    return Observation("AUSDT", stream, T0 + n * MINUTE, T0 + n * MINUTE + 50, (value, 2.0), number)


async def test_a_file_is_stored_and_read_back_by_symbol_stream_and_span(database: Database, tmp_path: Path) -> None:
    report = import_file(database, oi_file(tmp_path, range(5)), now_ms=NOW)
    assert (report.kind, report.interval, report.symbol, report.added) == ("open_interest", "4h", "AUSDT", 5)
    assert import_file(database, tmp_path / "AUSDT-4h-a.csv", now_ms=NOW).added == 0
    found = await read(database, "open_interest.4h", T0 + H4, T0 + 3 * H4)
    assert (found.time_ms.tolist(), found.known_ms.tolist()) == ([T0 + H4, T0 + 2 * H4], [T0 + 2 * H4, T0 + 3 * H4])
    assert found.values.tolist() == [[11.0, 1.0], [12.0, 2.0]]
    for other in ("open_interest", "open_interest.1h", "taker_flow.4h"):
        assert not len((await read(database, other)).time_ms)
    (row,) = list_data(database)
    assert (row.symbol, row.kind, row.interval, row.rows) == ("AUSDT", "open_interest", "4h", 5)


async def test_numbers_tell_apart_what_is_of_one_millisecond(database: Database, tmp_path: Path) -> None:
    count = 40_001
    report = import_file(database, trade_file(tmp_path, count), now_ms=NOW)
    assert (report.kind, report.interval, report.added) == ("trades", "-", count)
    found = await read(database, "trades")
    assert found.number.tolist() == list(range(count))
    assert found.values[:2].tolist() == [[-1, 100, 1], [1, 100, 2]]
    assert import_file(database, trade_file(tmp_path, count + 2, "more"), now_ms=NOW).added == 2
    assert [row.as_dict()["rows"] for row in delete_data(database, "AUSDT", kind="trades")] == [count + 2]
    assert list_data(database) == []
    with database.connect_sync(durable=False) as connection:
        assert connection.execute("SELECT sum(rows) FROM sources").fetchone() == (0,)


def test_an_import_that_was_stopped_between_rows_of_a_millisecond_goes_on(database: Database, tmp_path: Path) -> None:
    path = trade_file(tmp_path, CHUNK_ROWS + 10)
    path.write_text(path.read_text().replace(f"{T0 + CHUNK_ROWS // 4},", f"{T0 + CHUNK_ROWS // 4 - 1},"))
    answers = iter([False, True])
    manner = Manner(lambda: None, lambda _: None, lambda: next(answers))
    with pytest.raises(RefusedError, match="16,384 of 16,394 rows"):
        import_file(database, path, now_ms=NOW, manner=manner)
    assert [found.kind for found in check_data(database)] == ["unfinished"]
    assert import_file(database, path, now_ms=NOW).added == 10
    assert [row.rows for row in list_data(database)] == [CHUNK_ROWS + 10]
    assert check_data(database) == []


def test_a_row_told_otherwise_is_refused_and_leaves_nothing_behind(database: Database, tmp_path: Path) -> None:
    import_file(database, oi_file(tmp_path, range(5)), now_ms=NOW)
    path = oi_file(tmp_path, range(4, 9), value=11.0, name="b")
    with pytest.raises(DataError, match=r"AUSDT-4h-b.csv: line 2: .* other values from AUSDT-4h-a.csv; .*--replace"):
        import_file(database, path, now_ms=NOW)
    assert [row.rows for row in list_data(database)] == [5]
    assert import_file(database, path, replace=True, now_ms=NOW).replaced == 1


def test_a_total_that_was_not_over_is_corrected_by_the_next_file(database: Database, tmp_path: Path) -> None:
    header = "timestamp,buyVol,sellVol"
    first, then = tmp_path / "AUSDT-4h-a.csv", tmp_path / "AUSDT-4h-b.csv"
    first.write_text(f"{header}\n{T0},30,31\n{T0 + H4},6,7")
    then.write_text(f"{header}\n{T0 + H4},33,32\n{T0 + 2 * H4},5,5")
    import_file(database, first, now_ms=NOW)
    assert import_file(database, then, now_ms=NOW).corrected == 1
    then.write_text(f"{header}\n{T0},30,30.5\n{T0 + H4},33,32")
    with pytest.raises(DataError, match="other values"):
        import_file(database, then, now_ms=NOW)


async def test_what_arrives_is_kept_once_and_the_first_stays(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await append(database, one(0), one(1), one(1))
    with caplog.at_level(logging.WARNING, "quarterdeck.market"):
        await append(database, one(1), replace(one(0), known_ms=T0 + 9_000))
        assert not caplog.records
        await append(database, one(1, 5.0), one(2))
    assert "open_interest of 2025-06-05T00:01" in caplog.text
    assert "told again with other values; the first is kept" in caplog.text
    found = await read(database, "open_interest")
    assert found.values[:, 0].tolist() == [1.0, 1.0, 1.0]
    assert found.known_ms.tolist() == [T0 + n * MINUTE + 50 for n in range(3)]
    (row,) = list_data(database)
    assert (row.source, row.kind, row.rows) == ("stream", "open_interest", 3)


@pytest.mark.parametrize(
    "bad",
    [
        replace(one(1), values=(1.0,)),
        replace(one(1), values=(1.0, float("nan"))),
        replace(one(1), known_ms=T0),
        replace(one(1), stream="open_interest.1h"),
        replace(one(1), stream="bars.1m", values=(1.0,) * 5, known_ms=NOW),
        replace(one(1), stream="funding", values=(0.1,)),
        replace(one(1), stream="no_such"),
    ],
)
async def test_what_cannot_be_stores_nothing(database: Database, bad: Observation) -> None:
    with pytest.raises(BadInputError):
        await append(database, one(0), bad)
    assert list_data(database) == []


async def test_the_mark_price_of_instants_is_kept_apart_from_candles_of_it(database: Database, tmp_path: Path) -> None:
    await append(database, one(0, 100.0, "mark"))
    path = tmp_path / "AUSDT-8h-mark.csv"
    path.write_text(f"open_time,open,high,low,close\n{T0},1,2,0.5,1.5\n{T0 + 2 * H4},1,2,0.5,1.5")
    import_file(database, path, now_ms=NOW)
    assert (await read(database, "mark")).values.tolist() == [[100.0, 2.0]]
    found = await read(database, "mark.8h")
    assert found.values.tolist() == [[1, 2, 0.5, 1.5]] * 2
    assert (found.known_ms - found.time_ms).tolist() == [2 * H4] * 2
    assert [row.kind for row in list_data(database)] == ["mark", "mark_price"]


async def test_funding_is_read_as_a_stream_from_where_it_is_kept(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "AUSDT-8h.csv"
    path.write_text(f"funding_time,funding_rate\n{T0 + 3},0.0001\n{T0 + 2 * H4 + 7},-0.0002")
    import_file(database, path, now_ms=NOW)
    found = await read(database, "funding")
    assert (found.values[:, 0].tolist(), found.known_ms.tolist()) == (
        [0.0001, -0.0002],
        [T0 + MINUTE, T0 + 2 * H4 + MINUTE],
    )


async def test_bars_are_those_stored_and_built_where_they_are_not(database: Database, tmp_path: Path) -> None:
    import_file(database, bar_file(tmp_path, [n for n in range(300) if n != 100]), now_ms=NOW)
    candles = await SqliteCandles.open(database)
    minutes = await candles.bars("AUSDT", *ALWAYS)
    await candles.close()
    wanted = built(minutes, INTERVALS_MS["15m"])
    found = await read(database, "bars.15m")
    assert found.time_ms.tolist() == wanted.open_time_ms.tolist()
    assert T0 + 90 * MINUTE not in found.time_ms
    assert found.values[:, 4].tolist() == wanted.volume.tolist()
    own = tmp_path / "AUSDT-15m-own.csv"
    own.write_text(f"open_time,open,high,low,close,volume\n{T0 + 90 * MINUTE},7,8,6,7,1\n{T0 + 105 * MINUTE},7,8,6,7,1")
    import_file(database, own, now_ms=NOW)
    found = await read(database, "bars.15m")
    assert found.time_ms.tolist() == [T0 + 15 * n * MINUTE for n in range(20)]
    assert found.values[6:8].tolist() == [[7, 8, 6, 7, 1]] * 2
    part = await read(database, "bars.15m", T0 + 7 * MINUTE, T0 + 31 * MINUTE)
    assert part.time_ms.tolist() == [T0 + 15 * MINUTE, T0 + 30 * MINUTE]
    assert part.values.tolist() == found.values[1:3].tolist()


def test_gaps_of_streams_are_told(database: Database, tmp_path: Path) -> None:
    import_file(database, oi_file(tmp_path, range(3)), now_ms=NOW)
    import_file(database, oi_file(tmp_path, range(5, 7), name="b"), now_ms=NOW)
    (found,) = check_data(database)
    assert (found.symbol, found.kind, found.interval) == ("AUSDT open_interest.4h", "gap", "4h")
    assert (found.from_ms, found.to_ms, found.count) == (T0 + 3 * H4, T0 + 4 * H4, 2)


async def test_silence_is_a_gap_of_what_is_steady_alone(database: Database, tmp_path: Path) -> None:
    await append(database, one(0), one(10), one(21))
    import_file(database, trade_file(tmp_path, 8), now_ms=NOW)
    await append(database, Observation("AUSDT", "trades", T0 + 900 * MINUTE, T0 + 900 * MINUTE, (1, 2, 3), 99))
    (found,) = check_data(database)
    assert (found.symbol, found.from_ms, found.to_ms) == ("AUSDT open_interest", T0 + 10 * MINUTE, T0 + 21 * MINUTE)
    assert found.text == "nothing for 11.0 minutes"


def test_a_part_is_deleted_and_comes_back(database: Database, tmp_path: Path) -> None:
    path = oi_file(tmp_path, range(6))
    import_file(database, path, now_ms=NOW)
    (gone,) = delete_data(database, "AUSDT", kind="open_interest", from_ms=T0 + H4, to_ms=T0 + 3 * H4)
    assert (gone.kind, gone.interval, gone.rows) == ("open_interest", "4h", 2)
    assert import_file(database, path, now_ms=NOW).added == 2


def test_made_up_observations_stay_marked(database: Database, tmp_path: Path) -> None:
    import_file(database, trade_file(tmp_path, 3), now_ms=NOW)
    again = import_file(database, tmp_path / "AUSDT-trades.csv", synthetic=True, now_ms=NOW)
    assert again.is_synthetic
    assert [row.is_synthetic for row in list_data(database)] == [True]


def test_a_history_has_what_was_known_then_and_is_hashed_with_it(database: Database, tmp_path: Path) -> None:
    import_file(database, bar_file(tmp_path, range(3_000)), now_ms=NOW)
    period = (T0 + 600 * MINUTE, T0 + 2_000 * MINUTE, 60)
    plain = load_history(database, ["AUSDT"], MINUTE, *period)
    import_file(database, oi_file(tmp_path, range(12)), synthetic=True, now_ms=NOW)
    assert load_history(database, ["AUSDT"], MINUTE, *period).data_hash == plain.data_hash
    names = ["open_interest.4h", "funding", "bars.15m"]
    history = load_history(database, ["AUSDT"], MINUTE, *period, streams=names)
    assert history.data_hash != plain.data_hash
    assert history.is_synthetic
    assert not plain.is_synthetic
    assert history.source == "AUSDT-1m-a.csv, AUSDT-4h-a.csv"
    found = history.observed("AUSDT", "open_interest.4h")
    assert found.time_ms.tolist() == [T0 + n * H4 for n in range(1, 8)][: len(found.time_ms)]
    assert int(found.known_ms[-1]) <= history.to_ms < int(found.known_ms[-1]) + H4
    assert not len(history.observed("AUSDT", "funding").time_ms)
    with pytest.raises(KeyError):
        history.observed("AUSDT", "taker_flow.4h")
    shorter = load_history(database, ["AUSDT"], MINUTE, T0 + 900 * MINUTE, T0 + 1_500 * MINUTE, 60, streams=names)
    cut = history.between(T0 + 900 * MINUTE, T0 + 1_500 * MINUTE, 60)
    assert cut.data_hash == shorter.data_hash
    import_file(database, oi_file(tmp_path, range(12), value=11.0), replace=True, now_ms=NOW)
    assert load_history(database, ["AUSDT"], MINUTE, *period, streams=names).data_hash != history.data_hash


def test_bars_of_a_history_built_from_minutes_are_those_stored(database: Database, tmp_path: Path) -> None:
    import_file(database, bar_file(tmp_path, range(600)), now_ms=NOW)
    period = (T0 + 60 * MINUTE, T0 + 500 * MINUTE, 30)
    one_way = load_history(database, ["AUSDT"], MINUTE, *period, streams=["bars.15m"]).observed("AUSDT", "bars.15m")
    rows = ["open_time,open,high,low,close,volume"]
    for time, row in zip(one_way.time_ms.tolist(), one_way.values.tolist(), strict=True):
        rows.append(",".join(map(repr, [time, *row])))
    path = tmp_path / "AUSDT-15m-own.csv"
    path.write_text("\n".join(rows))
    import_file(database, path, now_ms=NOW)
    history = load_history(database, ["AUSDT"], MINUTE, *period, streams=["bars.15m"])
    assert np.array_equal(history.observed("AUSDT", "bars.15m").values, one_way.values)
    assert history.source == "AUSDT-1m-a.csv, AUSDT-15m-own.csv"


INPUTS = ("bars.15m", "funding", "open_interest.4h", "time")


@pytest.mark.parametrize("begin", [1, 700, 1_437])
async def test_a_market_that_goes_on_is_seen_as_its_history_is(database: Database, tmp_path: Path, begin: int) -> None:
    """What lab and training see of a store, and what an engine sees that begins in its midst and hears the rest."""
    minutes = [n for n in range(2_000) if n % 611]
    import_file(database, bar_file(tmp_path, minutes), now_ms=NOW)
    import_file(database, oi_file(tmp_path, range(9)), now_ms=NOW)
    rates = tmp_path / "AUSDT-8h.csv"
    rates.write_text("funding_time,funding_rate\n" + "\n".join(f"{T0 + n * 2 * H4 + 4},{n + 1}e-4" for n in range(5)))
    import_file(database, rates, now_ms=NOW)
    history = load_history(database, ["AUSDT"], MINUTE, T0, T0 + 2_000 * MINUTE, 0, streams=streams_of(INPUTS))
    whole = seen_by(history, "AUSDT", INPUTS)

    candles = await SqliteCandles.open(database)
    bars = await candles.bars("AUSDT", T0, T0 + 2_000 * MINUTE)
    known = await candles.bars("AUSDT", T0, int(bars.open_time_ms[begin]))
    await candles.close()
    sight, reached_ms = Sight("AUSDT", INPUTS, MINUTE, 3_000), int(known.open_time_ms[-1]) + MINUTE
    told = {name: await read(database, name) for name in streams_of(INPUTS)}
    sight.begin(known, {name: its.at(its.known_ms <= reached_ms) for name, its in told.items()})
    later = [
        Observation("AUSDT", name, int(its.time_ms[row]), int(its.known_ms[row]), tuple(its.values[row].tolist()))
        for name, its in told.items()
        for row in range(len(its.time_ms))
        if its.known_ms[row] > reached_ms and name != "bars.15m"
    ]
    for row in range(begin, len(bars.open_time_ms)):
        bar = bar_at(bars, row)
        for one in [one for one in later if bar.close_time_ms - MINUTE < one.known_ms <= bar.close_time_ms]:
            sight.take(one)
        sight.close(bar)
    seen = sight.window(3_000, T0 + 2_000 * MINUTE)
    assert seen.close_ms.tolist() == whole.close_ms.tolist()
    np.testing.assert_array_equal(seen.values, whole.values)
    fresh = ~np.isnan(whole.values[:, :-3])
    assert fresh.any(axis=0).all()
    assert fresh.all(axis=0).tolist() == [*(False,) * 5, True, *(False,) * 2]
    # An age is that of what counts: what is too old is not even read by who reads a period.
    ages = np.where(np.isnan(whole.values[:, [0, 5, 6, 8]]), 0, seen.ages_ms - whole.ages_ms)
    assert not ages.any()
