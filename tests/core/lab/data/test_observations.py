"""What a history has of streams: what counts at its closes, in its hash, and the same whether cut before or after."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.market import MINUTE_MS, FundingRate
from core.lab.data.history import History, make_history
from core.market.as_of import as_of
from core.market.streams import stream
from core.ports import ObservationColumns

NAME = "open_interest"
AGE_MS = stream(NAME).max_age_ms


def observed(rows: list[tuple[int, int]], name: str = NAME) -> ObservationColumns:
    """Of times in seconds, and how many seconds later they were known."""
    time, late = (np.array([row[i] for row in rows], np.int64) * 1_000 for i in (0, 1))
    values = np.arange(2.0 * len(rows)).reshape(-1, 2)
    return ObservationColumns("AUSDT", name, time, time + late, np.zeros(len(rows), np.int64), values)


def history(minutes: int, *observations: ObservationColumns) -> History:
    times = np.arange(minutes, dtype=np.int64) * MINUTE_MS
    columns = [np.full((1, minutes), value) for value in (2.0, 3.0, 1.0, 2.5, 4.0)]
    rates = [FundingRate("AUSDT", MINUTE_MS, Decimal("0.0001"), Decimal(2))]
    return make_history(["AUSDT"], MINUTE_MS, times, columns, 1, rates, "made", True, observations=observations)


def test_without_streams_the_hash_is_what_it_was() -> None:
    assert history(3).data_hash == "342d7c9ea59b554ee1ca0e355a93dc82"


def test_every_part_of_an_observation_is_in_the_hash() -> None:
    plain = observed([(10, 1), (70, 1)])
    others = [
        plain,
        replace(plain, stream="taker_flow.1m"),
        replace(plain, symbol="BUSDT"),
        replace(plain, time_ms=plain.time_ms - 1),
        replace(plain, known_ms=plain.known_ms + 1),
        replace(plain, number=plain.number + 1),
        replace(plain, values=plain.values + 1),
        plain.at(np.array([0])),
    ]
    assert len({history(3).data_hash, *(history(3, one).data_hash for one in others)}) == len(others) + 1
    assert history(3, plain).data_hash == history(3, replace(plain)).data_hash


def test_what_counts_at_no_close_is_left_out() -> None:
    late = observed([(-AGE_MS // 1000, 0), (-AGE_MS // 1000 + 1, 0), (100, 80), (100, 81), (180, 0), (181, 0)])
    found = history(3, late).observed("AUSDT", NAME)
    assert found.time_ms.tolist() == [-AGE_MS + 1_000, 100_000, 180_000]


def test_what_was_not_asked_for_is_not_there() -> None:
    with pytest.raises(KeyError, match="AUSDT: funding"):
        history(3, observed([(1, 1)])).observed("AUSDT", "funding")


@given(
    rows=st.lists(
        st.tuples(st.integers(-1_500, 3_600), st.integers(0, 900)), max_size=30, unique_by=lambda row: row[0]
    ),
    start=st.integers(0, 40),
    count=st.integers(1, 20),
    warm_up=st.integers(0, 10),
)
def test_cut_or_whole_the_join_is_the_same(rows: list[tuple[int, int]], start: int, count: int, warm_up: int) -> None:
    whole = history(60, observed(sorted(rows)))
    cut = whole.between(start * MINUTE_MS, (start + count) * MINUTE_MS, warm_up)
    closes = cut.open_time_ms + MINUTE_MS
    one, its_ages = as_of(closes, whole.observed("AUSDT", NAME), AGE_MS)
    other, ages = as_of(closes, cut.observed("AUSDT", NAME), AGE_MS)
    assert np.array_equal(one, other, equal_nan=True)
    fresh = ~np.isnan(one[:, 0])
    assert its_ages[fresh].tolist() == ages[fresh].tolist()
