"""No number and no name that carries meaning is cut: it is said in fewer words, on more lines, or counted."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.home.log_line import LogLine
from core.trader.limits import RULES
from tests.tui import screen
from tests.tui.fake_control import NOW_MS, FakeClock, FakeControl, live_snapshot, meter, price, snapshot
from tests.tui.fake_lab import FakeLab, FakeStarts, access
from tests.tui.lab_keys import PAGES, press
from tui.console.app import QuarterdeckApp
from tui.console.panels.lab.runs import _symbols
from tui.console.panels.risk import _unit_beside
from tui.text.format import whole_clauses

SIZES = [(80, 24), (100, 30), (120, 40), (200, 50)]
LONGEST = "1000000MOGUSDT"
OF_ONE_SYMBOL = ("feed_age", "unprotected", "contract", "stop_refused", "stop_distance")


def panel(app: QuarterdeckApp, title: str) -> list[str]:
    """The lines of a panel from its title on, to the right of its left edge."""
    lines = screen.lines(app)
    start = next(n for n, line in enumerate(lines) if title in line)
    column = lines[start].index(title) - 2
    return [line[column:] for line in lines[start:]]


def symbol_meters() -> list[str]:
    return [f"{name} {LONGEST}" for name in OF_ONE_SYMBOL]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("key", ["1", "5", "7"])
async def test_names_of_limits_are_whole_beside_their_number_and_level(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int], key: str
) -> None:
    meters = tuple(meter(name, 987.65, 1234.5, "problems", "blocked") for name in symbol_meters())
    prices = (*snapshot().prices, replace(price("BTCUSDT"), symbol=LONGEST))
    control.current = replace(snapshot(), meters=meters, prices=prices)
    async with screen.running(app, size) as pilot:
        await pilot.press(key)
        app.flush()
        await pilot.pause()
        if "5 Risk" not in screen.text(app):
            return
        head, *rows = panel(app, "5 Risk")[1:]
        assert "used/limit" in head
        shown = [row for row in rows if "BLOCKED" in row and "/" in row]
        assert shown
        for row in shown:
            name = row.split("988/")[0].split("█")[0].split("░")[0]
            assert "…" not in name
            assert "1000000MOG" in name
            assert "988/1,234" in row


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_limit_there_is_stands_with_its_whole_name(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int]
) -> None:
    control.current = replace(snapshot(), meters=tuple(meter(name, 1, 2, rule.unit) for name, rule in RULES.items()))
    async with screen.running(app, size) as pilot:
        await pilot.press("5")
        await screen.until_true(pilot, lambda: _are_whole(panel(app, "5 Risk")))


def _are_whole(lines: list[str]) -> bool:
    names = [line.partition("1/2")[0] for line in lines if "1/2" in line]
    return bool(names) and not any("…" in name for name in names)


async def test_what_is_not_measured_has_no_empty_line_about_its_measure(
    app: QuarterdeckApp, control: FakeControl
) -> None:
    control.current = snapshot(state="halted", halts=("halted",))
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.press("5")
        await screen.until(app, pilot, "when the operator resumes (R)")
        assert "used is" not in screen.text(app)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("halted", "HALTED: no new entries. R resumes"),
        ("paused", "PAUSED: no new entries. R resumes"),
        ("recovering", "RECOVERING: books are being compared"),
    ],
)
async def test_the_notice_of_a_small_terminal_is_whole(
    app: QuarterdeckApp, control: FakeControl, state: str, said: str
) -> None:
    control.current = snapshot(state=state, halts=(state,) if state != "recovering" else ())
    async with screen.running(app, (40, 10)) as pilot:
        app.flush()
        await pilot.pause()
        assert screen.lines(app)[-2].strip() == said


async def test_hints_beside_the_badge_of_a_live_account_are_whole(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = live_snapshot()
    async with screen.running(app, (80, 24)) as pilot:
        await pilot.pause()
        assert screen.lines(app)[-2].rstrip().endswith("t theme")


async def test_a_bar_without_room_for_positions_counts_no_others(app: QuarterdeckApp, control: FakeControl) -> None:
    control.current = live_snapshot()
    async with screen.running(app, (40, 10)) as pilot:
        await pilot.press("F")
        app.flush()
        await pilot.pause()
        assert "close 2 positions" in screen.text(app)
        assert "2 more" not in screen.text(app)


@pytest.mark.parametrize(("size", "shown"), [((80, 24), "resolver line"), ((200, 50), "account_stream line")])
async def test_the_log_names_who_speaks_by_the_last_word(
    app: QuarterdeckApp, control: FakeControl, size: tuple[int, int], shown: str
) -> None:
    control.lines = [
        LogLine(NOW_MS, "info", f"core.exchange.{name}", "line") for name in ("resolver", "account_stream")
    ]
    async with screen.running(app, size) as pilot:
        await pilot.press("8")
        app.flush()
        await screen.until_true(pilot, lambda: shown in " ".join(screen.text(app).split()))


@pytest.mark.parametrize(
    ("cells", "said"),
    [(30, "BTCUSDT ETHUSDT SOLUSDT"), (18, "BTCUSDT ETHUSDT +1"), (10, "BTCUSDT +2"), (9, "3 symbols")],
)
def test_symbols_of_a_run_are_whole_or_counted(cells: int, said: str) -> None:
    assert _symbols(["BTCUSDT", "ETHUSDT", "SOLUSDT"], cells) == said


@pytest.mark.parametrize(
    ("text", "width", "said"),
    [
        ("halt sent: no new entries, those that wait are cancelled", 39, "halt sent: no new entries"),
        ("flatten: 0/3 closed, waiting for the venue", 39, "flatten: 0/3 closed"),
        ("flatten REFUSED: the exchange takes 12.5 lots", 39, "flatten REFUSED: the exchange takes…"),
        ("short", 39, "short"),
        ("1.5; then nothing that could be said shortly", 30, "1.5; then nothing that could…"),
    ],
)
def test_a_text_that_does_not_fit_loses_whole_clauses_or_whole_words(text: str, width: int, said: str) -> None:
    assert whole_clauses(text, width) == said


@pytest.mark.parametrize(("page", "texts"), [("lab_compare", ["backtest", "BTCUSDT ETHUSDT"]), ("lab_form", [])])
async def test_pages_of_the_lab_say_the_rest_on_another_line(
    control: FakeControl, clock: FakeClock, page: str, texts: list[str]
) -> None:
    lab = access(FakeLab(), FakeStarts())
    app = QuarterdeckApp(control, clock_ms=clock, version="0.1.0", flush_hz=0.001, lab=lab)
    async with screen.running(app, (80, 24)) as pilot:
        await press(pilot, *PAGES[page])
        if page == "lab_form":
            await press(pilot, "down")
            assert "empty: as the settings say; stored: BTCUSDT ETHUSDT SOLUSDT" in screen.text(app)
        for text in texts:
            assert screen.text(app).count(text) >= 2
        assert "backtes…" not in screen.text(app)


@pytest.mark.parametrize(
    ("unit", "told"), [("% of equity", "25.1/150 %"), ("USDT", "25.1/150 USDT"), ("trades", "25.1/150")]
)
def test_what_a_number_is_of_stands_beside_it_where_its_unit_has_no_column(unit: str, told: str) -> None:
    cells = [("exposure", "plain"), ("", "good"), ("25.1/150", "plain"), (unit, "dim"), ("ok", "good")]
    assert _unit_beside(cells)[2] == (told, "plain")
