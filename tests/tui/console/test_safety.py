from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.control.operations import OPERATIONS, Operation
from core.control.protocol import BlockView, Snapshot
from core.control.request import Values
from core.domain.operator import CLEARED_BY_RESUME
from core.engine.wishes import KEPT
from tests.tui.fake_control import FakeClock, FakeControl, empty_snapshot, live_snapshot, snapshot
from tests.tui.lab_keys import press
from tests.tui.screen import running
from tui.console.app import QuarterdeckApp
from tui.console.safety import CONFIRM_TIMEOUT_MS, GUARD_MS, TWICE_MS, SafetyDesk
from tui.text.format import UNICODE
from tui.text.table import row_text


class Desk(SafetyDesk):
    """A desk that remembers what it sent."""

    def __init__(self, *, engine_here: bool = True) -> None:
        self.clock = FakeClock()
        self.sent: list[str] = []
        self.left = 0
        self.external: list[object] = []
        super().__init__(self.clock, self._sends, self._leaves, engine_here=engine_here, glyphs=UNICODE)

    def press(self, name: str, held: Snapshot | None = None, rows: int = 10) -> None:
        self.operate(OPERATIONS[name], held or snapshot(), rows)

    def _sends(self, operation: Operation, values: Values) -> None:
        self.sent.append(operation.id)
        self.external.append(values.get("include_external", False))

    def _leaves(self) -> None:
        self.left += 1

    def bar(self) -> str:
        return "\n".join(row_text(row) for row in self.question.rows(self.clock())) if self.question else ""


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_pause_is_sent_at_once_and_says_what_goes_on(desk: Desk) -> None:
    desk.press("pause")
    assert desk.sent == ["pause"]
    assert desk.notice is not None
    assert "exits and stops go on" in desk.notice.text


def test_halt_needs_two_presses_within_the_window(desk: Desk) -> None:
    desk.press("halt")
    assert desk.sent == []
    desk.clock.now_ms += TWICE_MS + 1
    desk.press("halt")
    assert desk.sent == []
    desk.clock.now_ms += TWICE_MS
    desk.press("halt")
    assert desk.sent == ["halt"]


def test_a_third_press_of_halt_begins_anew(desk: Desk) -> None:
    for _ in range(3):
        desk.press("halt")
    assert desk.sent == ["halt"]


def test_flatten_states_the_facts(desk: Desk) -> None:
    desk.press("flatten", snapshot())
    bar = desk.bar()
    assert "close 2 positions at market? DEMO" in bar
    assert "▲LONG  BTCUSDT" in bar
    assert "▼SHORT SOLUSDT" in bar
    assert "2,500.00" in bar
    assert "1.38" in bar
    assert "notional 4,300.00 USDT, fee and slippage about 2.37 (5.5 bp)" in bar


def test_flatten_says_so_when_the_engine_gives_no_estimate(desk: Desk) -> None:
    desk.press("flatten", snapshot(exit_cost_bps=None))
    assert "the engine gave no estimate" in desk.bar()


def test_flatten_with_little_room_counts_the_rest(desk: Desk) -> None:
    desk.press("flatten", snapshot(positions=3), 2)
    assert "and 2 more" in desk.bar()
    assert "4,300.00" not in desk.bar()
    assert "5,200.00" in desk.bar()


def test_yes_does_not_count_before_the_guard(desk: Desk) -> None:
    desk.press("flatten", snapshot())
    desk.clock.now_ms += GUARD_MS - 1
    desk.yes(snapshot())
    assert desk.sent == []
    assert desk.question is not None
    desk.clock.now_ms += 1
    desk.yes(snapshot())
    assert desk.sent == ["flatten"]
    assert desk.question is None


def test_asking_again_does_not_restart_guard_or_timeout(desk: Desk) -> None:
    desk.press("flatten", snapshot())
    desk.clock.now_ms += GUARD_MS
    desk.press("flatten", snapshot())
    desk.yes(snapshot())
    assert desk.sent == ["flatten"]


def test_flatten_leaves_what_others_placed_alone_unless_it_is_chosen(desk: Desk) -> None:
    desk.press("flatten", live_snapshot())
    assert "placed by OTHERS in this account: 2 items, left alone" in desk.bar()
    desk.clock.now_ms += GUARD_MS
    desk.yes(live_snapshot())
    assert (desk.sent, desk.external) == (["flatten"], [False])


def test_a_second_choice_takes_what_others_placed_too(desk: Desk) -> None:
    desk.press("flatten", live_snapshot())
    desk.clock.now_ms += GUARD_MS
    desk.turn_choice()
    assert "CLOSED TOO" in desk.bar()
    desk.yes(live_snapshot())
    assert (desk.sent, desk.external) == (["flatten"], [True])
    assert desk.notice is not None
    assert "with what others placed" in desk.notice.text


def test_the_second_choice_can_be_taken_back_and_does_not_last(desk: Desk) -> None:
    desk.press("flatten", live_snapshot())
    desk.turn_choice()
    desk.turn_choice()
    assert "left alone" in desk.bar()
    desk.turn_choice()
    desk.no()
    desk.press("flatten", live_snapshot())
    assert "left alone" in desk.bar()


def test_the_second_choice_is_no_yes(desk: Desk) -> None:
    desk.press("flatten", live_snapshot())
    opened = desk.question.opened_ms if desk.question else 0
    desk.clock.now_ms += GUARD_MS - 1
    desk.turn_choice()
    assert desk.question is not None
    assert desk.question.opened_ms == opened
    desk.yes(live_snapshot())
    assert desk.sent == []


def test_without_others_there_is_no_second_choice(desk: Desk) -> None:
    desk.press("flatten", snapshot())
    desk.turn_choice()
    assert "OTHERS" not in desk.bar()
    desk.clock.now_ms += GUARD_MS
    desk.yes(snapshot())
    assert desk.external == [False]


def test_what_others_placed_can_be_flattened_when_nothing_of_ours_is_open(desk: Desk) -> None:
    alone = replace(live_snapshot(), positions=())
    assert OPERATIONS["flatten"].reason_against(alone) == ""
    desk.press("flatten", alone)
    assert "2 items" in desk.bar()


def test_silence_is_a_no(desk: Desk) -> None:
    desk.press("flatten", snapshot())
    desk.clock.now_ms += CONFIRM_TIMEOUT_MS - 1
    desk.tick()
    assert desk.question is not None
    desk.clock.now_ms += 1
    desk.tick()
    assert desk.question is None
    assert desk.sent == []
    assert desk.notice is not None
    assert "nothing was sent" in desk.notice.text


def test_flatten_ends_only_when_the_snapshots_say_so(desk: Desk) -> None:
    desk.press("flatten", snapshot(positions=3))
    desk.clock.now_ms += GUARD_MS
    desk.yes(snapshot(positions=3))
    desk.answered(OPERATIONS["flatten"], True, "closing 3 positions")
    assert desk.progress(snapshot(positions=3)) == ("flatten: 0/3 closed, waiting for the venue", "warn")
    assert desk.progress(snapshot(positions=1)) == ("flatten: 2/3 closed, waiting for the venue", "warn")
    assert desk.progress(snapshot(positions=0)) is None
    assert desk.notice is not None
    assert "flatten done: 3/3" in desk.notice.text


def test_a_refused_flatten_shows_no_progress(desk: Desk) -> None:
    desk.press("flatten", snapshot())
    desk.clock.now_ms += GUARD_MS
    desk.yes(snapshot())
    desk.answered(OPERATIONS["flatten"], False, "no")
    assert desk.progress(snapshot()) is None
    assert desk.notice is not None
    assert desk.notice.text == "flatten REFUSED: no"


@pytest.mark.parametrize("held", [empty_snapshot(), snapshot(), empty_snapshot("paused"), empty_snapshot("recovering")])
def test_leaving_asks_wherever_it_ends_an_engine(desk: Desk, held: Snapshot) -> None:
    desk.ask_leave(held)
    assert desk.left == 0
    assert "DEMO LEAVE and END the engine" in desk.bar()
    assert "stops with the console" in desk.bar()
    desk.yes(held)
    assert desk.left == 1


@pytest.mark.parametrize("state", ["ended", "failed", "stopping"])
def test_leaving_an_engine_that_is_over_asks_nothing(desk: Desk, state: str) -> None:
    desk.ask_leave(empty_snapshot(state))
    assert desk.left == 1


def test_leaving_without_an_engine_asks_nothing(desk: Desk) -> None:
    desk.ask_leave(None)
    assert desk.left == 1


def test_leaving_a_start_asks_and_says_what_becomes_of_it(desk: Desk) -> None:
    desk.ask_leave(None, starting=True, mode="live")
    assert desk.left == 0
    assert "LIVE LEAVE and END the start?" in desk.bar()
    assert "given up" in desk.bar()
    desk.yes(None)
    assert desk.left == 1


def test_leaving_an_attached_console_with_nothing_open_asks_nothing() -> None:
    desk = Desk(engine_here=False)
    desk.ask_leave(empty_snapshot())
    assert desk.left == 1


def test_leaving_an_attached_console_says_that_the_engine_goes_on() -> None:
    desk = Desk(engine_here=False)
    desk.ask_leave(snapshot())
    assert "goes on trading" in desk.bar()


def test_the_second_leave_leaves(desk: Desk) -> None:
    desk.ask_leave(snapshot())
    desk.ask_leave(snapshot())
    assert desk.left == 1


@pytest.mark.parametrize("limit", sorted(CLEARED_BY_RESUME))
def test_what_resuming_clears_can_be_resumed_from(desk: Desk, limit: str) -> None:
    """The panel says so, the verb does it: the key is no other answer."""
    blocked = snapshot(halts=(limit,), blocks=(BlockView(limit, "", "when the operator resumes"),))
    assert OPERATIONS["resume"].reason_against(blocked) == ""
    desk.press("resume", blocked)
    assert f"ends: {limit.replace('_', ' ')}" in desk.bar()
    desk.yes(blocked)
    assert desk.sent == ["resume"]


def test_what_resuming_does_not_clear_is_said(desk: Desk) -> None:
    midnight = BlockView("day_loss_usdt", "", "at 00:00 UTC")
    blocked = snapshot(halts=("day_loss_usdt",), blocks=(midnight,))
    reason = "resume: does not end day loss usdt until 00:00 UTC"
    assert OPERATIONS["resume"].reason_against(blocked) == reason
    paused = snapshot(state="paused", halts=("day_loss_usdt", "paused"), blocks=(midnight,))
    assert OPERATIONS["resume"].reason_against(paused) == ""
    desk.press("resume", paused)
    assert "stays: day loss usdt until 00:00 UTC" in desk.bar()


def test_a_notice_goes_after_a_while(desk: Desk) -> None:
    desk.tell("hello")
    desk.clock.now_ms += 7_999
    desk.tick()
    assert desk.notice is not None
    desk.clock.now_ms += 1
    desk.tick()
    assert desk.notice is None


def test_an_entry_under_way_can_be_flattened_although_nothing_is_held(desk: Desk) -> None:
    waiting = replace(snapshot(positions=0), orders=tuple(replace(o, role="entry") for o in snapshot().orders[:1]))
    assert len(waiting.orders) == 1
    assert OPERATIONS["flatten"].reason_against(waiting) == ""
    desk.press("flatten", waiting)
    assert "withdraw 1 entry under way" in desk.bar()


@pytest.mark.parametrize("size", [(40, 10), (80, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_flatten_while_books_are_compared_is_asked_about_and_its_answer_is_seen(
    control: FakeControl, clock: FakeClock, size: tuple[int, int]
) -> None:
    control.current, control.message = empty_snapshot("recovering"), KEPT
    app = QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001)
    async with running(app, size) as pilot:
        asked = " ".join((await press(pilot, "F")).split())
        assert "FLATTEN: close every position at market, once books are compared? DEMO" in asked
        assert "What is held is not known yet." in asked
        clock.now_ms += GUARD_MS
        assert "flatten: kept" in await press(pilot, "y")
    assert control.commands == ["flatten"]
