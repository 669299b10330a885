"""A live home with months or years behind it, written by the product's own trader and journal, and left as a crash
leaves one: an entry had gone out, and what it filled has no stop.

Nothing in it is a market or a result: prices stand still but for what opens and closes a trade every so often.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.market import load_settings_and_rules
from core.domain.forecast import Contribution, Forecast
from core.domain.instrument import Instrument
from core.domain.market import MINUTE_MS, Bar, FirstPrice
from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderUpdate
from core.domain.origin import champion
from core.domain.records import IntentRecord, Record, TrainingRecord, TrainingStatus
from core.engine.assembly.account import note_start
from core.engine.starts import Rules
from core.home.folder import Home
from core.settings.schema import Settings
from core.trader.account import Opening
from core.trader.messages import Command, Journal, PlaceOrder, Timer
from core.trader.trader import Trader
from storage.database import open_database, transaction
from storage.journal import SqliteJournal
from strategies.ema_cross.declaration import build

ACCOUNT, EXCHANGE = "live", "binanceusdm"
PRICES = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0, "SOLUSDT": 150.0, "BNBUSDT": 600.0, "XRPUSDT": 0.5}
TRAIN_EVERY_MINUTES = 15
TRADE_EVERY_MINUTES = 600
DAY_MINUTES = 1_440

_METRICS = tuple((f"metric_{n}", 0.1 * n) for n in range(12))
_FEATURES = tuple(Contribution(f"feature_{n}", 0.5 * n, 0.1 * n) for n in range(5))


@dataclass(frozen=True, slots=True)
class OldHome:
    """`entry` is the order under way; the account held `wallet_usdt` before it. `records` is how many it journalled."""

    home: Home
    entry: Order
    wallet_usdt: Decimal
    records: int


class Market:
    """An obedient exchange: takes every order, fills entries at once and then what is asked for."""

    def __init__(self, trader: Trader) -> None:
        self.trader = trader
        self.records: list[Record] = []
        self._fills = 0

    def tell(self, event: object) -> list[Order]:
        """The orders that the trader places because of it; its records are kept."""
        return self._take(self.trader.handle(event))  # type: ignore[arg-type]

    def accept(self, order: Order, now_ms: int) -> None:
        for state in (OrderState.SENT, OrderState.ACCEPTED):
            venue_id = "" if state is OrderState.SENT else f"v{order.client_order_id[-12:]}"
            self.tell(OrderUpdate(order.client_order_id, order.symbol, state, now_ms, venue_id))

    def fill(self, order: Order, ticks: int, now_ms: int) -> list[Order]:
        self._fills += 1
        fee = Decimal("0.05")
        told = (order.client_order_id, order.symbol, order.side, order.qty_lots, ticks, fee, False, now_ms)
        return self.tell(Fill(f"f{self._fills}", *told))

    def end(self, now_ms: int) -> None:
        """What was to be withdrawn is gone."""
        for s in self.trader.state.symbols.values():
            for client_id in list(s.canceling):
                order = s.orders[client_id]
                self.tell(OrderUpdate(client_id, order.symbol, OrderState.CANCELED, now_ms, reason="withdrawn"))

    def _take(self, commands: Sequence[Command]) -> list[Order]:
        self.records += [command.record for command in commands if isinstance(command, Journal)]
        return [command.order for command in commands if isinstance(command, PlaceOrder)]


def write_old_home(
    home: Home,
    settings: Settings,
    days: int,
    now_ms: int,
    *,
    every_minutes: int = 1,
    with_checkpoint: bool = True,
) -> OldHome:
    """`every_minutes` the account was sampled and predicted for: at 1 the database has the size of a real one. Without
    a checkpoint it is the home of a program that made none."""
    settings, instruments = load_settings_and_rules(settings)
    end_ms = now_ms // MINUTE_MS * MINUTE_MS
    start_ms = end_ms - days * DAY_MINUTES * MINUTE_MS
    _write_candles(home, instruments, start_ms, end_ms)
    return asyncio.run(_write_journal(home, settings, instruments, start_ms, end_ms, every_minutes, with_checkpoint))


async def _write_journal(
    home: Home,
    settings: Settings,
    instruments: dict[str, Instrument],
    start_ms: int,
    end_ms: int,
    every: int,
    with_checkpoint: bool,
) -> OldHome:
    opening = Opening(settings.demo.seed, settings.account.initial_balance_usdt, start_ms)
    trader = Trader(ACCOUNT, build(settings), settings, instruments)
    market = Market(trader)
    journal = await SqliteJournal.open(open_database(home.database), ACCOUNT, keeps_market=True)
    try:
        await journal.set_meta({"opening": opening.to_json(), "mode": ACCOUNT, "exchange": EXCHANGE})
        await note_start(journal, start_ms, Rules(settings, instruments))
        for minute in range(0, (end_ms - start_ms) // MINUTE_MS - 1, every):
            _live_minute(market, tuple(instruments), start_ms, minute)
            if len(market.records) > 20_000:
                await journal.commit(market.records)
                market.records = []
        wallet_usdt = trader.state.ledger.wallet_usdt
        entry = _leave(market, next(iter(instruments)), end_ms)
        await journal.commit(market.records)
        if with_checkpoint:
            await journal.renew_checkpoint(lambda: Trader(ACCOUNT, build(settings), settings, instruments))
        return OldHome(home, entry, wallet_usdt, journal.last_seq)
    finally:
        await journal.close()


def _live_minute(market: Market, symbols: Sequence[str], start_ms: int, minute: int) -> None:
    open_ms = start_ms + minute * MINUTE_MS
    close_ms = open_ms + MINUTE_MS
    for symbol in symbols:
        price = PRICES[symbol]
        market.tell(FirstPrice(symbol, open_ms + 1_000, open_ms, price))
        market.tell(Bar(symbol, open_ms, MINUTE_MS, price, price, price, price, 10.0))
    market.tell(Timer(close_ms))
    for n, symbol in enumerate(symbols):
        is_traded = (minute + n * 120) % TRADE_EVERY_MINUTES == 0
        value_bps = 20.0 if is_traded else 0.0
        made_ms = close_ms + 500
        told = Forecast(symbol, close_ms, made_ms, (value_bps,), champion("ema_cross", "v1"), _FEATURES)
        for entry in market.tell(told):
            _trade(market, entry, made_ms)
    if minute % TRAIN_EVERY_MINUTES == 0:
        for status in (TrainingStatus.REQUESTED, TrainingStatus.SWAPPED):
            market.records += [_training(symbol, close_ms, status) for symbol in symbols]


def _trade(market: Market, entry: Order, now_ms: int) -> None:
    """In at market and out at the target."""
    market.accept(entry, now_ms)
    ticks = _ticks(market.trader, entry.symbol)
    bracket = market.fill(entry, ticks, now_ms)
    for order in bracket:
        market.accept(order, now_ms)
    target = next(order for order in bracket if order.role is OrderRole.TARGET)
    market.fill(target, target.trigger_ticks or ticks, now_ms + 100)
    market.end(now_ms + 200)


def _leave(market: Market, symbol: str, now_ms: int) -> Order:
    """An entry whose intent is durable, and of which nothing more is known."""
    made_ms, price = now_ms + 500, PRICES[symbol]
    market.tell(Bar(symbol, now_ms - MINUTE_MS, MINUTE_MS, price, price, price, price, 10.0))
    entry = market.tell(Forecast(symbol, now_ms, made_ms, (20.0,), champion("ema_cross", "v1"), _FEATURES))[0]
    assert isinstance(market.records[-1], IntentRecord)
    return entry


def _ticks(trader: Trader, symbol: str) -> int:
    return round(PRICES[symbol] / float(trader.state.symbols[symbol].instrument.tick_size))


def _training(symbol: str, asked_ms: int, status: TrainingStatus) -> TrainingRecord:
    version, metrics = ("", ()) if status is TrainingStatus.REQUESTED else (f"{symbol}-{asked_ms}", _METRICS)
    return TrainingRecord(symbol, champion("scalper", version), asked_ms, asked_ms + 60_000, status, "", metrics)


def _write_candles(home: Home, instruments: dict[str, Instrument], start_ms: int, end_ms: int) -> None:
    """As they would lie there had they come live, in one transaction."""

    def rows(symbol: str) -> Iterator[tuple[object, ...]]:
        price = PRICES[symbol]
        for open_ms in range(start_ms, end_ms, MINUTE_MS):
            yield (symbol, MINUTE_MS, open_ms, price, price, price, price, 10.0, 1 + list(instruments).index(symbol))

    database = open_database(home.market(EXCHANGE))
    with closing(database.connect_sync(durable=False)) as connection, transaction(connection):
        for n, symbol in enumerate(instruments, 1):
            told = (n, "stream", "", "candles", 0, symbol, MINUTE_MS, start_ms, end_ms - MINUTE_MS, 1, end_ms, "")
            connection.execute(f"INSERT INTO sources VALUES ({', '.join('?' * len(told))})", told)
            connection.executemany("INSERT INTO candles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows(symbol))
