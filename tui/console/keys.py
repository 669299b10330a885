"""The one key map: every action of the console, its keys, and what the operator reads about it.

Of an act on the engine only the key is chosen here; all else is read from `core.control.operations`.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding, BindingType

from core.control.operations import OPERATIONS, Danger, Operation
from tui.console.registry import KEYS, REGISTRY, Registry

TWICE_S = 2
"""Within so many seconds the second press counts of a key that may have been a slip."""


@dataclass(frozen=True, slots=True)
class Action:
    """`id` is the Textual action (parameters included). `scopes` name the panels or the state with these keys.

    `footer` is the rank in the footer, 0 for never. An act on the engine has the id of its `operation`, and says why
    when it cannot be done.
    """

    id: str
    keys: str
    shown: str
    label: str
    help: str
    scopes: tuple[str, ...] = ()
    footer: int = 0
    operation: str = ""

    @property
    def name(self) -> str:
        return self.id.partition("(")[0]

    @property
    def guarded(self) -> bool:
        return bool(self.operation)


@dataclass(frozen=True, slots=True)
class ActKeys:
    """How an act is reached: by `key`, and by `typing` while letters are text, "" for not at all. `footer` as in
    Action."""

    key: str
    footer: int
    typing: str = ""


ACT_KEYS = {
    "pause": ActKeys("P", 1, "ctrl+p"),
    "halt": ActKeys("K", 2, "ctrl+k"),
    "flatten": ActKeys("F", 3, "ctrl+f"),
    "resume": ActKeys("R", 4),
    "lock": ActKeys("L", 0),
    "unlock": ActKeys("U", 0),
    "close": ActKeys("C", 0),
}
"""Of every act but those that need a price: the console has no line to write one in."""


def _act(name: str, keys: ActKeys) -> Action:
    operation = OPERATIONS[name]
    shown = f"{keys.key} {keys.key}" if operation.danger is Danger.LOW else keys.key
    label, text = operation.words.label, _help(operation)
    return Action(f"operate('{name}')", keys.key, shown, label, text, footer=keys.footer, operation=name)


def _help(operation: Operation) -> str:
    """What it does, and how the console makes sure."""
    does = operation.words.does
    if operation.danger.asks:
        does += ", after a confirm bar"
    elif operation.danger is Danger.LOW:
        does = f"twice within {TWICE_S} s: {does}"
    else:
        does += ", at once"
    return "; ".join(filter(None, (does, operation.words.goes_on)))


def panel_actions(registry: Registry) -> list[Action]:
    """One a group: its key goes through the group's panels."""
    named = [(group, key, ", ".join(registry.pages(group))) for group, key in zip(registry.groups, KEYS, strict=False)]
    return [Action(f"panel('{group}')", key, key, pages, f"panel {pages}") for group, key, pages in named]


_CHARTS = ("chart", "lab_chart")
_RUNS = ("lab", "lab_run")
_OPENING = ("lab", "lab_run", "lab_trades")

ACTIONS: tuple[Action, ...] = (
    Action("confirm_yes", "y", "y", "yes", "do what the confirm bar says", scopes=("confirm",)),
    Action("confirm_no", "n,escape,enter", "n esc", "no", "cancel what the confirm bar says", scopes=("confirm",)),
    Action("confirm_choice", "e", "e", "choice", "turn the choice in the confirm bar", scopes=("confirm",)),
    *(_act(name, keys) for name, keys in ACT_KEYS.items()),
    *panel_actions(REGISTRY),
    Action("log_next(1)", "n", "n", "next", "next match", scopes=("logs",)),
    Action("log_next(-1)", "N", "N", "previous", "previous match", scopes=("logs",)),
    Action("log_level", "l", "l", "level", "lowest level shown: all, info, warning, error", scopes=("logs",)),
    Action("log_follow", "f", "f", "follow", "follow the newest line", scopes=("logs",)),
    Action("zoom(1)", "plus,equals_sign", "+", "zoom in", "wider candles, fewer minutes each", scopes=_CHARTS),
    Action("zoom(-1)", "minus", "-", "zoom out", "narrower candles, more minutes each", scopes=_CHARTS),
    Action("lab('open')", "enter", "enter", "open", "the run's figures, its trades, a trade on its candles", _OPENING),
    Action("lab('new')", "n", "n", "new run", "fill in the form that starts a run", _RUNS),
    Action("lab('mark')", "m", "m", "mark", "mark a run for the comparison, or take its mark away", _RUNS),
    Action("lab('compare')", "c", "c", "compare", "the two marked runs side by side", _RUNS),
    Action("lab('export')", "e", "e", "export", "write the run to a file; tab chooses its form", _RUNS),
    Action("lab('delete')", "d", "d", "delete", "delete the marked runs or this one, after a confirm bar", _RUNS),
    Action("lab('again')", "a", "a", "again", "the form, filled in with what this run was asked to do", _RUNS),
    Action("lab('edit')", "enter", "enter", "type", "type into a field, go on to the next choice", ("lab_form",)),
    Action("lab('choose_back')", "left,h", "left", "back", "the choice before", ("lab_form",)),
    Action("lab('choose_on')", "right,l", "right", "on", "the next choice", ("lab_form",)),
    Action("lab('start')", "s", "s", "start", "start the run that the form describes", ("lab_form",)),
    Action("lab('stop')", "x", "x", "stop", "stop the run under way and keep what it has", (*_RUNS, "lab_form")),
    Action("lab('reload')", "r", "r", "read anew", "read the list of runs again", _RUNS),
    Action("symbol(-1)", "left_square_bracket,left,h", "[", "symbol back", "previous symbol"),
    Action("symbol(1)", "right_square_bracket,right,l", "]", "symbol on", "next symbol"),
    Action("open", "enter", "enter", "chart", "the chart of the symbol under the cursor"),
    Action("unwind", "escape", "esc", "back", "leave help or search, one layer at a time"),
    Action("search", "slash", "/", "search", "search the log", footer=6),
    Action("help", "question_mark", "?", "help", "keys, and what the panel's numbers mean", footer=7),
    Action("freeze", "space", "space", "freeze", "hold the panels still; trading and the status line go on"),
    Action("theme", "t", "t", "theme", "dark, light, 16 colours, high contrast, colour-blind"),
    Action("repaint", "ctrl+l", "ctrl+l", "repaint", "paint the whole screen anew"),
    Action("write", "W", "W", "write", "take the write lease, from another console after a confirm bar"),
    Action("leave", "q,ctrl+c,ctrl+q", "q", "leave", "leave the console", footer=8),
    Action("tab(1)", "tab", "tab", "next panel", "focus the next panel on screen"),
    Action("tab(-1)", "shift+tab", "shift+tab", "panel before", "focus the panel before"),
    Action("move(-1)", "up,k", "up k", "up", "one line up (chart: previous symbol)"),
    Action("move(1)", "down,j", "down j", "down", "one line down (chart: next symbol)"),
    Action("page(-1)", "pageup", "pgup", "page up", "one page up"),
    Action("page(1)", "pagedown", "pgdn", "page down", "one page down"),
    Action("edge(-1)", "g,home", "g", "top", "first line"),
    Action("edge(1)", "G,end", "G", "bottom", "last line"),
)

DIGITS = Action("digits", "", f"{KEYS[0]}-{KEYS[len(REGISTRY.groups) - 1]}", "panels", "", footer=5)
MORE = Action("help", "", "?", "more", "")
SAFETY = tuple(action for action in ACTIONS if action.guarded)

URGENT = {keys.typing: name for name, keys in ACT_KEYS.items() if keys.typing}
"""While letters are text, these are the keys of acts."""

URGENT_HINT = " ".join(
    (f"ctrl+{'/'.join(key[-1] for key in URGENT)}", "/".join(OPERATIONS[name].words.label for name in URGENT.values()))
)


def bindings() -> list[BindingType]:
    """One Binding per action, with its id. A guarded action that cannot be done now falls through to its reason."""
    found: list[BindingType] = [
        Binding(action.keys, action.id, action.help, show=False, id=".".join((*action.scopes[:1], action.id)))
        for action in ACTIONS
    ]
    found += [Binding(a.keys, f"explain('{a.operation}')", a.help, show=False, id=f"why.{a.id}") for a in SAFETY]
    return found


def footer_actions(width: int) -> list[Action]:
    """At most eight, danger first; under 100 columns five and the way to the rest."""
    ranked = sorted([DIGITS, *(a for a in ACTIONS if a.footer)], key=lambda action: action.footer)
    return ranked if width >= 100 else [*ranked[:5], MORE]


def scoped(scope: str) -> list[Action]:
    return [action for action in ACTIONS if scope in action.scopes]
