"""The lab of the console with the real command: the child process, and a whole console in a terminal."""

from __future__ import annotations

from pathlib import Path

from tests.command import kit
from tests.command.pty_kit import console
from tests.patience import comes
from tui.cli.running import COMMAND
from tui.lab.form import LabForm
from tui.lab.runs import CALM, Outcome, starter

DAY = {"strategy": "ema_cross", "market": "recorded", "symbols": "BTCUSDT", "from": "2025-06-05", "to": "2025-06-06"}
BUSY = "exit=reverse fast_bars=2 slow_bars=3 limits.max_trades_per_day=9999 limits.max_losses_in_row=9999"
ALL_DAYS = {"strategy": "ema_cross", "market": "recorded", "overrides": BUSY}


async def outcome(home: Path, texts: dict[str, str], stop: bool = False) -> Outcome:
    form = LabForm()
    form.text |= texts
    run = await starter(COMMAND, ("--home", str(home)), kit.environment())(form.arguments())
    if stop:
        await comes(lambda: run.progress() is not None, "progress")
        run.stop(CALM)
    return await run.wait()


async def test_the_command_runs_stops_and_refuses_as_the_console_starts_it(fresh: Path) -> None:
    whole = await outcome(fresh, DAY)
    assert (whole.status, whole.run_id, whole.message) == ("complete", "r0001", "")
    part = await outcome(fresh, ALL_DAYS, stop=True)
    assert (part.status, part.run_id) == ("partial", "r0002")
    assert part.labels[-1].startswith("PARTIAL: stopped at ")
    wrong = await outcome(fresh, DAY | {"overrides": "fast_bers=3"})
    assert (wrong.status, wrong.run_id) == ("failed", "")
    assert "fast_bers" in wrong.message


def test_a_run_is_started_and_looked_at_in_the_console_beside_trading(fresh: Path) -> None:
    assert (
        kit.quarterdeck("backtest", "ema_cross", "--market", "recorded", "--symbol", "BTCUSDT", "--home", fresh).code
        == 0
    )
    with console(fresh, "--speed", 60) as terminal:
        terminal.until_shown("DEMO", "RUNNING")
        terminal.press("9")
        terminal.until_shown("9 Lab", "r0001", "Equity, USDT", "Drawdown, %")
        terminal.press("n")
        terminal.until_shown("ready: s starts backtest ema_cross")
        terminal.press("s")
        terminal.until_shown("r0002 complete")
        terminal.press("P")
        terminal.until(lambda: (kit.live(fresh) or {}).get("state") == "paused", "the pause")
        terminal.press("q")
        terminal.until_shown("LEAVE and END the engine")
        terminal.press("y")
        assert terminal.exit_code() == 0
        terminal.assert_restored()
