"""What the status line on top and the notice at the foot say at one moment. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

from core.control.operations import OPERATIONS
from core.control.protocol import Snapshot
from core.control.readiness import BEGINNING, OVER
from tui.console.keys import ACT_KEYS, scoped
from tui.console.panels.panel import View
from tui.console.registry import REGISTRY
from tui.console.safety import Notice
from tui.console.widgets.bars import mode_badge, status_row, waiting_row
from tui.console.widgets.trouble import alerts_in, trouble
from tui.text.format import fit, plain_text, whole_clauses
from tui.text.table import Row

_HINTS = ("tab next panel", "enter chart", "[ ] symbol", "space freeze", "t theme", "esc back")
_LAB_HINTS = ("esc back", "tab next panel", "t theme")
_FREE = ", ".join(keys.key for act, keys in ACT_KEYS.items() if OPERATIONS[act].reduces)
_REAL = ("live", "testnet")


@dataclass(frozen=True, slots=True)
class Moment:
    """`view` is of the newest snapshot, whatever the panels show; `width` is that of the screen in cells.

    `mode` is that of the engine to come, `version` the program's, `name` that of this console among others. `failure`
    says why there is no engine, `problem` why nothing new comes from it; `confirming` that a live start waits for the
    operator. `told` and `progress` come of the operator's own act, `progress` as text
    and role. `target` is the panel of `page` that keys act on; on a `small` screen its keys are not told.
    """

    view: View
    width: int
    mode: str
    version: str
    page: str
    target: str
    name: str = ""
    failure: str = ""
    problem: str = ""
    confirming: bool = False
    frozen: bool = False
    small: bool = False
    told: Notice | None = None
    progress: tuple[str, str] | None = None


def status(now: Moment) -> Row:
    snapshot, view = now.view.snapshot, now.view
    if snapshot is None:
        word, role = ("FAILED", "badge_bad") if now.failure else ("STARTING", "badge_warn")
        if now.confirming and not now.failure:
            word = "CONFIRM"
        text = f"quarterdeck {now.version}: {view.waiting}"
        return waiting_row(word, text, role, now.width, view.glyphs.ellipsis, now.mode)
    stands = view.standing(snapshot)
    badge = "FROZEN" if now.frozen else ""
    alerts = alerts_in(snapshot, stands)
    return status_row(
        snapshot.status, stands, alerts, stale=view.stale, badge=badge, width=now.width, glyphs=view.glyphs
    )


def notice(now: Moment) -> Row:
    """The mode's badge where money or an account is real, then one text."""
    snapshot = now.view.snapshot
    mode = snapshot.status.mode if snapshot is not None else now.mode
    badge: Row = (mode_badge(mode),) if mode in _REAL else ()
    width = now.width - sum(len(word) for word, _ in badge)
    text, role = _text(now, width - 1)
    ellipsis = now.view.glyphs.ellipsis
    return (
        *badge,
        (fit(f" {whole_clauses(plain_text(text), width - 1, ellipsis)}", width, ellipsis=ellipsis), role),
    )


def _text(now: Moment, width: int) -> tuple[str, str]:
    """The operator's own act first, then what stands, then the keys of the panel."""
    snapshot, view = now.view.snapshot, now.view
    if now.told is not None:
        return now.told.text, now.told.role
    if now.progress is not None:
        return now.progress
    if snapshot is None:
        return (f"FAILED: {now.failure}", "bad") if now.failure else ("", "plain")
    if now.problem:
        return f"every number here is at least {view.stale} old; {now.problem}", "bad"
    if view.stale:
        return f"the engine has said nothing for {view.stale}: every number here is at least as old", "bad"
    if urgent := trouble(snapshot, view.standing(snapshot), width):
        return urgent
    return _quiet(now, snapshot, width)


def _quiet(now: Moment, snapshot: Snapshot, width: int) -> tuple[str, str]:
    """Where nothing presses."""
    if snapshot.status.state in BEGINNING:
        what = f"{snapshot.status.state.upper()}: books are being compared; figures not known yet"
        return snapshot.status.note or what, "warn"
    if snapshot.writer not in ("", now.name):
        return f"{snapshot.writer} holds the write lease; here {_FREE} work all the same, W takes it over", "warn"
    if snapshot.status.note:
        return snapshot.status.note, "warn" if snapshot.status.state in OVER else "accent"
    return ("" if now.small else _hint(now.page, now.target, width)), "dim"


def _hint(page: str, target: str, width: int) -> str:
    """The keys of the panel, then general ones, as many as fit whole."""
    text = ""
    general = _LAB_HINTS if REGISTRY[page].group == "lab" else _HINTS
    for hint in (*(f"{action.shown} {action.label}" for action in scoped(target)), *general):
        longer = f"{text}   {hint}" if text else hint
        if len(longer) + 1 > width:
            break
        text = longer
    return text
