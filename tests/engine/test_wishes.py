"""While books are compared an engine takes what makes risk smaller: standstill at once, a flatten once it may."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.control.protocol import CommandResult
from core.control.socket import ControlServer
from core.domain.operator import OperatorCommand, OperatorWish, Verb
from core.domain.orders import OrderRole
from core.domain.records import AdjustmentRecord, IntentRecord, OperatorRecord, Record
from core.engine.control import EngineControl
from core.engine.stepper import Stepper
from core.engine.wishes import kept, refusal
from core.home.folder import Home
from core.home.logbook import Logbook
from core.ports import Venue
from core.trader.restore import restore
from core.trader.state import KEPT_ID
from core.trader.trader import Trader
from tests.core.control.asking import ask
from tests.core.trader.desk import BTC, INSTRUMENTS, Desk, make_trader
from tests.engine import test_past
from tests.engine.test_past import SYMBOLS


class House(test_past.House):
    """One whose exchange is asked what became of the open orders until it answers. It holds a position."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, told: tuple[Record, ...] = ()) -> None:
        super().__init__(20, records=told)
        self.asked, self.answered = asyncio.Event(), asyncio.Event()
        monkeypatch.setattr(test_past, "_agree", self._compare)
        desk = Desk(make_trader(instruments={symbol: INSTRUMENTS[symbol] for symbol in SYMBOLS}))
        desk.minute()
        desk.predict(20)
        desk.fill(desk.order(OrderRole.ENTRY))
        self.trader = desk.trader

    async def _compare(self, trader: Trader, venue: Venue, stepper: Stepper, now_ms: int) -> list[AdjustmentRecord]:
        self.asked.set()
        await self.answered.wait()
        return []

    async def command(self, verb: Verb, symbol: str = "") -> CommandResult:
        return await self.engine.command(OperatorWish(verb, symbol, "test"))

    @property
    def told(self) -> list[OperatorRecord]:
        return [record for record in self.journal.records if isinstance(record, OperatorRecord)]

    def exits(self) -> list[str]:
        orders = [record.order for record in self.journal.records if isinstance(record, IntentRecord)]
        return [order.symbol for order in orders if order.role is OrderRole.EXIT]


@pytest.mark.parametrize("verb", [Verb.PAUSE, Verb.HALT])
async def test_a_standstill_is_taken_at_once(monkeypatch: pytest.MonkeyPatch, verb: Verb) -> None:
    async with House(monkeypatch) as house:
        await house.asked.wait()
        answer = await house.command(verb)
        assert answer.accepted, answer.message
        state = house.trader.state
        assert (state.paused, state.halted) == (verb is Verb.PAUSE, verb is Verb.HALT)
        assert house.state() == "recovering"
        assert [record.command.verb for record in house.told] == [verb]
        house.answered.set()
        await house.comes(lambda: house.state() in ("paused", "halted"), "the standstill on the screen")


@pytest.mark.parametrize("symbol", ["", BTC])
async def test_a_flatten_is_kept_and_carried_out_once_books_are_compared(
    monkeypatch: pytest.MonkeyPatch, symbol: str
) -> None:
    async with House(monkeypatch) as house:
        await house.asked.wait()
        for _ in range(2):
            answer = await house.command(Verb.FLATTEN, symbol)
            assert answer.accepted
            assert "kept; carried out once books are compared" in answer.message
        assert house.exits() == []
        house.answered.set()
        await house.comes(lambda: house.exits() == [BTC], "the exit")
        await house.comes(lambda: house.state() == ("running" if symbol else "paused"), "that it trades")
        kept, done = house.told
        assert (kept.command.command_id, kept.command.verb) == (f"{done.command.command_id}{KEPT_ID}", Verb.FLATTEN)
        assert done.result.startswith("closing 1 position at market")


async def test_a_kept_flatten_outlives_its_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    async with House(monkeypatch) as first:
        await first.asked.wait()
        await first.command(Verb.FLATTEN)
        assert not first.trader.state.paused
    async with House(monkeypatch, tuple(first.journal.records)) as second:
        await second.asked.wait()
        assert second.exits() == []
        second.answered.set()
        await second.comes(lambda: second.exits() == [BTC], "the exit")
    async with House(monkeypatch, (*first.journal.records, *second.journal.records)) as third:
        third.answered.set()
        await third.comes(lambda: third.state() == "paused", "that it trades")
        assert third.told == []


async def test_a_symbol_that_is_not_traded_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with House(monkeypatch) as house:
        await house.asked.wait()
        answer = await house.command(Verb.FLATTEN, "DOGEUSDT")
        assert not answer.accepted
        assert "DOGEUSDT is not traded here" in answer.message
        house.answered.set()


async def close_the_one(home: Home, **more: str) -> dict[str, Any]:
    told: dict[str, Any] = await ask(home, "command", {"verb": "close", "trade": BTC, "operator": "ann", **more})
    return told


async def test_over_the_socket_a_trade_is_closed_once_books_are_compared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    home.create()
    async with House(monkeypatch) as house, ControlServer(EngineControl(house.engine, Logbook()), home):
        await house.asked.wait()
        early = await close_the_one(home)
        assert early["message"] == "refused: the engine is recovering; ask again once books are compared"
        house.answered.set()
        await house.comes(lambda: house.state() == "running", "that it trades")
        trade = house.trader.state.symbols[BTC].book("plain").trade
        assert trade is not None
        move = {"verb": "move-stop", "trade": trade.trade_id, "price": "70000"}
        assert "would fire at once" in (await ask(home, "command", move))["message"]
        assert house.exits() == []
        done = await close_the_one(home)
        assert (done["accepted"], house.exits()) == (True, [BTC])
        assert done["message"].startswith("closing 0.041 BTC at market")
        again = await close_the_one(home, share_pct="50")
        assert (again["accepted"], house.exits()) == (False, [BTC])
        assert "is being left already: closed by the operator" in again["message"]
        assert [record.command.operator for record in house.told] == ["socket", "ann", "ann"]


async def test_what_opens_positions_again_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async with House(monkeypatch) as house:
        await house.asked.wait()
        answer = await house.command(Verb.RESUME)
        assert answer.message == "refused: the engine is recovering; ask again once books are compared"
        house.answered.set()


async def test_what_comes_before_the_journal_is_told_waits_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    async with House(monkeypatch) as house:
        asked = asyncio.ensure_future(house.command(Verb.HALT))
        await house.asked.wait()
        assert (await asked).accepted
        house.answered.set()


def test_a_kept_flatten_tells_a_trader_nothing() -> None:
    trader = make_trader()
    assert restore(trader, [kept(OperatorCommand("op1", Verb.FLATTEN, "", "test", 1))]) == []
    assert not trader.state.paused


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize("state", ["stopping", "failed"])
def test_what_cannot_be_taken_any_more_names_the_way_out(verb: Verb, state: str) -> None:
    told = refusal(verb, state)  # type: ignore[arg-type]
    assert told.startswith(f"refused: the engine is {state}")
    assert ("`quarterdeck panic`" in told) is (verb is Verb.FLATTEN)
