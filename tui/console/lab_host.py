"""The lab's keys, and what its desk may ask of the console around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tui.console.safety import SafetyDesk
from tui.console.screens.console import ConsoleScreen
from tui.lab.desk import LabDesk
from tui.text.asked import Asked
from tui.text.table import Row


class Console(Protocol):
    """What the lab needs of the console around it."""

    @property
    def deck(self) -> ConsoleScreen: ...

    @property
    def desk(self) -> SafetyDesk: ...

    def start(self, job: Any) -> None: ...

    def flush(self) -> None: ...

    def open_prompt(self, asked: Asked) -> None: ...


class LabHost:
    """Implements `tui.lab.desk.Host` with the console."""

    def __init__(self, app: Console) -> None:
        self._app = app

    def spawn(self, job: Any) -> None:
        self._app.start(job)

    def redraw(self) -> None:
        self._app.flush()

    def go(self, page: str) -> None:
        self._app.deck.go(page)

    def tell(self, text: str, role: str) -> None:
        self._app.desk.tell(text, role)

    def ask(self, kind: str, title: str, facts: Sequence[Row], act: Callable[[], None]) -> None:
        self._app.desk.ask(kind, title, facts, act)

    def prompt(self, asked: Asked) -> None:
        self._app.open_prompt(asked)


def _selected(deck: ConsoleScreen, lab: LabDesk) -> str:
    """The run that a key means: that under the cursor of the list, or the one that is shown alone."""
    if deck.page == "lab":
        return deck.panels["lab"].cursor_key
    return str(lab.shown.row["run_id"]) if lab.shown is not None else ""


def _open(deck: ConsoleScreen, lab: LabDesk) -> None:
    target = deck.target.NAME
    if target == "lab_trades":
        lab.open_trade(deck.lab_trades.index())
    elif target == "lab_run":
        lab.open_trades(_selected(deck, lab))
    elif _selected(deck, lab):
        deck.go("lab_run")


def _edit(deck: ConsoleScreen, lab: LabDesk) -> None:
    asked = deck.lab_form.edit()
    if asked is not None:
        lab.ask_text(asked)


LAB_ACTS: dict[str, Callable[[ConsoleScreen, LabDesk], None]] = {
    "open": _open,
    "new": lambda deck, lab: lab.new(),
    "mark": lambda deck, lab: lab.mark(_selected(deck, lab)),
    "compare": lambda deck, lab: lab.compare(_selected(deck, lab)),
    "export": lambda deck, lab: lab.ask_export(_selected(deck, lab)),
    "delete": lambda deck, lab: lab.ask_delete(_selected(deck, lab)),
    "again": lambda deck, lab: lab.again(),
    "stop": lambda deck, lab: lab.ask_stop(),
    "reload": lambda deck, lab: lab.open(),
    "edit": _edit,
    "choose_back": lambda deck, lab: deck.lab_form.choose(-1),
    "choose_on": lambda deck, lab: deck.lab_form.choose(1),
    "start": lambda deck, lab: lab.start(),
}
