"""A day on which the engine is gone and another process looks at the account, against an exchange in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

from core.clock import ExchangeClock
from core.domain.orders import OUR_PREFIX, Order
from core.domain.records import FillRecord, IntentRecord, OrderUpdateRecord
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.connection.client import build_client
from core.exchange.connection.health import Health
from core.exchange.connection.keys import Keys
from core.exchange.connection.requests import Requests
from core.exchange.orders.panic import Outcome, Panic
from core.exchange.orders.panic_plan import Owned
from tests.core.exchange.desk_kit import BTC, ETH, House, in_house
from tests.simulation.memory_server import VenueServer
from tests.simulation.transport import Network, attach
from tests.venue.orders import Order as VenueOrder
from tests.venue.venue import API_KEY, API_SECRET

KEYED = {"X-MBX-APIKEY": API_KEY}
Act = Callable[["Day"], Awaitable[None]]


def owned_of(house: House) -> Owned:
    """What the house's journal holds, as storage reads it."""
    amounts: dict[str, Decimal] = {}
    orders: dict[str, Order] = {}
    newest_ms: dict[str, int] = {}
    for record in house.records:
        if isinstance(record, IntentRecord | OrderUpdateRecord | FillRecord):
            orders[record.order.client_order_id] = record.order
        if isinstance(record, FillRecord):
            newest_ms[record.fill.symbol] = record.fill.time_ms
            lots = record.fill.side.sign * record.fill.qty_lots
            lot_size = house.instruments[record.fill.symbol].lot_size
            amounts[record.fill.symbol] = amounts.get(record.fill.symbol, Decimal(0)) + lots * lot_size
    still_open = tuple((order, house.instruments[order.symbol].lot_size) for order in orders.values() if order.is_open)
    return Owned({s: a for s, a in amounts.items() if a}, frozenset(orders), still_open, newest_ms, "binanceusdm")


class Day:
    """The engine of `house` is gone; another process looks at the account."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.venue = house.venue
        self.weather = house.weather
        self.owned = owned_of(house)
        self.lines: list[str] = []

    @property
    def now_ms(self) -> int:
        return self.house.clock.now_ms()

    async def panic(self, *, everything: bool = False) -> Outcome:
        house = self.house
        clock = ExchangeClock(house.clock)
        client = build_client(house.settings.exchange, Keys(API_KEY, API_SECRET), clock.now_ms, BinanceUsdm())
        network = Network(house.loop, VenueServer(house.venue, house.clock), house.weather)
        attach(client, network)
        wire = Requests(client, BinanceUsdm(), clock, Health(), house.settings.exchange, (API_SECRET,), lambda: 0.5)
        await wire.load_symbols([])
        try:
            panic = Panic(wire, house.settings, self.owned, self.lines.append, everything=everything)
            return await panic.run()
        finally:
            network.cut()
            await wire.close()

    def net(self, symbol: str = BTC, side: str = "BOTH") -> int:
        return self.venue.ledger.position(symbol, side).lots

    def resting(self) -> list[str]:
        plain = [order.client_id for order in self.venue.orders if order.is_open]
        return plain + [algo.client_id for algo in self.house.open_algos()]

    @property
    def made(self) -> list[VenueOrder]:
        """The orders of this process."""
        return [
            o for o in self.venue.orders if o.client_id.startswith(OUR_PREFIX) and o.client_id not in self.owned.ids
        ]


def after_the_engine(test: Act, before: Callable[[House], Awaitable[None]] | None = None) -> None:
    """`before` happens while the engine lives, a long in BTC and a short in ETH where it is not told; then it is
    killed."""

    async def entered(house: House) -> None:
        await house.enter(BTC)
        await house.enter(ETH, -1)
        await house.pass_s(3)

    async def main(house: House) -> None:
        await (before or entered)(house)
        await house.stop()
        await test(Day(house))

    in_house(main)
