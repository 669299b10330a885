"""The limits' memory: which have fired, what that forbids, and the events that say so."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from core.domain.operator import LimitEffect, LimitEvent, LimitScope
from core.domain.origin import ACCOUNT, Origin
from core.settings.schema import LimitSettings
from core.trader.limits.catalogue import CATALOGUE
from core.trader.limits.limit import Account, Ended, Level, Limit, Meter, Reading, Subject, Told, level
from core.trader.state import TraderState
from core.trader.symbol_state import SymbolState

_BLOCKING = frozenset({LimitEffect.NO_NEW_ENTRIES, LimitEffect.FLATTEN})


@dataclass(frozen=True, slots=True)
class _Fired:
    level: Level
    event: LimitEvent


_Key = tuple[str, str, str]
"""A limit's name, and whom it binds: symbol and strategy, both empty for the whole account."""

_Planned = tuple[Limit, Meter, Callable[[Account, Subject], float | None], float, LimitScope]
"""How a limit is measured, from which figure on it may warn, and whom it binds."""

_Used = tuple[Limit, Meter, float, float, Subject, Told | None]
_ACCOUNT = LimitScope.ACCOUNT


class Guard:
    """Of the limits of `catalogue`. `measured` are those that these settings have measured, each with how."""

    def __init__(self, settings: LimitSettings, interval_ms: int, catalogue: Sequence[Limit] = CATALOGUE) -> None:
        self._warn_at_pct = settings.warn_at_pct
        self._interval_ms = interval_ms
        self._catalogue = tuple(catalogue)
        meters = [(limit, limit.meter(settings)) for limit in catalogue if limit.meter is not None]
        self.measured = [(limit, meter) for limit, meter in meters if meter is not None]
        self._plan = [
            (limit, meter, meter.used, meter.limit * settings.warn_at_pct / 100.0, limit.scope)
            for limit, meter in self.measured
        ]
        self._plan_of_change = [planned for planned in self._plan if not planned[0].by_timer]
        self._off = {limit.name for limit, meter in meters if meter is None}
        self._fired: dict[_Key, _Fired] = {}
        self._effects = {limit.name: limit.effect for limit in catalogue}
        self._effects |= {limit.name: meter.effect for limit, meter in self.measured if meter.effect is not None}
        self._ended = {by: {limit.name for limit in catalogue if by in limit.ended} for by in Ended}

    def apply(self, event: LimitEvent) -> None:
        """Take in a journalled event."""
        key = (event.limit, event.symbol, _strategy(event))
        if event.fired:
            self._fired[key] = _Fired("warn" if event.effect is LimitEffect.WARN else "blocked", event)
        else:
            self._fired.pop(key, None)

    def standing(self) -> tuple[LimitEvent, ...]:
        """The events by which what is remembered now came to be."""
        return tuple(fired.event for fired in self._fired.values())

    def blocks(self, symbol: str, strategy: str = "") -> LimitEvent | None:
        """The first limit that forbids a new entry of `strategy` in `symbol`."""
        if not self._fired:
            return None
        whose = [("", ""), (symbol, ""), *([("", strategy)] if strategy else [])]
        for limit in self._catalogue:
            for where in whose:
                fired = self._fired.get((limit.name, *where))
                if fired is not None and fired.level == "blocked" and self._forbids(limit):
                    return fired.event
        return None

    def blocking(self) -> tuple[LimitEvent, ...]:
        """The limits that forbid new entries now, as they fired."""
        return tuple(
            fired.event
            for _, fired in sorted(self._fired.items())
            if fired.level == "blocked" and fired.event.effect in _BLOCKING
        )

    def halts(self) -> tuple[str, ...]:
        """Names of the limits that forbid new entries now, with the symbol, or the strategy, where it is one's."""
        whom = [(event.limit, event.symbol or _strategy(event)) for event in self.blocking()]
        return tuple(f"{name}:{one}" if one else name for name, one in whom)

    def level(self, rule: Limit, symbol: str = "", origin: Origin = ACCOUNT) -> Level:
        """What is remembered of a limit, by its scope."""
        fired = self._fired.get(_key(rule, symbol, origin))
        return "ok" if fired is None else fired.level

    def range_of_level(self, rule: Limit, limit: float) -> tuple[float, float]:
        """From which reading, inclusive, to which, exclusive, an account's limit stays as it is remembered."""
        remembered = self.level(rule)
        if remembered == "blocked":
            return (-math.inf if rule.ended else limit), math.inf
        warn = limit * self._warn_at_pct / 100.0 if rule.warns else limit
        return (-math.inf, warn) if remembered == "ok" else (warn, limit)

    def has_fired(self) -> bool:
        """Whether any limit warns or blocks."""
        return bool(self._fired)

    def closes_all(self) -> bool:
        """Whether a limit has fired that closes every position for as long as it stands."""
        return any(
            fired.level == "blocked" and fired.event.effect is LimitEffect.FLATTEN for fired in self._fired.values()
        )

    def measure(self, state: TraderState, now_ms: int, symbols: Iterable[str]) -> list[Reading]:
        """Every limit that is measured, now: those of symbols of `symbols` alone."""
        return [self._reading(one) for one in self._used(self._plan, state, now_ms, symbols)]

    def measure_change(
        self, state: TraderState, now_ms: int, symbols: Iterable[str], *, by_timer: bool = False
    ) -> list[Reading]:
        """Those readings of `measure` that can change what is remembered: while no limit has fired, only what is used
        enough to warn. Limits that are noted by the timer alone are left out, but for `by_timer`."""
        plan, near_only = self._plan if by_timer else self._plan_of_change, not self._fired
        return [self._reading(one) for one in self._used(plan, state, now_ms, symbols, near_only=near_only)]

    def _used(
        self,
        plan: Iterable[_Planned],
        state: TraderState,
        now_ms: int,
        symbols: Iterable[str],
        *,
        near_only: bool = False,
    ) -> list[_Used]:
        account = self._account(state, now_ms)
        whole = Subject("", "", state.open_positions())
        alone = [_alone(symbol, state.symbols[symbol]) for symbol in symbols]
        used: list[_Used] = []
        for limit, meter, use, near, scope in plan:
            if scope is _ACCOUNT:  # Most are; without another loop, as this is part of every decision.
                value = use(account, whole)
                if value is not None and not (near_only and value < near):
                    used.append((limit, meter, value, near, whole, _told(meter, value, account, whole)))
                continue
            for subject in alone if scope is LimitScope.SYMBOL else self._strategies(state):
                value = use(account, subject)
                if value is not None and not (near_only and value < near):
                    used.append((limit, meter, value, near, subject, _told(meter, value, account, subject)))
        return used

    def _strategies(self, state: TraderState) -> list[Subject]:
        """Those that hold or want a trade, and those that are still bound."""
        trades = [s.trade for s in state.books() if s.trade is not None]
        held = Counter(trade.origin.strategy for trade in trades)
        names = {*held, *(strategy for _, _, strategy in self._fired)} - {""}
        return [Subject(strategy=name, open_positions=held[name]) for name in sorted(names)]

    def _account(self, state: TraderState, now_ms: int) -> Account:
        return Account(
            now_ms,
            self._interval_ms,
            state.day_start_equity_usdt,
            state.equity_usdt(),
            state.peak_equity_usdt,
            state.gross_notional_usdt(),
            state.entries_on(now_ms),
            state.losses_on(now_ms),
        )

    def note(self, readings: Iterable[Reading], now_ms: int) -> list[LimitEvent]:
        """Compare with what is remembered; return what fired and what cleared, in order."""
        events: list[LimitEvent] = []
        for reading in readings:
            if self._fired or reading.level in ("warn", "blocked"):
                events += self._move(reading, now_ms)
        return events

    def check(
        self,
        rule: Limit,
        symbol: str,
        used: float,
        limit: float,
        *,
        breached: bool,
        now_ms: int,
        note: str = "",
        origin: Origin = ACCOUNT,
    ) -> list[LimitEvent]:
        """Note a limit that is not measured by `measure`: blocked while `breached`, cleared by the first time it is
        not. `note` says what is wrong when it fires, and again where that is something else meanwhile and the limit
        renews; `origin` whose decision it is measured of, where it is one's."""
        fired = self._fired.get(_key(rule, symbol, origin))
        if fired is None and not breached:
            return []
        reached: Level = "blocked" if breached else "ok"
        return self._move(Reading(rule, symbol, used, limit, reached, rule.effect, origin, note), now_ms)

    def clear_day(self, now_ms: int) -> list[LimitEvent]:
        return self._clear(Ended.BY_DAY, now_ms)

    def clear_resume(self, now_ms: int) -> list[LimitEvent]:
        return self._clear(Ended.BY_RESUME, now_ms)

    def lock(
        self, rule: Limit, symbol: str, used: float, limit: float, until_ms: int | None, now_ms: int, note: str
    ) -> list[LimitEvent]:
        """Lock a symbol by a limit that locks, until a time or until it is unlocked; a lock of before by the same limit
        makes way."""
        reading = Reading(rule, symbol, used, limit, "blocked", rule.effect, note=note, until_ms=until_ms)
        return self._renew(reading, now_ms)

    def unlock(self, symbol: str, now_ms: int) -> list[LimitEvent]:
        """End what locks a symbol."""
        return self._end([e for e in self._locks() if e.symbol == symbol], now_ms, "unlocked by the operator")

    def expire(self, now_ms: int) -> list[LimitEvent]:
        """End the locks whose time is over, and what the settings of before had measured and these have not."""
        if not self._fired:
            return []
        ended = [e for e in self._locks() if e.until_ms is not None and e.until_ms <= now_ms]
        off = [fired.event for key, fired in self._fired.items() if key[0] in self._off]
        return self._end(ended, now_ms, "its time is over") + self._end(off, now_ms, "the settings ask for it no more")

    def expires_ms(self) -> int | None:
        """When the time of a lock is over next; None where none has one."""
        return min((e.until_ms for e in self._locks() if e.until_ms is not None), default=None)

    def _locks(self) -> list[LimitEvent]:
        return [fired.event for key, fired in self._fired.items() if key[0] in self._ended[Ended.BY_UNLOCK]]

    def _renew(self, reading: Reading, now_ms: int) -> list[LimitEvent]:
        event = _event(reading, now_ms, fired=True, effect=reading.effect)
        self.apply(event)
        return [event]

    def _end(self, fired: Iterable[LimitEvent], now_ms: int, note: str) -> list[LimitEvent]:
        events = [replace(event, time_ms=now_ms, fired=False, note=note) for event in fired]
        for event in events:
            self.apply(event)
        return events

    def _forbids(self, limit: Limit) -> bool:
        return limit.forbids or self._effects[limit.name] in _BLOCKING

    def _reading(self, measured: _Used) -> Reading:
        rule, meter, used, near, subject, told = measured
        if used < near and not self._fired and not subject.strategy:
            return Reading(rule, subject.symbol, used, meter.limit, "ok", self._effects[rule.name])
        reached: Level = "unknown" if used != used else "ok"
        if used >= near:
            reached = level(used, meter.limit, self._warn_at_pct)
            if reached == "warn" and not rule.warns:
                reached = "ok"
        origin = Origin(subject.strategy) if subject.strategy else ACCOUNT
        if self._fired and rule.ended and self.level(rule, subject.symbol, origin) == "blocked":
            reached = "blocked"
        note, until_ms = (told.note, told.until_ms) if told is not None else ("", None)
        effect, used = self._effects[rule.name], 0.0 if reached == "unknown" else used
        return Reading(rule, subject.symbol, used, meter.limit, reached, effect, origin, note, until_ms)

    def _move(self, reading: Reading, now_ms: int) -> list[LimitEvent]:
        fired = self._fired.get(_key(reading.rule, reading.symbol, reading.origin))
        reached = "ok" if reading.level == "unknown" else reading.level
        if (fired.level if fired else "ok") == reached:
            is_other = fired is not None and reading.rule.renews and fired.event.note != reading.note
            return self._renew(reading, now_ms) if is_other and reached == "blocked" else []
        events = []
        if fired is not None:
            events.append(_event(reading, now_ms, fired=False, effect=fired.event.effect))
        if reached != "ok":
            effect = LimitEffect.WARN if reading.level == "warn" else reading.effect
            events.append(_event(reading, now_ms, fired=True, effect=effect))
        for event in events:
            self.apply(event)
        return events

    def _clear(self, by: Ended, now_ms: int) -> list[LimitEvent]:
        ended = self._ended[by]
        blocked = [f.event for (name, *_), f in self._fired.items() if name in ended and f.level == "blocked"]
        return self._end(blocked, now_ms, "")


def _alone(symbol: str, s: SymbolState) -> Subject:
    return Subject(symbol, "", 0, s.bar_close_ms, s.funding_due_ms)


def _told(meter: Meter, value: float, account: Account, subject: Subject) -> Told | None:
    return meter.told(account, subject) if meter.told is not None and value >= meter.limit else None


def _key(rule: Limit, symbol: str, origin: Origin) -> _Key:
    return rule.name, symbol, origin.strategy if rule.scope is LimitScope.STRATEGY else ""


def _strategy(event: LimitEvent) -> str:
    """The one that it binds alone."""
    return event.origin.strategy if event.scope is LimitScope.STRATEGY else ""


def _event(reading: Reading, now_ms: int, *, fired: bool, effect: LimitEffect) -> LimitEvent:
    rule = reading.rule
    return LimitEvent(
        limit=rule.name,
        symbol=reading.symbol,
        time_ms=now_ms,
        fired=fired,
        effect=effect,
        used=reading.used,
        limit_value=reading.limit,
        unit=rule.unit,
        clears=rule.clears,
        note=reading.note if fired else "",
        origin=reading.origin,
        scope=rule.scope,
        until_ms=reading.until_ms if fired else None,
    )
