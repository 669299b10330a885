"""Paper and live: an engine on a real exchange's market, with or without its account."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from core.control.requests import RunRequest
from core.domain.errors import BadInputError, RefusedError
from core.engine.assembly.account import EXCHANGE, change_rules, note_start, recalled
from core.engine.assembly.place import place_of, server_of
from core.engine.assembly.start import EngineStart, open_forecasters, outside_analysts

if TYPE_CHECKING:
    from core.clock import ExchangeClock
    from core.domain.instrument import Instrument
    from core.engine.assembly.stores import AccountJournal, AccountStore
    from core.engine.parts import EngineParts
    from core.engine.recovery import Remembered
    from core.engine.stepper import Stepper
    from core.exchange.connection.keys import Keys
    from core.exchange.orders.venue import ExchangeVenue
    from core.settings.schema import Settings
    from core.trader.account import Opening
    from core.venues.rebuild import Checkpoint

log = logging.getLogger("quarterdeck.exchange")

RESTART_PATIENCE_S = 0.5

DATABASES = "databases"


async def exchange_parts(start: EngineStart, clock: ExchangeClock) -> EngineParts:
    """The market of the settings' exchange, and the paper or live account of this home.

    Raises RefusedError where live is not armed, UnavailableError where the exchange does not answer or does not tell
    what the account is set to; a journal that holds something starts all the same, and makes no entry until it is told.
    """
    from core.control.arming import TESTNET, account_of
    from core.engine.assembly.real_time import real_time_parts
    from core.engine.retention import keep_checkpoint, keep_short, keep_streams, streams_kept_ms
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
    from core.market.live.beside import StreamsBeside
    from core.market.live.market import LiveMarket
    from core.market.live.observing import live_names
    from core.market.live.rows import check_timeframe
    from core.market.seeing import observed_of
    from core.market.streams import BOOK, TRADES
    from core.trader.account import Opening, check_interval, held_symbols, retired_symbols
    from core.trader.trader import Trader
    from core.venues.rebuild import paper_venue

    request, strategy, stack = start.request, start.strategy, start.stack
    live, account_name = request.mode == "live", account_of(start.settings, request.mode)
    settings = with_exchange_symbols(start.settings)
    names = live_names(settings.exchange.id, observed_of(strategy.market_inputs))
    analysts = outside_analysts(strategy)
    dialect = dialect_of(settings.exchange.id)
    if live:
        check_live(dialect)
    where = place_of(settings)
    # Whether they are whole is looked at beside: a position waits for nothing that grows with the home.
    accounts = start.stores.accounts(thorough=False)
    stored_market = start.stores.exchange_market(where, thorough=False)
    keys = _armed_keys(start, settings, accounts)
    journal = await accounts.journal(account_name, keeps_market=True)
    stack.push_async_callback(journal.close)
    stored = await journal.get_meta("opening")
    if stored is not None:
        check_interval(Opening.from_json(stored), settings.market.interval_minutes)
    _check_exchange(await journal.get_meta(EXCHANGE), where)

    known = await journal.instruments()
    wire = await open_wire(settings, keys, clock, Health(), dialect, settings.market.symbols, known)
    stack.push_async_callback(wire.close)
    check_timeframe(wire.client, settings.exchange.id, settings.market.interval_ms)
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
    instruments, remembered, records = await recalled(journal, fresh)
    before = None if remembered is None else remembered.memory
    left = sorted(held_symbols(records, before) & taken_off)
    for symbol in left:
        log.error("%s: not listed any more, and held in the books: what became of it is asked for", symbol)
        wire.stand_in(instruments[symbol])
    settings = _with_symbols(settings, (*fresh, *left))
    traded = {symbol: instruments[symbol] for symbol in settings.market.symbols}
    retired = retired_symbols(records, traded, before)
    candles = await stored_market.candles(settings.market.interval_ms)
    stack.push_async_callback(candles.close)
    observations, streams = None, None
    if strategy.market_inputs:
        observations = await stored_market.observations()
        stack.push_async_callback(observations.close)

    async def keep(now: Mapping[str, Instrument]) -> None:
        await change_rules(journal, clock.now_ms(), Rules(settings, now))

    account = ExchangeVenue(wire, traded, settings.exchange) if live else None
    desk = AccountDesk(account, settings, keep) if account is not None else None
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
    for part in strategy.parts:
        await journal.put_outputs(strategy.name, part.name, part.outputs)

    async def age(*_: object) -> None:
        await keep_short(journal, clock)

    async def forget(*_: object) -> None:
        if kept_ms := streams_kept_ms(settings, strategy, names):
            collected = await stored_market.collected(where)
            stack.push_async_callback(collected.close)
            await keep_streams(collected, settings.market.symbols, kept_ms, clock)

    async def check(*_: object) -> None:
        for each in (accounts, stored_market):
            await each.check()
        wire.health.report(DATABASES, "")

    wire.health.report(DATABASES, "they are still being checked for damage")

    venue = account or paper_venue(instruments, settings, clock, _venue_checkpoint(remembered))

    async def follow_rules(trader: Trader, stepper: Stepper) -> None:
        await ContractWatch(wire, settings, venue, keep, trader, stepper).run()

    symbols = tuple(fresh)
    # What is an input is read beside the market already.
    order_books = symbols if strategy.needs_order_book and BOOK not in names else ()
    trades = symbols if strategy.needs_trades and TRADES not in names else ()
    market = LiveMarket(wire, candles, symbols, settings, order_books=order_books, trades=trades)
    if names and observations is not None:
        stale_ms = int(settings.exchange.stale_after_seconds * 1_000)
        streams = StreamsBeside(wire, symbols, names, observations, followed=market.followed, stale_ms=stale_ms)
    if not has_traded:
        # A later start has its past in the store; what it missed comes with the feed, and delays no protection.
        past_ms = history_bars(strategy, settings) * settings.market.interval_ms
        await market.back_fill(dict.fromkeys(symbols, opening.start_ms - past_ms))
    trader = Trader(account_name, strategy, settings, instruments, retired)

    def another() -> Trader:
        now = {symbol: s.instrument for symbol, s in trader.state.symbols.items()}
        return Trader(account_name, strategy, settings, now, retired)

    async def remember(*_: object) -> None:
        await keep_checkpoint(journal, another)

    models = start.home.testnet_models if account_name == TESTNET else start.home.models

    return real_time_parts(
        mode=account_name,
        wire=wire,
        market=market,
        trader=trader,
        venue=venue,
        desk=desk,
        follow_rules=follow_rules,
        journal=journal,
        records=records,
        candles=candles,
        forecasters={**open_forecasters(start, settings, opening.seed, models), **analysts},
        logbook=start.logs.book,
        start_ms=opening.start_ms,
        publish_hz=start.publish_hz,
        server=server_of(settings),
        beside=(check, age, remember, forget),
        aside=asyncio.to_thread,
        remembered=remembered,
        observations=streams.stored if streams is not None else observations,
        forecasts=journal,
        streams=streams,
    )


def _venue_checkpoint(remembered: Remembered | None) -> Checkpoint | None:
    from core.venues.rebuild import Checkpoint

    if remembered is None:
        return None
    return Checkpoint(remembered.memory, remembered.seen, len(remembered.earlier))


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


def _armed_keys(start: EngineStart, settings: Settings, accounts: AccountStore) -> Keys | None:
    """The keys of an account that may be traded now; None on paper, which needs none.

    Raises RefusedError, ConfirmationError and BadInputError as `core.control.arming` does.
    """
    from core.control.arming import check_arming
    from core.exchange.connection.keys import load_keys
    from core.home.key_environment import key_environment

    testnet, mode = settings.exchange.testnet, start.request.mode
    keys = load_keys(key_environment(), start.home.keys, testnet=testnet) if mode == "live" else None
    for secret in keys.secrets() if keys is not None else ():
        start.logs.hide(secret)
    is_first = mode == "live" and not accounts.has_traded("live")
    check_arming(
        settings,
        mode,
        keys.tag if keys is not None else "",
        start.request.confirm_live,
        # What takes as long as the account is old is asked only where it counts.
        accounts.paper_hours() if is_first else 0.0,
        first_live_start=is_first,
    )
    return keys


def _check_exchange(traded: str | None, exchange_id: str) -> None:
    """Raises RefusedError where the account of this home is on another exchange."""
    if traded is not None and traded != exchange_id:
        raise RefusedError(f"the account of this home trades on {traded}, not on {exchange_id}; use another --home")


async def _opening(
    journal: AccountJournal,
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
    interval_ms = settings.market.interval_ms
    opening = Opening(seed, balance_usdt, now_ms // interval_ms * interval_ms, settings.market.interval_minutes)
    await journal.set_meta({"opening": opening.to_json(), "mode": account_name})
    return opening
