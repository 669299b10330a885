"""The form that starts a run of the lab: what was typed, what is wrong with it, and the command it stands for.

No Textual, no I/O. A text stays as it was typed whatever else changes, also while its field is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.domain.rows import Row
from core.lab.requests import OBJECTIVES
from core.settings.values import MARKETS
from tui.text.moments import MOMENT_FORMS, parse_duration, parse_moment

BACKTEST, SWEEP, WALK_FORWARD = "backtest", "sweep", "walkforward"
KINDS = (BACKTEST, SWEEP, WALK_FORWARD)
ENGINES = ("event", "sweep")
_ENGINE_OPTION = {"event-driven": "event"}
NO_PRESET = "none"
YES_NO = ("no", "yes")
_SEARCH = (SWEEP, WALK_FORWARD)


@dataclass(frozen=True, slots=True)
class Field:
    """`kinds` are the kinds of run that have it. `hint` says what may be typed and what an empty text means.

    A choice has one of some options; the others are typed.
    """

    name: str
    hint: str
    kinds: tuple[str, ...] = KINDS
    is_choice: bool = False


FIELDS = (
    Field("kind", "", is_choice=True),
    Field("market", "imported: your candles; recorded: those of the program", is_choice=True),
    Field("strategy", "", is_choice=True),
    Field("symbols", "BTCUSDT ETHUSDT; empty: those of the settings"),
    Field("from", "2025-06-05T12:30, UTC; empty: with the candles"),
    Field("to", "exclusive, UTC; empty: the end of the candles"),
    Field("preset", "", is_choice=True),
    Field("engine", "event: the live code; sweep: the fast one", (BACKTEST,), is_choice=True),
    Field("overrides", "key=value key=value; empty: settings as is"),
    Field("grid", "key=a,b,c key=low:high:step; all combinations", _SEARCH),
    Field("trials", "so many, drawn by Optuna; empty: the whole grid", _SEARCH),
    Field("objective", "", _SEARCH, is_choice=True),
    Field("train", "90m, 48h, 30d or 4w; empty: that of the preset", (WALK_FORWARD,)),
    Field("test", "90m, 48h, 30d or 4w; empty: that of the preset", (WALK_FORWARD,)),
    Field("embargo", "90m, 48h, 30d or 4w between training and test; empty: none", (WALK_FORWARD,)),
    Field("anchored", "", (WALK_FORWARD,), is_choice=True),
    Field("holes", "yes: a period with holes in its candles too", is_choice=True),
    Field("seed", "0 or more; empty: that of the settings"),
    Field("jobs", "processes; empty: as the settings say"),
    Field("predictions", "r0012: decide on what that run predicted; empty: none"),
    Field("note", "for yourself; it stands in the list of runs"),
)
_BY_NAME = {field.name: field for field in FIELDS}


@dataclass(frozen=True, slots=True)
class Problem:
    """`text` names the field and the mend, in one line."""

    field: str
    text: str


Pairs = tuple[tuple[str, str], ...]


class LabForm:
    def __init__(self) -> None:
        self.choices: Row = {"strategies": [], "presets": [], "symbols": []}
        self.text: dict[str, str] = {field.name: "" for field in FIELDS}
        self.text |= {
            "kind": BACKTEST,
            "market": MARKETS[0],
            "preset": NO_PRESET,
            "engine": ENGINES[0],
            "objective": OBJECTIVES[0],
            "anchored": YES_NO[0],
            "holes": YES_NO[0],
        }

    def offer(self, choices: Row) -> None:
        """Take what the lab has to choose from; a choice that is still there stays."""
        if not self.choices["symbols"] and not any(row["market"] == MARKETS[0] for row in choices["symbols"]):
            self.text["market"] = MARKETS[1]
        self.choices = choices
        for name in ("strategy", "preset"):
            options = self.options(name)
            if options and self.text[name] not in options:
                self.text[name] = options[0]

    def fields(self) -> list[Field]:
        """Those of the kind of run that is chosen."""
        return [field for field in FIELDS if self.text["kind"] in field.kinds]

    def options(self, name: str) -> Sequence[str]:
        """What a choice is between, empty for a field that is typed."""
        fixed = {
            "kind": KINDS,
            "market": MARKETS,
            "engine": ENGINES,
            "objective": OBJECTIVES,
            "anchored": YES_NO,
            "holes": YES_NO,
        }
        if name == "strategy":
            return [str(strategy) for strategy in self.choices["strategies"]]
        if name == "preset":
            return [NO_PRESET, *(str(preset["name"]) for preset in self.choices["presets"])]
        return fixed.get(name, ())

    def choose(self, name: str, delta: int) -> None:
        """The next or previous of the options, round and round."""
        options = list(self.options(name))
        if options:
            here = options.index(self.text[name]) if self.text[name] in options else -delta
            self.text[name] = options[(here + delta) % len(options)]

    def hint(self, name: str) -> str:
        """What stands beside a field."""
        if name == "preset":
            about = {str(preset["name"]): str(preset["about"]) for preset in self.choices["presets"]}
            return about.get(self.text[name], "settings and period as they are")
        stored = " ".join(str(row["symbol"]) for row in self.stored())
        if name == "symbols" and stored:
            return f"empty: as the settings say; stored: {stored}"
        return _BY_NAME[name].hint

    def stored(self) -> list[Row]:
        """What there is of the market that is chosen."""
        return [row for row in self.choices["symbols"] if row["market"] == self.text["market"]]

    def symbols(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.text["symbols"].upper().replace(",", " ").split()))

    def pairs(self) -> Pairs:
        """The overrides as (key, value); those without a value are left out."""
        return tuple((key, value) for key, sign, value in _split(self.text["overrides"]) if sign)

    def grid(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The keys with the values that are written: of a range its ends and its step."""
        if self.text["kind"] not in _SEARCH:
            return ()
        words = _split(self.text["grid"])
        return tuple((key, tuple(value.replace(":", ",").split(","))) for key, sign, value in words if sign)

    def problem(self) -> Problem | None:
        """The first thing that is wrong, in the order of the fields."""
        for field in self.fields():
            look = _LOOKS.get(field.name)
            text = look(self) if look is not None else ""
            if text:
                return Problem(field.name, f"{field.name}: {text}")
        return None

    def arguments(self) -> list[str]:
        """The verb of the command and its arguments. To be asked only while there is no problem."""
        found = [self.text["kind"], self.text["strategy"], "--market", self.text["market"]]
        for symbol in self.symbols():
            found += ["--symbol", symbol]
        for name in ("from", "to"):
            moment = parse_moment(self.text[name])
            found += [f"--{name}", str(moment)] if moment is not None else []
        if self.text["preset"] != NO_PRESET:
            found += ["--preset", self.text["preset"]]
        for key, value in self.pairs():
            found += ["--set", f"{key}={value}"]
        if self.text["kind"] in _SEARCH:
            for word in self.text["grid"].split():
                found += ["--grid", word]
        shown = {field.name for field in self.fields()}
        for name in ("engine", "objective"):
            found += [f"--{name}", self.text[name]] if name in shown else []
        for name in ("trials", "train", "test", "embargo", "seed", "jobs", "predictions", "note"):
            if name in shown and self.text[name].strip():
                found += [f"--{name}", self.text[name].strip()]
        if "anchored" in shown and self.text["anchored"] == "yes":
            found.append("--anchored")
        if self.text["holes"] == "yes":
            found.append("--allow-holes")
        return found

    def title(self) -> str:
        return f"{self.text['kind']} {self.text['strategy']}"

    def fill(self, run: Row) -> None:
        """Take over what a stored run was asked to do, as far as its row tells."""
        self.text |= {
            "kind": str(run["kind"]),
            "strategy": str(run["strategy"]),
            "market": run["market"] or self.text["market"],
            "symbols": " ".join(run["symbols"]),
            "from": _typed_moment(run["from_ms"]),
            "to": _typed_moment(run["to_ms"]),
            "preset": NO_PRESET,
            "engine": _ENGINE_OPTION.get(run["engine"], str(run["engine"])),
            "overrides": " ".join(f"{key}={typed_value(value)}" for key, value in run["overrides"]),
            "holes": YES_NO[any(label.startswith("HOLES") for label in run["labels"])],
            "seed": str(run["seed"]),
        }
        if "grid" in run:
            self.text["grid"] = " ".join(f"{key}={','.join(map(typed_value, values))}" for key, values in run["grid"])


def _split(text: str) -> list[tuple[str, str, str]]:
    return [word.partition("=") for word in text.split()]


def typed_value(value: object) -> str:
    """A setting's value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _typed_moment(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M}".removesuffix("T00:00")


def _strategy(form: LabForm) -> str:
    return "" if form.text["strategy"] in form.options("strategy") else "none is chosen; left and right go through them"


def _symbols(form: LabForm) -> str:
    stored = [str(row["symbol"]) for row in form.stored()]
    unknown = [symbol for symbol in form.symbols() if symbol not in stored]
    if not unknown or not form.choices["strategies"]:
        return ""
    return f"{', '.join(unknown)} has no candles; stored are {', '.join(stored)}"


def _from(form: LabForm) -> str:
    return _moment(form, "from", lambda time_ms, first_ms, last_ms: time_ms < last_ms)


def _to(form: LabForm) -> str:
    start, end = parse_moment(form.text["from"]), parse_moment(form.text["to"])
    if start is not None and end is not None and end <= start:
        return f"must be after from ({form.text['from'].strip()})"
    return _moment(form, "to", lambda time_ms, first_ms, last_ms: time_ms > first_ms)


def _moment(form: LabForm, name: str, fits: Callable[[int, int, int], bool]) -> str:
    text = form.text[name].strip()
    if not text:
        return ""
    time_ms = parse_moment(text)
    if time_ms is None:
        return f"{text!r} is no time; write {MOMENT_FORMS}"
    wanted = form.symbols()
    spans = [row for row in form.stored() if not wanted or row["symbol"] in wanted]
    if not spans:
        return ""
    first_ms, last_ms = min(row["first_ms"] for row in spans), max(row["last_ms"] for row in spans)
    if fits(time_ms, first_ms, last_ms):
        return ""
    return f"no candles there; stored are {_typed_moment(first_ms)} to {_typed_moment(last_ms)}"


def _pairs_problem(text: str, form: str) -> str:
    wrong = next((word for word in text.split() if not all(word.partition("="))), "")
    return f"{wrong!r} is not of the form {form}" if wrong else ""


def _overrides(form: LabForm) -> str:
    return _pairs_problem(form.text["overrides"], "key=value")


def _grid(form: LabForm) -> str:
    wrong = _pairs_problem(form.text["grid"], "key=a,b,c")
    empty = next((key for key, values in form.grid() if not all(values)), "")
    if wrong or empty:
        return wrong or f"{empty} has an empty value; write {empty}=a,b,c"
    if form.text["kind"] == SWEEP and not form.grid() and not form.text["trials"].strip():
        return "nothing to try; write key=a,b,c here, or a number of trials"
    return ""


def _count(name: str, least: int) -> Callable[[LabForm], str]:
    def look(form: LabForm) -> str:
        text = form.text[name].strip()
        fits = not text or (text.isascii() and text.isdigit() and int(text) >= least)
        return "" if fits else f"{text!r} is no whole number of {least} or more"

    return look


def _duration(name: str) -> Callable[[LabForm], str]:
    def look(form: LabForm) -> str:
        text = form.text[name].strip()
        if not text:
            needed = name != "embargo" and form.text["preset"] == NO_PRESET
            return "is missing; write 48h or 30d, or choose a preset" if needed else ""
        return "" if parse_duration(text) else f"{text!r} is no duration; write 90m, 48h, 30d or 4w"

    return look


_LOOKS: dict[str, Callable[[LabForm], str]] = {
    "strategy": _strategy,
    "symbols": _symbols,
    "from": _from,
    "to": _to,
    "overrides": _overrides,
    "grid": _grid,
    "trials": _count("trials", 1),
    "train": _duration("train"),
    "test": _duration("test"),
    "embargo": _duration("embargo"),
    "seed": _count("seed", 0),
    "jobs": _count("jobs", 1),
}
