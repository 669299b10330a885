"""Paper and live at the composition root: an engine on a real exchange's market, with or without its account."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import TYPE_CHECKING

from core.clock import ExchangeClock, SystemClock
from core.domain.errors import BadInputError, RefusedError
from core.domain.market import MINUTE_MS
from core.home import Home
from core.runtime import Finding, RunRequest
from quarterdeck_demo import (
    CONSOLE_PUBLISH_HZ,
    HEADLESS_PUBLISH_HZ,
    change_rules,
    note_start,
    open_forecaster,
    told_again,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.account import Opening
    from core.domain.instrument import Instrument
    from core.engine import EngineParts
    from core.exchange.keys import Keys
    from core.exchange.venue import ExchangeVenue
    from core.logbook import LogSetup
    from core.settings import Settings
    from core.strategy import Strategy
    from storage.database import Database
    from storage.journal import SqliteJournal

RESTART_PATIENCE_S = 0.5

EXCHANGE = "exchange"
"""The journal's fact of where its account is."""


async def exchange_parts(
    request: RunRequest,
    home: Home,
    settings: Settings,
    strategy: Strategy,
    clock: ExchangeClock,
    logs: LogSetup,
    stack: AsyncExitStack,
    *,
    console: bool,
) -> EngineParts:
    """The market of the settings' exchange, and the paper or live account of this home.

    Raises RefusedError where live is not armed, UnavailableError where the exchange does not answer.
    """
    from core.account import check_symbols
    from core.exchange.account_desk import AccountDesk
    from core.exchange.contract_watch import ContractWatch
    from core.exchange.contracts import load_instruments
    from core.exchange.dialects import check_live, dialect_of
    from core.exchange.health import Health
    from core.exchange.requests import open_wire
    from core.exchange.symbols import with_exchange_symbols
    from core.exchange.venue import ExchangeVenue
    from core.market.live import LiveMarket
    from core.real_time import real_time_parts
    from core.session import history_bars
    from core.starts import Rules
    from core.trader.trader import Trader
    from core.venues.rebuild import paper_venue
    from storage.candles import SqliteCandles
    from storage.database import open_database
    from storage.journal import SqliteJournal

    live = request.mode == "live"
    settings = with_exchange_symbols(settings)
    dialect = dialect_of(settings.exchange.id)
    if live:
        check_live(dialect)
    database = open_database(home.database)
    keys = _armed_keys(request, home, settings, database, logs)
    journal = await SqliteJournal.open(database, request.mode)
    stack.push_async_callback(journal.close)
    stored = await journal.get_meta("opening")
    _check_exchange(await journal.get_meta(EXCHANGE), settings.exchange.id)

    wire = await open_wire(settings, keys, clock, Health(), dialect, settings.market.symbols)
    stack.push_async_callback(wire.close)
    has_traded = journal.last_seq > 0
    # What a journal holds may stand unprotected: a restart waits for nothing that can come later.
    patience_s = RESTART_PATIENCE_S if live and has_traded else None
    fresh = await load_instruments(wire, settings, settings.market.symbols, with_account=live, patience_s=patience_s)
    instruments, records = await told_again(journal, fresh)
    check_symbols(records, instruments)
    candles = await SqliteCandles.open(open_database(home.market(dialect.id)))
    stack.push_async_callback(candles.close)
    account = ExchangeVenue(wire, instruments, settings.exchange) if live else None
    desk = AccountDesk(account, settings) if account is not None else None
    if desk is not None and records:
        desk.prepare_beside()
    elif desk is not None:
        await desk.prepare()

    opening = await _opening(journal, stored, request, settings, clock.now_ms(), account)
    settings = settings.with_initial_balance(opening.initial_balance_usdt).model_copy(update={"mode": request.mode})
    await journal.set_meta({EXCHANGE: dialect.id})
    await note_start(journal, clock.now_ms(), Rules(settings, instruments))

    async def keep(now: Mapping[str, Instrument]) -> None:
        await change_rules(journal, clock.now_ms(), Rules(settings, now))

    venue = account or paper_venue(instruments, settings, clock)
    contracts = desk.contracts if desk else ContractWatch(wire, settings, venue.adopt)
    contracts.keep = keep
    symbols = tuple(instruments)
    order_books, trades = symbols if strategy.needs_order_book else (), symbols if strategy.needs_trades else ()
    market = LiveMarket(wire, candles, symbols, settings, order_books=order_books, trades=trades)
    if not records:
        # A later start has its past in the store; what it missed comes with the feed, and delays no protection.
        past_ms = history_bars(strategy, settings) * MINUTE_MS
        await market.back_fill(dict.fromkeys(instruments, opening.start_ms - past_ms))
    return real_time_parts(
        mode=request.mode,
        wire=wire,
        market=market,
        trader=Trader(request.mode, strategy, settings, instruments),
        venue=venue,
        desk=desk,
        contracts=contracts,
        journal=journal,
        records=records,
        candles=candles,
        forecaster=open_forecaster(strategy, settings, home, opening.seed, stack),
        logbook=logs.book,
        start_ms=opening.start_ms,
        publish_hz=CONSOLE_PUBLISH_HZ if console else HEADLESS_PUBLISH_HZ,
    )


def examine_exchange(home: Home, settings: Settings) -> list[Finding]:
    """What `doctor` finds at the exchange of the settings; asks and changes nothing there."""
    from core.exchange.dialects import dialect_of
    from core.exchange.doctor import diagnose
    from core.exchange.keys import load_keys
    from core.exchange.symbols import with_exchange_symbols

    settings = with_exchange_symbols(settings)
    try:
        keys = load_keys(os.environ, home.keys)
    except BadInputError as error:
        return [Finding("keys", ok=False, detail=str(error), mend="mend the place named")]
    clock = ExchangeClock(SystemClock())
    dialect = dialect_of(settings.exchange.id)
    return asyncio.run(diagnose(settings, keys, clock, dialect, settings.market.symbols))


def _armed_keys(request: RunRequest, home: Home, settings: Settings, database: Database, logs: LogSetup) -> Keys | None:
    """The keys of an account that may be traded now; None on paper, which needs none.

    Raises RefusedError, ConfirmationError and BadInputError as `core.arming` does.
    """
    from core.arming import check_arming
    from core.exchange.keys import load_keys
    from storage.paper import has_traded, paper_hours

    keys = load_keys(os.environ, home.keys) if request.mode == "live" else None
    for secret in keys.secrets() if keys is not None else ():
        logs.hide(secret)
    check_arming(
        settings,
        request.mode,
        keys.tag if keys is not None else "",
        request.confirm_live,
        paper_hours(database),
        first_live_start=not has_traded(database, "live"),
    )
    return keys


def _check_exchange(traded: str | None, exchange_id: str) -> None:
    """Raises RefusedError where the account of this home is on another exchange."""
    if traded is not None and traded != exchange_id:
        raise RefusedError(f"the account of this home trades on {traded}, not on {exchange_id}; use another --home")


async def _opening(
    journal: SqliteJournal,
    stored: str | None,
    request: RunRequest,
    settings: Settings,
    now_ms: int,
    account: ExchangeVenue | None,
) -> Opening:
    """What the account was opened with: at its first start now, and with what the exchange says it holds."""
    from core.account import Opening, check_seed

    if stored is not None:
        opening = Opening.from_json(stored)
        check_seed(opening, request.seed)
        return opening
    balance_usdt: Decimal = settings.account.initial_balance_usdt
    if account is not None:
        balance_usdt = await account.wallet_usdt()
    seed = settings.demo.seed if request.seed is None else request.seed
    opening = Opening(seed, balance_usdt, now_ms // MINUTE_MS * MINUTE_MS)
    await journal.set_meta({"opening": opening.to_json(), "mode": request.mode})
    return opening
