"""Instruments, a plain strategy and a hand to drive the trader with, event by event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from core.domain.errors import RejectKind
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, Bar, FirstPrice
from core.domain.operator import LimitEvent, OperatorCommand, Verb
from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderUpdate, Side
from core.domain.records import LimitRecord, Record
from core.domain.trading import ExitReason, FundingPayment
from core.settings.schema import LimitSettings, Settings
from core.strategy.declaration import ExitRule, Lifecycle, Strategy
from core.trader.ids import NEWEST
from core.trader.limits import Reading
from core.trader.messages import CancelOrder, Command, Journal, PlaceOrder, Timer, TraderEvent, Watch
from core.trader.state import DAY_MS
from core.trader.strategy_book import StrategyBook
from core.trader.trader import Trader
from tests.declared import SURE, Vector, declared, from_on, said

R = TypeVar("R")

DAY0_MS = 20_000 * DAY_MS
NOON_MS = DAY0_MS + DAY_MS // 2

BTC, ETH, XRP = "BTCUSDT", "ETHUSDT", "XRPUSDT"


def make_instrument(symbol: str, tick: str, lot: str, **changes: Any) -> Instrument:
    base = Instrument(
        symbol=symbol,
        base=symbol.removesuffix("USDT"),
        tick_size=Decimal(tick),
        lot_size=Decimal(lot),
        contract_size=Decimal(1),
        min_lots=1,
        max_lots=1_000_000,
        min_notional_usdt=Decimal(5),
        maker_fee_bps=Decimal(2),
        taker_fee_bps=Decimal(5),
        max_leverage=50,
        maintenance_margin_pct=Decimal("0.5"),
        liquidation_fee_bps=Decimal(125),
    )
    return replace(base, **changes)


INSTRUMENTS: dict[str, Instrument] = {
    BTC: make_instrument(BTC, "0.1", "0.001"),
    ETH: make_instrument(ETH, "0.01", "0.001"),
    XRP: make_instrument(XRP, "0.0001", "0.1"),
}
PRICES = {BTC: 60_000.0, ETH: 2_500.0, XRP: 0.5}


def reversal(side: int, entry: float, price: float, values: Vector, held_ms: int, parameter: float) -> bool:
    return bool(side * values[0] <= -parameter)


def make_strategy(**changes: Any) -> Strategy:
    """Enters from 10 bps on, leaves when the forecast turns by 5; stop 1 %, target 3 %, cooldown 3 minutes."""
    fields: dict[str, Any] = {
        "needed_bps": 10.0,
        "outputs": SURE,
        "lookback_bars": 5,
        "lifecycle": Lifecycle(60 * MINUTE_MS, 10 * MINUTE_MS),
        "horizon_ms": 10 * MINUTE_MS,
        "decide": from_on,
        "cooldown_ms": 3 * MINUTE_MS,
        "exits": (ExitRule(ExitReason.REVERSAL, reversal, 5.0, "bps"),),
    }
    return declared("plain", **(fields | changes))


def make_trader(
    *,
    strategy: Mapping[str, Any] | None = None,
    instruments: Mapping[str, Instrument] | None = None,
    settings: Settings | None = None,
    id_form: int = NEWEST,
    beside: Sequence[Strategy] = (),
    **limits: Any,
) -> Trader:
    """A demo trader of 10,000 USDT; keyword arguments are limit settings."""
    return Trader(
        "demo",
        make_strategy(**(strategy or {})),
        settings or Settings(limits=LimitSettings(**limits)),
        instruments or INSTRUMENTS,
        id_form=id_form,
        beside=beside,
    )


def placed(commands: list[Command], role: OrderRole | None = None) -> list[Order]:
    return [c.order for c in commands if isinstance(c, PlaceOrder) and role in (None, c.order.role)]


def canceled(commands: list[Command]) -> list[Order]:
    return [c.order for c in commands if isinstance(c, CancelOrder)]


def records(commands: list[Command], kind: type[R]) -> list[R]:
    return [c.record for c in commands if isinstance(c, Journal) and isinstance(c.record, kind)]


class Desk:
    """A trader and everything it ever answered. Times follow the newest bar unless told."""

    def __init__(self, trader: Trader, start_ms: int = NOON_MS) -> None:
        self.trader = trader
        self.now_ms = start_ms
        self.said: list[Command] = []
        self._ids = 0

    def handle(self, event: TraderEvent) -> list[Command]:
        commands = self.trader.handle(event)
        self.said += commands
        return commands

    @property
    def records(self) -> list[Record]:
        return [c.record for c in self.said if isinstance(c, Journal)]

    def limits(self, name: str) -> list[LimitEvent]:
        """What the journal holds of one limit."""
        return [r.event for r in self.records if isinstance(r, LimitRecord) and r.event.limit == name]

    def book(self, symbol: str = BTC, strategy: str = "") -> StrategyBook:
        return self.trader.state.symbols[symbol].book(strategy or self.trader.strategy.name)

    def order(self, role: OrderRole, symbol: str = BTC) -> Order:
        order = self.book(symbol).open_order(role)
        assert order is not None, f"no open {role} of {symbol}"
        return order

    # Market and time

    def readings(self) -> list[Reading]:
        """Every limit that is measured, now."""
        return self.trader.guard.measure(self.trader.state, self.now_ms, self.trader.state.symbols)

    def minute(self, **closes: float) -> list[Command]:
        """The next minute: a bar for each symbol (at its last price unless told), then the timer."""
        self.now_ms += MINUTE_MS
        commands: list[Command] = []
        for symbol in self.trader.state.symbols:
            commands += self.bar(symbol, closes.get(symbol))
        return commands + self.timer()

    def bar(self, symbol: str = BTC, close: float | None = None) -> list[Command]:
        """A bar that closes now."""
        price = close or self.book(symbol).mark or PRICES[symbol]
        return self.handle(Bar(symbol, self.now_ms - MINUTE_MS, MINUTE_MS, price, price, price, price, 100.0))

    def first_price(self, price: float, symbol: str = BTC) -> list[Command]:
        return self.handle(FirstPrice(symbol, self.now_ms + 1_000, self.now_ms, price))

    def timer(self) -> list[Command]:
        return self.handle(Timer(self.now_ms))

    def to(self, time_ms: int) -> None:
        self.now_ms = time_ms

    def watch(self, after_ms: int = 0) -> list[Command]:
        """A watch after so much more time."""
        self.now_ms += after_ms
        return self.handle(Watch(self.now_ms))

    def predict(self, value_bps: float, symbol: str = BTC, strategy: str = "plain") -> list[Command]:
        return self.handle(said(symbol, self.now_ms, self.now_ms + 100, (value_bps, 0.6), strategy, "v1"))

    def operator(self, verb: Verb, symbol: str = "", until_ms: int | None = None, reason: str = "") -> list[Command]:
        self._ids += 1
        command = OperatorCommand(f"op{self._ids}", verb, symbol, "test", self.now_ms, False, until_ms, reason)
        return self.handle(command)

    # Venue

    def update(
        self, order: Order, state: OrderState, reason: str = "", kind: RejectKind = RejectKind.OTHER
    ) -> list[Command]:
        order_id = order.client_order_id
        venue_id = "" if state in (OrderState.SENT, OrderState.UNKNOWN) else f"v-{order_id}"
        return self.handle(OrderUpdate(order_id, order.symbol, state, self.now_ms, venue_id, reason, kind))

    def give_up(self, order: Order) -> list[Command]:
        """Nobody at the venue knows the order."""
        return self.handle(
            OrderUpdate(order.client_order_id, order.symbol, OrderState.REJECTED, self.now_ms, reason="never arrived")
        )

    def accept(self, *orders: Order) -> list[Command]:
        commands: list[Command] = []
        for order in orders:
            commands += self.update(order, OrderState.SENT)
            commands += self.update(order, OrderState.ACCEPTED)
        return commands

    def reject(self, order: Order, reason: str = "refused by the test") -> list[Command]:
        self.update(order, OrderState.SENT)
        return self.update(order, OrderState.REJECTED, reason)

    def fill(
        self, order: Order, lots: int | None = None, price: float | None = None, fee: str = "0", fill_id: str = ""
    ) -> list[Command]:
        """Executes an order at `price` (the mark unless told), whole unless told."""
        self._ids += 1
        s = self.book(order.symbol)
        return self.handle(
            Fill(
                fill_id=fill_id or f"f{self._ids}",
                client_order_id=order.client_order_id,
                symbol=order.symbol,
                side=order.side,
                qty_lots=order.remaining_lots if lots is None else lots,
                price_ticks=s.instrument.ticks_nearest(price or s.mark),
                fee_usdt=Decimal(fee),
                is_maker=False,
                time_ms=self.now_ms + 1_000,
            )
        )

    def liquidate(self, symbol: str = BTC, lots: int | None = None, price: float | None = None) -> list[Command]:
        """A fill of an order that only the venue knows, against the position."""
        s = self.book(symbol)
        side = Side.SELL if s.lots > 0 else Side.BUY
        return self.handle(
            Fill(
                fill_id=f"liq-{self.now_ms}-{lots}",
                client_order_id=f"liq-{symbol}-{self.now_ms}",
                symbol=symbol,
                side=side,
                qty_lots=lots or abs(s.lots),
                price_ticks=s.instrument.ticks_nearest(price or s.mark),
                fee_usdt=Decimal("1.5"),
                is_maker=False,
                time_ms=self.now_ms + 1_000,
            )
        )

    def funding(self, amount: str, symbol: str = BTC, funding_id: str = "") -> list[Command]:
        self._ids += 1
        s = self.book(symbol)
        return self.handle(
            FundingPayment(
                funding_id=funding_id or f"fund{self._ids}",
                symbol=symbol,
                time_ms=self.now_ms,
                rate=Decimal("0.0001"),
                mark_price=Decimal(repr(s.mark)),
                position_lots=s.lots,
                amount_usdt=Decimal(amount),
            )
        )

    # Whole moves

    def enter(self, value_bps: float = 20.0, symbol: str = BTC, lots: int | None = None) -> list[Command]:
        """A minute, a prediction and its entry filled: answers what the fill made the trader do."""
        self.minute()
        (order,) = placed(self.predict(value_bps, symbol), OrderRole.ENTRY)
        self.accept(order)
        return self.fill(order, lots)

    def hold(self, value_bps: float = 20.0, symbol: str = BTC) -> Order:
        """A position whose stop and target rest; answers the stop."""
        orders = placed(self.enter(value_bps, symbol))
        self.accept(*orders)
        return self.order(OrderRole.STOP, symbol)

    def round_trip(self, net_usdt: float, symbol: str = BTC) -> None:
        """A position that is stopped or taken out with about this profit, then its cooldown."""
        self.hold(symbol=symbol)
        s = self.book(symbol)
        price = s.entry_price + net_usdt / (s.lots * s.lot_qty)
        leg = self.order(OrderRole.STOP if net_usdt < 0 else OrderRole.TARGET, symbol)
        for order in canceled(self.fill(leg, lots=abs(s.lots), price=price)):
            self.update(order, OrderState.CANCELED, "position closed")
        for _ in range(4):
            self.minute()
