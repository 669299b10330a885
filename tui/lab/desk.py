"""What the console knows of the lab and does with it: runs and what belongs to them, the form, the run under way.

No Textual. Everything is read in threads; what a panel draws is what the last answer left here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from core.domain.errors import QuarterdeckError, RefusedError
from core.domain.market import MINUTE_MS
from core.domain.rows import Row
from core.lab.requests import EXPORT_FORMS, Lab
from tui.lab.form import SWEEP, LabForm, Problem
from tui.lab.job import Job
from tui.lab.reads import Reads
from tui.lab.runs import CALM, LabRun, Outcome, Patience, StartRun
from tui.lab.settings import settings_problem
from tui.lab.trade import TradeView, bars_of
from tui.text.asked import Asked
from tui.text.format import plural
from tui.text.table import Row as TextRow
from tui.text.table import text_row

CURVE_POINTS = 800
COMPARED = 2

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LabAccess:
    """The lab of the console's home, and how a run of it is started. `settings_path` None means the defaults."""

    lab: Lab
    start: StartRun
    settings_path: Path | None = None


class Host(Protocol):
    """What the desk asks of the console around it."""

    def spawn(self, job: Any) -> None: ...
    def redraw(self) -> None: ...
    def go(self, page: str) -> None: ...
    def tell(self, text: str, role: str) -> None: ...
    def ask(self, kind: str, title: str, facts: Sequence[TextRow], act: Callable[[], None]) -> None: ...
    def prompt(self, asked: Asked) -> None: ...


@dataclass(frozen=True, slots=True)
class Shown:
    """A stored run with its curve. Of a sweep there is no curve."""

    row: Row
    curve: Row | None


@dataclass(slots=True)
class _Export:
    """What the export prompt is about; its form changes while the path is typed."""

    run_id: str
    form: str = EXPORT_FORMS[0]
    path: str = ""


class LabDesk:
    """`access` is None where the console has no lab. `clock_ms` is the console's own clock."""

    def __init__(self, access: LabAccess | None, host: Host, clock_ms: Callable[[], int]) -> None:
        self.access = access
        self.form = LabForm()
        self.job: Job | None = None
        self.runs: list[Row] | None = None
        self.marked: list[str] = []
        self.shown: Shown | None = None
        self.wanted = ""
        self.trades: tuple[str, list[Row]] | None = None
        self.trade: TradeView | None = None
        self.compared: Row | None = None
        self.settings_problem: Problem | None = None
        self._host = host
        self._clock_ms = clock_ms
        self._run: LabRun | None = None
        self._ended = asyncio.Event()
        self._ended.set()
        self._patience = CALM
        self.reads = Reads(host.spawn, host.redraw)

    @property
    def running(self) -> bool:
        return not self._ended.is_set()

    @property
    def now_ms(self) -> int:
        return self._clock_ms()

    @property
    def error(self) -> str:
        return next(iter(self.reads.errors.values()), "")

    def problem(self) -> Problem | None:
        """What is wrong with the form, as far as is known by now."""
        return self.form.problem() or self.settings_problem

    def tick(self) -> None:
        """Take over what the run under way has said since."""
        if self.job is not None and self._run is not None and self.job.outcome is None:
            self.job = self.job.at(self._run.progress(), self._clock_ms())

    def open(self) -> None:
        """The lab has come on screen: read what has not been read, or may have changed elsewhere."""
        if self.access is None:
            return
        if "run" in self.reads.errors:
            self.wanted = ""
        self.reads.ask("runs", self.access.lab.runs, self._take_runs)
        if not self.form.choices["strategies"]:
            self.reads.ask("choices", self.access.lab.choices, self._take_choices)

    def _take_runs(self, rows: list[Row]) -> None:
        self.runs = rows[::-1]
        known = {row["run_id"] for row in rows}
        self.marked = [run_id for run_id in self.marked if run_id in known]
        if self.shown is not None and self.shown.row["run_id"] not in known:
            self.shown, self.wanted = None, ""

    def _take_choices(self, choices: Row) -> None:
        self.form.offer(choices)
        self.check_form()

    def select(self, run_id: str) -> None:
        """Read a run, unless it is the one that is read already."""
        if self.access is None or not run_id or run_id == self.wanted:
            return
        self.wanted = run_id
        lab = self.access.lab

        def read() -> Shown:
            row = lab.run(run_id)
            return Shown(row, None if row["kind"] == SWEEP else lab.curve(run_id, CURVE_POINTS))

        self.reads.ask("run", read, self._take_shown)

    def _take_shown(self, shown: Shown) -> None:
        self.shown = shown

    def open_trades(self, run_id: str) -> None:
        if self.access is None or not run_id:
            return
        if self.shown is not None and self.shown.row["run_id"] == run_id and self.shown.row["kind"] == SWEEP:
            self._host.tell(f"{run_id} is a sweep: its trials have no trades that are kept", "warn")
            return
        self._host.go("lab_trades")
        if self.trades is None or self.trades[0] != run_id:
            lab, self.trades = self.access.lab, None
            self.reads.ask("trades", lambda: (run_id, lab.trades(run_id)), self._take_trades)

    def _take_trades(self, found: tuple[str, list[Row]]) -> None:
        self.trades = (found[0], found[1][::-1])

    def open_trade(self, index: int) -> None:
        """Show the candles around the trade that stands at `index` of the list, the newest being 0."""
        if self.access is None or self.trades is None or not 0 <= index < len(self.trades[1]):
            return
        run_id, trades = self.trades
        zoom = self.trade.zoom if self.trade is not None else 0
        own = next((row["interval_ms"] for row in self.runs or () if row["run_id"] == run_id), MINUTE_MS)
        self.look_at(TradeView(run_id, index, trades[index], own // MINUTE_MS, zoom))
        self._host.go("lab_chart")

    def look_at(self, view: TradeView) -> None:
        """Read the candles of `view`; what was drawn before goes, so that no trade stands on another's candles."""
        if self.access is None:
            return
        lab = self.access.lab
        self.trade = view
        self.reads.ask("bars", lambda: bars_of(lab, view), self._take_bars)

    def _take_bars(self, view: TradeView) -> None:
        self.trade = view

    def zoom(self, delta: int) -> None:
        if self.trade is not None and (other := self.trade.zoomed(delta)) is not None:
            self.look_at(other)

    def step_trade(self, delta: int) -> int:
        """To the next or previous trade of the list; its place there."""
        if self.trade is None or self.trades is None:
            return 0
        index = max(0, min(len(self.trades[1]) - 1, self.trade.index + delta))
        if index != self.trade.index:
            self.look_at(replace(self.trade, index=index, trade=self.trades[1][index], bars=None))
        return index

    def mark(self, run_id: str) -> None:
        """Mark a run for the comparison, or take its mark away. Of three marks the oldest goes."""
        if run_id in self.marked:
            self.marked.remove(run_id)
        elif run_id:
            self.marked = [*self.marked, run_id][-COMPARED:]

    def compare(self, run_id: str) -> None:
        """The two marked runs, or the marked one and `run_id`."""
        if self.access is None:
            return
        pair = self.marked if len(self.marked) == COMPARED else list(dict.fromkeys([*self.marked, run_id]))
        if len(pair) != COMPARED:
            self._host.tell("compare: mark two runs with m, or mark one and stand on another", "warn")
            return
        lab, self.compared = self.access.lab, None
        self.reads.ask("compare", lambda: lab.compare(pair), self._take_compared)
        self._host.go("lab_compare")

    def _take_compared(self, row: Row) -> None:
        self.compared = row

    def ask_delete(self, run_id: str) -> None:
        """The marked runs, or `run_id` where none is marked."""
        doomed = list(self.marked) or [run_id]
        if self.access is None or not run_id:
            return
        lab = self.access.lab
        by_id = {row["run_id"]: row for row in self.runs or ()}
        facts = [text_row(f" {id_}  {_about(by_id.get(id_, {}))}") for id_ in doomed]
        facts.append(text_row("They are gone for good; what was tried stays counted."))

        def delete() -> None:
            self.reads.ask("delete", lambda: lab.delete(doomed), self._deleted)

        self._host.ask("delete", f"DELETE {plural(len(doomed), 'run')}?", facts, delete)

    def _deleted(self, gone: list[Row]) -> None:
        names = ", ".join(str(row["run_id"]) for row in gone)
        self._host.tell(f"deleted {names}", "good")
        self.marked = []
        self.open()

    def ask_export(self, run_id: str) -> None:
        """Ask for form and path in one line."""
        if self.access is None or not run_id:
            return
        job = _Export(run_id)
        job.path = _default_path(job)

        def turn(text: str) -> tuple[str, str]:
            old = _default_path(job)
            job.form = EXPORT_FORMS[(EXPORT_FORMS.index(job.form) + 1) % len(EXPORT_FORMS)]
            return _export_title(job), _default_path(job) if text == old else text

        def done(text: str | None) -> None:
            if text is not None and text.strip():
                self.export(run_id, job.form, Path(text.strip()).expanduser(), False)

        self._host.prompt(Asked(_export_title(job), job.path, done, hint="tab other form   enter write", turn=turn))

    def export(self, run_id: str, form: str, path: Path, overwrite: bool) -> None:
        """Write the file; where it is there already, ask first."""
        if self.access is None:
            return
        lab = self.access.lab

        def write() -> Row | RefusedError:
            try:
                return lab.export(run_id, form, path.absolute(), overwrite)
            except RefusedError as error:
                return error

        def taken(found: Row | RefusedError) -> None:
            if not isinstance(found, RefusedError):
                self._host.tell(f"{run_id} as {form}: {', '.join(found['files'])}", "good")
            elif overwrite:
                self._host.tell(f"export REFUSED: {found}", "bad")
            else:
                again = text_row(str(found))
                self._host.ask("export", f"OVERWRITE {path}?", [again], lambda: self.export(run_id, form, path, True))

        self.reads.ask("export", write, taken)

    def new(self) -> None:
        self.open()
        self._host.go("lab_form")

    def again(self) -> None:
        """Fill the form with what the selected run was asked to do."""
        if self.shown is None or self.shown.row["run_id"] != self.wanted:
            return
        self.form.fill(self.shown.row)
        self.new()
        self.check_form()

    def ask_text(self, asked: Asked) -> None:
        self._host.prompt(asked)

    def check_form(self) -> None:
        """Have the settings looked at; the answer stands in `settings_problem`."""
        if self.access is None or self.form.problem() is not None:
            self.settings_problem = None
            return
        strategy, path = self.form.text["strategy"], self.access.settings_path
        pairs, grid = self.form.pairs(), self.form.grid()

        def look() -> Problem | None:
            tries = [("overrides", pairs), *(("grid", ((key, value),)) for key, values in grid for value in values)]
            for place, tried in tries:
                text = settings_problem(place, strategy, tried, path)
                if text:
                    return Problem(place, text)
            return None

        def take(problem: Problem | None) -> None:
            self.settings_problem = problem

        self.reads.ask("settings", look, take)

    def start(self) -> None:
        """Start what the form says. One run at a time: a second would only slow both, and trading."""
        problem = self.problem()
        if self.access is None:
            return
        if problem is not None:
            self._host.tell(f"not started: {problem.text}", "warn")
        elif self.running:
            self._host.tell("not started: a run is under way; x stops it", "warn")
        else:
            self._ended.clear()
            self.job = Job(self.form.title(), self._clock_ms())
            self._host.spawn(self._follow(self.access.start(self.form.arguments())))
            self._host.go("lab")

    async def _follow(self, starting: Awaitable[LabRun]) -> None:
        try:
            self._run = await starting
            if self.job is not None and self.job.stopping:
                self._run.stop(self._patience)
            outcome = await self._run.wait()
        except QuarterdeckError as error:
            outcome = Outcome("failed", message=str(error))
        except Exception as error:
            logger.exception("a run of the lab could not be followed")
            outcome = Outcome("failed", message=f"{type(error).__name__}: {error}")
        finally:
            self._run = None
            self._ended.set()
        if self.job is not None:
            self.job = replace(self.job, outcome=outcome)
            told = f"{outcome.run_id} is stored" if outcome.run_id else "nothing was stored"
            role = "good" if outcome.status == "complete" else "warn" if outcome.run_id else "bad"
            self._host.tell(f"{self.job.title}: {outcome.status}, {told}. {outcome.message}", role)
        self.open()
        self._host.redraw()

    def ask_stop(self) -> None:
        if not self.running or self.job is None:
            self._host.tell("no run is under way", "dim")
            return
        facts = [text_row("What it has by then is stored as a PARTIAL result. Trading is not touched.")]
        self._host.ask("stop", f"STOP {self.job.title}?", facts, lambda: self.stop(CALM))

    def stop(self, patience: Patience) -> None:
        if self.job is not None and self.running:
            self.job, self._patience = replace(self.job, stopping=True), patience
            if self._run is not None:
                self._run.stop(patience)

    async def close(self, patience: Patience) -> None:
        """Stop the run under way, if there is one, and wait until its process has ended."""
        self.stop(patience)
        await self._ended.wait()


def _about(row: Row) -> str:
    parts = [row.get("kind"), row.get("strategy"), " ".join(row.get("symbols", ())), row.get("note")]
    return "  ".join(str(part) for part in parts if part)


def _default_path(job: _Export) -> str:
    """A folder for the forms that are several files."""
    endings = {"html": ".html", "json": ".json", "freqtrade": "-freqtrade.zip", "quantstats": "-quantstats.csv"}
    return job.run_id + endings.get(job.form, f"-{job.form}")


def _export_title(job: _Export) -> str:
    return f"export {job.run_id} as {job.form} to"
