"""What `data fetch` does: an exchange and its archive on one side, the store on the other."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from core.clock import Clock, ExchangeClock
from core.control.requests import FetchRequest
from core.domain.errors import BadInputError, QuarterdeckError, RefusedError, UnavailableError, VenueRejectedError
from core.domain.progress import Manner
from core.domain.rows import Row
from core.home.folder import Home, leave_to_engine, private_folder
from core.market.intervals import INTERVALS_MS

if TYPE_CHECKING:
    from core.domain.progress import OnProgress, ShouldStop
    from core.exchange.connection.requests import Requests
    from core.exchange.markets.contracts import Contract
    from core.lab.service.stores import HomeStores, MarketStore
    from core.market.fetch.archive import Archive
    from core.market.fetch.fetching import Fetch
    from core.settings.schema import Settings

T = TypeVar("T")

ARCHIVED = "binanceusdm"
"""The exchange whose archive `[data] archive_url` names."""

STOP_POLL_S = 0.1
STOPPED = "stopped; what has come is kept: run the same command again to go on"


def fetch_data(
    home: Home,
    stores: HomeStores,
    clock: Clock,
    request: FetchRequest,
    tell: Callable[[str], None],
    progress: OnProgress,
    should_stop: ShouldStop,
) -> Row:
    """As `tui.cli.runtime.Runtime.fetch_data` says."""
    from core.settings.of_home import settings_of

    settings = settings_of(home, request.settings_path)
    exchange = request.exchange or settings.exchange.id
    # Prices of test hosts are nobody's market.
    chosen = settings.exchange.model_copy(update={"id": exchange, "testnet": False})
    settings = settings.model_copy(update={"exchange": chosen})
    home.create()
    store = stores.imported(thorough=True)
    with _folder(home) as folder:
        work = _fetched(home, folder, store, settings, ExchangeClock(clock), request, tell, progress)
        fetch, contracts = asyncio.run(_stoppable(work, should_stop))
        shutil.rmtree(folder)
    symbols = list(dict.fromkeys(taken.symbol for taken in fetch.taken))
    for symbol in symbols:
        store.prepare(symbol, INTERVALS_MS[request.interval])
    # Candles of a price that nobody trades at stand under the symbol and their kind.
    found = store.problems(settings.lab.jump_volatilities)
    problems = [problem.as_dict() for problem in found if problem.symbol.partition(" ")[0] in symbols]
    return {
        "fetched": [taken.as_dict() for taken in fetch.taken],
        "contracts": contracts,
        "problems": problems,
        "left_out": _left_out(fetch),
    }


async def _fetched(
    home: Home,
    folder: Path,
    store: MarketStore,
    settings: Settings,
    clock: ExchangeClock,
    request: FetchRequest,
    tell: Callable[[str], None],
    progress: OnProgress,
) -> tuple[Fetch, list[Row]]:
    from core.exchange.markets.symbols import normalise
    from core.market.contracts.rules import rules_of
    from core.market.fetch.fetching import Fetch

    symbols = list(dict.fromkeys(normalise(symbol) for symbol in request.symbols))
    _check_symbols(symbols)
    async with AsyncExitStack() as stack:
        archive = _archive(settings, folder)
        if archive is not None:
            stack.push_async_callback(archive.close)
        wire, unlisted = await _wire(settings, clock, symbols, stack, tell, has_archive=archive is not None)
        if wire is not None and request.interval not in wire.client.timeframes:
            raise BadInputError(f"--interval: {wire.client.id} has no candles of {request.interval}; choose another")
        now_ms = clock.now_ms()
        # A file is stored whole or not at all: the wish to stop is looked at between two.
        manner = Manner(partial(leave_to_engine, home), lambda _: None, lambda: False)
        fetched = store.fetched(now_ms, manner)
        fetch = Fetch(settings.exchange.id, wire, unlisted, archive, fetched, now_ms, tell, progress)
        to_ms = now_ms if request.to_ms is None else request.to_ms
        await fetch.run(symbols, INTERVALS_MS[request.interval], request.from_ms, to_ms, with_mark=request.mark)
        contracts = [] if wire is None else await _contracts(wire, settings, tell)
        told = [rules_of(one.instrument, "USDT", now_ms, "exchange", fetch.exchange) for one in contracts]
        store.put_rules(told)
    return fetch, [_contract_row(contract, fetch.exchange, now_ms) for contract in contracts]


def _archive(settings: Settings, folder: Path) -> Archive | None:
    from core.market.fetch.archive import Archive

    url = settings.data.archive_url
    return Archive(url, folder) if url and settings.exchange.id == ARCHIVED else None


async def _wire(
    settings: Settings,
    clock: ExchangeClock,
    symbols: Sequence[str],
    stack: AsyncExitStack,
    tell: Callable[[str], None],
    *,
    has_archive: bool,
) -> tuple[Requests | None, Mapping[str, QuarterdeckError]]:
    """And why some symbols cannot be asked for there: contracts of the past are in the archive alone. Raises what
    keeps the exchange from answering, and of a symbol that it does not list, where there is no archive to ask."""
    from core.exchange.connection.health import Health
    from core.exchange.connection.requests import open_wire
    from core.exchange.dialects import dialect_of

    unlisted: dict[str, QuarterdeckError] = {}
    try:
        wire = await open_wire(settings, None, clock, Health(), dialect_of(settings.exchange.id), ())
        stack.push_async_callback(wire.close)
        for symbol in symbols:
            try:
                await wire.load_symbols([symbol])
            except BadInputError as error:
                unlisted[symbol] = BadInputError(str(error).removeprefix("exchange.symbols: "))
                if not has_archive:
                    raise unlisted[symbol] from error
    except (UnavailableError, VenueRejectedError) as error:
        if not has_archive:
            raise
        tell(f"{settings.exchange.id} is left out, and its archive alone is asked: {error}")
        return None, dict.fromkeys(symbols, error)
    return wire, unlisted


async def _contracts(wire: Requests, settings: Settings, tell: Callable[[str], None]) -> list[Contract]:
    """Today's rules of the contracts that the exchange lists; one whose rules cannot be read is told."""
    from core.exchange.markets.contracts import load_contracts

    found: list[Contract] = []
    for symbol in wire.symbols:
        try:
            found += (await load_contracts(wire, settings, [symbol], with_account=False)).values()
        except UnavailableError as error:
            tell(str(error))
    return found


def _contract_row(contract: Contract, source: str, read_ms: int) -> Row:
    """`assumed` says in words what the exchange does not tell without an account."""
    rules = contract.instrument
    return {
        "symbol": rules.symbol,
        "source": source,
        "read_ms": read_ms,
        "tick_size": f"{rules.tick_size:f}",
        "lot_size": f"{rules.lot_size:f}",
        "contract_size": f"{rules.contract_size:f}",
        "min_lots": rules.min_lots,
        "max_lots": rules.max_lots,
        "min_notional_usdt": f"{rules.min_notional_usdt:f}",
        "assumed": list(contract.assumed),
    }


def _left_out(fetch: Fetch) -> str:
    from core.market.fetch.fetching import NOWHERE

    lacking = {taken.symbol for taken in fetch.taken if taken.source == NOWHERE}
    errors = [str(fetch.unlisted[symbol]) for symbol in lacking] if fetch.wire is None else []
    return errors[0] if errors else ""


def _check_symbols(symbols: Sequence[str]) -> None:
    """They become part of addresses and of file names."""
    for symbol in symbols:
        if not symbol.isalnum():
            raise BadInputError(f"{symbol!r} is no symbol; write letters and digits, like BTCUSDT")


@contextmanager
def _folder(home: Home) -> Iterator[Path]:
    """The folder of what is being fetched, for one fetch at a time. Raises RefusedError while another one goes on."""
    folder = home.fetched
    private_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(f"{home.root}: another data fetch goes on here; wait for its end") from None
        yield folder
    finally:
        os.close(descriptor)


async def _stoppable(work: Coroutine[None, None, T], should_stop: ShouldStop) -> T:
    """What comes of `work`, which ends early where that is wished. Raises RefusedError then."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=STOP_POLL_S)
            if should_stop() and not task.done():
                task.cancel()
        return await task
    except asyncio.CancelledError:
        raise RefusedError(STOPPED) from None
