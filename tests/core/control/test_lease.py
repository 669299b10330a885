"""One writer among several consoles, and nobody between anybody and what makes risk smaller."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.control.attach import SocketSeat
from core.control.lease import LEASE_S, Lease, WriteLease, claimed, given_back, heard, refusal, writer
from core.control.operations import OPERATIONS, Operation
from core.control.request import Request
from core.control.seat import LeasedSeat
from core.control.socket import ControlServer
from core.domain.errors import BadInputError, RefusedError
from core.home.folder import Home
from tests import patience
from tests.core.control.asking import ask
from tests.core.control.control_samples import SNAPSHOT, FakeControl

ALL = tuple(OPERATIONS.values())
WRITING = tuple(operation for operation in ALL if not operation.reduces)


class Seconds:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_who_comes_first_holds_it_until_he_gives_it_back_or_it_is_taken_over() -> None:
    ann = claimed(Lease(), "ann", "free", 0.0)
    assert writer(ann, 0.0) == "ann"
    assert writer(claimed(ann, "bob", "free", 1.0), 1.0) == "ann"
    bob = claimed(ann, "bob", "over", 1.0)
    assert writer(bob, 1.0) == "bob"
    assert given_back(bob, "ann") == bob
    assert writer(given_back(bob, "bob"), 1.0) == ""
    assert writer(claimed(bob, "bob", "none", 1.0), 1.0) == ""


def test_it_ends_without_a_sign_of_life_and_no_later_one_brings_it_back() -> None:
    lease = claimed(Lease(), "ann", "free", 0.0)
    lease = heard(lease, "ann", LEASE_S)
    assert writer(heard(lease, "bob", LEASE_S + 5), 2 * LEASE_S) == "ann"
    ended = 2 * LEASE_S + 0.001
    assert writer(lease, ended) == ""
    assert writer(heard(lease, "ann", ended), ended) == ""
    assert writer(claimed(lease, "bob", "free", ended), ended) == "bob"


def test_nobody_has_it_at_the_beginning_whatever_the_clock_says() -> None:
    assert writer(Lease(), 0.0) == writer(heard(Lease(), "", 0.0), 0.0) == ""


@pytest.mark.parametrize("operation", ALL, ids=lambda operation: operation.id)
def test_what_makes_risk_smaller_is_refused_to_nobody(operation: Operation) -> None:
    told = refusal(operation, "ann#1", "bob#2")
    assert bool(told) is not operation.reduces
    assert not told or "ann#1 holds the write lease" in told
    assert refusal(operation, "ann#1", "ann#1") == refusal(operation, "", "bob#2") == ""


async def test_a_seat_that_writes_takes_it_where_nobody_has_it() -> None:
    seconds, control = Seconds(), FakeControl()
    lease = WriteLease(seconds)
    ann, bob = (LeasedSeat(control, lease, name) for name in ("ann", "bob"))
    for operation in WRITING:
        assert (await ann.send(Request(operation.id))).accepted
        refused = await bob.send(Request(operation.id))
        assert (refused.accepted, lease.writer()) == (False, "ann")
        assert "ann holds the write lease" in refused.message
    seconds.now += LEASE_S
    ann.snapshot()  # A console that looks lives.
    seconds.now += LEASE_S
    assert lease.writer() == "ann"
    seconds.now += 0.001
    assert (await bob.send(Request(WRITING[0].id))).accepted
    assert lease.writer() == "bob"
    ann.leave()
    assert lease.writer() == "bob"
    bob.leave()
    assert lease.writer() == ""


async def test_over_the_socket_the_lease_ends_with_the_connection(home: Home, control: FakeControl) -> None:
    lease = WriteLease(Seconds())
    server = ControlServer(control, home, lease=lease)
    async with server, SocketSeat(home, "ann") as ann, SocketSeat(home, "bob") as bob:
        assert lease.writer() == ann.name != bob.name
        assert not (await bob.send(Request("resume"))).accepted
        assert (await bob.send(Request("halt"))).accepted
        assert await bob.claim("over") == bob.name == lease.writer()
        assert (await bob.send(Request("resume"))).accepted
        assert await ann.claim("free") == bob.name
        await bob.hang_up()
        await patience.comes(lambda: not lease.writer(), "the end of the lease")
        assert (await ann.send(Request("resume"))).accepted
        assert lease.writer() == ann.name


async def test_what_was_made_before_a_take_over_says_nothing_of_it(home: Home, control: FakeControl) -> None:
    lease = WriteLease(Seconds())
    server = ControlServer(control, home, lease=lease)
    async with server, SocketSeat(home, "ann") as ann, SocketSeat(home, "bob") as bob:
        control.current = replace(SNAPSHOT, writer=ann.name)
        await bob.refresh()
        assert ann.name in bob.against("resume")
        await bob.claim("over")
        # The next one may have been under way when the lease went over, and may not have been.
        for seq, holder, told in ((0, ann, bob), (1, ann, bob), (2, bob, bob), (3, ann, ann)):
            control.current = replace(SNAPSHOT, seq=SNAPSHOT.seq + seq, writer=holder.name)
            await bob.refresh()
            assert bob.snapshot() == replace(control.current, writer=told.name)
            assert bool(bob.against("resume")) is (told is ann)


async def test_a_console_over_the_socket_lives_by_what_it_asks(home: Home, control: FakeControl) -> None:
    seconds = Seconds()
    lease = WriteLease(seconds)
    async with ControlServer(control, home, lease=lease), SocketSeat(home) as far:
        for _ in range(3):
            seconds.now += LEASE_S
            await far.refresh()
        assert lease.writer() == far.name
        seconds.now += LEASE_S + 1
        await far.refresh()
        assert lease.writer() == ""


async def test_a_console_that_only_looks_on_takes_nothing(home: Home, control: FakeControl) -> None:
    lease = WriteLease(Seconds())
    async with ControlServer(control, home, lease=lease), SocketSeat(home, looks_on=True) as far:
        assert lease.writer() == ""
        for operation in WRITING:
            assert "--read-only" in far.against(operation.id)
            assert not (await far.send(Request(operation.id))).accepted
        assert control.asked == []
        with pytest.raises(RefusedError, match="--read-only"):
            await far.claim("over")
        assert (await far.send(Request("halt"))).accepted


async def test_a_verb_has_the_lease_for_one_answer(home: Home, control: FakeControl) -> None:
    lease = WriteLease(Seconds())
    during: list[str] = []
    send = control.send

    async def noted(request: Request) -> object:
        during.append(lease.writer())
        return await send(request)

    control.send = noted  # type: ignore[method-assign,assignment]
    async with ControlServer(control, home, lease=lease):
        assert (await ask(home, "command", {"verb": "resume", "operator": "cli:ann"}))["accepted"]
        assert (during, lease.writer()) == (["cli:ann#1"], "")
        async with SocketSeat(home, "bob") as bob:
            told = await ask(home, "command", {"verb": "resume", "operator": "cli:ann"})
            assert not told["accepted"]
            assert bob.name in told["message"]
            assert (await ask(home, "command", {"verb": "halt", "operator": "cli:ann"}))["accepted"]
            over = {"verb": "resume", "operator": "cli:ann", "lease": "over"}
            assert (await ask(home, "command", over))["accepted"]
            assert lease.writer() == ""
            assert (await bob.send(Request("resume"))).accepted
        with pytest.raises(BadInputError):
            await ask(home, "command", {"verb": "halt", "lease": "over"})
    assert during[1:] == [bob.name, "cli:ann#5", bob.name]


@pytest.mark.usefixtures("server")
async def test_a_console_has_a_name_that_can_be_printed(home: Home) -> None:
    with pytest.raises(BadInputError, match="can be printed"):
        await ask(home, "attach", {"operator": "a\x1b[2J"})
