"""Every crossing of the simulation does, at its moment, what its name says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from core.domain.operator import Verb
from core.domain.orders import Order, OrderRole, OrderState, OrderType, OrderUpdate, Side
from core.domain.origin import champion
from core.domain.records import IntentRecord, OrderUpdateRecord
from core.domain.trading import ExitReason
from tests.simulation.crossings import Crossings
from tests.simulation.faults import NOTHING, Asked
from tests.simulation.latches import DAY_MS
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import Episode
from tests.simulation.telling import START_MS
from tests.simulation.transport import Outcome
from tests.simulation.world import START_PRICES, World

BTC, ETH = "BTCUSDT", "ETHUSDT"
ENTRY = Order("qd2", BTC, Side.BUY, OrderType.MARKET, OrderRole.ENTRY, 15, START_MS, "next", champion("plain"))
REVERSAL = replace(
    ENTRY, client_order_id="qd3", side=Side.SELL, role=OrderRole.EXIT, trade_id="trade", reason=ExitReason.REVERSAL
)


@dataclass
class Hour:
    """What crossings ask of the hour, noted with its time; fifteen lots of ours, long, with stop and target."""

    world: World
    did: list[tuple[str, int]] = field(default_factory=list)
    is_latched: bool = False

    @property
    def invariants(self) -> Any:
        return SimpleNamespace(latches=SimpleNamespace(has_money_limit=self.is_latched))

    @property
    def imports(self) -> Any:
        return SimpleNamespace(begin=lambda symbol: self._note(f"import {symbol}"))

    def _note(self, what: str) -> None:
        self.did.append((what, self.world.clock.now_ms() - START_MS))

    def kill(self) -> None:
        self._note("kill")

    def ask(self, verb: Verb) -> None:
        self._note(verb)

    def operate(self, verb: Verb, length_ms: int) -> Any:
        self._note(f"{verb} for {length_ms}")
        return SimpleNamespace(cancel=lambda: self._note("give up"))

    def stay_off(self, episode: Episode, *, is_killed: bool) -> None:
        self._note(f"{'killed' if is_killed else 'stopped'} for {episode.length_ms}")

    def retire(self, symbol: str, episode: Episode) -> None:
        self._note(f"retire {symbol} for {episode.length_ms}")


class Scene:
    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        prices = {symbol: START_PRICES[symbol] for symbol in START_PRICES}
        self.world = World(loop, 1, (BTC, ETH), START_MS, prices)
        self.hour = Hour(self.world)
        self.crossings = Crossings(self.hour, 1)  # type: ignore[arg-type]
        self.world.venue.place_external(START_MS, symbol=BTC, side="BUY", quantity="0.015", newClientOrderId="qd1")
        for kind, trigger in (("STOP_MARKET", "59800"), ("TAKE_PROFIT_MARKET", "60300")):
            self.world.venue.place_external_algo(
                START_MS,
                symbol=BTC,
                side="SELL",
                type=kind,
                triggerPrice=trigger,
                quantity="0.015",
                reduceOnly="true",
                clientAlgoId=f"qd{kind}",
            )

    def begin(self, kind: str, amount: float = 0.5, at_ms: int = 0, length_ms: int = 30_000) -> None:
        self.crossings.begin(Episode(at_ms, kind, length_ms, amount))

    def ask_for_entry(self) -> None:
        params = {"symbol": BTC, "side": "BUY", "quantity": "0.015", "newClientOrderId": "qd2"}
        self.crossings.asked(Asked("POST", "/fapi/v1/order", params), Outcome.ANSWERED)

    def write_down(self, order: Order) -> None:
        self.crossings.committed([IntentRecord(order)])

    def pass_ms(self, span_ms: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(span_ms / 1000.0))

    def done(self) -> list[str]:
        return [what for what, _ in self.hour.did]

    def is_held(self) -> bool:
        return bool(self.world.shares.ours[BTC])

    def reached(self) -> set[str]:
        return set(self.world.marks.reached)


@pytest.fixture
def scene() -> Iterator[Scene]:
    loop = VirtualLoop("crossings")
    try:
        yield Scene(loop)
    finally:
        loop.close()


@pytest.mark.parametrize(("leg", "price"), [("stop", 59_800.0), ("target", 60_300.0)])
def test_stop_or_target_fills_while_a_reversals_exit_travels(scene: Scene, leg: str, price: float) -> None:
    scene.begin(f"reversal meets {leg}")
    scene.write_down(ENTRY)
    scene.pass_ms(60_000)
    assert scene.is_held()
    scene.write_down(REVERSAL)
    scene.pass_ms(45)
    assert not scene.is_held()
    assert scene.world.prices[BTC] == pytest.approx(price, rel=0.001)


def test_flatten_while_an_entry_travels(scene: Scene) -> None:
    scene.begin("flatten at entry", amount=0.0)
    scene.write_down(ENTRY)
    scene.pass_ms(1_000)
    assert scene.done() == []
    scene.ask_for_entry()
    scene.pass_ms(1)
    assert scene.hour.did == [("flatten for 30000", 1_000)]


def test_flatten_of_an_entry_that_nobody_knows_of(scene: Scene) -> None:
    scene.begin("flatten at unknown entry")
    assert [kind for kind, _, _ in scene.world.storm.spoil_next] == ["entry"]
    unknown = replace(ENTRY, state=OrderState.UNKNOWN)
    scene.write_down(ENTRY)
    scene.crossings.committed([OrderUpdateRecord(OrderUpdate("qd2", BTC, OrderState.UNKNOWN, START_MS), unknown)])
    scene.pass_ms(501)
    assert scene.hour.did == [("flatten for 30000", 500)]


@pytest.mark.parametrize(("amount", "is_at_exit"), [(0.5, True), (0.9, False)])
def test_flatten_during_a_reversal(scene: Scene, amount: float, is_at_exit: bool) -> None:
    scene.begin("flatten at reversal", amount)
    scene.write_down(REVERSAL)
    scene.pass_ms(45)
    assert bool(scene.done()) == is_at_exit
    scene.ask_for_entry()
    scene.pass_ms(45)
    assert scene.done() == ["flatten for 30000"]


def test_flatten_while_a_stop_fills(scene: Scene) -> None:
    scene.begin("flatten at stop", amount=0.9)
    scene.pass_ms(81.5)
    assert scene.done() == ["flatten for 30000"]
    assert not scene.is_held()


def test_flatten_and_a_kill_soon_after(scene: Scene) -> None:
    scene.begin("flatten and kill")
    scene.pass_ms(126)
    assert scene.hour.did == [("flatten for 30000", 0), ("kill", 125)]


def test_flatten_whose_caller_gives_up_and_asks_again(scene: Scene) -> None:
    scene.begin("flatten given up")
    scene.pass_ms(3_001)
    assert scene.done() == ["flatten for 30000", "give up", "flatten for 30000"]
    assert scene.reached() == {"flatten given up by who asked"}


def test_a_heavy_loss_is_against_what_is_held(scene: Scene) -> None:
    scene.begin("heavy loss", amount=0.0)
    assert not scene.is_held()
    assert scene.world.prices[BTC] == pytest.approx(60_000.0 * 0.988)


def test_or_against_what_is_entered_next(scene: Scene) -> None:
    scene.world.jump(BTC, -0.01)
    scene.begin("heavy loss")
    before = scene.world.prices[BTC]
    scene.ask_for_entry()
    scene.world.venue.place_external(START_MS, symbol=BTC, side="SELL", quantity="0.015", newClientOrderId="qd2")
    scene.pass_ms(2_001)
    assert scene.world.prices[BTC] > before * 1.011


@pytest.mark.parametrize(("at_ms", "how"), [(0, "killed"), (1, "stopped")])
def test_no_engine_runs_over_midnight_and_the_stop_fills_then(scene: Scene, at_ms: int, how: str) -> None:
    until_midnight_ms = DAY_MS - START_MS % DAY_MS
    scene.begin("off over midnight", at_ms=at_ms, length_ms=60_000)
    assert scene.hour.did == [(f"{how} for 60000", 0)]
    scene.pass_ms(until_midnight_ms)
    assert scene.is_held()
    scene.pass_ms(4_001)
    assert not scene.is_held()


def test_until_something_is_held_is_waited_for_before_midnight(scene: Scene) -> None:
    scene.world.jump(BTC, -0.01)
    scene.begin("off over midnight", length_ms=60_000)
    scene.pass_ms(15_000)
    scene.world.venue.place_external(
        START_MS + 15_000, symbol=BTC, side="BUY", quantity="0.015", newClientOrderId="qd2"
    )
    scene.pass_ms(5_001)
    assert scene.hour.did == [("resume", 0), ("resume", 10_000), ("killed for 40000", 20_000)]


def test_bars_of_one_symbol_are_late_over_midnight_while_another_loses(scene: Scene) -> None:
    until_midnight_ms = DAY_MS - START_MS % DAY_MS
    scene.begin("late bars", length_ms=until_midnight_ms + 60_000)
    storm = scene.world.storm

    def is_told(symbol: str) -> bool:
        answer = storm.request("GET", "/fapi/v1/klines", f"symbol={symbol}").answer
        heard = storm.frames("/market", f'{{"e":"kline","s":"{symbol}"}}')
        assert (answer == NOTHING) != bool(heard)
        return bool(heard)

    for from_midnight_ms, told in ((-151_000, True), (-149_000, False), (59_000, False), (61_000, True)):
        scene.pass_ms(until_midnight_ms + from_midnight_ms - (scene.world.clock.now_ms() - START_MS))
        assert (is_told(ETH), is_told(BTC)) == (told, True)
        assert scene.is_held() == (from_midnight_ms < 0)
    assert scene.done() == ["resume", "resume"]


@pytest.mark.parametrize(
    ("amount", "latched", "reached"),
    [
        (0.1, False, {"large transfer out"}),
        (0.1, True, {"large transfer out", "transfer out with a limit latched"}),
        (0.9, True, {"large transfer in"}),
    ],
)
def test_large_transfers(scene: Scene, amount: float, latched: bool, reached: set[str]) -> None:
    scene.hour.is_latched = latched
    before = scene.world.venue.ledger.deposits_usdt
    scene.begin("large transfer", amount)
    moved = float(scene.world.venue.ledger.deposits_usdt - before)
    assert 2_000.0 < abs(moved) < 5_000.0
    assert (moved < 0.0) == (amount < 0.6)
    assert scene.reached() == reached


def test_resume_import_and_a_symbol_that_is_retired(scene: Scene) -> None:
    scene.begin("resume")
    scene.begin("symbol retired", at_ms=1)
    scene.begin("symbol retired", at_ms=2)
    scene.begin("data import")
    scene.ask_for_entry()
    assert scene.done() == ["resume", f"retire {BTC} for 30000", f"retire {ETH} for 30000", f"import {BTC}"]


def test_nothing_crosses_any_more_once_it_is_calm(scene: Scene) -> None:
    for kind in ("flatten at entry", "reversal meets stop", "flatten at stop"):
        scene.begin(kind)
    scene.world.calm()
    scene.ask_for_entry()
    scene.write_down(REVERSAL)
    scene.pass_ms(1_000)
    assert scene.done() == []
    assert scene.is_held()
