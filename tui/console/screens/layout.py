"""Where the panels stand on each page at each size. Pure functions; no Textual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui.console.registry import HOME, REGISTRY, Entry, Place

MIN_WIDTH, MIN_HEIGHT = 80, 24
TWO_COLUMNS, THREE_COLUMNS = 100, 160
FRAMED_HEIGHT = 30
STRIP_ROWS = 5


@dataclass(frozen=True, slots=True)
class Slot:
    name: str
    x: int
    y: int
    width: int
    height: int


def too_small(width: int, height: int) -> bool:
    """Of the whole screen: only the essentials are shown below this."""
    return width < MIN_WIDTH or height < MIN_HEIGHT


def framed(width: int, height: int) -> bool:
    """Whether the screen has room for frames around the panels."""
    return width >= TWO_COLUMNS and height >= FRAMED_HEIGHT


def arrange(page: str, width: int, height: int) -> tuple[Slot, ...]:
    """The panels of `page` on a body of `width` x `height`, the page's main panel first."""
    group = REGISTRY[page].group
    if not group:
        return (Slot(page, 0, 0, width, height),)
    if group == "lab":
        return _lab(page, width, height)
    if width < TWO_COLUMNS:
        return _narrow(page, width, height)
    if width < THREE_COLUMNS:
        return _two_columns(page, width, height)
    return _three_columns(page, width, height)


def _narrow(page: str, width: int, height: int) -> tuple[Slot, ...]:
    if page != HOME:
        strip = _beside("strip", page, width, STRIP_ROWS, most=1)
        main = height - STRIP_ROWS if strip else height
        return Slot(page, 0, 0, width, main), *_column(0, main, width, STRIP_ROWS, strip)
    middle = [(name, max(REGISTRY[name].least.height, height // 4)) for name in ("positions", "risk")]
    return tuple(_column(0, 0, width, height, (("markets", 7), *middle, ("logs", 0))))


def _two_columns(page: str, width: int, height: int) -> tuple[Slot, ...]:
    side = 46 if width < 130 else 54
    main = width - side
    if page == HOME:
        table = max(7, min(9, height // 4))
        left = _column(0, 0, main, height, (("markets", table - 1), ("positions", table), ("chart", 0)))
        meters = min(14, height * 2 // 5)
        return *left, *_column(main, 0, side, height, (("risk", meters), ("signals", 0), ("logs", 0)))
    beside = _beside("column", page, side, height, most=3)
    return Slot(page, 0, 0, main, height), *_column(main, 0, side, height, beside)


def _three_columns(page: str, width: int, height: int) -> tuple[Slot, ...]:
    side = width * 28 // 100
    main = width - 2 * side
    right = side + main
    if page == HOME:
        table = min(9, height // 4)
        centre = _column(side, 0, main, height, (("chart", height * 3 // 5), ("signals", 0)))
        left = _column(0, 0, side, height, (("markets", table), ("positions", height // 3), ("trades", 0)))
        meters = min(20, height * 2 // 5)
        return *left, *centre, *_column(right, 0, side, height, (("risk", meters), ("logs", 0)))
    return (
        Slot(page, side, 0, main, height),
        *_column(0, 0, side, height, _beside("left", page, side, height, most=2)),
        *_column(right, 0, side, height, _beside("right", page, side, height, most=2)),
    )


def _lab(page: str, width: int, height: int) -> tuple[Slot, ...]:
    """The lab needs width for its tables: what is open stands under it, or beside it where there is much room."""
    if width < TWO_COLUMNS or height < FRAMED_HEIGHT - 3:
        return (Slot(page, 0, 0, width, height),)
    side = 0 if width < THREE_COLUMNS else width * 28 // 100
    strip = 0 if side else STRIP_ROWS + 2
    main = height - strip
    parts = ((page, 0),) if page != "lab" else ((page, max(REGISTRY[page].least.height, main * 2 // 5)), ("lab_run", 0))
    left = _column(0, 0, width - side, main, parts)
    if strip:
        return *left, *_column(0, main, width, strip, _beside("lab", page, width, strip, most=1))
    (first, _), *others = _beside("lab", page, side, height, most=3)
    return *left, *_column(width - side, 0, side, height, ((first, height // 3), *others))


def _beside(place: Place, page: str, width: int, height: int, most: int) -> list[tuple[str, int]]:
    """The first ones that may stand there, as many as have their least size when they share the rows alike."""
    chosen: list[Entry] = []
    for entry in REGISTRY.beside(place, page):
        rows = max(each.least.height for each in (*chosen, entry))
        if len(chosen) < most and entry.least.width <= width and rows * (len(chosen) + 1) <= height:
            chosen.append(entry)
    return [(entry.name, 0) for entry in chosen]


def _column(x: int, y: int, width: int, height: int, parts: Sequence[tuple[str, int]]) -> list[Slot]:
    """Panels under each other: those with rows get them, the others share the rest."""
    open_parts = sum(rows == 0 for _, rows in parts)
    rest = height - sum(rows for _, rows in parts)
    slots = []
    for name, rows in parts:
        if rows == 0:
            rows = rest // open_parts
            rest -= rows
            open_parts -= 1
        slots.append(Slot(name, x, y, width, rows))
        y += rows
    return slots
