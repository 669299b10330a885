"""What holds of limits together: transfers, unknown orders, symbols without a price, the settings that they read."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from core.domain.orders import OrderRole, OrderState
from core.domain.records import AdjustmentRecord, SignalRecord
from core.domain.trading import ExitReason, SignalAction
from core.settings.schema import LimitSettings, Settings
from core.trader.limits import drawdown_pct, level, loss_pct
from core.trader.messages import WalletAdjustment
from core.trader.restore import restore
from tests.core.trader.desk import ETH, Desk, canceled, make_trader, placed, records
from tests.core.trader.limits.kit import (
    entry_lots,
    lose,
    make_desk,
)


def test_a_flattening_limit_asks_again_until_nothing_is_open() -> None:
    desk = make_desk(max_drawdown_pct=5)
    lose(desk, 600)
    first = desk.order(OrderRole.EXIT)
    assert placed(desk.minute(), OrderRole.EXIT) == []
    desk.reject(first)
    (second,) = placed(desk.minute(), OrderRole.EXIT)
    assert (second.qty_lots, second.reason) == (41, ExitReason.LIMIT)
    assert second.client_order_id != first.client_order_id


def test_a_flattening_limit_cancels_pending_entries() -> None:
    desk = make_desk(max_drawdown_pct=5)
    desk.hold()
    desk.minute()
    (entry,) = placed(desk.predict(20, ETH))
    desk.accept(entry)
    commands = desk.minute(BTCUSDT=desk.book().entry_price - 600 / 0.041)
    assert [order.client_order_id for order in canceled(commands)] == [entry.client_order_id]


def test_a_symbol_without_a_price_is_vetoed() -> None:
    desk = make_desk()
    commands = desk.predict(20)
    (signal,) = (record.signal for record in records(commands, SignalRecord))
    assert (signal.action, signal.reason) == (SignalAction.VETOED, "no bar of this symbol was seen yet")
    assert placed(commands) == []


def test_equal_readings_are_journalled_once() -> None:
    desk = make_desk(day_loss_usdt=200)
    lose(desk, 250)
    for _ in range(5):
        desk.minute()
        desk.predict(20, ETH)
    assert [event.fired for event in desk.limits("day_loss_usdt")] == [True]


@pytest.mark.parametrize(
    ("used", "expected"),
    [(0.0, "ok"), (79.99, "ok"), (80.0, "warn"), (99.9, "warn"), (100.0, "blocked"), (1e9, "blocked")],
)
def test_level(used: float, expected: str) -> None:
    assert level(used, 100.0, 80.0) == expected


def test_default_limits_are_wired_to_their_settings() -> None:
    """Each reading measures against the setting of its own name."""
    values = {
        "day_loss_usdt": 111.0,
        "day_loss_pct": 11.0,
        "max_trades_per_day": 12,
        "max_losses_in_row": 13,
        "max_drawdown_pct": 14.0,
        "max_exposure_pct": 140.0,
        "max_open_positions": 3,
        "max_feed_age_seconds": 99.0,
    }
    desk = Desk(make_trader(settings=Settings(limits=LimitSettings(**values))))
    desk.minute()
    found = {reading.rule.name: reading.limit for reading in desk.readings()}
    assert found == {
        "day_loss_usdt": 111.0,
        "day_loss_pct": 11.0,
        "day_trades": 12.0,
        "losses_in_row": 13.0,
        "drawdown": 14.0,
        "exposure": 140.0,
        "open_positions": 3.0,
        "feed_age": 99.0,
    }


def drawdown(desk: Desk) -> float:
    state = desk.trader.state
    return drawdown_pct(state.peak_equity_usdt, state.equity_usdt())


@pytest.mark.parametrize("amount", [-7_500, -9_000, -1, 1, 50_000])
def test_what_is_taken_out_or_paid_in_is_neither_loss_nor_profit(amount: int) -> None:
    """As far below the peak and the day's start as before, in percent, also with a position open."""
    desk = make_desk(day_loss_pct=2, max_drawdown_pct=5)
    lose(desk, 190)
    before, state = drawdown(desk), desk.trader.state
    assert before == pytest.approx(1.9, abs=0.01)
    moved = desk.handle(WalletAdjustment("w1", desk.now_ms, Decimal(amount), "transfer"))
    (record,) = records(moved, AdjustmentRecord)
    assert (record.ours, record.theirs, record.amount_usdt) == ("10000", str(10_000 + amount), Decimal(amount))
    desk.minute()
    assert drawdown(desk) == pytest.approx(before)
    assert loss_pct(state.day_start_equity_usdt, state.equity_usdt()) == pytest.approx(before)
    assert placed(desk.said, OrderRole.EXIT) == []
    assert [name for name in desk.trader.guard.halts() if name != "exposure"] == []


def test_a_withdrawal_lifts_no_limit_that_has_fired() -> None:
    desk = make_desk(day_loss_usdt=100, max_drawdown_pct=2)
    lose(desk, 150)
    assert desk.trader.guard.halts() == ("day_loss_usdt",)
    desk.handle(WalletAdjustment("w1", desk.now_ms, Decimal(-7_000), "transfer"))
    desk.minute()
    assert "day_loss_usdt" in desk.trader.guard.halts()


def test_a_start_knows_where_a_withdrawal_moved_the_marks_to() -> None:
    desk = make_desk()
    lose(desk, 190)
    desk.handle(WalletAdjustment("w1", desk.now_ms, Decimal(-7_500), "transfer"))
    again = make_desk()
    restore(again.trader, desk.records)
    state, told = desk.trader.state, again.trader.state
    assert (told.peak_equity_usdt, told.day_start_equity_usdt, told.sampled_ms) == (
        state.peak_equity_usdt,
        state.day_start_equity_usdt,
        state.sampled_ms,
    )


@pytest.mark.parametrize("lost_usdt", [0, 190])
@pytest.mark.parametrize("steps", [(-1,), (Decimal("-0.99999"), -1), (Decimal("-0.5"), Decimal("-0.5"), -1)])
def test_where_all_is_taken_out_no_limit_fires_and_what_is_paid_in_begins_anew(
    lost_usdt: int, steps: tuple[Decimal | int, ...]
) -> None:
    """Each step is a share of what is left."""
    desk = make_desk(day_loss_pct=2, max_drawdown_pct=5)
    state = desk.trader.state
    desk.minute()
    if lost_usdt:
        lose(desk, lost_usdt)
        desk.fill(desk.order(OrderRole.STOP))
        desk.minute()
    for n, share in enumerate(steps):
        amount = (state.ledger.wallet_usdt * share).quantize(Decimal("0.00000001"))
        desk.handle(WalletAdjustment(f"w{n}", desk.now_ms, amount, "transfer"))
        desk.minute()
        assert set(desk.trader.guard.halts()) <= {"exposure"}
    assert (state.equity_usdt(), state.peak_equity_usdt, state.day_start_equity_usdt) == (0, 0, 0)
    assert (drawdown(desk), loss_pct(0.0, 0.0)) == (0.0, 0.0)
    desk.handle(WalletAdjustment("d1", desk.now_ms, Decimal(500), "transfer"))
    desk.minute()
    assert (state.peak_equity_usdt, state.day_start_equity_usdt) == (500, 500)
    assert desk.trader.guard.halts() == ()


def test_an_account_that_lost_all_it_had_has_no_room_left() -> None:
    assert loss_pct(0.0, -1.0) == drawdown_pct(0.0, -1.0) == drawdown_pct(-1.0, -1.0) == math.inf
    assert (drawdown_pct(100.0, 0.0), loss_pct(100.0, 0.0)) == (100.0, 100.0)


def test_a_wallet_adjustment_is_applied_once() -> None:
    desk = make_desk()
    desk.minute()
    moved = WalletAdjustment("x", desk.now_ms, Decimal("-0.00000001"), "rounding")
    assert len(records(desk.handle(moved), AdjustmentRecord)) == 1
    assert desk.handle(moved) == []
    assert desk.handle(WalletAdjustment("y", desk.now_ms, Decimal(0), "nothing")) == []
    account = desk.trader.state.ledger.account({})
    assert (account.wallet_usdt, account.adjustments_usdt) == (Decimal("9999.99999999"), Decimal("-0.00000001"))


def test_an_entry_whose_outcome_is_unknown_counts_in_full_against_the_others() -> None:
    desk = make_desk(max_leverage=0.4)
    desk.minute()
    (entry,) = placed(desk.predict(20))
    desk.update(entry, OrderState.SENT)
    desk.update(entry, OrderState.UNKNOWN, "timed out")
    lots = entry_lots(desk.predict(20, ETH))
    assert desk.book(ETH).mark * lots * 0.001 == pytest.approx(4_000 - 41 * 60, abs=2.5)
