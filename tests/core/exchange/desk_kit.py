"""A whole account desk in virtual time: genuine ccxt over a network in memory, to an exchange in memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from core.clock import ExchangeClock
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS
from core.domain.operator import OperatorCommand, Verb
from core.domain.orders import Fill, Order, OrderRole, OrderState
from core.domain.records import AdjustmentRecord, FillRecord, IntentRecord, OrderUpdateRecord, Record, TradeRecord
from core.domain.trading import Trade
from core.engine.stepper import Stepper
from core.exchange.account.desk import AccountDesk, health_watch, watch
from core.exchange.binanceusdm.dialect import BinanceUsdm
from core.exchange.connection.client import build_client
from core.exchange.connection.health import Health
from core.exchange.connection.keys import Keys
from core.exchange.connection.requests import Requests
from core.exchange.orders.venue import ExchangeVenue
from core.settings.schema import parse_settings
from core.trader.account import held_symbols, retired_symbols
from core.trader.restore import restore
from core.trader.strategy_book import StrategyBook
from core.trader.trader import Trader
from tests.core.trader.desk import make_instrument, make_strategy
from tests.declared import said
from tests.simulation.journal import Disk, MemoryJournal
from tests.simulation.loop import LoopClock, VirtualLoop, run_virtual
from tests.simulation.memory_server import VenueServer
from tests.simulation.transport import Answer, Delivery, Fate, Network, Outcome, attach, virtual_ccxt
from tests.venue.orders import AlgoOrder
from tests.venue.orders import Order as VenueOrder
from tests.venue.venue import API_KEY, API_SECRET, BinanceVenue

START_MS = 1_780_000_020_000
BTC, ETH = "BTCUSDT", "ETHUSDT"
BID, ASK = "60000.0", "60000.1"
ANSWERED = Fate(Outcome.ANSWERED, 10.0, 10.0)
T = TypeVar("T")

Rule = Callable[[str, str, str], Fate | None]
"""Decides over a request by its method, path and parameters; None leaves it to the next rule."""


class Weather:
    """`rules` decide over requests, the newest first; `frames_of` over what comes of a frame."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.asked: list[tuple[str, str, str]] = []
        self.frames_of: Callable[[str], list[Delivery]] = lambda text: [Delivery(5.0, text)]
        self.is_deaf = False

    def request(self, method: str, path: str, params: str) -> Fate:
        self.asked.append((method, path, params))
        for rule in reversed(self.rules):
            fate = rule(method, path, params)
            if fate is not None:
                return fate
        return ANSWERED

    def answered(self, method: str, path: str, params: str, fate: Fate, answer: Answer | None) -> None:
        return None

    def handshake_ms(self, path: str) -> float | None:
        return None if self.is_deaf else 20.0

    def frames(self, path: str, text: str) -> list[Delivery]:
        return self.frames_of(text) if "private" in path else [Delivery(5.0, text)]

    def once(self, method: str, path: str, fate: Fate, times: int = 1) -> None:
        """Let `fate` meet the next requests of this kind."""
        left = [times]

        def rule(asked_method: str, asked_path: str, params: str) -> Fate | None:
            if left[0] and asked_method == method and asked_path.endswith(path):
                left[0] -= 1
                return fate
            return None

        self.rules.append(rule)

    def count(self, method: str, path: str) -> int:
        return sum(1 for m, p, _ in self.asked if m == method and p.endswith(path))


class House:
    """One engine's worth of trading without market and screen. `start` builds a process, `stop` ends it."""

    def __init__(self, loop: VirtualLoop, symbols: Sequence[str], exchange: dict[str, Any], leverage: int) -> None:
        self.loop = loop
        self.clock = LoopClock(loop, START_MS)
        self.venue = BinanceVenue(symbols, start_ms=START_MS - 86_400_000)
        self.weather = Weather()
        self.disk = Disk()
        self.symbols = tuple(symbols)
        self.settings = parse_settings(
            {
                "mode": "live",
                "account": {"leverage": leverage},
                "market": {"symbols": list(symbols)},
                "limits": {
                    "max_trades_per_day": 100_000,
                    "max_losses_in_row": 100_000,
                    "day_loss_pct": 99.0,
                    "day_loss_usdt": 9_000.0,
                    "max_drawdown_pct": 99.0,
                },
                "exchange": {"reconcile_seconds": 30.0, **exchange},
            },
            "test",
        )
        self.instruments = {symbol: self._instrument(symbol) for symbol in symbols}
        for symbol in symbols:
            self.quote(symbol)
        self.lives = 0
        self._decided = 0
        self.initial_usdt = Decimal(10_000)

    def _instrument(self, symbol: str) -> Instrument:
        contract = self.venue.exchange.contract(symbol)
        return replace(make_instrument(symbol, "1", "1"), tick_size=contract.tick_size, lot_size=contract.lot_size)

    async def start(self, beside: bool = False) -> None:
        """With `beside` as a start whose journal holds something."""
        self.lives += 1
        self.health = Health()
        self.network = Network(self.loop, VenueServer(self.venue, self.clock), self.weather)
        clock = ExchangeClock(self.clock)
        client = build_client(self.settings.exchange, Keys(API_KEY, API_SECRET), clock.now_ms, BinanceUsdm())
        attach(client, self.network)
        jitter = random.Random(0).random
        self.wire = Requests(client, BinanceUsdm(), clock, self.health, self.settings.exchange, (API_SECRET,), jitter)
        known = self.instruments if self.lives > 1 else ()
        listed = await self.wire.load_symbols(self.symbols, known)
        strategy = make_strategy(cooldown_ms=0)
        self.instruments, records = self.disk.told_again(self.instruments)
        left = sorted(held_symbols(records).difference(listed))
        for symbol in left:
            self.wire.stand_in(self.instruments[symbol])
        self.symbols = (*listed, *left)
        retired = retired_symbols(records, self.symbols)
        settings = self.settings.with_initial_balance(self.initial_usdt)
        self.trader = Trader("live", strategy, settings, self.instruments, retired)
        traded = {symbol: self.instruments[symbol] for symbol in self.symbols}
        self.exchange_venue = ExchangeVenue(self.wire, traded, self.settings.exchange)
        self.desk = AccountDesk(self.exchange_venue, self.settings, self.disk.change_rules)
        self.stepper = Stepper(self.trader, self.exchange_venue, MemoryJournal(self.disk), lambda records: None)
        restore(self.trader, records)
        self.exchange_venue.restore(records, (), ())
        for symbol in self.symbols:
            self.mark(symbol)
        if beside:
            self.desk.prepare_beside()
        else:
            await self.desk.prepare()
        self.task = self.loop.create_task(self._work())

    async def _work(self) -> None:
        clock = self.wire.clock
        async with asyncio.TaskGroup() as group:
            group.create_task(self.desk.run(self.trader, self.stepper))
            group.create_task(watch(self.trader, self.stepper, clock))
            group.create_task(health_watch(self.health, self.stepper, clock, self.symbols))
            await self.desk.reconcile(self.trader, self.exchange_venue, self.stepper, clock.now_ms())

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled() and self.task.exception() is not None:
            raise self.task.exception()  # type: ignore[misc]
        self.network.cut()
        await self.wire.close()

    async def until_well(self) -> None:
        await self.pass_s(1)
        for _ in range(100):
            if not self.trader.guard.halts():
                return
            await self.pass_s(0.1)
        raise AssertionError(self.health.problem())

    async def pass_s(self, seconds: float) -> None:
        """Let time pass; what the desk dies of is raised."""
        done, _ = await asyncio.wait([self.task], timeout=seconds)
        if done:
            self.task.result()
            raise AssertionError("the desk ended")

    def quote(self, symbol: str, bid: str = BID, ask: str = ASK) -> None:
        if symbol == ETH and bid == BID:
            bid, ask = "3000.00", "3000.01"
        self.venue.set_book(symbol, bid, ask, self.clock.now_ms())

    def mark(self, symbol: str) -> None:
        market = self.venue.exchange.markets[symbol]
        self.trader.state.symbols[symbol].see_bar(float(market.mark), self.clock.now_ms())

    async def predict(self, symbol: str, value_bps: float) -> None:
        """A new bar closes, and this is predicted of it."""
        self._decided += 1
        close_ms = START_MS // MINUTE_MS * MINUTE_MS + self._decided * 7
        now_ms = self.clock.now_ms()
        self.mark(symbol)
        prediction = said(symbol, close_ms, now_ms, (value_bps, 1.0), "plain")
        await self.stepper.step([prediction], now_ms)

    async def enter(self, symbol: str = BTC, side: int = 1) -> Order:
        """A market entry that is on its way; it is not waited for."""
        await self.predict(symbol, 20.0 * side)
        return next(r.order for r in reversed(self.disk.records) if isinstance(r, IntentRecord))

    async def command(self, verb: Verb, symbol: str = "") -> None:
        now_ms = self.clock.now_ms()
        await self.stepper.step([OperatorCommand(f"op-{now_ms}", verb, symbol, "test", now_ms)], now_ms)

    def book(self, symbol: str = BTC) -> StrategyBook:
        return self.trader.state.symbols[symbol].book(self.trader.strategy.name)

    def qty(self, symbol: str = BTC) -> Decimal:
        """What the books hold, in base units."""
        return self.book(symbol).instrument.qty(self.book(symbol).lots)

    def order(self, role: OrderRole, symbol: str = BTC) -> Order | None:
        return self.book(symbol).open_order(role)

    @property
    def records(self) -> list[Record]:
        return self.disk.records

    @property
    def fills(self) -> list[Fill]:
        return [record.fill for record in self.records if isinstance(record, FillRecord)]

    @property
    def trades(self) -> list[Trade]:
        """Each as it was told last: funding may become known after a trade has ended."""
        told = {record.trade.trade_id: record.trade for record in self.records if isinstance(record, TradeRecord)}
        return list(told.values())

    @property
    def adjusted(self) -> list[AdjustmentRecord]:
        """What moved the wallet beside orders and funding."""
        return [record for record in self.records if isinstance(record, AdjustmentRecord) and record.amount_usdt]

    def states(self, order: Order) -> list[OrderState]:
        """The journalled states of an order, in their order."""
        return [
            record.order.state
            for record in self.records
            if isinstance(record, OrderUpdateRecord | FillRecord)
            and record.order.client_order_id == order.client_order_id
        ]

    def at_exchange(self, order: Order) -> list[VenueOrder | AlgoOrder]:
        """Everything that rests or rested at the exchange under the order's client id."""
        cid = order.client_order_id
        plain: list[VenueOrder | AlgoOrder] = [o for o in self.venue.orders if o.client_id == cid]
        return plain + [a for a in self.venue.algos if a.client_id == cid]

    def open_algos(self) -> list[AlgoOrder]:
        return [algo for algo in self.venue.algos if algo.is_open]

    def check_books(self) -> None:
        """Positions and wallet equal the exchange's own ledger, to the last digit."""
        for symbol in self.symbols:
            theirs = self.venue.exchange.contract(symbol).qty(self.venue.position_lots(symbol))
            assert self.qty(symbol) == theirs, symbol
        assert self.trader.state.ledger.wallet_usdt == self.venue.ledger.wallet_usdt


def in_house(
    test: Callable[[House], Coroutine[Any, Any, T]],
    *,
    symbols: Sequence[str] = (BTC, ETH),
    leverage: int = 3,
    seed: int | None = None,
    **exchange: Any,
) -> T:
    """Run `test` with a desk that works, and end it; keyword arguments are settings of the exchange."""

    async def main(loop: VirtualLoop) -> T:
        house = House(loop, symbols, exchange, leverage)
        with virtual_ccxt(house.clock):
            await house.start()
            try:
                await house.until_well()
                return await test(house)
            finally:
                await house.stop()

    return run_virtual(main, seed=seed)
