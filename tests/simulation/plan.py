"""A seed's hour: which fault begins when, and for how long. Printed by a replay, so that a failure can be read."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

MINUTE_MS = 60_000

KINDS: dict[str, tuple[int, int, int]] = {
    # kind: (weight, shortest ms, longest ms)
    "lossy": (5, 5_000, 40_000),
    "server errors": (5, 5_000, 40_000),
    "slow": (3, 10_000, 60_000),
    "overload": (2, 5_000, 30_000),
    "rate limit": (2, 5_000, 25_000),
    "ban": (1, 15_000, 40_000),
    "maintenance": (1, 20_000, 90_000),
    "disconnect one": (5, 0, 0),
    "disconnect all": (3, 0, 5_000),
    "stall one": (4, 15_000, 120_000),
    "stall all": (2, 15_000, 90_000),
    "frames astray": (4, 10_000, 60_000),
    "no klines": (2, 60_000, 200_000),
    "listen key": (2, 0, 0),
    "clock jump": (2, 0, 0),
    "clock drift": (1, 0, 0),
    "jump": (6, 0, 0),
    "partial": (4, 0, 0),
    "human order": (3, 20_000, 200_000),
    "human cancels stop": (1, 0, 0),
    "transfer": (2, 0, 0),
    "lost entry answer": (4, 0, 0),
    "lost entry": (3, 0, 0),
    "lost stop answer": (4, 0, 0),
    "lost stop": (3, 0, 0),
    "jump after entry": (3, 0, 0),
    "kill": (1, 0, 0),
    "kill at order": (1, 0, 0),
    "kill at unknown": (1, 0, 0),
    "stop": (1, 0, 0),
    "operator pause": (1, 20_000, 60_000),
    "operator halt": (1, 20_000, 60_000),
    "operator flatten": (1, 10_000, 30_000),
    "halt at entry": (2, 20_000, 40_000),
    "rate limit at entry": (1, 5_000, 20_000),
    "disconnect at entry": (2, 0, 0),
    "stops refused at entry": (1, 3_000, 8_000),
}


PEOPLE: dict[str, tuple[int, int, int]] = {
    # What people do on the account; the time is that until it is undone or given up.
    "closed by hand": (4, 0, 0),
    "closed in part": (5, 0, 0),
    "closed in parts": (2, 0, 0),
    "foreign through zero": (3, 10_000, 90_000),
    "foreign along": (3, 10_000, 90_000),
    "foreign to and fro": (1, 10_000, 60_000),
    "closed at entry": (3, 0, 0),
    "foreign at entry": (2, 10_000, 60_000),
    "limit by hand": (3, 10_000, 90_000),
    "stop by hand": (2, 20_000, 120_000),
    "cancels everything": (2, 0, 0),
    "leverage by hand": (2, 0, 0),
    "margin mode by hand": (2, 60_000, 200_000),
    "transfer by hand": (2, 0, 0),
    "killed and traded": (3, 8_000, 40_000),
    "stopped and traded": (2, 8_000, 40_000),
    "external flatten": (2, 15_000, 40_000),
}
PEOPLE_EVERY_MS = 120_000.0

CROSSINGS: dict[str, tuple[int, int, int]] = {
    # Ours that cross on the way, without a fault of the exchange; the time is that until entries are resumed, or until
    # a symbol is back.
    "reversal meets stop": (4, 0, 0),
    "reversal meets target": (4, 0, 0),
    "flatten at entry": (3, 10_000, 30_000),
    "flatten at unknown entry": (3, 10_000, 30_000),
    "flatten at reversal": (3, 10_000, 30_000),
    "flatten at stop": (3, 10_000, 30_000),
    "flatten and kill": (3, 10_000, 30_000),
    "flatten given up": (2, 10_000, 30_000),
    "heavy loss": (4, 0, 0),
    "large transfer": (3, 0, 0),
    "resume": (4, 0, 0),
    "data import": (1, 0, 0),
    "symbol retired": (2, 60_000, 180_000),
}
CROSSING_EVERY_MS = 110_000.0

AT_MIDNIGHT: dict[str, tuple[int, int, int]] = {
    # One of them a seed, from some minutes before the turn of the day until as long after it.
    "off over midnight": (1, 5_000, 240_000),
    "late bars": (1, 120_000, 240_000),
}
BEFORE_MIDNIGHT_MS = 2 * MINUTE_MS, 5 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Episode:
    """One fault. `amount` in 0..1 says how hard, as its kind understands it."""

    at_ms: int
    kind: str
    length_ms: int
    amount: float

    def __str__(self) -> str:
        minutes, seconds = divmod(self.at_ms / 1000.0, 60.0)
        return f"{int(minutes):02d}:{seconds:06.3f} {self.kind} for {self.length_ms / 1000:.1f} s ({self.amount:.2f})"


def make_plan(seed: int, length_ms: int, quiet_ms: int, every_ms: float) -> list[Episode]:
    """Episodes of an hour that begins well and ends with `quiet_ms` without faults, one every `every_ms` or so.

    What weighs on every request (maintenance, a ban) never begins while another such does.
    """
    rng = random.Random(f"plan {seed}")
    kinds, weights = list(KINDS), [weight for weight, _, _ in KINDS.values()]
    end_ms = length_ms - quiet_ms
    at_ms, heavy_until_ms = float(MINUTE_MS), 0.0
    episodes: list[Episode] = []
    while True:
        at_ms += rng.expovariate(1.0 / every_ms)
        if at_ms >= end_ms:
            return episodes
        kind = rng.choices(kinds, weights)[0]
        _, shortest, longest = KINDS[kind]
        length = min(rng.randint(shortest, longest), int(end_ms - at_ms))
        if kind in HEAVY:
            if at_ms < heavy_until_ms:
                continue
            heavy_until_ms = at_ms + length + MINUTE_MS
        episodes.append(Episode(int(at_ms), kind, length, rng.random()))


def has_people(seed: int) -> bool:
    """Half of the seeds have people on the account, of either kind of strategy."""
    return seed // 2 % 2 == 1


def add_people(plan: Sequence[Episode], seed: int, length_ms: int, quiet_ms: int) -> list[Episode]:
    """The plan with acts of people among its episodes, drawn for themselves: without them the hour is as it was."""
    rng = random.Random(f"people {seed}")
    kinds, weights = list(PEOPLE), [weight for weight, _, _ in PEOPLE.values()]
    end_ms, at_ms = length_ms - quiet_ms, float(MINUTE_MS)
    acts: list[Episode] = []
    while True:
        at_ms += rng.expovariate(1.0 / PEOPLE_EVERY_MS)
        if at_ms >= end_ms:
            return sorted([*plan, *acts], key=lambda episode: episode.at_ms)
        kind = rng.choices(kinds, weights)[0]
        _, shortest, longest = PEOPLE[kind]
        length = min(rng.randint(shortest, longest), int(end_ms - at_ms))
        acts.append(Episode(int(at_ms), kind, length, rng.random()))


def has_crossings(seed: int) -> bool:
    """Half of the seeds have ours that cross, with people and without, of either kind of strategy."""
    return seed // 4 % 2 == 1


def add_crossings(plan: Sequence[Episode], seed: int, length_ms: int, quiet_ms: int, midnight_ms: int) -> list[Episode]:
    """The plan with crossings among its episodes, drawn for themselves: without them the hour is as it was. A UTC day
    begins at `midnight_ms`."""
    rng = random.Random(f"crossings {seed}")
    kinds, weights = list(CROSSINGS), [weight for weight, _, _ in CROSSINGS.values()]
    end_ms, at_ms = length_ms - quiet_ms, float(MINUTE_MS)
    found: list[Episode] = []
    kind = rng.choices(list(AT_MIDNIGHT), [weight for weight, _, _ in AT_MIDNIGHT.values()])[0]
    before_ms = rng.randint(*BEFORE_MIDNIGHT_MS)
    _, shortest, longest = AT_MIDNIGHT[kind]
    if midnight_ms + longest < end_ms:
        length = before_ms + rng.randint(shortest, longest)
        found.append(Episode(midnight_ms - before_ms, kind, length, rng.random()))
    while True:
        at_ms += rng.expovariate(1.0 / CROSSING_EVERY_MS)
        if at_ms >= end_ms:
            return sorted([*plan, *found], key=lambda episode: episode.at_ms)
        kind = rng.choices(kinds, weights)[0]
        _, shortest, longest = CROSSINGS[kind]
        length = min(rng.randint(shortest, longest), int(end_ms - at_ms))
        found.append(Episode(int(at_ms), kind, length, rng.random()))


def tight_limits(seed: int) -> dict[str, float]:
    """Limits that the losses of an hour with crossings reach: of the day, of the drawdown, or none."""
    rng = random.Random(f"limits {seed}")
    day = {"day_loss_usdt": round(rng.uniform(8.0, 25.0), 2)}
    drawdown = {"max_drawdown_pct": round(rng.uniform(0.15, 0.5), 3)}
    return rng.choices(({}, day, drawdown), (2, 3, 2))[0]


HEAVY = frozenset({"maintenance", "ban", "rate limit", "stall all", "overload"})
