"""Recorded changes of an order book, made into books from the snapshot that was taken while they ran."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.domain.errors import DataError
from core.market.importing import ObservedFile, read_market_file

RECORDED = Path(__file__).parent / "recorded"
CHANGES, SNAPSHOT = RECORDED / "BTCUSDT-depth_diffs.parquet", RECORDED / "BTCUSDT-depth_snapshot.json"


def read(path: Path = CHANGES, snapshot: Path | None = SNAPSHOT, **told: Any) -> ObservedFile:
    found = read_market_file(path, snapshot=snapshot, **told)
    assert isinstance(found, ObservedFile)
    return found


def refusal(path: Path, snapshot: Path | None = SNAPSHOT, **told: Any) -> str:
    with pytest.raises(DataError) as error:
        read_market_file(path, snapshot=snapshot, **told)
    assert "\n" not in str(error.value)
    return str(error.value)


def changed(tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Path:
    path = tmp_path / CHANGES.name
    change(pd.read_parquet(CHANGES)).to_parquet(path)
    return path


def snapshot(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "book.json"
    path.write_text(json.dumps(json.loads(SNAPSHOT.read_text()) | changes))
    return path


def by_hand(changes: pd.DataFrame, told: dict[str, Any], last_id: int) -> list[float]:
    """The ten best levels after an update, in the plainest way."""
    sides = {
        1: {float(price): float(qty) for price, qty in told["bids"]},
        -1: {float(price): float(qty) for price, qty in told["asks"]},
    }
    applied = changes[(changes.final_id >= told["lastUpdateId"]) & (changes.final_id <= last_id)]
    for side, price, qty in zip(applied.side, applied.price, applied.qty, strict=True):
        sides[side][price] = qty
    levels = []
    for side in (1, -1):
        resting = sorted((price for price, qty in sides[side].items() if qty), reverse=side == 1)
        levels += [value for price in resting[:10] for value in (price, sides[side][price])]
    return levels


def test_books_are_those_that_the_changes_come_to_and_known_when_they_were_told() -> None:
    found, frame = read().observations, pd.read_parquet(CHANGES)
    told = json.loads(SNAPSHOT.read_text())
    assert (found.symbol, found.stream) == ("BTCUSDT", "book10")
    after = frame[frame.final_id >= told["lastUpdateId"]]
    last = after.groupby(after.event_time // 1_000).tail(1)
    assert found.number.tolist() == last.final_id.tolist()
    assert found.time_ms.tolist() == found.known_ms.tolist() == last.event_time.tolist()
    assert [by_hand(frame, told, number) for number in found.number.tolist()] == found.values.tolist()
    assert len(found.number) == 11


def test_its_best_prices_are_those_that_the_exchange_told_apart() -> None:
    found = read().observations
    quotes = pd.read_parquet(RECORDED / "BTCUSDT-book_ticker.parquet")
    compared = 0
    for number, row in zip(found.number.tolist(), found.values.tolist(), strict=True):
        if number > quotes.update_id.iloc[-1]:
            continue
        best = quotes[quotes.update_id <= number].iloc[-1]
        assert [row[0], row[1], row[20], row[21]] == [best.bid_price, best.bid_qty, best.ask_price, best.ask_qty]
        compared += 1
    assert compared > 0


def test_without_the_book_they_begin_with_nothing_is_told() -> None:
    assert "name the book that they begin with, as the exchange told it, with --snapshot FILE" in refusal(CHANGES, None)
    other = RECORDED / "BTCUSDT-trades.parquet"
    assert "holds no changes of an order book, which alone begin with a --snapshot" in refusal(other)


def test_a_gap_is_refused_with_its_row(tmp_path: Path) -> None:
    def without_one(frame: pd.DataFrame) -> pd.DataFrame:
        ids = frame.final_id.unique()
        return frame[frame.final_id != ids[len(ids) // 2]]

    frame = pd.read_parquet(CHANGES)
    ids = frame.final_id.unique()
    row = int((frame.final_id == ids[len(ids) // 2]).argmax()) + 1
    told = refusal(changed(tmp_path, without_one))
    assert told.startswith(f"{CHANGES.name}: row {row}: the change before {ids[len(ids) // 2 + 1]} is ")
    assert "a gap; import the parts that hold together, each with a snapshot of its own" in told


def test_a_gap_before_the_snapshot_hurts_nobody(tmp_path: Path) -> None:
    def without_the_second(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame.final_id != frame.final_id.unique()[1]]

    found, whole = read(changed(tmp_path, without_the_second)).observations, read().observations
    assert found.values.tolist() == whole.values.tolist()


def test_a_snapshot_of_another_time_is_refused(tmp_path: Path) -> None:
    frame = pd.read_parquet(CHANGES)
    before = snapshot(tmp_path, lastUpdateId=int(frame.first_id.iloc[0]) - 10)
    assert "row 1: book.json is the book of update" in refusal(CHANGES, before)
    after = snapshot(tmp_path, lastUpdateId=int(frame.final_id.iloc[-1]) + 10)
    assert "all of its changes are of before book.json" in refusal(CHANGES, after)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "is no snapshot of an order book, which has lastUpdateId, bids and asks"),
        ("{", "is no snapshot of an order book"),
        ("\x00", "is no snapshot of an order book"),
        ('{"lastUpdateId": 1, "bids": [["1", "2"]], "asks": []}', "fewer than 10 bids"),
        ('{"lastUpdateId": "1", "bids": [], "asks": []}', "lastUpdateId is no whole number"),
        ("[" * 100_000, "is no snapshot of an order book"),
    ],
)
def test_what_is_no_snapshot_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "book.json"
    path.write_text(text)
    assert said in refusal(CHANGES, path)


def test_levels_of_a_snapshot_that_cannot_be_are_refused(tmp_path: Path) -> None:
    told = json.loads(SNAPSHOT.read_text())
    for level in (["-1", "1"], ["nan", "1"], ["61800.2", "0"], ["61800.2", "inf"]):
        assert "bids" in refusal(CHANGES, snapshot(tmp_path, bids=[*told["bids"], level]))
    assert "its best bid" in refusal(CHANGES, snapshot(tmp_path, bids=told["asks"]))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("price", -1.0, "row 701: price -1 cannot be a price"),
        ("qty", float("inf"), "row 701: qty inf cannot be a quantity"),
        ("qty", -2.0, "row 701: qty -2 cannot be a quantity"),
        ("side", 0, "row 701: side 0 is no side: 1 is a bid, -1 an ask"),
        ("final_id", 0.5, "is no number of the venue's"),
        ("event_time", 1723161200000, "row 701: event_time 1723161200000 comes after a later one: not in order"),
    ],
)
def test_a_row_that_cannot_be_is_named(tmp_path: Path, column: str, value: float, said: str) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        if isinstance(value, float):
            frame[column] = frame[column].astype(float)
        frame.loc[700, column] = value
        return frame

    assert said in refusal(changed(tmp_path, change))


def test_a_book_that_crosses_is_refused(tmp_path: Path) -> None:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        last = frame.index[-1]
        frame.loc[last, ["side", "price", "qty"]] = [1, 70_000.0, 1.0]
        return frame

    assert "the best bid 70000 is no lower than the best ask" in refusal(changed(tmp_path, change))


def test_beyond_what_the_snapshot_told_no_book_is_made_up(tmp_path: Path) -> None:
    """Of a level that never changed nobody knows what rests there."""
    told = json.loads(SNAPSHOT.read_text())
    found = read()
    third = sorted(row[18] for row in found.observations.values.tolist())[2]
    bids = [level for level in told["bids"] if float(level[0]) >= third]
    shallow, lowest = snapshot(tmp_path, bids=bids), min(float(level[0]) for level in bids)
    some = read(CHANGES, shallow)
    kept = [row for row in found.observations.values.tolist() if row[18] >= lowest]
    assert 0 < len(kept) < len(found.observations.values)
    assert some.observations.values.tolist() == kept
    left_out = len(found.observations.values) - len(kept)
    assert some.notes == (
        f"the books of {left_out} seconds are left out: book.json does not reach all of their ten best levels",
    )
    assert found.notes == ()
    soon = changed(tmp_path, lambda frame: frame[frame.event_time < 1723161258000])
    nothing = snapshot(tmp_path, bids=told["bids"][:10], asks=told["asks"][:10])
    assert "tells none of the ten best levels of any second" in refusal(soon, nothing)
