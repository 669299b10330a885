"""What is measured before an entry tells as much as all that is measured."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from core.domain.operator import LimitEffect, LimitScope
from core.domain.orders import Side
from core.domain.origin import Origin, champion
from core.settings.schema import LimitSettings
from core.trader.guard import Guard
from core.trader.limits.limit import Limit, Meter
from core.trader.open_trade import OpenTrade
from tests.core.trader.desk import BTC, ETH, NOON_MS, XRP, make_trader

LIMITS = LimitSettings(max_trades_per_day=4, max_losses_in_row=3, day_loss_usdt=300, max_drawdown_pct=10)


class Account(NamedTuple):
    """What limits are measured of; the account began the day with 10,000 USDT."""

    wallet_usdt: float
    entries: int
    losses: int
    feed_age_ms: int


accounts = st.builds(
    Account,
    st.sampled_from([10_000.0, 9_770.0, 9_759.0, 9_700.0, 9_100.0, 8_999.0, 0.0]),
    st.integers(0, 5),
    st.integers(0, 4),
    st.sampled_from([0, 30_000, 10**7]),
)


@given(st.lists(accounts, min_size=1, max_size=6))
def test_what_can_change_what_is_remembered_is_measured_before_an_entry(days: list[Account]) -> None:
    state = make_trader().state
    state.entries_day = state.losses_day = 2 * NOON_MS  # A day that is not over yet.
    whole, changing, timed = (Guard(LIMITS, 60_000) for _ in range(3))
    for n, account in enumerate(days):
        now_ms = NOON_MS + n * 60_000
        state.wallet_usdt, state.entries_today, state.losses_in_row = account[:3]
        state.symbols[BTC].see_bar(0.0, now_ms - account.feed_age_ms)
        told = whole.note(whole.measure(state, now_ms, (BTC,)), now_ms)
        assert changing.note(changing.measure_change(state, now_ms, (BTC,)), now_ms) == told
        assert timed.note(timed.measure_change(state, now_ms, (BTC,), by_timer=True), now_ms) == told
        assert changing.standing() == timed.standing() == whole.standing()


FEW = Limit(
    "few",
    "positions",
    LimitScope.STRATEGY,
    LimitEffect.NO_NEW_ENTRIES,
    "when a position of the strategy closes",
    "open positions of one strategy",
    lambda _: Meter(2.0, lambda _, subject: float(subject.open_positions)),
    warns=False,
)
"""A limit of one strategy, of which the catalogue has none."""


def test_a_limit_of_a_strategy_binds_that_one_alone_and_clears_though_it_holds_nothing_more() -> None:
    state = make_trader().state
    for symbol, strategy in ((BTC, "one"), (ETH, "one"), (XRP, "other")):
        state.symbols[symbol].book(strategy).trade = OpenTrade("t", symbol, Side.BUY, champion(strategy), NOON_MS)
    guard = Guard(LIMITS, 60_000, (FEW,))
    assert [(r.origin.strategy, r.used) for r in guard.measure(state, NOON_MS, ())] == [("one", 2.0), ("other", 1.0)]
    (fired,) = guard.note(guard.measure_change(state, NOON_MS, ()), NOON_MS)
    assert (fired.scope, fired.origin, fired.symbol) == (LimitScope.STRATEGY, Origin("one"), "")
    assert guard.halts() == ("few:one",)
    assert guard.blocks(BTC, "one") == fired
    assert guard.blocks(BTC, "other") is None
    again = Guard(LIMITS, 60_000, (FEW,))
    again.apply(fired)
    for symbol in (BTC, ETH):
        state.symbols[symbol].book("one").trade = None
    (cleared,) = again.note(again.measure_change(state, NOON_MS, ()), NOON_MS)
    assert (cleared.fired, cleared.origin) == (False, Origin("one"))
    assert again.blocks(BTC, "one") is None


def test_nothing_is_told_of_an_account_far_from_its_limits() -> None:
    guard, state = Guard(LIMITS, 60_000), make_trader().state
    assert len(guard.measure(state, NOON_MS, (BTC,))) == 7
    assert guard.measure_change(state, NOON_MS, (BTC,)) == []
