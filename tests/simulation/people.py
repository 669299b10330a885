"""What people do on the account in a simulated hour, each act of a seeded plan: trades, orders, settings, transfers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tests.simulation.faults import Asked
from tests.simulation.plan import Episode
from tests.venue.orders import AlgoOrder, Order
from tests.venue.person import Person
from tests.venue.refusals import RefusalError

if TYPE_CHECKING:
    from tests.simulation.world import World

SMALLEST_USDT = 150.0
"""The exchange takes no smaller order than 100."""

USUAL_USDT = 900.0
T = TypeVar("T")
LEVERAGES = (2, 3, 8, 10, 20)
KEEP_FROM = 0.85
"""An act of at least this amount is not undone after its time."""

TRY_AGAIN_MS = 3_000


class People:
    """Acts in the contracts that the engine trades. What the exchange refuses does not happen."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._rng = random.Random(f"people of {seed}")
        self._person = Person(world.venue)
        self.is_engine_off = False

    def begin(self, episode: Episode) -> None:
        act = getattr(self, "_do_" + episode.kind.replace(" ", "_"))
        act(episode)

    def act_while_off(self, episode: Episode) -> None:
        """Something of everything that changes the position, while no engine runs."""
        acts = [self._do_closed_by_hand, self._do_closed_in_part, self._do_foreign_through_zero, self._do_foreign_along]
        acts[int(episode.amount * 4) % 4](episode)

    def clear_the_way(self) -> None:
        """Where margin is isolated no engine starts, and a position of others keeps it so: what an operator does who
        reads that."""
        for symbol in self._world.symbols:
            if self._world.exchange.settings.margin_type(symbol) != "CROSSED":
                self._undo(symbol)

    # Trades

    def _do_closed_by_hand(self, episode: Episode) -> None:
        self._close(self._held(), None)

    def _do_closed_in_part(self, episode: Episode) -> None:
        symbol = self._held()
        if symbol:
            self._close(symbol, self._part(symbol, episode.amount))

    def _do_closed_in_parts(self, episode: Episode) -> None:
        """In three, a moment apart, as a hasty hand does."""
        symbol = self._held()
        if symbol:
            third = max(1, abs(self._ours(symbol)) // 3)
            for i in range(3):
                self._later(int(i * 900 * episode.amount), self._close, symbol, None if i == 2 else third)

    def _do_foreign_through_zero(self, episode: Episode) -> None:
        symbol = self._held()
        if not symbol:
            return
        ours = self._ours(symbol)
        lots = int(-ours * (1.3 + episode.amount)) - (1 if ours > 0 else -1)
        if self._trade(symbol, lots):
            self._reach("foreign trade through zero")
            self._undo_later(symbol, episode)

    def _do_foreign_along(self, episode: Episode) -> None:
        """In our direction where we hold something, and in any where not."""
        symbol = self._held() or self._rng.choice(self._world.symbols)
        ours = self._ours(symbol)
        sign = (ours > 0) - (ours < 0) or self._rng.choice((1, -1))
        if self._trade(symbol, sign * self._lots(symbol, 0.3 + episode.amount)):
            self._reach("foreign trade along ours" if ours else "foreign trade where nothing is held")
            self._undo_later(symbol, episode)

    def _do_foreign_to_and_fro(self, episode: Episode) -> None:
        """Out of the position and into it again, before anybody can have looked."""
        symbol = self._held()
        if symbol:
            lots = self._ours(symbol)
            if self._trade(symbol, -lots):
                self._later(int(400 * episode.amount), self._trade, symbol, lots)
                self._undo_later(symbol, episode)
                self._reach("foreign trade to and fro")

    def _do_closed_at_entry(self, episode: Episode) -> None:
        """Between the entry and its stop, or soon after."""
        self._world._at_entry(self._close_soon, 10.0 + 2_000.0 * episode.amount**3)

    def _close_soon(self, asked: Asked, delay_ms: float) -> None:
        self._later(int(delay_ms), self._close_new, asked.params["symbol"])

    def _close_new(self, symbol: str) -> None:
        if self._close(symbol, None):
            self._reach("closed by hand right after an entry")

    def _do_foreign_at_entry(self, episode: Episode) -> None:
        """A foreign trade the other way crosses with an entry of ours."""
        self._world._at_entry(self._cross, episode)

    def _cross(self, asked: Asked, episode: Episode) -> None:
        symbol, sign = asked.params["symbol"], -1 if asked.params["side"] == "BUY" else 1
        if self._trade(symbol, sign * self._lots(symbol, 0.3 + episode.amount)):
            self._undo_later(symbol, episode)

    # Orders

    def _do_limit_by_hand(self, episode: Episode) -> None:
        """Near enough to the market to fill now and then; withdrawn after its time."""
        symbol = self._held() or self._rng.choice(self._world.symbols)
        sign = self._rng.choice((1, -1))
        price = self._world.prices[symbol] * (1.0 - sign * 0.0012 * episode.amount)
        lots = sign * self._lots(symbol, 0.2 + 0.6 * episode.amount)
        order = self._try(lambda now_ms: self._person.rest(symbol, lots, price, now_ms))
        if isinstance(order, Order):
            self._later(episode.length_ms, self._end_limit, order, episode)

    def _end_limit(self, order: Order, episode: Episode) -> None:
        if order.filled_lots:
            self._reach("order by hand filled")
            self._undo_later(order.symbol, episode)
        if order.is_open:
            self._withdraw(order)

    def _do_stop_by_hand(self, episode: Episode) -> None:
        """A stop of the whole net beside ours, closer to the market; withdrawn after its time."""
        symbol = self._held()
        if not symbol:
            return
        sign = 1 if self._world.venue.position_lots(symbol) > 0 else -1
        trigger = self._world.prices[symbol] * (1.0 - sign * (0.0004 + 0.0012 * episode.amount))
        algo = self._try(lambda now_ms: self._person.stop(symbol, trigger, now_ms))
        if isinstance(algo, AlgoOrder):
            self._later(episode.length_ms, self._end_stop, algo)

    def _end_stop(self, algo: AlgoOrder) -> None:
        if algo.child is not None and algo.child.filled_lots:
            self._reach("stop by hand filled")
        self._withdraw(algo)

    def _withdraw(self, order: Order | AlgoOrder) -> None:
        if order.is_open and self._is_taken(lambda now_ms: self._person.withdraw(order, now_ms)):
            self._reach("order by hand cancelled")

    def _do_cancels_everything(self, episode: Episode) -> None:
        """What "cancel all" does: our stop and target go, too."""
        symbol = self._held()
        if not symbol or self._world.meter.is_shut:
            return  # Nobody could put them back.
        if self._try(lambda now_ms: self._person.cancel_all(symbol, now_ms)):
            self._reach("everything cancelled by hand")

    # Settings and money

    def _do_leverage_by_hand(self, episode: Episode) -> None:
        symbol = self._rng.choice(self._world.symbols)
        leverage = LEVERAGES[int(episode.amount * len(LEVERAGES)) % len(LEVERAGES)]
        if self._is_taken(lambda now_ms: self._person.set_leverage(symbol, leverage, now_ms)):
            self._reach("leverage changed by hand")

    def _do_margin_mode_by_hand(self, episode: Episode) -> None:
        """Tried again until the contract is flat, which the exchange asks for, or its time is over."""
        symbol = self._rng.choice(self._world.symbols)
        self._change_margin_mode(symbol, self._world.clock.now_ms() + episode.length_ms)

    def _change_margin_mode(self, symbol: str, until_ms: int) -> None:
        if self._is_taken(lambda now_ms: self._person.set_margin_type(symbol, "ISOLATED", now_ms)):
            self._reach("margin mode changed by hand")
        elif self._world.clock.now_ms() < until_ms:
            self._later(TRY_AGAIN_MS, self._change_margin_mode, symbol, until_ms)

    def _do_transfer_by_hand(self, episode: Episode) -> None:
        amount_usdt = (episode.amount - 0.5) * 1_200.0
        if self._is_taken(lambda now_ms: self._person.transfer(amount_usdt, now_ms)):
            self._reach("transfer in" if amount_usdt > 0.0 else "transfer out")

    # What the acts are made of

    def _held(self) -> str:
        """A contract in which we hold something, empty where there is none."""
        held = [symbol for symbol in self._world.symbols if self._ours(symbol)]
        return self._rng.choice(held) if held else ""

    def _ours(self, symbol: str) -> int:
        return self._world.shares.ours.get(symbol, 0)

    def _part(self, symbol: str, amount: float) -> int:
        return max(1, min(abs(self._ours(symbol)) - 1, int(abs(self._ours(symbol)) * (0.1 + 0.8 * amount))))

    def _lots(self, symbol: str, share: float) -> int:
        """`share` of a usual position, in lots, and never less than the exchange takes."""
        usdt = max(SMALLEST_USDT, USUAL_USDT * share)
        return max(1, int(usdt / (self._world.prices[symbol] * float(self._world.exchange.contracts[symbol].lot_size))))

    def _close(self, symbol: str, lots: int | None) -> bool:
        """By a reduce-only order, against the net."""
        ours = self._ours(symbol) if symbol else 0
        if not ours:
            return False
        closed = self._try(lambda now_ms: self._person.close(symbol, now_ms, lots))
        if closed is None:
            return False
        self._reach("closed by hand in part" if self._ours(symbol) else "closed by hand whole")
        if self.is_engine_off:
            self._reach("closed by hand while the engine was off")
        return True

    def _trade(self, symbol: str, lots: int) -> bool:
        done = self._try(lambda now_ms: self._person.trade(symbol, lots, now_ms)) is not None
        if done and self.is_engine_off:
            self._reach("foreign trade while the engine was off")
        return done

    def _undo_later(self, symbol: str, episode: Episode) -> None:
        """What others hold goes again, so that the contract is traded on; now and then it stays."""
        if episode.amount < KEEP_FROM:
            self._later(episode.length_ms, self._undo, symbol)

    def _undo(self, symbol: str) -> None:
        others = self._world.shares.others.get(symbol, 0)
        closed = self._try(lambda now_ms: self._person.close(symbol, now_ms, abs(others)))
        if closed is not None:
            self._reach("others closed theirs")

    def _try(self, act: Callable[[int], T]) -> T | None:
        """What the exchange gave for it; None where it refuses, or takes nothing from anybody."""
        if self._world.storm.is_down:
            return None
        try:
            return act(self._world.clock.now_ms())
        except RefusalError:
            return None

    def _is_taken(self, act: Callable[[int], None]) -> bool:
        def told(now_ms: int) -> bool:
            act(now_ms)
            return True

        return self._try(told) is not None

    def _later(self, delay_ms: int, act: Callable[..., object], *args: object) -> None:
        self._world.loop.call_later(delay_ms / 1000.0, act, *args)

    def _reach(self, mark: str) -> None:
        self._world.marks.reach(mark)
