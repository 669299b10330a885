"""Each check holds for a trader that works as it should, and tells of one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from core.domain.orders import OrderRole, OrderState, Side
from core.trader.invariants import check_state
from core.trader.ledger import Book
from tests.core.trader.desk import BTC, ETH, Desk, placed
from tests.invariants import (
    ExchangeOrder,
    ExchangeView,
    check_change,
    check_limits,
    compare,
    orders_of,
    unprotected_lots,
)


def view_of(desk: Desk, **changes: Any) -> ExchangeView:
    """The exchange, were it of one mind with the trader."""
    state = desk.trader.state
    orders = [
        ExchangeOrder(
            o.client_order_id, o.symbol, o.side, o.qty_lots, o.filled_lots, o.reduce_only, o.role is OrderRole.STOP
        )
        for s in state.books()
        for o in s.orders.values()
    ]
    view = ExchangeView(
        desk.now_ms,
        state.ledger.wallet_usdt,
        {symbol: s.lots for symbol, s in state.symbols.items() if s.lots},
        orders,
        list(orders_of(desk.trader)),
    )
    return replace(view, **changes)


def test_a_sound_trader_breaks_nothing(desk: Desk) -> None:
    desk.hold()
    desk.funding("-0.5")
    desk.hold(-20, ETH)
    assert check_state(desk.trader.state) == check_limits(desk.trader) == compare(desk.trader, view_of(desk)) == []
    assert unprotected_lots(view_of(desk)) == {}


def put(desk: Desk, role: OrderRole, **changes: Any) -> None:
    order = replace(desk.order(role), **changes)
    desk.book().orders[order.client_order_id] = order


BREAKS: list[tuple[Callable[[Desk], object], str]] = [
    (lambda desk: put(desk, OrderRole.STOP, filled_lots=42), "42 of 41 lots are filled"),
    (lambda desk: put(desk, OrderRole.STOP, reduce_only=False), "is not reduce-only"),
    (lambda desk: put(desk, OrderRole.TARGET, state=OrderState.FILLED), "is kept among the open orders"),
    (lambda desk: setattr(desk.book(), "trade", None), "41 lots belong to no trade"),
    (lambda desk: setattr(desk.trader.state, "wallet_usdt", 1.0), "differs from the"),
    (
        lambda desk: desk.trader.state.ledger._balances.__setitem__(Book.FEES, Decimal(1)),
        "the books are out of balance by 1 USDT",
    ),
]


@pytest.mark.parametrize(("breaking", "told"), BREAKS)
def test_what_is_broken_in_a_trader_is_told(desk: Desk, breaking: Callable[[Desk], object], told: str) -> None:
    desk.hold()
    breaking(desk)
    (line,) = check_state(desk.trader.state)
    assert told in line


def test_exposure_beyond_its_limit_is_told(desk: Desk) -> None:
    desk.hold()
    desk.book().lots *= 10
    desk.book().cost_usdt *= 10
    assert check_limits(desk.trader) == ["exposure 246.0 % is above its limit"]


def test_what_differs_from_the_exchange_is_told(desk: Desk) -> None:
    stop = desk.hold()
    view = view_of(desk)
    rest = [order for order in view.open_orders if order.client_order_id != stop.client_order_id]
    shown = next(order for order in view.open_orders if order.is_stop)
    ghost = ExchangeOrder("qdghost", ETH, Side.SELL, 5, 0, reduce_only=True, is_stop=True)
    for changes, told in (
        ({"positions_lots": {BTC: 40}}, ["BTCUSDT: position 41 lots, at the exchange 40"]),
        ({"wallet_usdt": Decimal("9999.5")}, ["wallet 10000 USDT, at the exchange 9999.5"]),
        ({"order_ids": ["a", "b", "a"]}, ["order a was taken more than once"]),
        (
            {"open_orders": rest},
            [f"BTCUSDT: order {stop.client_order_id} is accepted here and not open at the exchange"],
        ),
        (
            {"open_orders": [*rest, replace(shown, filled_lots=3)]},
            [f"BTCUSDT: order {stop.client_order_id} filled 0 lots, at the exchange 3"],
        ),
        (
            {"open_orders": [*view.open_orders, ghost]},
            [
                "ETHUSDT: order qdghost rests at the exchange and is not open here",
                "ETHUSDT: qdghost rests although nothing is held",
            ],
        ),
    ):
        assert compare(desk.trader, replace(view, **changes)) == told
    external = replace(ghost, client_order_id="")
    assert compare(desk.trader, replace(view, open_orders=[*view.open_orders, external])) == []


def test_lots_without_a_stop_are_counted(desk: Desk) -> None:
    desk.hold()
    view = view_of(desk)
    stop = next(order for order in view.open_orders if order.is_stop)
    for shown, lots in ((replace(stop, qty_lots=30), 11), (replace(stop, side=Side.BUY), 41)):
        assert unprotected_lots(replace(view, open_orders=[shown])) == {BTC: lots}


def test_ends_are_for_good_but_for_late_news(desk: Desk) -> None:
    desk.minute()
    (entry,) = placed(desk.predict(20))
    key = entry.client_order_id

    def change(old: OrderState, new: OrderState, filled: int = 0) -> list[str]:
        return check_change({key: replace(entry, state=old)}, {key: replace(entry, state=new, filled_lots=filled)})

    assert change(OrderState.CANCELED, OrderState.FILLED, 41) == []
    assert change(OrderState.REJECTED, OrderState.ACCEPTED) == []
    assert change(OrderState.CANCELED, OrderState.ACCEPTED) == [f"order {key}: canceled became accepted without a fill"]
    assert check_change({key: replace(entry, filled_lots=5)}, {key: entry}) == [f"order {key}: filled 5 lots, now 0"]
