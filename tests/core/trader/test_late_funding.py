"""Funding is told after it was settled: it belongs to the trade that was open then."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from core.domain.market import MINUTE_MS
from core.domain.orders import OrderRole, OrderState
from core.domain.records import FundingRecord, TradeRecord
from core.domain.trading import FundingPayment
from core.engine.recent import Recent
from core.trader.restore import restore
from tests.core.trader.desk import BTC, Desk, canceled, make_trader, records


def paid(time_ms: int, amount: str) -> FundingPayment:
    return FundingPayment(f"f{time_ms}{amount}", BTC, time_ms, Decimal("0.0001"), Decimal(60_000), 41, Decimal(amount))


def turned() -> tuple[Desk, int]:
    """A long that ended in profit, then a short that is held; when the long was held."""
    desk = Desk(make_trader(strategy={"cooldown_ms": 0}))
    desk.hold()
    held_ms = desk.now_ms + MINUTE_MS
    desk.minute()
    desk.minute()
    for order in canceled(desk.fill(desk.order(OrderRole.TARGET), price=61_000.0)):
        desk.update(order, OrderState.CANCELED)
    desk.hold(-20.0)
    return desk, held_ms


def test_it_is_booked_on_the_trade_that_has_ended_since_and_not_on_the_next() -> None:
    desk, held_ms = turned()
    (before,) = (record.trade for record in desk.records if isinstance(record, TradeRecord))
    commands = desk.handle(paid(held_ms, "-3.21"))
    assert len(records(commands, FundingRecord)) == 1
    (again,) = (record.trade for record in records(commands, TradeRecord))
    assert again == replace(before, funding_usdt=Decimal("-3.21"), net_pnl_usdt=before.net_pnl_usdt - Decimal("3.21"))
    trade = desk.book().trade
    assert trade is not None
    assert trade.funding_usdt == 0
    assert desk.handle(paid(held_ms, "-3.21")) == [], "once"
    (more,) = (record.trade for record in records(desk.handle(paid(held_ms + 1, "1")), TradeRecord))
    assert more.funding_usdt == Decimal("-2.21")


def test_it_is_booked_on_the_trade_that_is_held_where_that_was_open_then() -> None:
    desk, _ = turned()
    assert records(desk.handle(paid(desk.now_ms + 30_000, "-3.21")), TradeRecord) == []
    for order in canceled(desk.fill(desk.order(OrderRole.STOP))):
        desk.update(order, OrderState.CANCELED)
    assert desk.book().closed[-1].funding_usdt == Decimal("-3.21")


def test_where_no_trade_was_open_the_wallet_alone_tells() -> None:
    desk = Desk(make_trader())
    desk.minute()
    assert records(desk.handle(paid(desk.now_ms, "-3.21")), TradeRecord) == []
    assert desk.trader.state.ledger.wallet_usdt == Decimal("9996.79")


def test_a_start_and_the_screen_are_told_the_trade_as_it_is_now() -> None:
    desk, held_ms = turned()
    desk.handle(paid(held_ms, "-3.21"))
    told = Desk(make_trader(strategy={"cooldown_ms": 0}))
    assert restore(told.trader, desk.records) == []
    assert told.book().closed == desk.book().closed
    recent = Recent(desk.trader.state)
    recent.take_in(desk.records)
    assert [trade.funding_usdt for trade in recent.trades] == [Decimal("-3.21")]
