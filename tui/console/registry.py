"""Every panel of the console: its name and title, the key that shows it, what it draws from, where it stands.

Pure data; no Textual. Keys, titles, layouts and help are read from here. How a panel draws is in a file of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

KEYS = "1234567890"
"""A key a group, in the order of the registry."""

Place = Literal["strip", "column", "left", "right", "lab"]
"""Where a panel may stand beside the page of another: under it, in the one column beside it, in the columns left and
right of it, or with a page of the lab."""


@dataclass(frozen=True, slots=True)
class Size:
    """In cells, the title's line included."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What the console knows of a panel before it draws it.

    `group`: panels of one group share a key, which goes from each to the next; without a group a panel has no key, and
    a page to itself. `wants` are the fields of the Snapshot that it draws from: with none it draws before there is one.
    `least` is the size below which it is not placed. `beside`: its rank at each place beside others' pages, the lowest
    first. `within`: the page that opens it, and that esc goes back to; such a panel is not shown by the group's key.
    `main`: a page of several panels without one of its own; this one has the focus first.
    """

    name: str
    title: str
    group: str
    least: Size
    wants: frozenset[str] = frozenset()
    beside: Mapping[Place, int] = field(default_factory=dict)
    within: str = ""
    main: str = ""


@dataclass(frozen=True)
class Registry:
    """The panels in the order of their keys. Raises ValueError where there are more groups than keys, two of a name, or
    a name that no entry has."""

    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.entries]
        if len(self._by_name) < len(names):
            raise ValueError(f"two panels have one name: {names}")
        if len(self.groups) > len(KEYS):
            raise ValueError(f"more groups of panels than keys: {self.groups}")
        if unknown := {name for entry in self.entries for name in (entry.within, entry.main) if name} - set(names):
            raise ValueError(f"no such panel: {sorted(unknown)}")

    @cached_property
    def _by_name(self) -> dict[str, Entry]:
        return {entry.name: entry for entry in self.entries}

    @cached_property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(entry.group for entry in self.entries if entry.group))

    def __getitem__(self, name: str) -> Entry:
        return self._by_name[name]

    def key(self, name: str) -> str:
        """The key that shows the panel or its group; empty where there is none."""
        group = self[name].group
        return KEYS[self.groups.index(group)] if group else ""

    def title(self, name: str) -> str:
        """With its key in front."""
        return f"{self.key(name)} {self[name].title}".lstrip()

    def pages(self, group: str) -> tuple[str, ...]:
        """Those that the group's key shows, one after the other."""
        return tuple(entry.name for entry in self.entries if entry.group == group and not entry.within)

    def next_page(self, group: str, page: str) -> str:
        """What the group's key shows while `page` is on screen."""
        pages = self.pages(group)
        return pages[(pages.index(page) + 1) % len(pages)] if page in pages else pages[0]

    def main(self, page: str) -> str:
        """The panel that has the focus first."""
        return self[page].main or page

    def beside(self, place: Place, page: str) -> tuple[Entry, ...]:
        """Those that may stand there beside `page`, the first ones first."""
        ranked = sorted((entry.beside[place], entry.name) for entry in self.entries if place in entry.beside)
        return tuple(self[name] for _, name in ranked if name != page)


HOME = "overview"

REGISTRY = Registry(
    (
        Entry(HOME, "Overview", "overview", Size(80, 21), main="markets"),
        Entry(
            "markets",
            "Markets",
            "markets",
            Size(44, 5),
            frozenset({"status", "prices", "positions"}),
            {"strip": 2, "column": 1, "left": 1},
        ),
        Entry(
            "positions",
            "Positions & orders",
            "positions",
            Size(44, 5),
            frozenset({"status", "prices", "positions", "orders", "external"}),
            {"strip": 1, "column": 2, "left": 2, "lab": 1},
        ),
        Entry("signals", "Signals", "signals", Size(44, 6), frozenset({"status", "signals"}), {"right": 3}),
        Entry(
            "risk",
            "Risk",
            "risk",
            Size(44, 5),
            frozenset({"status", "prices", "meters"}),
            {"column": 3, "right": 1, "lab": 2},
        ),
        Entry("chart", "Chart", "chart", Size(44, 8), frozenset({"prices", "positions", "status"})),
        Entry("trades", "Trades", "trades", Size(44, 5), frozenset({"prices", "trades"}), {"left": 3}),
        Entry("logs", "Log", "logs", Size(44, 4), beside={"column": 4, "right": 2, "lab": 3}),
        Entry("lab", "Lab", "lab", Size(44, 9)),
        Entry("lab_form", "Lab: new run", "lab", Size(44, 9), within="lab"),
        Entry("lab_run", "Lab: run", "lab", Size(44, 9), within="lab"),
        Entry("lab_trades", "Lab: trades", "lab", Size(44, 9), within="lab_run"),
        Entry("lab_chart", "Lab: trade", "lab", Size(44, 9), within="lab_trades"),
        Entry("lab_compare", "Lab: two runs", "lab", Size(44, 9), within="lab"),
        Entry("help", "? Help", "", Size(44, 9)),
        Entry("arming", "Live start", "", Size(44, 9)),
    )
)
