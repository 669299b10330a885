"""No confirm bar loses its mode, its cost or a number, however small the terminal is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.control.protocol import Snapshot
from tests.tui import screen
from tests.tui.fake_control import FakeControl, live_snapshot, position, trade
from tui.console.app import QuarterdeckApp

SIZES = [(40, 10), (60, 20), (80, 24), (120, 40), (200, 50)]


def large() -> Snapshot:
    held = tuple(
        replace(position(symbol, "long", 1_234_567.89, f"p-{symbol}"), unrealised_usdt=-123_456.78, protected=True)
        for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    )
    return replace(live_snapshot(), positions=held)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_flatten_keeps_mode_and_cost(app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]) -> None:
    control.current = live_snapshot()
    async with screen.running(app, size) as pilot:
        await pilot.press("F")
        await screen.until(app, pilot, "cancel")
        words = " ".join(screen.text(app).split())
        for part in (
            "FLATTEN: close 2 positions at market? LIVE",
            "notional 4,300.00 USDT, fee and slippage about 2.37 (5.5 bp)",
            "left alone",
            "e changes that",
            "cancel",
            "wait 1.0 s",
        ):
            assert part in words


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_no_number_of_a_large_account_is_cut(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]
) -> None:
    control.current = large()
    async with screen.running(app, size) as pilot:
        await pilot.press("F")
        await screen.until(app, pilot, "cancel")
        words = " ".join(screen.text(app).split())
        assert "notional 3,703,703.67 USDT" in words
        assert "about 2,037.04 (5.5 bp)" in words


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_leave_keeps_mode_and_fate(app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]) -> None:
    control.current = live_snapshot()
    async with screen.running(app, size) as pilot:
        await pilot.press("q")
        await screen.until(app, pilot, "cancel")
        words = " ".join(screen.text(app).split())
        assert "LIVE LEAVE and END the engine with 2 open positions?" in words
        assert "stops with the console" in words


@pytest.mark.parametrize("size", SIZES[2:], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    ("page", "shown"),
    [("1", "▸2 "), ("3", "▸3 "), ("5", "▸5 "), ("7", "net -1,111,111.02  won 1 +1,234,567.89")],
    ids=lambda text: text[:1],
)
async def test_no_cell_of_a_large_account_cuts_a_number(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int], page: str, shown: str
) -> None:
    sold = tuple(trade(n, "BTCUSDT", "buy", net, "target") for n, net in enumerate((1_234_567.89, -2_345_678.91)))
    control.current = replace(large(), trades=sold)
    async with screen.running(app, size) as pilot:
        await pilot.press(page)
        await screen.until(app, pilot, shown)
        lines = [line for line in screen.lines(app) if "of the log" not in line]
        assert [line for line in lines if any(f"{digit}…" in line for digit in "0123456789.,+-")] == []


async def test_units_are_whole_where_there_is_room(app: QuarterdeckApp, control: FakeControl) -> None:
    calm = live_snapshot()
    meters = tuple(replace(meter, unit="% of equity") for meter in calm.meters)
    control.current = replace(calm, meters=meters)
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("5")
        assert "% of equity" in screen.text(app)
        assert "% of…" not in screen.text(app)
