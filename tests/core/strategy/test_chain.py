"""Rules that see rules, over many bars at once: the same values as one by one, from wherever they were begun."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.features.probe import made_market
from core.market.history import bar_at
from core.ports import NEVER
from core.strategy.chain import bars_behind, fresh_values, rules_over
from core.strategy.declaration import needed_bars
from core.strategy.rules import RuleDesk
from core.strategy.said import Sayings, joined, said_at, without_newest
from tests.core.engine.test_asking import MOOD, SUMS
from tests.declared import declared

MINUTE_MS = 60_000
STRATEGY = declared("chain", parts=(MOOD, SUMS))
MARKET = made_market(bars=60, seed=3)
CLOSES_MS = MARKET.open_time_ms + MINUTE_MS


def desks() -> dict[str, RuleDesk]:
    return {part.name: RuleDesk(STRATEGY, (MARKET.symbol,), 0, part) for part in STRATEGY.parts}


def test_bar_by_bar_and_at_once_and_in_pieces_are_the_same() -> None:
    first_ms = dict.fromkeys(("mood", "sums"), 0)
    whole = rules_over(STRATEGY, desks(), MARKET, first_ms, {})
    at_work, said = desks(), Sayings(MOOD, MARKET.symbol, 8)
    one_by_one = []
    for row in range(len(MARKET.close)):
        bar = bar_at(MARKET, row)
        mood = at_work["mood"].predict(bar)
        if mood is not None:
            said.keep(np.array([bar.close_time_ms]), np.array([mood.values], np.float64))
        sums = at_work["sums"].predict(bar, said.at(np.array([bar.close_time_ms])))
        one_by_one.append(np.nan if sums is None else sums.values[0])
    np.testing.assert_array_equal(whole["sums"][:, 0], one_by_one)
    cut = desks()
    pieces = [rules_over(STRATEGY, cut, MARKET.at(slice(a, b)), first_ms, {}) for a, b in ((0, 2), (2, 3), (3, 60))]
    for name in first_ms:
        np.testing.assert_array_equal(np.vstack([piece[name] for piece in pieces]), whole[name])


@pytest.mark.parametrize("bar", [1, 2, 3, 30])
def test_the_future_changes_nothing(bar: int) -> None:
    whole = fresh_values(STRATEGY, SUMS, MARKET)
    np.testing.assert_array_equal(fresh_values(STRATEGY, SUMS, MARKET.at(slice(0, bar))), whole[:bar])


def test_each_is_shown_what_it_and_those_behind_it_need() -> None:
    assert needed_bars(STRATEGY, MOOD, MINUTE_MS) == MOOD.lookback_bars + SUMS.lookback_bars
    assert needed_bars(STRATEGY, SUMS, MINUTE_MS) == SUMS.lookback_bars
    assert bars_behind(STRATEGY, SUMS) == 2
    first_ms = {"mood": int(MARKET.open_time_ms[10]), "sums": int(MARKET.open_time_ms[20])}
    told = rules_over(STRATEGY, desks(), MARKET, first_ms, {})
    assert np.isnan(told["mood"][:10]).all()
    assert np.isnan(told["sums"][:20]).all()
    assert told["sums"][20, 0] == told["mood"][20, 0] == 11.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 6))
def test_what_was_said_counts_for_its_own_bar_alone(there: list[bool], capacity: int) -> None:
    spoken = np.array(there)
    closes_ms = CLOSES_MS[: len(there)]
    values = np.arange(len(there), dtype=np.float64)[:, None]
    whole = said_at(MOOD, "A", closes_ms, closes_ms[spoken], values[spoken])
    np.testing.assert_array_equal(np.isnan(whole.values[:, 0]), ~spoken)
    np.testing.assert_array_equal(whole.is_lacking(), ~spoken)
    said = Sayings(MOOD, "A", capacity)
    for row in np.flatnonzero(spoken):
        said.keep(closes_ms[row : row + 1], values[row : row + 1])
        said.keep(closes_ms[row : row + 1], values[row : row + 1] + 1.0)
    newest = closes_ms[-min(capacity, len(there)) :]
    lately = said.at(newest)
    np.testing.assert_array_equal(lately.values, whole.values[-len(newest) :])


def test_columns_stand_in_the_order_of_the_inputs_and_the_newest_is_not_said_yet() -> None:
    closes_ms = CLOSES_MS[:3]
    one = said_at(MOOD, "A", closes_ms, closes_ms, np.array([[1.0], [2.0], [3.0]]))
    other = said_at(SUMS, "A", closes_ms, closes_ms[:1], np.array([[7.0]]))
    both = joined([one, other], ("sums", "mood"))
    assert both.names == ("sums.sum", "mood.mood")
    np.testing.assert_array_equal(both.values, [[7.0, 1.0], [np.nan, 2.0], [np.nan, 3.0]])
    (lack,) = both.lacking(2)
    assert (lack.name, lack.since_ms) == ("sums", closes_ms[0])
    known = without_newest(both, ("mood",))
    assert np.isnan(known.values[2]).all()
    assert known.ages_ms[2].tolist() == [2 * MINUTE_MS, NEVER]
    np.testing.assert_array_equal(known.values[:2], both.values[:2])
    with pytest.raises(ValueError, match="A: funding is not told"):
        joined([one], ("funding",))
