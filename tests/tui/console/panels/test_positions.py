"""What the positions say of their targets."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.tui.fake_control import position
from tui.console.panels.positions import _targets
from tui.text.candles import levels_of

LONG = replace(position("BTCUSDT", "long", 1_000.0, "t1"), mark_price=100.0)


@pytest.mark.parametrize(
    ("prices", "told"),
    [
        ((), ("none", "dim")),
        ((103.0,), ("3.00%", "plain")),
        ((101.0, 102.0), ("1.00% +1", "plain")),
        ((101.0, 102.0, 103.0, 104.0), ("1.00% +3", "plain")),
    ],
)
def test_the_nearest_target_stands_with_how_many_lie_behind_it(
    prices: tuple[float, ...], told: tuple[str, str]
) -> None:
    shown = replace(LONG, target_price=prices[0] if prices else None, target_prices=prices)
    assert _targets(shown) == told


def test_a_chart_has_a_line_for_each_of_them() -> None:
    shown = replace(LONG, target_price=101.0, target_prices=(101.0, 102.0))
    assert [(one.word, one.price) for one in levels_of(shown)][2:] == [("target", 101.0), ("target", 102.0)]
