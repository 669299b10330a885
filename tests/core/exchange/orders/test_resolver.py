"""Ten thousand orders whose answers are lost: none rests twice, none is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from core.clock import ExchangeClock
from core.domain.errors import RejectKind, UnavailableError, VenueRejectedError, VenueUnknownError
from core.domain.orders import (
    Fill,
    Order,
    OrderRole,
    OrderState,
    OrderType,
    OrderUpdate,
    Side,
    advance,
    apply_fill,
    news_in,
)
from core.domain.origin import ACCOUNT
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.connection.health import Health
from core.exchange.connection.wire import Row
from core.exchange.orders.books import Books
from core.exchange.orders.incoming import Incoming
from core.exchange.orders.outside import Outside
from core.exchange.orders.questions import Questions
from core.exchange.orders.resolver import Resolver
from core.exchange.orders.signs import Signs
from core.exchange.orders.venue import ExchangeVenue
from core.settings.schema import ExchangeSettings
from core.trader.state import TraderState
from tests.core.trader.desk import make_instrument
from tests.simulation.loop import LoopClock, VirtualLoop, run_virtual

START_MS = 1_780_000_000_000
LATEST_ARRIVAL_S = 4.5
ORDERS = 10_000
SYMBOLS = tuple(f"C{i}USDT" for i in range(20))


@dataclass
class Resting:
    order_id: int
    client_id: str
    symbol: str
    amount: str
    is_conditional: bool


@dataclass
class LossyWire:
    """A `Wire` to an exchange that takes half of what it never answers, some of it late, and loses a tenth of what it
    is asked. Client ids are unique among the orders that rest; plain orders fill at once and rest nowhere."""

    clock: ExchangeClock
    rng: random.Random
    health: Health = field(default_factory=Health)
    dialect: BinanceUsdm = field(default_factory=BinanceUsdm)
    client: Any = field(default_factory=lambda: SimpleNamespace(options={"recvWindow": 5000}))
    taken: list[Resting] = field(default_factory=list)
    by_client_id: dict[str, Resting] = field(default_factory=dict)
    sends: int = 0

    def __post_init__(self) -> None:
        self.started_ms = self.clock.now_ms()

    def unified(self, symbol: str) -> str:
        return symbol

    def symbol(self, unified: str) -> str:
        return unified

    def held_until_ms(self) -> int:
        return 0

    async def send(self, method: str, *args: Any, timeout_ms: int | None = None, **kwargs: Any) -> Row:
        assert method == "create_order"
        self.sends += 1
        draw = self.rng.random()
        if draw < 0.35:
            self._take(args)
        elif draw < 0.5:
            late_s = self.rng.random() * LATEST_ARRIVAL_S
            asyncio.get_running_loop().call_later(late_s, self._take_late, args)
        await asyncio.sleep((timeout_ms or 0) / 1000)
        raise VenueUnknownError("no answer")

    async def read(self, method: str, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0.02)
        if self.rng.random() < 0.1:
            raise UnavailableError("no answer")
        if method == "fetch_my_trades":
            order_id = args[3]["orderId"]
            return [self._trade(self.taken[int(order_id) - 1])]
        assert method == "fetch_order"
        _, _, params = args
        resting = self.by_client_id.get(params["clientOrderId"])
        if resting is None or resting.is_conditional != bool(params.get("trigger")):
            raise VenueRejectedError("no such order", RejectKind.NOT_FOUND)
        return self._row(resting)

    def _take_late(self, args: Any) -> None:
        with contextlib.suppress(VenueRejectedError):
            self._take(args)

    def _take(self, args: Any) -> None:
        symbol, _, _, amount, _, params = args
        client_id = params["clientOrderId"]
        is_conditional = "stopLossPrice" in params
        if is_conditional and client_id in self.by_client_id:
            raise VenueRejectedError("duplicate", RejectKind.DUPLICATE_ID)
        resting = Resting(len(self.taken) + 1, client_id, symbol, amount, is_conditional)
        self.taken.append(resting)
        self.by_client_id[client_id] = resting

    def _row(self, resting: Resting) -> Row:
        common = {"id": str(resting.order_id), "symbol": resting.symbol}
        if resting.is_conditional:
            info = {"algoId": resting.order_id, "algoStatus": "NEW"}
            return {**common, "status": "open", "filled": None, "info": info}
        return {**common, "status": "closed", "filled": resting.amount, "info": {}}

    def _trade(self, resting: Resting) -> Row:
        return {
            "id": str(resting.order_id),
            "symbol": resting.symbol,
            "order": str(resting.order_id),
            "side": "buy",
            "amount": resting.amount,
            "price": "100",
            "timestamp": self.clock.now_ms(),
            "info": {},
        }


class NoRules:
    """Nobody reads the contracts' rules again."""

    async def refused(self, order: Order, sent: Order, error: VenueRejectedError) -> bool:
        return False


class Keeper:
    """A trader that only keeps its orders, and the stepper before it. What rests or ended is taken out."""

    def __init__(self, instruments: dict[str, Any]) -> None:
        self.state = TraderState(1000, instruments)  # type: ignore[arg-type]
        self.ended: dict[str, Order] = {}

    async def step(self, events: list[Any], now_ms: int, extra: Sequence[Any] = ()) -> None:
        for event in events:
            book = self.state.symbols[event.symbol].with_order(event.client_order_id)
            assert book is not None
            orders = book.orders
            order = orders[event.client_order_id]
            if isinstance(event, Fill):
                order = apply_fill(order, event)
            else:
                assert isinstance(event, OrderUpdate)
                state = news_in(event.state, order)
                assert state is not None
                order = advance(order, state, now_ms)
            orders[order.client_order_id] = order
            rests = order.role is OrderRole.STOP and order.state is OrderState.ACCEPTED
            if rests or not order.is_open:
                self.ended[order.client_order_id] = orders.pop(order.client_order_id)


@pytest.mark.parametrize("role", [OrderRole.ENTRY, OrderRole.STOP])
def test_of_ten_thousand_lost_answers_none_is_doubled_or_forgotten(role: OrderRole) -> None:
    async def main(loop: VirtualLoop) -> None:
        clock = ExchangeClock(LoopClock(loop, START_MS))
        wire = LossyWire(clock, random.Random(7))
        instruments = {symbol: make_instrument(symbol, "1", "1") for symbol in SYMBOLS}
        settings = ExchangeSettings(request_timeout_ms=500, protective_timeout_ms=200)
        venue = ExchangeVenue(wire, instruments, settings)  # type: ignore[arg-type]
        keeper = Keeper(instruments)
        signs, questions = Signs(wire.health), Questions(clock)
        books = Books(
            venue,
            keeper,  # type: ignore[arg-type]
            keeper,  # type: ignore[arg-type]
            clock,
            signs,
            fill_was_asked_for=lambda fill: None,
            entry_was_refused=lambda order, kind, reason: None,
        )
        incoming = Incoming(books, signs, questions)
        resolver = Resolver(books, incoming, Outside(books, incoming, signs), questions)
        tasks = [loop.create_task(venue.outbox.run(resolver, NoRules())), loop.create_task(resolver.run())]
        orders = [make_order(i, role) for i in range(ORDERS // 2)]
        for order in orders:
            s = keeper.state.book_of(order)
            s.lots = keeper.state.symbols[order.symbol].lots = -1 if role is OrderRole.STOP else 0
            s.orders[order.client_order_id] = replace(order, state=OrderState.SENT)
            await venue.place(order, clock.now_ms())
            await asyncio.sleep(0.15)
        await asyncio.sleep(60)
        assert all(not task.done() for task in tasks)
        assert len(wire.taken) == len(wire.by_client_id), "an order was taken twice"
        wanted = {OrderState.FILLED, OrderState.ACCEPTED}
        known = {cid for cid, order in keeper.ended.items() if order.state in wanted}
        assert known == set(wire.by_client_id), "the books and the exchange differ"
        if role is OrderRole.STOP:
            assert len(known) == len(orders)
        else:
            assert 0.45 < len(known) / len(orders) < 0.55
            assert wire.sends == len(orders)

    run_virtual(main)


def make_order(i: int, role: OrderRole) -> Order:
    is_stop = role is OrderRole.STOP
    return Order(
        client_order_id=f"order-{i}",
        symbol=SYMBOLS[i % len(SYMBOLS)],
        side=Side.BUY,
        type=OrderType.STOP_MARKET if is_stop else OrderType.MARKET,
        role=role,
        qty_lots=1,
        created_ms=0,
        trade_id="",
        origin=ACCOUNT,
        trigger_ticks=100 if is_stop else None,
        reduce_only=is_stop,
    )
