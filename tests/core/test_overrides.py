from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import SettingsError
from core.overrides import overridden
from core.settings import Settings, parse_settings

BASE = parse_settings({"costs": {"taker_fee_bps": 7}, "strategy_options": {"mine": {"depth": 3}}}, "here")


def test_dotted_keys_reach_their_section_and_bare_ones_the_strategys_own() -> None:
    pairs = [("costs.slippage_bps", "2.5"), ("fast_bars", "10"), ("exit", "reverse"), ("market.symbols", '["A", "B"]')]
    found = overridden(BASE, pairs, "ema_cross")
    assert (found.costs.slippage_bps, found.costs.taker_fee_bps) == (2.5, Decimal(7))
    assert (found.ema_cross.fast_bars, found.ema_cross.exit) == (10, "reverse")
    assert found.market.symbols == ("A", "B")
    assert found.strategy == "ema_cross"


def test_nothing_to_set_changes_only_the_strategy() -> None:
    assert overridden(BASE, [], "ema_cross") == BASE.model_copy(update={"strategy": "ema_cross"})
    assert overridden(BASE, [], "scalper") == BASE


def test_the_same_bare_key_is_another_one_for_another_strategy() -> None:
    found = overridden(BASE, [("stop_pct", "2")], "scalper")
    assert (found.scalper.stop_pct, found.ema_cross.stop_pct) == (2.0, 1.0)


def test_a_strategy_from_elsewhere_has_its_free_table() -> None:
    pairs = [("width", "0.5"), ("name", "wide"), ("on", "true"), ("strategy_options.other.width", "2")]
    found = overridden(BASE, pairs, "mine")
    assert found.strategy_options == {
        "mine": {"depth": 3, "width": 0.5, "name": "wide", "on": True},
        "other": {"width": 2},
    }
    assert BASE.strategy_options == {"mine": {"depth": 3}}


def test_the_last_of_two_values_counts_and_only_the_whole_must_be_possible() -> None:
    found = overridden(Settings(), [("fast_bars", "30"), ("slow_bars", "60"), ("fast_bars", "40")], "ema_cross")
    assert (found.ema_cross.fast_bars, found.ema_cross.slow_bars) == (40, 60)


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        ("fast_bars", "0", "--set: ema_cross.fast_bars: Input should be greater than or equal to 1, got 0"),
        ("fast_bars", "ten", "--set: ema_cross.fast_bars: Input should be a valid integer"),
        ("fast_bars", "1.5", "--set: ema_cross.fast_bars: Input should be a valid integer"),
        ("fast_bars", "26", "--set: ema_cross.fast_bars must be below ema_cross.slow_bars"),
        ("fastbars", "5", "--set: ema_cross.fastbars: unknown key; did you mean fast_bars?"),
        ("taker_fee_bps", "4", "--set: ema_cross.taker_fee_bps: unknown key; did you mean costs.taker_fee_bps?"),
        ("costs.takerfee_bps", "4", "--set: costs.takerfee_bps: unknown key; did you mean taker_fee_bps?"),
        ("cost.taker_fee_bps", "4", "--set: cost: unknown key; did you mean costs?"),
        ("costs.taker_fee_bps.x", "4", "--set: costs.taker_fee_bps.x: costs.taker_fee_bps is one value"),
        ("costs.", "4", "--set costs.: is no key; write KEY=VALUE"),
        ("", "4", "--set : is no key; write KEY=VALUE"),
        ("exit", "", "--set: exit: '' is no value"),
        ("exit", "bracket or reverse", "--set: exit: 'bracket or reverse' is no value"),
        ("fast_bars", "5\nslow_bars = 6", "is no value"),
        ("stop_pct", "nan", "--set: ema_cross.stop_pct: Input should be"),
        ("stop_pct", "9", "--set: ema_cross.stop_pct must lie between limits.min_stop_distance_pct and max"),
    ],
)
def test_what_cannot_be_set_is_told_in_one_line(key: str, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        overridden(BASE, [(key, text)], "ema_cross")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.integers(1, 9_999), st.floats(0.1, 5.0), st.sampled_from(["bracket", "reverse"]))
def test_what_is_set_is_what_is_said(fast_bars: int, stop_pct: float, leave: str) -> None:
    pairs = [("fast_bars", str(fast_bars)), ("slow_bars", "10000"), ("stop_pct", repr(stop_pct)), ("exit", leave)]
    found = overridden(BASE, pairs, "ema_cross").ema_cross
    assert (found.fast_bars, found.stop_pct, found.exit) == (fast_bars, stop_pct, leave)
