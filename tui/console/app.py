"""The console: it looks at an engine four times a second, paints what changed, and passes the operator's acts on.

Its first picture is painted before any engine is there; `connect` then brings one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from textual.app import App
from textual.filter import LineFilter, NoColor
from textual.screen import Screen
from textual.widget import Widget

from core.control.operations import OPERATIONS, Kind, Operation
from core.control.protocol import Seat, Snapshot
from core.control.request import Values
from tui.console import headlines, terminal, writing
from tui.console.arming import ArmingDesk, LiveStart
from tui.console.driver import TerminalDriver
from tui.console.keys import ACTIONS, Action, bindings
from tui.console.lab_host import LAB_ACTS, LabHost
from tui.console.link import Link, held
from tui.console.panels.logs import LEVELS
from tui.console.panels.panel import View
from tui.console.registry import HOME, REGISTRY
from tui.console.safety import NARROW, SafetyDesk
from tui.console.screens.console import ConsoleScreen
from tui.console.theme import default_theme, next_theme, textual_themes
from tui.lab.desk import LabAccess, LabDesk
from tui.lab.runs import CALM, HASTY, Patience
from tui.text.asked import Asked
from tui.text.format import UNICODE, Glyphs, plain_text

FLUSH_HZ = 4.0
BLURRED_EVERY = 4
CLOSED_EXIT_CODE = 129

_SCOPES = {action.id: action.scopes for action in ACTIONS if action.scopes}

logger = logging.getLogger(__name__)


class QuarterdeckApp(App[None], inherit_bindings=False):
    """`control` is None until `connect` has returned one; `connect` is awaited once, after the first paint.

    `clock_ms` is the console's own clock, for ages, guards and time-outs. `engine_here` says whether the engine runs
    in this process and so ends with it. `terminal_alive` is asked on every flush; once it says no the app leaves.
    `mode` is that of the engine to come. With `live` the operator is asked for the account tag and `connect` is unused.
    `left` is awaited as the last thing on the console's loop.
    """

    CSS_PATH = "console.tcss"
    BINDINGS = bindings()
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    TITLE = "Quarterdeck"

    def __init__(
        self,
        control: Seat | None,
        *,
        connect: Callable[[], Awaitable[Seat]] | None = None,
        clock_ms: Callable[[], int],
        version: str,
        flush_hz: float = FLUSH_HZ,
        glyphs: Glyphs = UNICODE,
        theme: str | None = None,
        engine_here: bool = True,
        terminal_alive: Callable[[], bool] = lambda: True,
        signalled: Callable[[int], None] = lambda _: None,
        be_patient: Callable[[], None] = lambda: None,
        lab: LabAccess | None = None,
        mode: str = "",
        live: LiveStart | None = None,
        left: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(driver_class=TerminalDriver)
        self.signalled = signalled
        self.be_patient = be_patient
        self.link = Link(control, clock_ms)
        self.connect = connect
        self.clock_ms = clock_ms
        self.version = version
        self.flush_hz = flush_hz
        self.glyphs = glyphs
        self.symbol = ""
        self.frozen: View | None = None
        self.desk = SafetyDesk(clock_ms, self._send, self._leave, engine_here=engine_here, glyphs=glyphs)
        self.lab = LabDesk(lab, LabHost(self), clock_ms)
        self.mode = mode
        self.arming = ArmingDesk(self, live) if live is not None else None
        self.deck = ConsoleScreen(self._tick, self._urgent, glyphs, self.lab, self.arming)
        self._leaving = False
        self._left = left
        self._terminal_alive = terminal_alive
        self._flaw = ""
        self._blurred_ticks: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._first_theme = theme or default_theme(os.environ)

    def get_default_screen(self) -> Screen[Any]:
        for theme in textual_themes():
            self.register_theme(theme)
        self.theme = self._first_theme
        return self.deck

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Where no colour is wanted there is none: Textual would make black of the terminal's own text and ground."""
        return (NoColor(),) if self.no_color else super().get_line_filters()

    def on_mount(self) -> None:
        if not self.is_headless:
            terminal.on_signals(self._end, self.signalled)
            if (driver := self._driver) is not None:
                terminal.Interruptions(
                    driver.suspend_application_mode, driver.resume_application_mode, self.action_repaint
                ).install()
        self.set_interval(1 / self.flush_hz, self._tick)
        self.call_after_refresh(self._first_picture)

    async def on_unmount(self) -> None:
        if self._left is not None:
            await self._left()

    def _first_picture(self) -> None:
        self.deck.go(self.deck.page)
        self.flush()
        if self.arming is not None:
            self.call_after_refresh(self.arming.ask)
        elif self.control is None and self.connect is not None:
            self.call_after_refresh(self.start, self.attach(self.connect))

    def start(self, job: Any) -> None:
        """Run a coroutine beside the console; one that can fail sees to that itself."""
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def attach(self, connect: Callable[[], Awaitable[Seat]]) -> None:
        """Get an engine, or show why there is none. Raises ConfirmationError where the operator may be asked again."""
        await self.link.attach(connect)
        if self.desk.withdraw("leave") and self.control is not None:
            # It was asked before anybody knew what the engine holds.
            self._ask_leave()
        self._tick()

    @property
    def snapshot(self) -> Snapshot | None:
        return self.link.snapshot

    @property
    def control(self) -> Seat | None:
        return self.link.control

    def _tick(self) -> None:
        """What the timer calls: a flush, fewer of them while the terminal is not looked at."""
        if not self._terminal_alive():
            self._end(CLOSED_EXIT_CODE)
            return
        if self._blurred_ticks is not None:
            self._blurred_ticks += 1
            if self._blurred_ticks % BLURRED_EVERY:
                return
        self.flush()

    def flush(self) -> None:
        """Draw from the newest snapshot. An error in it is shown and logged; it never ends the console."""
        try:
            self._draw()
            self._flaw = ""
        except Exception as error:
            flaw = f"console fault: {type(error).__name__}: {error}"
            if flaw != self._flaw:
                logger.exception("the console could not draw")
                self._flaw = flaw
                self.deck.notice.set_rows([((f" {plain_text(flaw)}", "bad"),)])

    def _draw(self) -> None:
        """Format from the newest snapshot, and paint the lines that differ."""
        if not self.deck.is_mounted:
            return
        snapshot = self.link.newest()
        if not self.symbol and snapshot is not None and snapshot.prices:
            self.symbol = snapshot.prices[0].symbol
        self.desk.tick()
        self.lab.tick()
        progress = self.desk.progress(snapshot)
        view = self._view(snapshot)
        if self.frozen is None:
            self.deck.logs.add(self.link.log_lines())
            self.deck.show(view)
        else:
            self.deck.show(View(self.frozen.snapshot, self.glyphs, self.symbol, chart=self.frozen.chart))
        now = self._moment(view, progress)
        self.deck.show_bars(
            headlines.status(now),
            headlines.notice(now),
            self._possible,
            self.desk.question.rows(self.clock_ms(), self.deck.size.width) if self.desk.question else (),
        )

    def _view(self, snapshot: Snapshot | None) -> View:
        if snapshot is None:
            asking = self.arming.waiting if self.arming is not None else ""
            return View(None, self.glyphs, self.symbol, self.link.failure or asking or self.link.waiting)
        return View(snapshot, self.glyphs, self.symbol, stale=self.link.stale(snapshot), chart=self.link.chart)

    def _moment(self, view: View, progress: tuple[str, str] | None) -> headlines.Moment:
        return headlines.Moment(
            view,
            self.deck.size.width,
            mode=self.mode,
            version=self.version,
            page=self.deck.page,
            target=self.deck.target.NAME,
            name=self.control.name if self.control is not None else "",
            failure=self.link.failure,
            problem=self.link.problem,
            confirming=self.arming is not None and bool(self.arming.waiting),
            frozen=self.frozen is not None,
            small=self.deck.small,
            told=self.desk.notice,
            progress=progress,
        )

    def _possible(self, action: Action) -> bool:
        return not action.operation or not self._against(action.operation)

    def _against(self, act: str) -> str:
        """Why it cannot be done now, or not by this console; empty where it can."""
        control = self.control
        return OPERATIONS[act].reason_against(self.snapshot) or (control.against(act) if control is not None else "")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "operate":
            return not self._against(str(parameters[0])) or None
        scopes = _SCOPES.get(f"{action}({', '.join(map(repr, parameters))})" if parameters else action, ())
        if "confirm" in scopes:
            question = self.desk.question
            return question is not None and (action != "confirm_choice" or question.choice is not None)
        if scopes and self.deck.target.NAME not in scopes:
            return False
        return action != "log_next" or bool(self.deck.logs.wanted)

    def _send(self, operation: Operation, values: Values) -> None:
        self.start(self._command(operation, values))

    async def _command(self, operation: Operation, values: Values) -> None:
        await writing.send(self.control, operation, values, self.desk)
        self._tick()

    def _end(self, exit_code: int) -> None:
        """A signal or a closed terminal: nothing is asked, and nothing more is written to a terminal that is gone."""
        self._terminal_alive()
        self._go_away(exit_code, HASTY)

    def _leave(self) -> None:
        self._go_away(self.link.exit_code, CALM)

    def _go_away(self, exit_code: int, patience: Patience) -> None:
        """Leave; a run of the lab is stopped first, and in haste when the console is told so a second time."""
        if not self.lab.running:
            self.exit(return_code=exit_code)
            return
        self.be_patient()
        self.desk.tell("leaving: the lab's run is stopped and stores what it has; q hurries it", "warn")
        self.start(self._end_run(exit_code, HASTY if self._leaving else patience))
        self._leaving = True
        self.flush()

    async def _end_run(self, exit_code: int, patience: Patience) -> None:
        await self.lab.close(patience)
        self.exit(return_code=exit_code)

    def _urgent(self, act: str) -> None:
        """A safety act asked for while something was typed."""
        if self._against(act):
            self.action_explain(act)
        else:
            self.action_operate(act)

    def on_app_blur(self) -> None:
        self._blurred_ticks = 0

    def on_app_focus(self) -> None:
        self._blurred_ticks = None
        self._tick()

    def action_operate(self, name: str) -> None:
        if (snapshot := self.snapshot) is not None:
            width, height = self.deck.size
            fixed = 6 if width >= NARROW else 8
            operation = OPERATIONS[name]
            chosen = {Kind.SYMBOL: self.symbol, Kind.TRADE: self.deck.target.cursor_trade() or self.symbol}
            given: Values = {a.name: chosen[a.kind] for a in operation.arguments if a.needed}
            self.desk.operate(operation, snapshot, max(0, height - fixed), width, given)
        self.flush()

    def action_explain(self, name: str) -> None:
        self.desk.tell(self._against(name), "warn")
        self.flush()

    def action_write(self) -> None:
        if self.control is not None:
            self.start(writing.ask(self.control, self.desk, self.start))

    def action_confirm_yes(self) -> None:
        self.desk.yes(self.snapshot)
        self.flush()

    def action_confirm_no(self) -> None:
        self.desk.no()
        self.flush()

    def action_confirm_choice(self) -> None:
        self.desk.turn_choice()
        self.flush()

    def action_leave(self) -> None:
        if self._leaving:
            self._leave()
            return
        self._ask_leave()
        self.flush()

    def _ask_leave(self) -> None:
        run = self.lab.job.title if self.lab.running and self.lab.job else ""
        self.desk.ask_leave(self.snapshot, run, starting=self.link.starting, mode=self.mode)

    def action_panel(self, group: str) -> None:
        self.deck.go(REGISTRY.next_page(group, self.deck.page))
        if self.deck.page == "lab":
            self.lab.open()
        self.flush()

    def action_help(self) -> None:
        self.deck.go("help")
        self.flush()

    def action_unwind(self) -> None:
        if self.deck.page == "help":
            self.deck.go("help")
        elif self.deck.logs.wanted:
            self.deck.logs.search("")
        elif self.deck.page != HOME:
            self.deck.go(REGISTRY[self.deck.page].within or HOME)
        self.flush()

    def action_tab(self, delta: int) -> None:
        self.deck.focus_by(delta)

    def action_move(self, delta: int) -> None:
        if self.deck.target is self.deck.chart:
            self.action_symbol(delta)
        else:
            self._moved(self.deck.target.move, delta)

    def action_page(self, delta: int) -> None:
        self._moved(self.deck.target.page, delta)

    def action_edge(self, delta: int) -> None:
        self._moved(self.deck.target.edge, delta)

    def _moved(self, move: Callable[[int], None], delta: int) -> None:
        """After the cursor moved, its symbol is the selected one on every panel."""
        move(delta)
        self.symbol = self.deck.target.cursor_symbol() or self.symbol
        self.flush()

    def action_symbol(self, delta: int) -> None:
        snapshot = self.snapshot
        symbols = [price.symbol for price in snapshot.prices] if snapshot else []
        if symbols:
            here = symbols.index(self.symbol) if self.symbol in symbols else 0
            self.symbol = symbols[(here + delta) % len(symbols)]
            self.deck.panels["markets"].cursor_key = self.symbol
        self.flush()

    def action_open(self) -> None:
        if REGISTRY[self.deck.page].group != "lab":
            self.symbol = self.deck.target.cursor_symbol() or self.symbol
            self.deck.go("chart")
            self.flush()

    def action_zoom(self, delta: int) -> None:
        if self.deck.target is self.deck.chart:
            self.deck.chart.zoom(delta)
        else:
            self.lab.zoom(delta)
        self.flush()

    def action_lab(self, act: str) -> None:
        LAB_ACTS[act](self.deck, self.lab)
        self.flush()

    def open_prompt(self, asked: Asked) -> None:
        """A question that is open is answered first: its keys would be typed."""
        if self.desk.question is None:
            self.deck.open_prompt(asked)
            self.flush()

    def action_search(self) -> None:
        self.deck.go("logs")
        self.open_prompt(Asked("search the log", self.deck.logs.wanted, self._search_done, hint="enter search"))

    def _search_done(self, text: str | None) -> None:
        if text is not None:
            self.deck.logs.search(text)
        self.flush()

    def action_log_next(self, direction: int) -> None:
        self.deck.logs.next_match(direction)

    def action_log_level(self) -> None:
        self.deck.logs.next_level()
        self.desk.tell(f"log: {LEVELS[self.deck.logs.level]} and above", "dim")
        self.flush()

    def action_log_follow(self) -> None:
        self.deck.logs.follow()

    def action_repaint(self) -> None:
        """Send every cell again: something else may have written on the terminal."""
        for widget in self.deck.walk_children(Widget):
            widget.refresh()
        self.deck.refresh(layout=True)

    def action_freeze(self) -> None:
        if self.frozen is None:
            self.frozen = replace(self._view(self.snapshot), chart=held(self.link.chart))
            self.frozen.chart(self.symbol)
        else:
            self.frozen = None
        self.flush()

    def action_theme(self) -> None:
        if self.no_color:
            self.desk.tell("theme: none, NO_COLOR is set", "dim")
        else:
            self.theme, text = next_theme(self.theme, self.console.color_system)
            self.desk.tell(text, "dim")
        self.flush()
