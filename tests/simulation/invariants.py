"""What must hold at every moment of a simulated hour, whoever acts, put together from the meters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from core.domain.records import Record
from tests.simulation.faults import Asked
from tests.simulation.latches import Latches, Marks
from tests.simulation.meters import Ages, Sizes
from tests.simulation.shares import is_ours
from tests.simulation.telling import at
from tests.simulation.transport import Answer, Fate, Outcome
from tests.simulation.wishes import Wishes
from tests.simulation.world import World

UNPROTECTED_LIMIT_MS = 10_000
LEFTOVER_LIMIT_MS = 60_000
PHANTOM_LIMIT_MS = 10_000
UNKNOWN_LIMIT_MS = 60_000
TOO_LARGE_LIMIT_MS = 60_000
TOO_MUCH_LIMIT_MS = 10_000
FLAT_LIMIT_MS = 10_000


class Invariants:
    """Observes the exchange, the journal and the wire. `is_engine_there` says whether one runs that could mend a thing;
    while the exchange turns everything away, or forbids all but what protects, no time counts, either. Of what others
    hold in a contract that it was not given, by `is_traded`, an engine need not know."""

    def __init__(
        self,
        world: World,
        notional_usdt: float,
        is_engine_there: Callable[[], bool],
        is_traded: Callable[[str], bool],
    ) -> None:
        self._world = world
        self._is_traded = is_traded
        self._is_engine_there = is_engine_there
        self._exchange = world.exchange
        self.sizes = Sizes(world.exchange, world.claims, notional_usdt)
        self.phantoms = self._ages(self._is_phantom)
        self.phantoms_whole = Ages(world.symbols, self._is_phantom, is_engine_there)
        self.unknown = self._ages(self._has_unknown)
        self.too_large = self._ages(self._has_too_large)
        self.wishes = Wishes(self._ours)
        self.too_much = self._ages(self.wishes.is_too_much)
        self.not_flat = self._ages(self.wishes.is_unwanted)
        self.latches, self.limit_marks = Latches(), Marks()
        world.exchange.watchers.append(lambda symbol, now_ms: self.look(now_ms))
        world.storm.observers += [self.sizes, self]

    def _ages(self, is_bad: Callable[[str], bool]) -> Ages:
        return Ages(self._world.symbols, is_bad, self._counts)

    def _counts(self) -> bool:
        return not self._world.meter.is_shut and not self._world.storm.is_limiting and self._is_engine_there()

    def _is_phantom(self, symbol: str) -> bool:
        return bool(self._world.claims.phantom_lots(symbol, self._net(symbol)))

    def _has_unknown(self, symbol: str) -> bool:
        return self._is_traded(symbol) and bool(self._world.claims.unknown_lots(symbol, self._net(symbol)))

    def _net(self, symbol: str) -> int:
        return self._exchange.ledger.position(symbol).lots

    def _ours(self, symbol: str) -> int:
        """As many lots of ours as the net has room for."""
        net, ours = self._net(symbol), self._world.shares.ours.get(symbol, 0)
        return min(net, ours, key=abs) if net * ours > 0 else 0

    def _has_too_large(self, symbol: str) -> bool:
        """Whether an order of ours would close lots of others. Ours is what the trades say in their order, or what the
        books hold of the net: who looks only afterwards sees no difference where somebody went out and in again."""
        net, claims = self._net(symbol), self._world.claims
        booked = abs(claims.ours.get(symbol, 0)) - claims.phantom_lots(symbol, net)
        ours = max(abs(self._world.shares.ours.get(symbol, 0)), booked)
        return abs(net) > ours and any(
            is_ours(algo.client_id) and algo.sign * net < 0 and algo.lots > ours
            for algo in self._exchange.open_algos[symbol].values()
        )

    @property
    def _all_ages(self) -> tuple[Ages, ...]:
        return self.phantoms, self.phantoms_whole, self.unknown, self.too_large, self.too_much, self.not_flat

    def look(self, now_ms: int) -> None:
        for ages in self._all_ages:
            ages.look(now_ms)

    def asked(self, asked: Asked, outcome: Outcome) -> None:
        self.look(self._world.clock.now_ms())

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None: ...

    def committed(self, records: Sequence[Record]) -> None:
        now_ms = self._world.clock.now_ms()
        self.sizes.committed(records, now_ms)
        self.wishes.take(records)
        self.latches.take(records)
        self.limit_marks.take(records)
        self._world.claims.take(records, now_ms)
        for symbol in self._world.symbols:
            self._world.meter.changed(symbol, now_ms)
        self.look(now_ms)

    def end(self, now_ms: int) -> list[str]:
        """Every breach, a line each."""
        meter = self._world.meter
        meter.end(now_ms)
        for ages in self._all_ages:
            ages.end(now_ms)
        broken = [*self.sizes.problems, *self.latches.problems, *self.limit_marks.problems]
        for what, limit_ms, found in (
            ("unprotected", UNPROTECTED_LIMIT_MS, meter.gaps_ms),
            ("flat with our orders resting", LEFTOVER_LIMIT_MS, meter.leftovers_ms),
            ("books hold what the net does not have", PHANTOM_LIMIT_MS, self.phantoms.ended_ms),
            ("net beyond the books and what is known of others", UNKNOWN_LIMIT_MS, self.unknown.ended_ms),
            ("our order would close what others hold", TOO_LARGE_LIMIT_MS, self.too_large.ended_ms),
            ("more held on a side than intended", TOO_MUCH_LIMIT_MS, self.too_much.ended_ms),
            ("not flat after a flatten", FLAT_LIMIT_MS, self.not_flat.ended_ms),
        ):
            broken += [
                f"{what}: {symbol} for {age_ms} ms from {at(began_ms)}"
                for age_ms, symbol, began_ms in found
                if age_ms > limit_ms
            ]
        return broken

    def longest_ms(self) -> dict[str, int]:
        return {
            "phantom": self.phantoms.longest_ms(),
            "phantom with the time of limits": self.phantoms_whole.longest_ms(),
            "unknown": self.unknown.longest_ms(),
            "too large": self.too_large.longest_ms(),
            "too much": self.too_much.longest_ms(),
            "not flat": self.not_flat.longest_ms(),
        }


def unattended(traded: Collection[str], ours: Mapping[str, int]) -> list[str]:
    """What we hold in contracts that a running engine was not given."""
    return [
        f"the engine runs without {symbol}, of which {lots} lots are held"
        for symbol, lots in ours.items()
        if lots and symbol not in traded
    ]
