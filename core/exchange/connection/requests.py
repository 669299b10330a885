"""The one door for requests to an exchange: limited, timed, and every failure told as one of ours."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from core.clock import ExchangeClock
from core.domain.errors import (
    BadInputError,
    QuarterdeckError,
    UnavailableError,
    VenueBusyError,
)
from core.domain.instrument import Instrument
from core.exchange.connection.client import attend, build_client, guard_frames, keep_contracts
from core.exchange.connection.exchange_time import TimeKeeper
from core.exchange.connection.health import Health
from core.exchange.connection.keys import Keys
from core.exchange.connection.limiter import Limiter, Place, utc
from core.exchange.connection.news import Topic
from core.exchange.connection.outcome import Failure, Fate, banned_until_ms, failure_of
from core.exchange.connection.reachability import no_answer
from core.exchange.connection.wire import Dialect
from core.exchange.markets.symbols import market_row, normalise, our_symbols
from core.settings.schema import ExchangeSettings, Settings

log = logging.getLogger(__name__)

READ_TRIES = 3
READ_WAIT_MS = 250
_PROTECTIVE_WAIT_MS = 100
READ_PATIENCE_MS = 65_000
SEND_PATIENCE_MS = 3000
_PACED_PATIENCE_MS = 10_000
"""Where the exchange wants one request a second, several that protect wait for their turn."""

_PROTECTIVE_PATIENCE_MS = 1000
"""A read that protects does not wait out a rate limit inside of one call: whoever reads asks again."""
_FAILURES_TOLD = 3
_PART = "requests"
_ORDER_METHODS = frozenset({"create_order", "fetch_order"})
_NEW_ORDERS = frozenset({"create_order", "edit_order"})
_ASKING_METHODS = frozenset({"fetch_order", "fetch_my_trades"})
"""What becomes of a position waits for their answers."""

_PASSED: ContextVar[bool] = ContextVar("quarterdeck_request_passed", default=False)
"""Whether what is sent belongs to a call that the limiter let pass; ccxt asks more by itself."""

_MARKETS_PATIENCE_S = (2.0, 5.0)
_SLOW_METHODS = frozenset({"load_markets", "fetch_leverage_tiers"})
"""Answers of a megabyte or more: they may take twice the usual time."""


class Requests:
    """Implements `core.exchange.connection.wire.Wire`. Make one with `open_wire`."""

    def __init__(
        self,
        client: Any,
        dialect: Dialect,
        clock: ExchangeClock,
        health: Health,
        settings: ExchangeSettings,
        secrets: Sequence[str],
        jitter: Callable[[], float],
    ) -> None:
        self.client = client
        self.dialect = dialect
        self.clock = clock
        self.health = health
        self.limiter = Limiter(dialect.budget, clock.now_ms, health, clock.steady_ms)
        self.time = TimeKeeper(clock, health, settings.max_clock_offset_ms, self._fetch_time_ms, self._admit_time)
        self._settings = settings
        self._secrets = tuple(secrets)
        self._jitter = jitter
        self._unified: dict[str, str] = {}
        self._ours: dict[str, str] = {}
        self._failures = 0
        self._system_start_ms = clock.now_ms() - clock.offset_ms
        self._frames_left_out = 0
        self.unreadable_frames: Topic[Any] = Topic()
        attend(client, self._observe, self._why_unsent)
        guard_frames(client, self._note_frame)
        self._listed: set[str] = set()
        keep_contracts(client, self._ours.keys(), self._note_listed)

    @property
    def started_ms(self) -> int:
        return self._system_start_ms + self.clock.offset_ms

    async def load_symbols(self, symbols: Sequence[str], traded: Collection[str] = ()) -> list[str]:
        """Ask for the exchange's contracts, once, and find `symbols` among them; returned are they as we write them.
        One of `traded` that is listed no more was taken off, and is left out.

        Raises BadInputError naming one that is not there, UnavailableError where the exchange does not answer.
        """
        await self._load_markets()
        known = our_symbols(self.client.markets)
        ours = [normalise(symbol) for symbol in symbols]
        ours = [symbol for symbol in ours if symbol in known or symbol not in traded]
        for symbol in ours:
            if symbol not in known:
                near = difflib.get_close_matches(symbol, known, n=3)
                hint = f"did you mean {' or '.join(near)}?" if near else "see the exchange's list of contracts"
                raise BadInputError(
                    f"exchange.symbols: {symbol}: {self.client.id} has no USDT-margined perpetual of this name; {hint}"
                )
            self._unified[symbol] = known[symbol]
            self._ours[known[symbol]] = symbol
        return ours

    def stand_in(self, instrument: Instrument) -> None:
        """Know a contract by the rules that it had, which the exchange has taken off and of which something is held:
        what became of that is to be asked for, and booked."""
        symbol, unified = instrument.symbol, f"{instrument.base}/USDT:USDT"
        row = market_row(self.client, unified, instrument)
        self._unified[symbol], self._ours[unified] = unified, symbol
        listed = self._listed
        self.client.set_markets([*self.client.markets.values(), row])
        self._listed = listed

    async def _load_markets(self) -> None:
        """An answer that is lost must not hold up a start for as long as a slow one may take: asked again sooner."""
        for patience_s in _MARKETS_PATIENCE_S:
            with contextlib.suppress(TimeoutError, UnavailableError):
                async with asyncio.timeout(patience_s):
                    # A crash may have left a position without a stop.
                    await self.read("load_markets", weight=5, protective=True)
                return
        await self.read("load_markets", weight=5)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Those that were found, in the order in which they were asked for."""
        return tuple(self._unified)

    def is_listed(self, symbol: str) -> bool:
        return self._unified[symbol] in self._listed

    def unified(self, symbol: str) -> str:
        return self._unified[symbol]

    def symbol(self, unified: str) -> str:
        return self._ours.get(unified, unified)

    async def read(
        self,
        method: str,
        *args: Any,
        weight: int = 1,
        protective: bool = False,
        place: Callable[[], Place] | None = None,
        timeout_ms: int | None = None,
        **kwargs: Any,
    ) -> Any:
        from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: self._is_worth_another(error, protective)),
            stop=stop_after_attempt(READ_TRIES),
            wait=lambda state: self._wait_s(
                state.attempt_number, protective, state.outcome.exception() if state.outcome else None
            ),
            sleep=asyncio.sleep,
            reraise=True,
        )
        return await retrying(self._read_once, method, args, kwargs, weight, protective, place, timeout_ms)

    async def send(
        self,
        method: str,
        *args: Any,
        weight: int = 1,
        protective: bool = False,
        can_wait: bool = False,
        place: Callable[[], Place] | None = None,
        timeout_ms: int | None = None,
        **kwargs: Any,
    ) -> Any:
        timeout_ms = timeout_ms or self._settings.request_timeout_ms
        protective = protective and not (can_wait and self._is_limited())
        for resend in (False, True):
            await self._pass(method, args, kwargs, weight, protective, SEND_PATIENCE_MS, place)
            sent_ms = self.clock.steady_ms()
            answer = await self._call(method, args, kwargs, timeout_ms)
            if not isinstance(answer, Failure):
                return answer
            if answer.fate is not Fate.STALE or resend or not await self._resync():
                raise answer.of_send(sent_ms)
        raise AssertionError("the second try ends either way")

    def held_until_ms(self) -> int:
        return self.limiter.blocked_until_ms(protective=False)

    def holds(self) -> str:
        silent = f"{self.client.id} does not answer: orders are sent again until it does"
        return self.limiter.holds() or (silent if self._failures >= _FAILURES_TOLD else "")

    async def close(self) -> None:
        await self.client.close()

    async def _read_once(
        self,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        weight: int,
        protective: bool,
        place: Callable[[], Place] | None,
        timeout_ms: int | None,
    ) -> Any:
        patience_ms = READ_PATIENCE_MS
        if protective:
            patience_ms = _PACED_PATIENCE_MS if self._is_limited() else SEND_PATIENCE_MS
        if timeout_ms is None:
            timeout_ms = self._settings.request_timeout_ms * (2 if method in _SLOW_METHODS else 1)
        await self._pass(method, args, kwargs, weight, protective, patience_ms, place)
        answer = await self._call(method, args, kwargs, timeout_ms)
        if isinstance(answer, Failure):
            if answer.fate is Fate.STALE:
                await self._resync()
            raise answer.of_read()
        return answer

    async def _pass(
        self,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        weight: int,
        protective: bool,
        patience_ms: int,
        place: Callable[[], Place] | None,
    ) -> None:
        weight = max(weight, self.dialect.weight_of(method, args, kwargs))
        orders = 1 if method in _NEW_ORDERS else 0
        await self.limiter.acquire(
            weight,
            orders=orders,
            protective=protective,
            asks=method in _ASKING_METHODS,
            place=place,
            patience_ms=patience_ms,
        )

    async def _call(self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any], timeout_ms: int) -> Any:
        """The answer, or the Failure that the call ended in. Errors of ccxt end here: their text and their chain hold
        signed addresses."""
        passed = _PASSED.set(True)
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                answer = await getattr(self.client, method)(*args, **kwargs)
        except TimeoutError:
            failure = Failure(Fate.UNKNOWN, no_answer(timeout_ms, method))
        except Exception as error:  # noqa: BLE001 - ccxt raises anything from parsing an answer it did not expect
            blocked_until_ms = self.limiter.blocked_until_ms(protective=False)
            failure = failure_of(
                error,
                method,
                self.clock.now_ms(),
                self.dialect.codes,
                secrets=self._secrets,
                blocked_until_ms=blocked_until_ms,
            )
        else:
            if not (method in _ORDER_METHODS and not (isinstance(answer, Mapping) and answer.get("id"))):
                self._note_answer()
                return answer
            failure = Failure(Fate.UNKNOWN, f"{method}: the answer names no order")
        finally:
            _PASSED.reset(passed)
        self._note_failure(failure)
        return failure

    def _is_limited(self) -> bool:
        return self.clock.now_ms() < self.held_until_ms()

    def _why_unsent(self) -> str:
        """Why nothing may be sent now, as ccxt would tell the exchange's answer; empty where it may."""
        now_ms, banned_until_ms = self.clock.now_ms(), self.limiter.blocked_until_ms(protective=True)
        if now_ms < banned_until_ms:
            return f"418 nothing was sent: the exchange has banned us until {utc(banned_until_ms)}"
        if now_ms < self.held_until_ms() and not _PASSED.get():
            return f"429 nothing was sent: the exchange limits requests until {utc(self.held_until_ms())}"
        return ""

    def _note_answer(self) -> None:
        self._failures = 0
        # What protects is answered in a rate limit, and an answer may still be on its way when a ban begins.
        if not self._is_limited():
            self.health.report(_PART, "")

    def _note_failure(self, failure: Failure) -> None:
        if failure.fate in (Fate.REFUSED, Fate.STALE):
            self._note_answer()
            return
        if failure.status in (418, 429):
            return
        self._failures += 1
        if self._failures >= _FAILURES_TOLD and not self._is_limited():
            self.health.report(_PART, f"{self.client.id} does not answer; clears with its next answer")

    def _observe(self, status: int, headers: Mapping[str, str], body: str, answer: Any) -> None:
        self.limiter.observe(status, headers, banned_until_ms(body) if status in (418, 429) else None)
        if isinstance(answer, dict) and (told := self.dialect.words.budget_told(answer)) is not None:
            self.limiter.adopt(told)

    def _note_listed(self, unified: set[str]) -> None:
        self._listed = unified

    def _note_frame(self, connection: Any, error: Exception) -> None:
        """A frame that cannot be read is left out, and told; of many, ever fewer."""
        self._frames_left_out += 1
        if self._frames_left_out & (self._frames_left_out - 1) == 0:
            count, kind = self._frames_left_out, type(error).__name__
            log.warning("a message of a stream that cannot be read was left out (%d so far): %s", count, kind)
        self.unreadable_frames.publish(connection)

    async def _resync(self) -> bool:
        """Whether the exchange's time was measured anew."""
        try:
            await self.time.measure()
        except QuarterdeckError as error:
            log.warning("the exchange's time could not be measured: %s", error)
            return False
        return True

    async def _admit_time(self, protective: bool, first: bool) -> None:
        patience_ms = SEND_PATIENCE_MS if first else 0
        await self.limiter.acquire(1, protective=protective, times=True, patience_ms=patience_ms)

    async def _fetch_time_ms(self) -> int:
        method = "fetch_time"
        # A sample that took longer would tell nothing.
        timeout_ms = min(self._settings.request_timeout_ms, self._settings.protective_timeout_ms)
        answer = await self._call(method, (), {}, timeout_ms)
        if isinstance(answer, Failure):
            raise answer.of_read()
        if not isinstance(answer, int):
            raise UnavailableError(f"{method}: the answer holds no time")
        return answer

    def _is_worth_another(self, error: BaseException, protective: bool) -> bool:
        if isinstance(error, VenueBusyError):
            patience_ms = _PROTECTIVE_PATIENCE_MS if protective else READ_PATIENCE_MS
            return error.retry_ms - self.clock.now_ms() <= patience_ms
        return isinstance(error, UnavailableError)

    def _wait_s(self, attempt: int, protective: bool, error: BaseException | None) -> float:
        first_ms = _PROTECTIVE_WAIT_MS if protective else READ_WAIT_MS
        # Whose turn is missed in a rate limit waits a second more, and there the limiter spaces what goes out.
        doublings = 0 if protective and self._is_limited() else attempt - 1
        wait_ms: float = first_ms * 2**doublings * (1 + self._jitter())
        if isinstance(error, VenueBusyError) and not protective:
            wait_ms = max(wait_ms, error.retry_ms - self.clock.now_ms())
        return wait_ms / 1000


async def open_wire(
    settings: Settings,
    keys: Keys | None,
    clock: ExchangeClock,
    health: Health,
    dialect: Dialect,
    symbols: Sequence[str],
    traded: Collection[str] = (),
) -> Requests:
    """Requests to the exchange of `settings`, with its time measured and its contracts loaded; `traded` as
    `load_symbols` has it.

    Raises BadInputError naming a symbol that it does not trade, VenueRejectedError and UnavailableError.
    """
    client = build_client(settings.exchange, keys, clock.now_ms, dialect)
    secrets = keys.secrets() if keys is not None else ()
    wire = Requests(client, dialect, clock, health, settings.exchange, secrets, random.Random(0).random)  # noqa: S311
    try:
        await wire.time.measure()
        await wire.load_symbols(symbols, traded)
    except BaseException:
        await wire.close()
        raise
    return wire


async def keep_time(wire: Requests) -> None:
    """Keep the clock of `wire` at the exchange's time, for ever."""
    await wire.time.keep()
