"""The limits' memory: which have fired, what that forbids, and the events that say so."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.domain.operator import CLEARED_BY_DAY, CLEARED_BY_RESUME, LimitEffect, LimitEvent
from core.domain.origin import ACCOUNT, Origin
from core.settings.schema import LimitSettings
from core.trader import limits
from core.trader.limits import Level, LimitRule, Reading
from core.trader.state import TraderState

_STICKY = CLEARED_BY_DAY | CLEARED_BY_RESUME
_BLOCKING = frozenset({LimitEffect.NO_NEW_ENTRIES, LimitEffect.FLATTEN})


@dataclass(frozen=True, slots=True)
class _Fired:
    level: Level
    event: LimitEvent


_Used = tuple[LimitRule, float, float, str]
"""What is used of a limit, the limit, and the symbol, empty for the whole account."""


class Guard:
    def __init__(self, settings: LimitSettings, interval_ms: int) -> None:
        self._settings = settings
        self._interval_ms = interval_ms
        self._fired: dict[tuple[str, str], _Fired] = {}
        self._effects = {name: self.effect(rule) for name, rule in limits.RULES.items()}

    def apply(self, event: LimitEvent) -> None:
        """Take in a journalled event."""
        key = (event.limit, event.symbol)
        if event.fired:
            self._fired[key] = _Fired("warn" if event.effect is LimitEffect.WARN else "blocked", event)
        else:
            self._fired.pop(key, None)

    def standing(self) -> tuple[LimitEvent, ...]:
        """The events by which what is remembered now came to be."""
        return tuple(fired.event for fired in self._fired.values())

    def blocks(self, symbol: str) -> LimitEvent | None:
        """The first limit that forbids a new entry in `symbol`."""
        if not self._fired:
            return None
        for rule in limits.RULES.values():
            for where in ("", symbol):
                fired = self._fired.get((rule.name, where))
                if fired is not None and fired.level == "blocked" and self._forbids(rule):
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
        """Names of the limits that forbid new entries now, with the symbol where it is one symbol's."""
        return tuple(f"{event.limit}:{event.symbol}" if event.symbol else event.limit for event in self.blocking())

    def level(self, rule: LimitRule, symbol: str = "") -> Level:
        """What is remembered of a limit."""
        fired = self._fired.get((rule.name, symbol))
        return "ok" if fired is None else fired.level

    def range_of_level(self, rule: LimitRule, limit: float) -> tuple[float, float]:
        """From which reading, inclusive, to which, exclusive, an account's limit stays as it is remembered."""
        level = self.level(rule)
        if level == "blocked":
            return (-math.inf if rule.name in _STICKY else limit), math.inf
        warn = limit * self._settings.warn_at_pct / 100.0 if rule.warns else limit
        return (-math.inf, warn) if level == "ok" else (warn, limit)

    def has_fired(self) -> bool:
        """Whether any limit warns or blocks."""
        return bool(self._fired)

    def closes_all(self) -> bool:
        """Whether a limit has fired that closes every position for as long as it stands."""
        return any(
            fired.level == "blocked" and fired.event.effect is LimitEffect.FLATTEN for fired in self._fired.values()
        )

    def measure(self, state: TraderState, now_ms: int, symbols: Iterable[str]) -> list[Reading]:
        """Every limit of the day and the account, and the feed's age of `symbols`, measured now."""
        return [self._reading(*used) for used in self._used(state, now_ms, symbols)]

    def measure_change(self, state: TraderState, now_ms: int, symbols: Iterable[str]) -> list[Reading]:
        """Those readings of `measure` that can change what is remembered: while no limit has fired, only what is used
        enough to warn."""
        measured = self._used(state, now_ms, symbols)
        if not self._fired:
            warn_at_pct = self._settings.warn_at_pct
            measured = [used for used in measured if used[1] >= used[2] * warn_at_pct / 100.0]
        return [self._reading(*used) for used in measured]

    def _used(self, state: TraderState, now_ms: int, symbols: Iterable[str]) -> list[_Used]:
        s = self._settings
        day_start, equity = state.day_start_equity_usdt, state.equity_usdt()
        used: list[_Used] = [
            (limits.DAY_LOSS_USDT, limits.loss_usdt(day_start, equity), s.day_loss_usdt, ""),
            (limits.DAY_LOSS_PCT, limits.loss_pct(day_start, equity), s.day_loss_pct, ""),
            (limits.DAY_TRADES, float(state.entries_on(now_ms)), float(s.max_trades_per_day), ""),
            (limits.LOSSES_IN_ROW, float(state.losses_on(now_ms)), float(s.max_losses_in_row), ""),
            (limits.DRAWDOWN, limits.drawdown_pct(state.peak_equity_usdt, equity), s.max_drawdown_pct, ""),
            (limits.EXPOSURE, limits.exposure_pct(state.gross_notional_usdt(), equity), s.max_exposure_pct, ""),
            (limits.OPEN_POSITIONS, float(state.open_positions()), float(s.max_open_positions), ""),
        ]
        for symbol in symbols:
            close_ms = state.symbols[symbol].bar_close_ms
            if close_ms:
                age_s = limits.feed_age_s(now_ms, close_ms, self._interval_ms)
                used.append((limits.FEED_AGE, age_s, s.max_feed_age_seconds, symbol))
        return used

    def note(self, readings: Iterable[Reading], now_ms: int) -> list[LimitEvent]:
        """Compare with what is remembered; return what fired and what cleared, in order."""
        events: list[LimitEvent] = []
        for reading in readings:
            if self._fired or reading.level != "ok":
                events += self._move(reading, now_ms)
        return events

    def check(
        self,
        rule: LimitRule,
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
        not. `note` says what is wrong when it fires, and again where that is something else meanwhile in a contract;
        `origin` whose decision it is measured of, where it is one's."""
        fired = self._fired.get((rule.name, symbol))
        if fired is None and not breached:
            return []
        reading = Reading(rule, symbol, used, limit, "blocked" if breached else "ok", rule.effect)
        if rule is limits.CONTRACT and breached and fired is not None and fired.event.note != note:
            event = _event(reading, now_ms, fired=True, effect=rule.effect, note=note)
            self.apply(event)
            return [event]
        return self._move(reading, now_ms, note, origin)

    def clear_day(self, now_ms: int) -> list[LimitEvent]:
        return self._clear(CLEARED_BY_DAY, now_ms)

    def clear_resume(self, now_ms: int) -> list[LimitEvent]:
        return self._clear(CLEARED_BY_RESUME, now_ms)

    def effect(self, rule: LimitRule) -> LimitEffect:
        if rule is limits.DAY_LOSS_USDT or rule is limits.DAY_LOSS_PCT:
            return self._settings.day_loss_effect
        return rule.effect

    def _forbids(self, rule: LimitRule) -> bool:
        return self.effect(rule) in _BLOCKING or rule is limits.EXPOSURE

    def _reading(self, rule: LimitRule, used: float, limit: float, symbol: str) -> Reading:
        level: Level = "ok"
        if used >= limit * self._settings.warn_at_pct / 100.0:
            level = limits.level(used, limit, self._settings.warn_at_pct)
            if level == "warn" and not rule.warns:
                level = "ok"
        if self._fired and level != "blocked" and rule.name in _STICKY and self.level(rule, symbol) == "blocked":
            level = "blocked"
        return Reading(rule, symbol, used, limit, level, self._effects[rule.name])

    def _move(self, reading: Reading, now_ms: int, note: str = "", origin: Origin = ACCOUNT) -> list[LimitEvent]:
        key = (reading.rule.name, reading.symbol)
        fired = self._fired.get(key)
        if (fired.level if fired else "ok") == reading.level:
            return []
        events = []
        if fired is not None:
            events.append(_event(reading, now_ms, fired=False, effect=fired.event.effect, origin=origin))
        if reading.level != "ok":
            effect = LimitEffect.WARN if reading.level == "warn" else reading.effect
            events.append(_event(reading, now_ms, fired=True, effect=effect, note=note, origin=origin))
        for event in events:
            self.apply(event)
        return events

    def _clear(self, names: frozenset[str], now_ms: int) -> list[LimitEvent]:
        events = [
            replace(fired.event, time_ms=now_ms, fired=False, note="")
            for (name, _), fired in list(self._fired.items())
            if name in names and fired.level == "blocked"
        ]
        for event in events:
            self.apply(event)
        return events


def _event(
    reading: Reading, now_ms: int, *, fired: bool, effect: LimitEffect, note: str = "", origin: Origin = ACCOUNT
) -> LimitEvent:
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
        note=note,
        origin=origin,
    )
