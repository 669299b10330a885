from __future__ import annotations

from tests.core.trader.limits.day_loss import (
    assert_day_loss_blocks,
    assert_day_loss_clears_at_midnight,
    assert_day_loss_flattens,
)
from tests.core.trader.limits.kit import (
    make_desk,
)


def test_day_loss_pct_blocks() -> None:
    assert_day_loss_blocks("day_loss_pct", make_desk(day_loss_pct=2))


def test_day_loss_pct_blocks_and_flattens_when_told_to() -> None:
    assert_day_loss_flattens("day_loss_pct", make_desk(day_loss_pct=2, day_loss_effect="flatten"))


def test_day_loss_pct_clears_at_midnight_utc() -> None:
    assert_day_loss_clears_at_midnight("day_loss_pct", make_desk(day_loss_pct=2))
