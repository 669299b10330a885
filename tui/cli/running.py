"""`run`: the engine with a console in this terminal, or alone."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.control.requests import RunRequest
from core.domain.errors import BadInputError, ConfirmationError, RefusedError
from core.home.folder import Home
from tui.cli.about import installed_version
from tui.cli.echo import echo
from tui.cli.options import MAX_SPEED, Moment, Speed, check_terminal, has_terminal, home_option, settings_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.control.protocol import Seat
    from core.control.requests import EngineHandle
    from core.settings.schema import Mode, Settings
    from tui.cli.runtime import Runtime

STOP_TIMEOUT_S = 10.0
COMMAND = (sys.executable, "-P", "-c", "from quarterdeck import main; main()")
"""This very command, by the interpreter that runs it; nothing of the working folder gets in."""


@click.command()
@click.option(
    "--mode", type=click.Choice(["demo", "paper", "live"]), help="Where prices and fills come from.  [settings: demo]"
)
@click.option(
    "--confirm-live", metavar="TAG", help="With --headless, the last four characters of the API key: trade real money."
)
@click.option("--headless", is_flag=True, help="The engine alone, without a console.")
@home_option
@settings_option
@click.option("--speed", type=Speed(), help="Market seconds per second; max with --headless.  [settings: 120]")
@click.option("--from", "from_ms", type=Moment(), help="Where the replay begins (UTC).")
@click.option("--to", "to_ms", type=Moment(), help="Where the replay ends (UTC, exclusive).")
@click.option("--seed", type=click.IntRange(min=0), help="For everything random.  [settings: 7]")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Lowest level shown on stderr with --headless.",
)
@click.pass_obj
def run(
    runtime: Runtime,
    mode: Mode | None,
    confirm_live: str | None,
    headless: bool,
    home: Home,
    settings_path: Path | None,
    speed: float | str | None,
    from_ms: int | None,
    to_ms: int | None,
    seed: int | None,
    log_level: str,
) -> None:
    """Trade, with a console in this terminal or --headless.

    demo takes recorded prices, paper the exchange's own, both with simulated fills; live sends orders to the exchange.
    """
    if speed == MAX_SPEED and not headless:
        raise BadInputError(
            "--speed max is for --headless runs: a console needs a share of the processor to answer keys"
        )
    if not headless and not has_terminal():
        raise BadInputError("there is no terminal here to draw the console on; add --headless")
    if not headless:
        check_terminal("add --headless")
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise BadInputError("--from must lie before --to")
    path = settings_path or (home.settings if home.settings.exists() else None)
    settings = _settings(path)
    chosen: Mode = mode or settings.mode
    if chosen != "demo":
        _check_no_replay(chosen, {"--speed": speed, "--from": from_ms, "--to": to_ms})
    _check_confirmation(settings, chosen, confirm_live, headless)
    request = RunRequest(
        mode=chosen,
        home=home.root,
        settings_path=path,
        speed=_speed(speed, settings) if chosen == "demo" else 1.0,
        from_ms=from_ms,
        to_ms=to_ms,
        seed=seed,
        log_level=log_level.upper(),
        confirm_live=(confirm_live or "").strip(),
    )
    code = runtime.run_headless(request) if headless else _with_console(runtime, request, settings)
    click.get_current_context().exit(code)


def _settings(path: Path | None) -> Settings:
    from core.settings.schema import Settings, load_settings

    return load_settings(path) if path else Settings()


def _check_no_replay(mode: Mode, options: Mapping[str, object]) -> None:
    """Raises BadInputError where an option of the recorded market is given with a real one."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise BadInputError(
            f"{', '.join(given)}: for the recorded market only; mode {mode} goes with the exchange's time"
        )


def _check_confirmation(settings: Settings, mode: Mode, confirmed: str | None, headless: bool) -> None:
    """What can be told before anything is started; whether the tag is right is for the root, which has the key."""
    from core.control.arming import account_of, check_mode

    check_mode(settings, mode)
    needs_tag = account_of(settings, mode) == "live"
    if confirmed is not None and mode != "live":
        raise BadInputError(f"--confirm-live is for mode live, and mode is {mode}; leave it away")
    if confirmed is not None and not headless:
        raise BadInputError("--confirm-live is for --headless: the console asks for the tag itself")
    if needs_tag and headless and not (confirmed or "").strip():
        raise RefusedError(
            "live trades real money: confirm it with --confirm-live TAG, the last four characters of the API key"
        )
    if needs_tag and headless:
        from tui.console.arming import RISK

        echo(RISK, err=True)


def _speed(option: float | str | None, settings: Settings) -> float | None:
    if option == MAX_SPEED:
        return None
    return settings.demo.speed if option is None else float(option)


def _with_console(runtime: Runtime, request: RunRequest, settings: Settings) -> int:
    """The console paints first; then the engine starts off its loop, which may take seconds.

    Raises what kept the engine from starting or ended it, once the terminal is the shell's again.
    """
    import asyncio
    import signal
    from multiprocessing import resource_tracker

    from core.clock import SystemClock
    from core.control.arming import account_of
    from tui.console.arming import LiveStart
    from tui.console.launch import run_console
    from tui.lab.desk import LabAccess
    from tui.lab.runs import starter

    # The console takes stderr's place with a stream that has no descriptor, and worker processes could then not be
    # started: their tracker inherits stderr. It is started once for all of them, so it starts now, and deaf to the
    # hang-up of a closed terminal, which the engine has to outlive by a moment.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    account = account_of(settings, request.mode)
    handles: list[EngineHandle] = []

    def begin(confirmed: str) -> EngineHandle:
        handles.append(runtime.start_engine(replace(request, confirm_live=confirmed)))
        return handles[-1]

    def stop() -> None:
        for handle in handles:
            handle.stop(STOP_TIMEOUT_S)

    async def connect(confirmed: str = "") -> Seat:
        # Both in a thread: the one imports for a while, the other may take as long as an exchange is waited for.
        handle = await asyncio.to_thread(begin, confirmed)
        try:
            return await asyncio.to_thread(handle.wait)
        except ConfirmationError:
            handles.remove(handle)
            raise
        except asyncio.CancelledError:
            # The console leaves, and its loop waits for the thread.
            handle.ask_to_stop()
            raise

    named = ("--settings", str(request.settings_path)) if request.settings_path is not None else ()
    start_run = starter(COMMAND, ("--home", str(request.home), *named))
    try:
        code = run_console(
            None,
            connect=connect,
            clock_ms=SystemClock().now_ms,
            version=installed_version(),
            lab=LabAccess(runtime.lab(request.home), start_run, request.settings_path),
            let_go=stop,
            mode=account,
            live=LiveStart(_live_facts(request, settings), connect) if account == "live" else None,
        )
    finally:
        stop()
    for handle in handles:
        if (failure := handle.failure()) is not None:
            raise failure
    if account == "live" and not handles and code == RefusedError.exit_code:
        raise RefusedError("live was not confirmed; nothing was started")
    return code


def _live_facts(request: RunRequest, settings: Settings) -> tuple[tuple[str, str], ...]:
    """What the operator is shown before a live start. The balance is the exchange's, and nobody has asked it yet."""
    where = settings.exchange
    server = f", TEST SERVER {where.base_url}" if where.base_url else ""
    return (
        ("exchange", f"{where.id}{server}"),
        ("symbols", ", ".join(where.symbols or settings.market.symbols)),
        ("strategy", settings.strategy),
        ("leverage", f"{settings.account.leverage} times, {where.margin_mode} margin"),
        ("balance", "not known before the exchange is asked"),
        ("home", str(request.home)),
    )
