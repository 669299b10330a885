"""What goes wrong, drawn from a seed: the weather of the network, hour by hour the same for the same seed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import parse_qsl

from tests.simulation.loop import LoopClock
from tests.simulation.transport import Answer, Delivery, Fate, Outcome

JSON = {"Content-Type": "application/json;charset=UTF-8"}
UNKNOWN_503 = Answer(503, '{"code":-1000,"msg":"Unknown error, please check your request or try again later."}', JSON)
UNAVAILABLE_503 = Answer(503, '{"code":-1016,"msg":"Service Unavailable."}', JSON)
OVERLOAD_503 = Answer(503, '{"code":-1008,"msg":"Request throttled by system-level protection."}', JSON)
BACKEND_TIMEOUT = Answer(408, '{"code":-1007,"msg":"Timeout waiting for response from backend server."}', JSON)
BAD_GATEWAY = Answer(502, "<html><head><title>502 Bad Gateway</title></head></html>", {"Content-Type": "text/html"})
GARBAGE = Answer(200, '{"orderId": 12345, "symb', JSON)
NO_MORE_STOPS = Answer(400, '{"code":-4045,"msg":"Reach max stop order limit."}', JSON)
NOTHING = Answer(200, "[]", JSON)
MAINTENANCE = Answer(503, '{"code":-1016,"msg":"Service Unavailable, under maintenance."}', JSON)


@dataclass(slots=True)
class Odds:
    """Probabilities of one thing to happen to a request or a frame; all zero is fine weather."""

    lost_out: float = 0.0
    lost_back: float = 0.0
    reset_out: float = 0.0
    reset_after: float = 0.0
    unknown_before: float = 0.0
    unknown_after: float = 0.0
    timeout_before: float = 0.0
    timeout_after: float = 0.0
    unavailable: float = 0.0
    overload: float = 0.0
    bad_gateway: float = 0.0
    garbage: float = 0.0
    slow: float = 0.0

    def plus(self, other: Odds) -> Odds:
        return Odds(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(slots=True)
class FrameOdds:
    twice: float = 0.0
    late: float = 0.0
    out_of_order: float = 0.0
    lost: float = 0.0
    garbage: float = 0.0


PASSES_LIMIT = 0.85
"""How many of the orders that only reduce get through while a rate limit is in force."""

EVERYDAY = Odds(0.003, 0.003, 0.003, 0.003, 0.002, 0.003, 0.001, 0.002, 0.003, 0.003, 0.002, 0.002, 0.01)
EVERYDAY_FRAMES = FrameOdds(0.003, 0.004, 0.002, 0.0, 0.0005)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the exchange would read it."""

    method: str
    path: str
    params: dict[str, str]

    @property
    def is_new_order(self) -> bool:
        return self.method == "POST" and self.path.rpartition("/")[2] in {"order", "algoOrder"}

    @property
    def only_reduces(self) -> bool:
        return self.params.get("reduceOnly") == "true" or self.params.get("closePosition") == "true"

    @property
    def is_protective(self) -> bool:
        """What a position may depend on: orders that only reduce, withdrawals, and what became of one order."""
        asks_of_one = self.method == "GET" and bool(self.client_id or "orderId" in self.params)
        return (self.is_new_order and self.only_reduces) or self.method == "DELETE" or asks_of_one

    @property
    def client_id(self) -> str:
        for key in ("newClientOrderId", "clientAlgoId", "origClientOrderId"):
            if key in self.params:
                return self.params[key]
        return ""


@dataclass(slots=True)
class Storm:
    """A `transport.Weather` whose state the fault plan changes as time goes on.

    `limited_until_ms` is a 429 phase, in which orders that only reduce mostly pass; `banned_until_ms` one of 418;
    `told_until_ms` when the last of them ends by what was told, which stands where the phase is broken off. Nobody
    tells the candles of `late_symbol` until `late_until_ms`.
    """

    rng: random.Random
    clock: LoopClock
    seen: Counter[str] = field(default_factory=Counter)
    odds: Odds = field(default_factory=Odds)
    frame_odds: FrameOdds = field(default_factory=FrameOdds)
    slow_factor: float = 1.0
    is_down: bool = False
    limited_until_ms: int = 0
    banned_until_ms: int = 0
    told_until_ms: int = 0
    no_klines_until_ms: int = 0
    no_connect_until_ms: int = 0
    no_stops_until_ms: int = 0
    late_symbol: str = ""
    late_until_ms: int = 0
    spoil_next: list[tuple[str, Outcome, Answer | None]] = field(default_factory=list)
    observers: list[Any] = field(default_factory=list)

    def calm(self) -> None:
        """No faults any more; only time passes on the way."""
        self.odds, self.frame_odds = Odds(), FrameOdds()
        self.slow_factor = 1.0
        self.is_down = False
        self.limited_until_ms = self.banned_until_ms = self.no_klines_until_ms = self.no_connect_until_ms = 0
        self.no_stops_until_ms = self.late_until_ms = 0
        self.spoil_next.clear()

    @property
    def is_limiting(self) -> bool:
        """Whether requests are refused for being too many, or all of them, or are to be held back still."""
        return self.is_down or self.clock.now_ms() < max(
            self.limited_until_ms, self.banned_until_ms, self.told_until_ms
        )

    def one_way_ms(self) -> float:
        """Mostly 5 to 40 ms; one in fifty takes up to half a second."""
        draw = self.rng.random
        delay_ms = 5.0 + 35.0 * draw() * draw()
        if draw() < 0.02:
            delay_ms += 460.0 * draw()
        return delay_ms * self.slow_factor

    def request(self, method: str, path: str, params: str) -> Fate:
        asked = Asked(method, path, dict(parse_qsl(params)))
        outcome, answer = self._draw(asked)
        out_ms, back_ms = self.one_way_ms(), self.one_way_ms()
        if outcome is Outcome.ANSWERED and self.rng.random() < self.odds.slow:
            out_ms += 3_000.0 * self.rng.random()
            self.seen["slow request"] += 1
        for observer in list(self.observers):
            observer.asked(asked, outcome)
        return Fate(outcome, out_ms, back_ms, answer)

    def _draw(self, asked: Asked) -> tuple[Outcome, Answer | None]:
        now_ms, seen = self.clock.now_ms(), self.seen
        if self.is_down:
            seen["maintenance"] += 1
            return Outcome.REPLACED, MAINTENANCE
        if now_ms < self.banned_until_ms:
            seen["418"] += 1
            return Outcome.REPLACED, self._limited(418, self.banned_until_ms)
        if now_ms < self.limited_until_ms and not (asked.is_protective and self.rng.random() < PASSES_LIMIT):
            seen["429"] += 1
            return Outcome.REPLACED, self._limited(429, self.limited_until_ms)
        if now_ms < self.no_stops_until_ms and asked.params.get("type") == "STOP_MARKET":
            seen["stop refused"] += 1
            return Outcome.REPLACED, NO_MORE_STOPS
        is_late = now_ms < self.late_until_ms and asked.params.get("symbol") == self.late_symbol
        if is_late and asked.path.endswith("/klines"):
            seen["klines late"] += 1
            return Outcome.REPLACED, NOTHING
        for i, (kind, outcome, answer) in enumerate(self.spoil_next):
            if asked.is_new_order and (kind == "stop") is asked.only_reduces:
                del self.spoil_next[i]
                seen[f"planned {outcome.name.lower()} of {kind}"] += 1
                return outcome, answer
        chance = self.rng.random()
        for name, odds in (
            (name, getattr(self.odds, name)) for name in _OUTCOMES if name != "overload" or not asked.only_reduces
        ):
            if chance < odds:
                seen[name] += 1
                return _OUTCOMES[name]
            chance -= odds
        return Outcome.ANSWERED, None

    def _limited(self, status: int, until_ms: int) -> Answer:
        now_ms = self.clock.now_ms()
        wait_s = max(1, -(-(until_ms - now_ms) // 1000))
        self.told_until_ms = max(self.told_until_ms, now_ms + 1000 * wait_s)
        text = f'{{"code":-1003,"msg":"Way too many requests; IP banned until {until_ms}."}}'
        if status == 429:
            text = '{"code":-1003,"msg":"Too many requests; current limit is 2400 requests per minute."}'
        return Answer(status, text, {**JSON, "Retry-After": str(wait_s)})

    def answered(self, method: str, path: str, params: str, fate: Fate, answer: Answer | None) -> None:
        asked = Asked(method, path, dict(parse_qsl(params)))
        for observer in list(self.observers):
            observer.answered(asked, fate, answer)

    def handshake_ms(self, path: str) -> float | None:
        now_ms = self.clock.now_ms()
        if self.is_down or now_ms < self.no_connect_until_ms or self.rng.random() < self.odds.reset_out:
            self.seen["handshake refused"] += 1
            return None
        return 20.0 + self.one_way_ms()

    def frames(self, path: str, text: str) -> list[Delivery]:
        delay_ms = self.one_way_ms()
        odds, now_ms = self.frame_odds, self.clock.now_ms()
        is_late = now_ms < self.late_until_ms and f'"s":"{self.late_symbol}"' in text
        if (now_ms < self.no_klines_until_ms or is_late) and '"e":"kline"' in text:
            self.seen["kline lost"] += 1
            return []
        chance = self.rng.random()
        if chance >= odds.twice + odds.late + odds.out_of_order + odds.lost + odds.garbage:
            return [Delivery(delay_ms, text)]
        if chance < odds.twice:
            self.seen["frame twice"] += 1
            return [Delivery(delay_ms, text), Delivery(delay_ms + 500.0 * self.rng.random(), text, in_order=False)]
        chance -= odds.twice
        if chance < odds.late:
            self.seen["frame late"] += 1
            return [Delivery(delay_ms + 4_000.0 * self.rng.random(), text)]
        chance -= odds.late
        if chance < odds.out_of_order:
            self.seen["frame out of order"] += 1
            return [Delivery(delay_ms + 2_000.0 * self.rng.random(), text, in_order=False)]
        chance -= odds.out_of_order
        if chance < odds.lost:
            self.seen["frame lost"] += 1
            return []
        self.seen["frame garbage"] += 1
        return [Delivery(delay_ms, text[: len(text) // 2])]


_OUTCOMES: dict[str, tuple[Outcome, Answer | None]] = {
    "lost_out": (Outcome.LOST_ON_THE_WAY, None),
    "lost_back": (Outcome.ANSWER_LOST, None),
    "reset_out": (Outcome.RESET_ON_THE_WAY, None),
    "reset_after": (Outcome.RESET_AFTER, None),
    "unknown_before": (Outcome.REPLACED, UNKNOWN_503),
    "unknown_after": (Outcome.SPOILED, UNKNOWN_503),
    "timeout_before": (Outcome.REPLACED, BACKEND_TIMEOUT),
    "timeout_after": (Outcome.SPOILED, BACKEND_TIMEOUT),
    "unavailable": (Outcome.REPLACED, UNAVAILABLE_503),
    "overload": (Outcome.REPLACED, OVERLOAD_503),
    "bad_gateway": (Outcome.SPOILED, BAD_GATEWAY),
    "garbage": (Outcome.SPOILED, GARBAGE),
}
