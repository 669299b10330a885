"""The one run of the lab that the console has started: how far it is, and how it ended. No Textual."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.domain.progress import Progress
from tui.lab.runs import Outcome
from tui.text.format import Glyphs, age, gauge, plain_text
from tui.text.table import Row

BAR_CELLS = 20
_ROLE = {"complete": "good", "partial": "warn", "failed": "bad"}


@dataclass(frozen=True, slots=True)
class Job:
    """`since` is the first progress of its stage and the time it came at; `outcome` is None while it runs."""

    title: str
    started_ms: int
    progress: Progress | None = None
    since: tuple[Progress, int] | None = None
    stopping: bool = False
    outcome: Outcome | None = None

    def at(self, progress: Progress | None, now_ms: int) -> Job:
        """With what it says now. Another total or unit is another stage, timed for itself."""
        if progress is None or progress == self.progress:
            return self
        since = self.since
        if since is None or (since[0].unit, since[0].total) != (progress.unit, progress.total):
            since = (progress, now_ms)
        return replace(self, progress=progress, since=since)

    def left_ms(self, now_ms: int) -> int | None:
        """By the pace of its stage; None while that is unknown."""
        if self.progress is None or self.since is None or not self.progress.total:
            return None
        first, first_ms = self.since
        made = self.progress.done - first.done
        if made <= 0:
            return None
        return max(0, round((now_ms - first_ms) * (self.progress.total - self.progress.done) / made))


def job_row(job: Job, now_ms: int, width: int, glyphs: Glyphs) -> Row:
    """One line: how far it is and what it can be told, or how it ended."""
    outcome = job.outcome
    if outcome is not None:
        text = f"{outcome.run_id} {outcome.status}" if outcome.run_id else outcome.status
        labels = "  ".join(label.partition(":")[0] for label in outcome.labels)
        rest = plain_text("  ".join(part for part in (labels, outcome.message) if part))
        return ((f" {job.title}: ", "strong"), (text, _ROLE[outcome.status]), (f"  {rest}", "plain"))
    progress = job.progress
    elapsed = age(now_ms - job.started_ms)
    last = "stopping: it stores what it has" if job.stopping else "x stops it"
    if progress is None:
        return ((f" {job.title}: ", "strong"), (f"starting, {elapsed}", "plain"), (f"   {last}", "key"))
    if not progress.total:
        return (
            (f" {job.title}: ", "strong"),
            (f"{progress.done:,} {progress.unit}, {elapsed}", "plain"),
            (f"   {last}", "key"),
        )
    left = job.left_ms(now_ms)
    eta = "ETA -" if left is None else f"ETA {age(left)}"
    cells = max(8, min(BAR_CELLS, width - 70))
    share = int(progress.done / progress.total * 100)
    return (
        (f" {job.title} ", "strong"),
        (gauge(progress.done, progress.total, cells, glyphs), "accent"),
        (f" {share}% ", "strong"),
        (f"{progress.done:,}/{progress.total:,} {progress.unit} ", "plain"),
        (eta, "plain"),
        (f"   {last}", "key"),
        (f"   {plain_text(progress.note)}", "dim"),
    )
