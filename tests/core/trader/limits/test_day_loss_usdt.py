from __future__ import annotations

import pytest
from pydantic import ValidationError

from core.domain.market import MINUTE_MS
from core.domain.operator import LimitEffect, Verb
from core.settings.schema import LimitSettings
from core.trader.state import DAY_MS
from tests.core.trader.desk import DAY0_MS, ETH
from tests.core.trader.limits.day_loss import (
    assert_day_loss_blocks,
    assert_day_loss_clears_at_midnight,
    assert_day_loss_flattens,
)
from tests.core.trader.limits.kit import (
    assert_cleared,
    assert_fired,
    assert_vetoed,
    entry_lots,
    lose,
    make_desk,
    to_midnight,
)


@pytest.mark.parametrize("limit", ["day_loss_usdt", "day_loss_pct"])
def test_day_loss_warns_before_it_blocks(limit: str) -> None:
    desk = make_desk(**{limit: {"day_loss_usdt": 200, "day_loss_pct": 2}[limit]})
    lose(desk, 170)
    assert_fired(desk, limit, LimitEffect.WARN)
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_day_loss_usdt_blocks() -> None:
    assert_day_loss_blocks("day_loss_usdt", make_desk(day_loss_usdt=200))


def test_day_loss_usdt_blocks_and_flattens_when_told_to() -> None:
    assert_day_loss_flattens("day_loss_usdt", make_desk(day_loss_usdt=200, day_loss_effect="flatten"))


def test_day_loss_usdt_clears_at_midnight_utc() -> None:
    assert_day_loss_clears_at_midnight("day_loss_usdt", make_desk(day_loss_usdt=200))


def test_day_loss_clears_though_the_operator_resumes_first_on_the_new_day() -> None:
    desk = make_desk(day_loss_usdt=200)
    lose(desk, 250)
    desk.to(DAY0_MS + DAY_MS + 10_000)
    desk.operator(Verb.RESUME)
    desk.to(DAY0_MS + DAY_MS)
    desk.minute()
    assert_cleared(desk, "day_loss_usdt")
    assert desk.trader.state.day_start_equity_usdt == pytest.approx(9_750)
    assert entry_lots(desk.predict(20, ETH)) > 0


def test_day_loss_is_not_cleared_before_midnight_utc() -> None:
    desk = make_desk(day_loss_usdt=200)
    lose(desk, 250)
    desk.to(DAY0_MS + DAY_MS - 2 * MINUTE_MS)
    desk.minute()
    assert_vetoed(desk.predict(20, ETH), "day_loss_usdt")


@pytest.mark.parametrize("effect", [LimitEffect.WARN, LimitEffect.REDUCE])
def test_day_loss_effect_must_stop_entries(effect: LimitEffect) -> None:
    with pytest.raises(ValidationError, match="day_loss_effect"):
        LimitSettings(day_loss_effect=effect)


def test_day_loss_counts_from_the_equity_at_midnight() -> None:
    desk = make_desk(DAY0_MS + DAY_MS - 10 * MINUTE_MS, day_loss_usdt=200)
    lose(desk, 150)
    to_midnight(desk)
    desk.minute(BTCUSDT=desk.book().mark - 150 / 0.041)
    assert desk.limits("day_loss_usdt") == []
    desk.minute(BTCUSDT=desk.book().mark - 60 / 0.041)
    assert assert_fired(desk, "day_loss_usdt", LimitEffect.NO_NEW_ENTRIES).used == pytest.approx(210)
