from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.domain.errors import BadInputError
from core.domain.forecast import Output, OutputUnit
from core.domain.market import MINUTE_MS, Bar
from core.domain.origin import champion
from core.market.history import bar_at
from core.ports import NEVER, BarColumns, Seen
from core.strategy.declaration import Rule, Strategy
from core.strategy.rules import RuleDesk
from tests.declared import SURE, declared, with_part

Floats = NDArray[np.float64]
DELAY_MS = 100


def sum_past(state: Floats, opens: Floats, highs: Floats, lows: Floats, closes: Floats, *rest: Floats) -> Floats:
    """The closes added up so far, where that is more than the parameter."""
    volumes, parameters = rest
    assert len(opens) == len(highs) == len(lows) == len(closes) == len(volumes)
    sums = state[0] + np.cumsum(closes)
    state[0] = sums[-1]
    return np.where(sums > parameters[0], sums, np.nan)


def strategy_of(rule: Rule | None) -> Strategy:
    return declared("sums", source=rule)


STRATEGY = strategy_of(Rule(sum_past, 1, (10.0,)))


def desk() -> RuleDesk:
    return RuleDesk(STRATEGY, ("A", "B"), DELAY_MS)


def columns(symbol: str, closes: list[float], first_minute: int = 0) -> BarColumns:
    values = np.array(closes)
    times = (first_minute + np.arange(len(closes))) * MINUTE_MS
    return BarColumns(symbol, MINUTE_MS, times, values, values, values, values, values)


def bars(symbol: str, closes: list[float], first_minute: int = 0) -> list[Bar]:
    found = columns(symbol, closes, first_minute)
    return [bar_at(found, row) for row in range(len(closes))]


def test_it_says_what_the_rule_says_at_the_close_and_nothing_at_nan() -> None:
    at_work = desk()
    first, second = bars("A", [6.0, 7.0])
    assert at_work.predict(first) is None
    said = at_work.predict(second)
    assert said is not None
    assert (said.symbol, said.values, said.origin) == ("A", (13.0,), champion("sums"))
    assert (said.bar_close_ms, said.made_ms) == (2 * MINUTE_MS, 2 * MINUTE_MS + DELAY_MS)


def test_symbols_do_not_share_what_they_remember() -> None:
    at_work = desk()
    at_work.catch_up(columns("A", [9.0]))
    (bar,) = bars("B", [9.0])
    assert at_work.predict(bar) is None


def test_history_counts_and_says_nothing() -> None:
    at_work = desk()
    at_work.catch_up(columns("A", [9.0, 9.0]))
    at_work.catch_up(columns("A", []))
    (bar,) = bars("A", [1.0], first_minute=2)
    said = at_work.predict(bar)
    assert said is not None
    assert said.values == (19.0,)


@given(st.lists(st.integers(1, 5).map(float), min_size=1, max_size=20), st.data())
def test_history_then_bars_then_more_at_once_say_what_all_at_once_says(
    closes: list[float], data: st.DataObject
) -> None:
    first, second = sorted(data.draw(st.tuples(st.integers(0, len(closes)), st.integers(0, len(closes)))))
    whole = desk().values(columns("A", closes))
    at_work = desk()
    at_work.catch_up(columns("A", closes[:first]))
    one_by_one = [at_work.predict(bar) for bar in bars("A", closes[first:second], first)]
    rest = at_work.values(columns("A", closes[second:], second))
    assert [np.nan if said is None else said.values[0] for said in one_by_one] == pytest.approx(
        whole[first:second, 0], rel=0, abs=0, nan_ok=True
    )
    np.testing.assert_array_equal(rest, whole[second:])


def test_a_missing_bar_is_passed_over() -> None:
    at_work = desk()
    at_work.catch_up(columns("A", [9.0]))
    (bar,) = bars("A", [9.0], first_minute=5)
    said = at_work.predict(bar)
    assert said is not None
    assert said.values == (18.0,)


def test_no_bar_is_folded_in_twice() -> None:
    at_work = desk()
    at_work.catch_up(columns("A", [1.0, 1.0, 1.0]))
    (again,) = bars("A", [1.0], first_minute=2)
    with pytest.raises(ValueError, match="A: the bar that opens at 120000 comes after that of 120000"):
        at_work.predict(again)
    with pytest.raises(ValueError, match="comes after"):
        at_work.values(columns("A", [1.0, 1.0], first_minute=2))


def test_the_rule_gets_arrays_of_one_kind_whatever_their_source() -> None:
    kinds = set()

    def note(state: Floats, *given: Floats) -> Floats:
        kinds.update((a.dtype.str, a.flags.c_contiguous, a.flags.writeable) for a in given)
        return np.full(len(given[0]), np.nan)

    at_work = RuleDesk(strategy_of(Rule(note, 1, ())), ("A",), DELAY_MS)
    fixed = np.arange(6.0)
    fixed.flags.writeable = False
    strided, small = np.arange(12.0)[::2], np.arange(6, dtype=np.float32)
    times = np.arange(6) * MINUTE_MS
    at_work.catch_up(BarColumns("A", MINUTE_MS, times, fixed, strided, small, fixed, strided))
    assert kinds == {("<f8", True, True)}


def test_a_rule_must_give_a_value_for_each_bar() -> None:
    short = strategy_of(Rule(lambda state, *given: np.zeros(1), 1, ()))
    with pytest.raises(
        BadInputError, match=r"strategy sums: its rule gave values of shape \(1,\) for 2 bars of 1 outputs"
    ):
        RuleDesk(short, ("A",), DELAY_MS).values(columns("A", [1.0, 2.0]))


def test_a_strategy_without_a_rule_has_no_desk() -> None:
    with pytest.raises(ValueError, match="strategy sums has no rule"):
        RuleDesk(strategy_of(None), ("A",), DELAY_MS)


@pytest.mark.parametrize(
    ("unit", "value", "problem"),
    [
        ("bps", np.inf, "forecast inf, which is no number"),
        ("score", -np.inf, "forecast -inf, which is no number"),
        ("probability", 1.25, "forecast 1.25, which is no probability"),
        ("probability", -0.5, "forecast -0.5, which is no probability"),
        ("class", 1.5, "forecast 1.5, which is no class"),
        ("probability", 1.0, ""),
        ("class", -2.0, ""),
        ("bps", np.nan, ""),
    ],
)
def test_a_value_must_be_of_its_outputs_kind(unit: OutputUnit, value: float, problem: str) -> None:
    rule = Rule(lambda state, *given: np.array([0.0, value]), 1, ())
    at_work = RuleDesk(declared("sums", source=rule, outputs=(Output("forecast", unit),)), ("A",), DELAY_MS)
    if not problem:
        assert at_work.values(columns("A", [1.0, 2.0])).shape == (2, 1)
        return
    with pytest.raises(BadInputError, match=f"^strategy sums: its rule says {problem}$"):
        at_work.values(columns("A", [1.0, 2.0]))


def test_several_outputs_are_a_row_each_and_a_part_of_them_is_a_forecast() -> None:
    def scan(state: Floats, *given: Floats) -> Floats:
        return np.column_stack([given[0], np.where(given[0] > 1.0, 0.6, np.nan)])

    at_work = RuleDesk(declared("two", source=Rule(scan, 1, ()), outputs=SURE), ("A",), DELAY_MS)
    said = [at_work.predict(bar) for bar in bars("A", [1.0, 2.0])]
    assert [one.values for one in said if one is not None] == [(1.0, None), (2.0, 0.6)]


def with_last(state: Floats, opens: Floats, highs: Floats, lows: Floats, closes: Floats, *rest: Floats) -> Floats:
    """The close and the first column that was seen with the bar before, or the last that was not missing."""
    _, seen, _ = rest
    values = np.empty(len(closes))
    for row in range(len(closes)):
        values[row] = closes[row] + state[0]
        state[0] = state[0] if np.isnan(seen[row, 0]) else seen[row, 0]
    return values


SEEING = with_part(declared("seeing", source=Rule(with_last, 1, ())), inputs=("funding", "liquidations"))


def beside(bars: BarColumns, told: list[float]) -> BarColumns:
    """NaN is missing; of liquidations nothing is ever told."""
    closes_ms, values = bars.open_time_ms + MINUTE_MS, np.array(told)
    ages_ms = np.column_stack([np.where(np.isnan(values), 101, 7), np.full(len(values), NEVER)])
    names = ("funding.funding_rate", "liquidations.side")
    columns = np.column_stack([values, np.full(len(values), np.nan)])
    return bars.beside(Seen(bars.symbol, SEEING.part.inputs, names, closes_ms, columns, ages_ms, (100, None)))


def test_a_rule_with_inputs_folds_every_bar_and_says_nothing_where_one_is_missing() -> None:
    known = beside(columns("A", [1.0, 2.0, 3.0, 4.0]), [10.0, np.nan, 20.0, 30.0])
    whole = RuleDesk(SEEING, ("A",), DELAY_MS).values(known)
    np.testing.assert_array_equal(whole[:, 0], [1.0, np.nan, 13.0, 24.0])
    at_work = RuleDesk(SEEING, ("A",), DELAY_MS)
    at_work.catch_up(known.at(slice(0, 1)))
    rows = [at_work.predict(bar_at(known, row), known.at(slice(row, row + 1)).seen) for row in (1, 2, 3)]
    assert [None if said is None else said.values[0] for said in rows] == [None, 13.0, 24.0]


def test_a_rule_with_inputs_is_never_asked_without_them() -> None:
    known = beside(columns("A", [1.0, 2.0]), [10.0, 20.0])
    for bars, error in (
        (columns("A", [1.0, 2.0]), "what seeing sees of funding, liquidations is not told"),
        (BarColumns("A", MINUTE_MS, *(known.open_time_ms[:1],) * 6, seen=known.seen), "is not told"),
    ):
        with pytest.raises(ValueError, match=error):
            RuleDesk(SEEING, ("A",), DELAY_MS).values(bars)
    with pytest.raises(ValueError, match="A: what was seen is not of the close at 120000"):
        RuleDesk(SEEING, ("A",), DELAY_MS).predict(bar_at(known, 1), known.at(slice(0, 1)).seen)
    with pytest.raises(ValueError, match="A: what was seen is of other closes than its bars"):
        columns("A", [1.0, 2.0], first_minute=1).beside(known.seen)  # type: ignore[arg-type]
