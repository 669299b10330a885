"""A table that nobody works in shows what matters most, and says how much it does not show."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.control.protocol import Snapshot
from tests.tui import screen
from tests.tui.fake_control import FakeControl, live_snapshot, meter, position, signal, snapshot
from tui.console.app import QuarterdeckApp


def five(*, naked: str = "") -> Snapshot:
    sizes = {"BTCUSDT": 400.0, "ETHUSDT": 2_500.0, "SOLUSDT": 1_800.0, "BNBUSDT": 900.0, "XRPUSDT": 100.0}
    held = [replace(position(symbol, "long", size, f"p-{symbol}"), protected=True) for symbol, size in sizes.items()]
    held = [replace(p, protected=p.symbol != naked, unprotected_ms=3_000 if p.symbol == naked else None) for p in held]
    return replace(live_snapshot(), positions=tuple(held), orders=(), external=())


def panel_lines(app: QuarterdeckApp, title: str, count: int) -> list[str]:
    lines = screen.lines(app)
    start = next(n for n, line in enumerate(lines) if title in line)
    return lines[start : start + count]


async def test_five_positions_in_a_strip_show_the_largest_and_count_the_others(
    app: QuarterdeckApp, control: FakeControl
) -> None:
    control.current = five()
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("5")
        title, _, *rows = panel_lines(app, "3 Positions", 5)
        assert "+2 more" in title
        assert [row.split()[0] for row in rows] == ["ETHUSDT", "SOLUSDT", "BNBUSDT"]


async def test_a_position_without_a_stop_is_shown_before_larger_ones(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = five(naked="XRPUSDT")
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("5")
        _, _, *rows = panel_lines(app, "3 Positions", 5)
        assert [row.split()[0] for row in rows] == ["XRPUSDT", "ETHUSDT", "SOLUSDT"]


async def test_a_cursor_that_was_left_behind_moves_no_row(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = five()
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("3")
        await screen.until(app, pilot, "▸3 Positions")
        await pilot.press("G", "5")
        _, _, *rows = panel_lines(app, "3 Positions", 5)
        assert [row.split()[0] for row in rows] == ["ETHUSDT", "SOLUSDT", "BNBUSDT"]


async def test_orders_for_which_there_is_no_room_are_counted(app: QuarterdeckApp) -> None:
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("5")
        (title,) = panel_lines(app, "3 Positions", 1)
        assert "+2 more, 2 pos +2.17, 2 ord" in title


async def test_a_blocked_limit_is_never_above_the_edge(app: QuarterdeckApp, control: FakeControl) -> None:
    calm = snapshot()
    control.current = replace(calm, meters=(*calm.meters, meter("day_trades", 100, 100, "entries", "blocked")))
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("1", "tab", "tab", "G", "1")
        await pilot.pause()
        title, _, first, *_ = panel_lines(app, "5 Risk", 4)
        assert "day trades BLOCKED" in title
        assert "day trades" in first
        assert "BLOCKED" in first
        assert "more" in title


async def test_newest_first_is_what_the_rows_show(app: QuarterdeckApp, control: FakeControl) -> None:
    old = [signal(n, "BTCUSDT", 1, "vetoed", f"reason {n}") for n in range(300, 340)]
    control.current = replace(snapshot(), signals=tuple(old))
    async with screen.running(app, (120, 40)) as pilot:
        await pilot.press("4")
        await screen.until(app, pilot, "▸4 Signals")
        await pilot.press("G", "1")
        news = [signal(n, "ETHUSDT", 1, "wait", "edge below cost") for n in (2, 0)]
        control.current = replace(snapshot(2), signals=(*old, *news))
        app.flush()
        await pilot.pause()
        title, _, first, second, *_ = panel_lines(app, "4 Signals", 6)
        assert "newest first" in title
        assert "more" in title
        assert "12:00" in first
        assert "11:58" in second


async def test_a_focused_table_says_which_of_its_rows_are_shown(app: QuarterdeckApp, control: FakeControl) -> None:
    old = [signal(n, "BTCUSDT", 1, "vetoed", "edge below cost") for n in range(40)]
    control.current = replace(snapshot(), signals=tuple(old))
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("4")
        await screen.until(app, pilot, "40 newest first")
        await pilot.press("G")
        await screen.until(app, pilot, "-40 of 40")
        (title,) = panel_lines(app, "4 Signals", 1)
        assert "-40 of 40" in title


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_a_title_is_cut_between_its_parts(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]
) -> None:
    big = replace(five().positions[0], unrealised_usdt=-12_345.67)
    control.current = replace(live_snapshot(), positions=(big,))
    async with screen.running(app, size):
        (title,) = panel_lines(app, "3 Positions", 1)
        assert "1 pos -12,345.67" in title
        assert "exter…" not in title


async def test_a_late_mark_says_so(app: QuarterdeckApp, control: FakeControl) -> None:
    fresh = five()
    now_ms = fresh.status.as_of_ms
    marked = tuple(replace(p, mark_ms=now_ms - 600_000 * (p.symbol == "BTCUSDT")) for p in fresh.positions)
    control.current = replace(fresh, positions=marked)
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("3")
        (title,) = panel_lines(app, "3 Positions", 1)
        assert "marks 10m old" in title
        control.current = replace(five(), seq=2)
        app.flush()
        await pilot.pause()
        assert "old" not in panel_lines(app, "3 Positions", 1)[0]
