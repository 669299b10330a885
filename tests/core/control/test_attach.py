"""A console that looks at an engine over its socket."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from core.control import attach
from core.control.attach import REFRESH_S, RETRY_S, SocketSeat
from core.control.events import KEPT_EVENTS, NoticeEvent
from core.control.protocol import Snapshot
from core.control.request import Request
from core.control.serving import EVENTS_AT_ONCE
from core.control.socket import ControlServer
from core.control.wire import Updates
from core.domain.errors import RefusedError, UnavailableError
from core.domain.operator import Verb
from core.home.folder import Home
from tests.core.control.control_samples import CHART, SNAPSHOT, FakeControl

PRICE = SNAPSHOT.prices[0]


@pytest.mark.usefixtures("server")
async def test_a_console_over_the_socket_sees_what_one_in_process_sees(home: Home, control: FakeControl) -> None:
    async with SocketSeat(home) as far:
        assert far.snapshot() is None
        await far.refresh()
        assert far.snapshot() == replace(SNAPSHOT, writer=far.name)
        assert far.log_lines(0) == control.log_lines(0)
        control.lines.append(dataclasses.replace(control.lines[0], message="new"))
        await far.refresh()
        assert far.log_lines(3) == control.log_lines(3)
        assert (await far.send(Request("halt"))).accepted
    assert control.asked == [(Verb.HALT, "", "console")]


async def test_a_console_notices_that_its_engine_has_gone(home: Home, control: FakeControl) -> None:
    async with ControlServer(control, home):
        far = SocketSeat(home)
        await far.__aenter__()
        await far.refresh()
    with pytest.raises(UnavailableError):
        await far.refresh()
    await far.__aexit__(None, None, None)
    with pytest.raises(UnavailableError, match="no engine runs here"):
        await SocketSeat(home).__aenter__()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """From what open time on charts were asked for."""
    asked: list[object] = []
    ask = SocketSeat._ask

    async def noted(self: SocketSeat, kind: Any, method: str, params: dict[str, object]) -> Any:
        if method == "chart":
            asked.append(params["from_ms"])
        return await ask(self, kind, method, params)

    monkeypatch.setattr(SocketSeat, "_ask", noted)
    return asked


@pytest.mark.usefixtures("server")
async def test_a_chart_comes_when_it_is_looked_at_and_then_only_what_is_new(
    home: Home, control: FakeControl, asked: list[object]
) -> None:
    async with SocketSeat(home) as far:
        await far.refresh()
        assert asked == []
        assert far.chart("BTCUSDT") is None
        await far.refresh()
        assert far.chart("BTCUSDT") == CHART
        newer = dataclasses.replace(CHART.bars[-1], open_time_ms=CHART.bars[-1].close_time_ms)
        moved = replace(CHART, bars=(*CHART.bars[1:], newer), markers=CHART.markers * 2)
        control.charts["BTCUSDT"] = moved
        await far.refresh()
        assert far.chart("BTCUSDT") == moved
        assert asked == [0, CHART.bars[-1].open_time_ms]


@pytest.mark.usefixtures("server")
async def test_a_chart_that_does_not_continue_what_is_known_is_asked_for_whole(
    home: Home, control: FakeControl, asked: list[object]
) -> None:
    first, second, third = CHART.bars
    other = dataclasses.replace(second, close=1.75)
    async with SocketSeat(home) as far:
        for bars in ((first, third), (first, second, third), (first, second), (first, other), (), (other,)):
            control.charts["BTCUSDT"] = replace(CHART, bars=bars)
            far.chart("BTCUSDT")
            await far.refresh()
            assert far.chart("BTCUSDT") == control.charts["BTCUSDT"]
    assert asked.count(0) > 1


@pytest.mark.usefixtures("server")
async def test_an_old_chart_is_not_there_before_the_new_one(home: Home, control: FakeControl) -> None:
    control.charts["ETHUSDT"] = replace(CHART, symbol="ETHUSDT")
    async with SocketSeat(home) as far:
        far.chart("BTCUSDT")
        await far.refresh()
        assert far.chart("ETHUSDT") is None
        await far.refresh()
        assert far.chart("ETHUSDT") == control.charts["ETHUSDT"]
        for _ in range(20):  # Nobody looks any more.
            await far.refresh()
        assert far.chart("ETHUSDT") is None
        del control.charts["ETHUSDT"]
        await far.refresh()
        assert far.chart("ETHUSDT") is None


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How snapshots came."""
    kinds: list[str] = []
    fetch = SocketSeat._fetch_updates

    async def noted(self: SocketSeat, snapshot: int) -> Updates:
        updates = await fetch(self, snapshot)
        kinds.append("delta" if updates.delta is not None else "whole" if updates.snapshot is not None else "none")
        return updates

    monkeypatch.setattr(SocketSeat, "_fetch_updates", noted)
    return kinds


def successor(of: Snapshot) -> Snapshot:
    return replace(of, seq=of.seq + 1, status=replace(of.status, equity_usdt=of.status.equity_usdt + 1))


@pytest.mark.usefixtures("server")
async def test_the_first_snapshot_is_whole_and_then_only_changes_come(
    home: Home, control: FakeControl, kinds: list[str]
) -> None:
    async with SocketSeat(home) as far, SocketSeat(home) as other:
        control.current = replace(SNAPSHOT, writer=far.name)
        await far.refresh()
        await far.refresh()
        for _ in range(20):
            control.current = successor(control.current)
            await far.refresh()
            assert far.snapshot() == control.current
        assert kinds == ["whole", "none", *["delta"] * 20]
        await other.refresh()
        assert other.snapshot() == control.current


@pytest.mark.usefixtures("server")
async def test_who_was_away_too_long_or_has_another_snapshot_gets_it_whole(
    home: Home, control: FakeControl, kinds: list[str]
) -> None:
    async with SocketSeat(home) as far, SocketSeat(home) as busy:
        await far.refresh()
        for _ in range(20):
            control.current = successor(control.current or SNAPSHOT)
            await busy.refresh()
        kinds.clear()
        await far.refresh()
        assert (kinds, far.snapshot()) == (["whole"], control.current)
        kinds.clear()
        far._base = replace(far.snapshot() or SNAPSHOT, prices=())
        control.current = replace(successor(control.current or SNAPSHOT), prices=(replace(PRICE, last=1.0),))
        await far.refresh()
        assert (kinds, far.snapshot()) == (["delta", "whole"], control.current)


@pytest.mark.usefixtures("server")
async def test_events_come_in_order_and_once(home: Home, control: FakeControl) -> None:
    async with SocketSeat(home) as far:
        control.events.tell(NoticeEvent(n, "info", "x") for n in range(3))
        await far.refresh()
        assert far.updates(0) == control.updates(0)
        control.events.tell([NoticeEvent(9, "error", "y")])
        await far.refresh()
        assert far.updates(3) == control.updates(3)
        assert far.updates(4).events == ()


@pytest.mark.usefixtures("server")
async def test_a_client_that_was_too_slow_is_told_what_it_missed(home: Home, control: FakeControl) -> None:
    async with SocketSeat(home) as far:
        control.events.tell(NoticeEvent(n, "info", "x") for n in range(KEPT_EVENTS + 70))
        await far.refresh()
        found = far.updates(0)
        assert found.missed == 70
        assert [event.number for event in found.events] == [*range(71, 71 + EVENTS_AT_ONCE)]
        await far.refresh()
        assert far.updates(found.next).events[0].number == found.next + 1


class Turns:
    """In place of sleeping: what happens between the refreshes of a console that follows, then its end."""

    def __init__(self, *acts: Callable[[], Awaitable[object]]) -> None:
        self._acts = list(acts)
        self.slept_s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        if not self._acts:
            raise asyncio.CancelledError
        await self._acts.pop(0)()


async def test_a_console_goes_on_with_the_next_run_of_its_engine(home: Home, control: FakeControl) -> None:
    """Its own numbers begin anew: a change of snapshot 7 of the first run is none of snapshot 7 of the second."""
    second = FakeControl(replace(SNAPSHOT, prices=(replace(PRICE, last=2.0),)), lines=2)
    control.events.tell([NoticeEvent(1, "info", "first run")])
    second.events.tell([NoticeEvent(2, "info", "second run")])
    first_server, second_server = ControlServer(control, home), ControlServer(second, home)
    seen: list[tuple[str, float]] = []

    async def look() -> None:
        snapshot = far.snapshot()
        assert snapshot is not None
        seen.append((far.problem, snapshot.prices[0].last))

    async def end() -> None:
        await look()
        await first_server.__aexit__(None, None, None)

    async def gone() -> None:
        await look()
        with pytest.raises(UnavailableError):
            await far.send(Request("halt"))

    async def begin_again() -> None:
        await gone()
        await second_server.__aenter__()
        async with SocketSeat(home) as other:  # So that the second run, too, has handed out its number 7.
            await other.refresh()
        second.current = replace(second.current or SNAPSHOT, seq=8)

    await first_server.__aenter__()
    far, turns = SocketSeat(home), Turns(end, gone, begin_again, look)
    with pytest.raises(asyncio.CancelledError):
        await far.follow(turns)
    await far.hang_up()
    await second_server.__aexit__(None, None, None)
    assert [last for _, last in seen] == [PRICE.last, PRICE.last, PRICE.last, 2.0]
    problems = [problem for problem, _ in seen]
    assert problems[0] == problems[3] == ""
    assert "has gone" in problems[1]
    assert "no engine runs here" in problems[2]
    assert turns.slept_s == [REFRESH_S, RETRY_S, RETRY_S, REFRESH_S, REFRESH_S]
    assert [line.message for line in far.log_lines(0)[1]] == ["line 0", "line 1", "line 2", "line 0", "line 1"]
    told = far.updates(0)
    assert [(e.number, e.what.text) for e in told.events if isinstance(e.what, NoticeEvent)] == [
        (1, "first run"),
        (2, "second run"),
    ]


async def test_a_console_of_another_version_says_so_and_halts_all_the_same(
    home: Home, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ControlServer(control, home):
        monkeypatch.setattr(attach, "PROTOCOL_VERSION", 99)
        far = SocketSeat(home)
        with pytest.raises(RefusedError, match="run both from the same version"):
            await far.connect()
        with pytest.raises(asyncio.CancelledError):
            await far.follow(Turns())
        assert "speaks version" in far.problem
        assert (await far.send(Request("halt"))).accepted
    assert [verb for verb, *_ in control.asked] == [Verb.HALT]


@pytest.mark.usefixtures("server")
async def test_a_halt_waits_behind_no_other_answer(home: Home, control: FakeControl) -> None:
    async with SocketSeat(home) as far, far._turn:
        assert (await far.send(Request("halt"))).accepted
