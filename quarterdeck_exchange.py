"""Paper and live at the composition root: an engine on a real exchange's market, with or without its account."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import ExchangeClock, SystemClock
from core.control.requests import RunRequest
from core.domain.errors import BadInputError, RefusedError, SettingsError, UnavailableError
from core.domain.finding import Finding
from core.domain.market import MINUTE_MS
from core.domain.rows import Row
from core.home.folder import Home, engine_pid
from quarterdeck_demo import (
    CONSOLE_PUBLISH_HZ,
    HEADLESS_PUBLISH_HZ,
    change_rules,
    note_start,
    open_forecaster,
    recalled,
    told_again,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.domain.instrument import Instrument
    from core.engine.engine import EngineParts
    from core.engine.recovery import Remembered
    from core.exchange.connection.keys import Keys
    from core.exchange.orders.panic import Panic
    from core.exchange.orders.panic_plan import Owned, Plan
    from core.exchange.orders.venue import ExchangeVenue
    from core.home.logbook import LogSetup
    from core.settings.schema import Settings
    from core.strategy.declaration import Strategy
    from core.trader.account import Opening
    from storage.database import Database
    from storage.journal import SqliteJournal

log = logging.getLogger("quarterdeck.exchange")

RESTART_PATIENCE_S = 0.5

DATABASES = "databases"

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

    Raises RefusedError where live is not armed, UnavailableError where the exchange does not answer or does not tell
    what the account is set to; a journal that holds something starts all the same, and makes no entry until it is told.
    """
    from core.control.arming import TESTNET, account_of
    from core.engine.real_time import real_time_parts
    from core.engine.retention import keep_checkpoint, keep_short
    from core.engine.session import history_bars
    from core.engine.starts import Rules
    from core.exchange.account.desk import AccountDesk
    from core.exchange.account.setup import holds_anything
    from core.exchange.account.trading_right import check_trading_right
    from core.exchange.connection.health import Health
    from core.exchange.connection.requests import open_wire
    from core.exchange.dialects import check_live, dialect_of
    from core.exchange.markets.contracts import load_instruments
    from core.exchange.markets.symbols import with_exchange_symbols
    from core.exchange.markets.watch import ContractWatch
    from core.exchange.orders.venue import ExchangeVenue
    from core.market.live.market import LiveMarket
    from core.trader.account import held_symbols, retired_symbols
    from core.trader.trader import Trader
    from core.venues.rebuild import paper_venue
    from storage.candles import SqliteCandles
    from storage.database import open_database
    from storage.journal import SqliteJournal

    live, account_name = request.mode == "live", account_of(settings, request.mode)
    testnet = account_name == TESTNET
    settings = with_exchange_symbols(settings)
    dialect = dialect_of(settings.exchange.id)
    if live:
        check_live(dialect)
    where = _place(settings)
    # Whether they are whole is looked at beside: a position waits for nothing that grows with the home.
    database, market_database = (open_database(path, thorough=False) for path in (home.database, home.market(where)))
    keys = _armed_keys(request, home, settings, database, logs)
    journal = await SqliteJournal.open(database, account_name, keeps_market=True)
    stack.push_async_callback(journal.close)
    stored = await journal.get_meta("opening")
    _check_exchange(await journal.get_meta(EXCHANGE), where)

    known = await journal.instruments()
    wire = await open_wire(settings, keys, clock, Health(), dialect, settings.market.symbols, known)
    stack.push_async_callback(wire.close)
    taken_off = set(settings.market.symbols).difference(wire.symbols)
    settings = _still_listed(settings, wire.symbols)
    has_traded = journal.last_seq > 0
    # What a journal holds may stand unprotected: a restart waits for nothing that can come later.
    patience_s = RESTART_PATIENCE_S if live and has_traded else None
    asked = load_instruments(wire, settings, settings.market.symbols, with_account=live, patience_s=patience_s)
    if live:
        # Both at once, for the same reason.
        right = check_trading_right(wire, settings.market.symbols[0], patience_s)
        fresh, _ = await asyncio.gather(asked, right)
    else:
        fresh = await asked
    remembered: Remembered | None = None
    if live:
        instruments, remembered, records = await recalled(journal, fresh)
    else:
        instruments, records = await told_again(journal, fresh)
    before = None if remembered is None else remembered.memory
    left = sorted(held_symbols(records, before) & taken_off)
    for symbol in left:
        log.error("%s: not listed any more, and held in the books: what became of it is asked for", symbol)
        wire.stand_in(instruments[symbol])
    settings = _with_symbols(settings, (*fresh, *left))
    traded = {symbol: instruments[symbol] for symbol in settings.market.symbols}
    retired = retired_symbols(records, traded, before)
    candles = await SqliteCandles.open(market_database)
    stack.push_async_callback(candles.close)
    account = ExchangeVenue(wire, traded, settings.exchange) if live else None
    desk = AccountDesk(account, settings) if account is not None else None
    if account is not None and remembered is not None:
        account.known.know(await journal.order_ids())
    if desk is not None and holds_anything(records, before):
        desk.prepare_beside()
    elif desk is not None:
        await desk.prepare()

    opening = await _opening(journal, account_name, stored, request, settings, clock.now_ms(), account)
    settings = settings.with_initial_balance(opening.initial_balance_usdt).model_copy(update={"mode": request.mode})
    await journal.set_meta({EXCHANGE: where})
    await note_start(journal, clock.now_ms(), Rules(settings, instruments))

    async def keep(now: Mapping[str, Instrument]) -> None:
        await change_rules(journal, clock.now_ms(), Rules(settings, now))

    async def age(*_: object) -> None:
        await keep_short(journal, clock)

    async def check(*_: object) -> None:
        for each in (database, market_database):
            await each.check()
        wire.health.report(DATABASES, "")

    wire.health.report(DATABASES, "they are still being checked for damage")

    venue = account or paper_venue(instruments, settings, clock)
    contracts = desk.contracts if desk else ContractWatch(wire, settings, venue.adopt)
    contracts.keep = keep
    symbols = tuple(fresh)
    order_books, trades = symbols if strategy.needs_order_book else (), symbols if strategy.needs_trades else ()
    market = LiveMarket(wire, candles, symbols, settings, order_books=order_books, trades=trades)
    if not has_traded:
        # A later start has its past in the store; what it missed comes with the feed, and delays no protection.
        past_ms = history_bars(strategy, settings) * MINUTE_MS
        await market.back_fill(dict.fromkeys(symbols, opening.start_ms - past_ms))
    trader = Trader(account_name, strategy, settings, instruments, retired)

    def another() -> Trader:
        now = {symbol: s.instrument for symbol, s in trader.state.symbols.items()}
        return Trader(account_name, strategy, settings, now, retired)

    async def remember(*_: object) -> None:
        await keep_checkpoint(journal, another)

    return real_time_parts(
        mode=account_name,
        wire=wire,
        market=market,
        trader=trader,
        venue=venue,
        desk=desk,
        contracts=contracts,
        journal=journal,
        records=records,
        candles=candles,
        forecaster=open_forecaster(
            strategy, settings, home, opening.seed, stack, models=home.testnet_models if testnet else None
        ),
        logbook=logs.book,
        start_ms=opening.start_ms,
        publish_hz=CONSOLE_PUBLISH_HZ if console else HEADLESS_PUBLISH_HZ,
        server=_server(settings),
        beside=(check, age, remember) if live else (check, age),
        aside=asyncio.to_thread,
        remembered=remembered,
    )


def _still_listed(settings: Settings, listed: Sequence[str]) -> Settings:
    """Without the symbols that the exchange took off since the account traded them. Raises BadInputError where none is
    left."""
    gone = [symbol for symbol in settings.market.symbols if symbol not in listed]
    if not gone:
        return settings
    text = f"{', '.join(gone)}: {settings.exchange.id} does not list it any more"
    if not listed:
        raise BadInputError(f"{text}, and no other symbol is in the settings; name one in exchange.symbols")
    log.warning("%s; it is not traded, take it out of the settings", text)
    return _with_symbols(settings, listed)


def _with_symbols(settings: Settings, symbols: Sequence[str]) -> Settings:
    return settings.model_copy(update={"market": settings.market.model_copy(update={"symbols": tuple(symbols)})})


def examine_exchange(home: Home, settings: Settings) -> list[Finding]:
    """What `doctor` finds at the exchange of the settings; asks and changes nothing there."""
    from core.exchange.connection.keys import load_keys
    from core.exchange.dialects import dialect_of
    from core.exchange.doctor import diagnose
    from core.exchange.markets.symbols import with_exchange_symbols
    from core.home.key_environment import key_environment

    settings = with_exchange_symbols(settings)
    try:
        keys = load_keys(key_environment(), home.keys, testnet=settings.exchange.testnet)
    except BadInputError as error:
        return [Finding("keys", ok=False, detail=str(error), mend="mend the place named")]
    clock = ExchangeClock(SystemClock())
    dialect = dialect_of(settings.exchange.id)
    return asyncio.run(diagnose(settings, keys, clock, dialect, settings.market.symbols))


def panic(
    home: Home,
    settings_path: Path | None,
    everything: bool,
    tell: Callable[[str], None],
    confirm: Callable[[str], None] | None,
) -> Row:
    """As `tui.cli.runtime.Runtime.panic` says."""
    from core.control.arming import account_of, labelled
    from core.exchange.connection.keys import keys_mend, load_keys
    from core.home.key_environment import key_environment
    from storage.owned import read_owned

    settings = _account_settings(settings_path or home.settings, tell, is_named=settings_path is not None)
    testnet = settings.exchange.testnet
    keys = load_keys(key_environment(), home.keys, testnet=testnet)
    if keys is None:
        raise RefusedError(f"panic needs the API key of the account: {keys_mend(testnet=testnet)}")
    if (pid := engine_pid(home)) is not None:
        who = f"an engine{f' (process {pid})' if pid else ''}"
        tell(f"WARNING: {who} runs here: `quarterdeck flatten` is the better way; it may act against a panic")
    account = account_of(settings, "live")
    owned = read_owned(home.database, account, EXCHANGE)
    tell(labelled(account, f"account: {settings.exchange.id}{_server(settings)}, API key ...{keys.tag}"))
    _check_owned(owned, settings, everything, tell)
    if confirm is not None:
        plan = asyncio.run(_panic_plan(settings, keys, owned, everything, tell))
        if plan.is_done:
            tell("nothing to close and nothing to withdraw")
            left = list(plan.unknown)
            return {"flat": not left, "left": left, "exit_code": RefusedError.exit_code if left else 0}
        confirm(keys.tag)
    return asyncio.run(_panic(settings, keys, owned, everything, tell))


def _account_settings(path: Path, tell: Callable[[str], None], *, is_named: bool) -> Settings:
    from core.settings.schema import Settings, load_exchange, load_settings

    if not path.exists() and not is_named:
        return Settings()
    try:
        return load_settings(path)
    except SettingsError as error:
        settings = load_exchange(path)
        tell(f"of the settings only [exchange] is used: {error}")
        return settings


def _place(settings: Settings) -> str:
    """Where an account of these settings is, as the journal's fact EXCHANGE tells it."""
    from core.control.arming import TESTNET

    return f"{settings.exchange.id}-{TESTNET}" if settings.exchange.testnet else settings.exchange.id


def _server(settings: Settings) -> str:
    return f" at {settings.exchange.base_url}" if settings.exchange.base_url else ""


def _check_owned(owned: Owned, settings: Settings, everything: bool, tell: Callable[[str], None]) -> None:
    """Raises what keeps us from knowing what is ours, unless everything goes in any case."""
    from core.exchange.orders.panic_plan import doubt

    if owned.note:
        tell(owned.note)
    unknown = doubt(owned, _place(settings))
    if unknown is None:
        return
    if not everything:
        raise type(unknown)(
            f"{unknown}; what of the account is ours is not known, and nothing was closed: "
            "`quarterdeck panic --everything` closes all"
        )
    tell(f"what of the account is ours is not known: {unknown}")


@asynccontextmanager
async def _panic_at(
    settings: Settings, keys: Keys, owned: Owned, everything: bool, tell: Callable[[str], None]
) -> AsyncIterator[Panic]:
    from core.exchange.dialects import dialect_of
    from core.exchange.orders.panic import Panic
    from core.exchange.panic_wire import open_panic_wire

    dialect = dialect_of(settings.exchange.id)
    wire = await open_panic_wire(settings, keys, ExchangeClock(SystemClock()), dialect, tell)
    try:
        yield Panic(wire, settings, owned, tell, everything=everything)
    finally:
        await wire.close()


async def _panic_plan(
    settings: Settings, keys: Keys, owned: Owned, everything: bool, tell: Callable[[str], None]
) -> Plan:
    async with _panic_at(settings, keys, owned, everything, tell) as panic:
        plan = await panic.look()
    for line in plan.lines():
        tell(line)
    return plan


async def _panic(settings: Settings, keys: Keys, owned: Owned, everything: bool, tell: Callable[[str], None]) -> Row:
    async with _panic_at(settings, keys, owned, everything, tell) as panic:
        outcome = await panic.run()
    code = 0
    if not outcome.is_flat:
        code = UnavailableError.exit_code if outcome.is_out_of_reach else RefusedError.exit_code
    return {"flat": outcome.is_flat, "left": list(outcome.left), "exit_code": code}


def _armed_keys(request: RunRequest, home: Home, settings: Settings, database: Database, logs: LogSetup) -> Keys | None:
    """The keys of an account that may be traded now; None on paper, which needs none.

    Raises RefusedError, ConfirmationError and BadInputError as `core.control.arming` does.
    """
    from core.control.arming import check_arming
    from core.exchange.connection.keys import load_keys
    from core.home.key_environment import key_environment
    from storage.paper import has_traded, paper_hours

    testnet = settings.exchange.testnet
    keys = load_keys(key_environment(), home.keys, testnet=testnet) if request.mode == "live" else None
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
    account_name: str,
    stored: str | None,
    request: RunRequest,
    settings: Settings,
    now_ms: int,
    account: ExchangeVenue | None,
) -> Opening:
    """What the account was opened with: at its first start now, and with what the exchange says it holds."""
    from core.trader.account import Opening, check_seed

    if stored is not None:
        opening = Opening.from_json(stored)
        check_seed(opening, request.seed)
        return opening
    balance_usdt: Decimal = settings.account.initial_balance_usdt
    if account is not None:
        balance_usdt = await account.wallet_usdt()
    seed = settings.demo.seed if request.seed is None else request.seed
    opening = Opening(seed, balance_usdt, now_ms // MINUTE_MS * MINUTE_MS)
    await journal.set_meta({"opening": opening.to_json(), "mode": account_name})
    return opening
