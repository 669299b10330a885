"""Ours that cross on the way in a simulated hour: reversals, flattens, days, starts, transfers and imports. None of
them needs a fault of the exchange; each act is one of a seeded plan."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.domain.operator import Verb
from core.domain.orders import Order, OrderRole, OrderState
from core.domain.records import IntentRecord, OrderUpdateRecord, Record
from core.domain.trading import ExitReason
from tests.simulation.faults import Asked
from tests.simulation.latches import DAY_MS
from tests.simulation.plan import Episode
from tests.simulation.shares import is_ours
from tests.simulation.transport import Answer, Fate, Outcome
from tests.venue.orders import AlgoOrder

if TYPE_CHECKING:
    from tests.simulation.run import Hour

THROUGH = 0.0004
"""By which share of it the price goes beyond a trigger."""

ON_THE_WAY_MS = 45.0
"""Most requests have arrived after so long."""

LATE_BEFORE_MS = 150_000
"""So long before midnight the candles that are held back begin."""

LOOK_AGAIN_MS = 10_000

POOR_USDT = 5_000
"""An account with less is not taken from."""


class Crossings:
    """Observes the wire and the journal, for what waits there for its moment."""

    def __init__(self, hour: Hour, seed: int) -> None:
        self._hour = hour
        self._world = hour.world
        self._rng = random.Random(f"crossings of {seed}")
        # One of a kind waits: two losses at one entry would be a crash of the market.
        self._at_request: dict[str, tuple[Callable[[Asked], bool], Callable[[Asked], None]]] = {}
        self._at_order: dict[str, tuple[Callable[[Record], bool], Callable[[Order], None]]] = {}

    def begin(self, episode: Episode) -> None:
        act = getattr(self, "_do_" + episode.kind.replace(" ", "_"))
        act(episode)

    # What is waited for

    def asked(self, asked: Asked, outcome: Outcome) -> None:
        for kind, (is_it, act) in list(self._at_request.items()):
            if is_it(asked) and not self._world.is_calm:
                del self._at_request[kind]
                act(asked)

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None: ...

    def committed(self, records: Sequence[Record]) -> None:
        for kind, (is_it, act) in list(self._at_order.items()):
            found = next((record for record in records if is_it(record)), None)
            if isinstance(found, IntentRecord | OrderUpdateRecord) and not self._world.is_calm:
                del self._at_order[kind]
                act(found.order)

    # Reversals

    def _do_reversal_meets_stop(self, episode: Episode) -> None:
        self._at_reversal(episode, self._touch_stop)

    def _do_reversal_meets_target(self, episode: Episode) -> None:
        self._at_reversal(episode, self._touch_target)

    def _at_reversal(self, episode: Episode, touch: Callable[[str], None]) -> None:
        """While the exit of a reversal travels, which is written down and about to leave."""
        delay_ms = episode.amount**2 * ON_THE_WAY_MS
        self._at_order[episode.kind] = (_is_reversal, lambda order: self._later(delay_ms, touch, order.symbol))

    def _touch_stop(self, symbol: str) -> None:
        self._touch(symbol, lambda algo: algo.is_stop)

    def _touch_target(self, symbol: str) -> None:
        self._touch(symbol, lambda algo: not algo.is_stop)

    def _touch(self, symbol: str, is_it: Callable[[AlgoOrder], bool]) -> None:
        """Move the price through the trigger of an order of ours."""
        exchange = self._world.exchange
        for algo in exchange.open_algos[symbol].values():
            if is_ours(algo.client_id) and is_it(algo):
                trigger = float(exchange.contracts[symbol].price(algo.trigger_ticks))
                # A stop lies against the position, a target with it.
                beyond = algo.sign if algo.is_stop else -algo.sign
                self._world.jump(symbol, trigger * (1.0 + beyond * THROUGH) / self._world.prices[symbol] - 1.0)
                return

    # Flattens

    def _do_flatten_at_entry(self, episode: Episode) -> None:
        delay_ms = episode.amount * ON_THE_WAY_MS
        self._at_request[episode.kind] = (_is_entry, lambda _: self._flatten_in(delay_ms, episode))

    def _do_flatten_at_unknown_entry(self, episode: Episode) -> None:
        lost = Outcome.ANSWER_LOST if episode.at_ms % 2 else Outcome.LOST_ON_THE_WAY
        delay_ms = episode.amount**2 * 2_000.0
        self._world.spoil_next("entry", lost)
        self._at_order[episode.kind] = (_is_unknown_entry, lambda _: self._flatten_in(delay_ms, episode))

    def _do_flatten_at_reversal(self, episode: Episode) -> None:
        """At its exit or, one time in three, at the entry that follows."""
        delay_ms = self._rng.random() * ON_THE_WAY_MS

        def at_exit(out: Order) -> None:
            if episode.amount < 0.67:
                self._flatten_in(delay_ms, episode)
                return

            def is_next(asked: Asked) -> bool:
                return _is_entry(asked) and asked.params["symbol"] == out.symbol

            self._at_request[episode.kind] = (is_next, lambda _: self._flatten_in(delay_ms, episode))

        self._at_order[episode.kind] = (_is_reversal, at_exit)

    def _do_flatten_at_stop(self, episode: Episode) -> None:
        symbol = self._held()
        if symbol:
            self._later(ON_THE_WAY_MS / 2.0, self._touch_stop, symbol)
            self._flatten_in(episode.amount * 2.0 * ON_THE_WAY_MS, episode)

    def _do_flatten_and_kill(self, episode: Episode) -> None:
        if self._held() and not self._world.storm.is_limiting:
            self._flatten_in(0.0, episode)
            self._later(episode.amount**3 * 1_000.0, self._hour.kill)

    def _do_flatten_given_up(self, episode: Episode) -> None:
        """Whoever asks gives up in the middle of the commit, and asks again some seconds later."""
        asking = self._hour.operate(Verb.FLATTEN, episode.length_ms)
        if asking is not None:
            self._later(episode.amount, asking.cancel)
            self._reach("flatten given up by who asked")
            self._flatten_in(3_000.0, episode)

    def _flatten_in(self, delay_ms: float, episode: Episode) -> None:
        self._later(delay_ms, self._hour.operate, Verb.FLATTEN, episode.length_ms)

    # Days and limits

    def _do_heavy_loss(self, episode: Episode) -> None:
        """On what is held, or soon after the next entry."""
        self._lose_soon([self._held()], episode.amount)

    def _lose_soon(self, symbols: Sequence[str], amount: float) -> None:
        held = [symbol for symbol in symbols if symbol and self._sign(symbol)]
        for symbol in held:
            self._lose(symbol, amount)
        if not held:
            self._at_request["loss"] = (
                _is_entry,
                lambda asked: self._later(2_000.0, self._lose, asked.params["symbol"], amount),
            )

    def _lose(self, symbol: str, amount: float) -> None:
        sign = self._sign(symbol)
        if sign:
            self._world.jump(symbol, -sign * (0.012 + 0.013 * amount))

    def _do_off_over_midnight(self, episode: Episode) -> None:
        """No engine from before midnight until after it; what is held then loses. Until something is held is waited
        for as long as there is time, with entries resumed."""
        if not self._held() and self._until_midnight_ms() > 2 * LOOK_AGAIN_MS:
            self._hour.ask(Verb.RESUME)
            shorter = replace(episode, length_ms=episode.length_ms - LOOK_AGAIN_MS)
            self._later(LOOK_AGAIN_MS, self._do_off_over_midnight, shorter)
            return
        if self._world.storm.is_limiting:
            return
        for symbol in self._world.symbols:
            self._later(self._until_midnight_ms() + 1_000.0 + self._rng.random() * 3_000.0, self._touch_stop, symbol)
        self._hour.stay_off(episode, is_killed=episode.at_ms % 2 == 0)

    def _do_late_bars(self, episode: Episode) -> None:
        """Nobody tells the candles of one symbol over midnight; meanwhile another loses, with entries resumed."""
        midnight_ms = self._until_midnight_ms()
        self._later(
            max(0, midnight_ms - LATE_BEFORE_MS), self._hold_back, self._world.clock.now_ms() + episode.length_ms
        )
        for delay_ms in (5_000, 40_000, 70_000):
            self._later(midnight_ms + delay_ms, self._hour.ask, Verb.RESUME)
            self._later(midnight_ms + delay_ms, self._lose_of_others, episode.amount)

    def _hold_back(self, until_ms: int) -> None:
        held, storm = self._held(), self._world.storm
        storm.late_symbol = self._rng.choice([symbol for symbol in self._world.symbols if symbol != held])
        storm.late_until_ms = until_ms

    def _lose_of_others(self, amount: float) -> None:
        self._lose_soon([symbol for symbol in self._world.symbols if symbol != self._world.storm.late_symbol], amount)

    def _until_midnight_ms(self) -> int:
        return DAY_MS - self._world.clock.now_ms() % DAY_MS

    def _do_resume(self, episode: Episode) -> None:
        self._hour.ask(Verb.RESUME)

    def _do_large_transfer(self, episode: Episode) -> None:
        """Up to half of the account out, or as much in."""
        wallet = float(self._world.exchange.ledger.wallet_usdt)
        if self._world.storm.is_down:
            return
        sign = -1 if episode.amount < 0.6 and wallet > POOR_USDT else 1
        amount_usdt = sign * wallet * (0.2 + 0.3 * self._rng.random())
        self._world.venue.transfer(f"{amount_usdt:.2f}", self._world.clock.now_ms())
        self._reach("large transfer in" if sign > 0 else "large transfer out")
        if sign < 0 and self._hour.invariants.latches.has_money_limit:
            self._reach("transfer out with a limit latched")

    def _do_data_import(self, episode: Episode) -> None:
        """In the middle of orders: while an entry travels."""
        self._at_request[episode.kind] = (
            _is_entry,
            lambda asked: self._hour.imports.begin(asked.params["symbol"]),
        )

    # Starts

    def _do_symbol_retired(self, episode: Episode) -> None:
        """The engine is stopped, and started with settings that lack a symbol: one that is held, or is flat."""
        flat = [symbol for symbol in self._world.symbols if not self._sign(symbol)]
        symbol = self._held() if episode.at_ms % 2 or not flat else self._rng.choice(flat)
        if symbol:
            self._hour.retire(symbol, episode)

    # What the acts are made of

    def _held(self) -> str:
        """A contract in which we hold something, empty where there is none."""
        held = [symbol for symbol in self._world.symbols if self._sign(symbol)]
        return self._rng.choice(held) if held else ""

    def _sign(self, symbol: str) -> int:
        lots = self._world.shares.ours.get(symbol, 0)
        return (lots > 0) - (lots < 0)

    def _later(self, delay_ms: float, act: Callable[..., object], *args: object) -> None:
        self._world.loop.call_later(delay_ms / 1000.0, self._unless_calm, act, *args)

    def _unless_calm(self, act: Callable[..., object], *args: object) -> None:
        if not self._world.is_calm:
            act(*args)

    def _reach(self, mark: str) -> None:
        self._world.marks.reach(mark)


def _is_entry(asked: Asked) -> bool:
    return asked.is_new_order and not asked.only_reduces


def _is_reversal(record: Record) -> bool:
    return (
        isinstance(record, IntentRecord)
        and record.order.role is OrderRole.EXIT
        and record.order.reason == ExitReason.REVERSAL
    )


def _is_unknown_entry(record: Record) -> bool:
    return (
        isinstance(record, OrderUpdateRecord)
        and record.order.role is OrderRole.ENTRY
        and record.order.state is OrderState.UNKNOWN
    )
