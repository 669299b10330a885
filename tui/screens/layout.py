"""Where the panels stand on each page at each size. Pure functions; no Textual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    if page in ("help", "arming"):
        return (Slot(page, 0, 0, width, height),)
    if page.startswith("lab"):
        return _lab(page, width, height)
    if width < TWO_COLUMNS:
        return _narrow(page, width, height)
    if width < THREE_COLUMNS:
        return _two_columns(page, width, height)
    return _three_columns(page, width, height)


def _narrow(page: str, width: int, height: int) -> tuple[Slot, ...]:
    if page != "overview":
        strip = "markets" if page == "positions" else "positions"
        main = height - STRIP_ROWS
        return Slot(page, 0, 0, width, main), Slot(strip, 0, main, width, STRIP_ROWS)
    parts = (("markets", 7), ("positions", max(5, height // 4)), ("risk", max(5, height // 4)), ("logs", 0))
    return tuple(_column(0, 0, width, height, parts))


def _two_columns(page: str, width: int, height: int) -> tuple[Slot, ...]:
    side = 46 if width < 130 else 54
    main = width - side
    if page == "overview":
        table = max(7, min(9, height // 4))
        left = _column(0, 0, main, height, (("markets", table - 1), ("positions", table), ("chart", 0)))
        meters = min(14, height * 2 // 5)
        return *left, *_column(main, 0, side, height, (("risk", meters), ("signals", 0), ("logs", 0)))
    beside = [name for name in ("markets", "positions", "risk", "logs") if name != page][:3]
    return Slot(page, 0, 0, main, height), *_column(main, 0, side, height, [(name, 0) for name in beside])


def _three_columns(page: str, width: int, height: int) -> tuple[Slot, ...]:
    side = width * 28 // 100
    main = width - 2 * side
    right = side + main
    if page == "overview":
        table = min(9, height // 4)
        centre = _column(side, 0, main, height, (("chart", height * 3 // 5), ("signals", 0)))
        left = _column(0, 0, side, height, (("markets", table), ("positions", height // 3), ("trades", 0)))
        meters = min(20, height * 2 // 5)
        return *left, *centre, *_column(right, 0, side, height, (("risk", meters), ("logs", 0)))
    beside = [name for name in ("markets", "positions", "trades") if name != page][:2]
    beyond = [name for name in ("risk", "logs", "signals") if name != page][:2]
    return (
        Slot(page, side, 0, main, height),
        *_column(0, 0, side, height, [(name, 0) for name in beside]),
        *_column(right, 0, side, height, [(name, 0) for name in beyond]),
    )


def _lab(page: str, width: int, height: int) -> tuple[Slot, ...]:
    """The lab needs width for its tables: what is open stands under it, or beside it where there is much room."""
    if width < TWO_COLUMNS or height < FRAMED_HEIGHT - 3:
        return (Slot(page, 0, 0, width, height),)
    side = 0 if width < THREE_COLUMNS else width * 28 // 100
    strip = 0 if side else STRIP_ROWS + 2
    main = height - strip
    parts = ((page, 0),) if page != "lab" else ((page, max(9, main * 2 // 5)), ("lab_run", 0))
    left = _column(0, 0, width - side, main, parts)
    if strip:
        return *left, Slot("positions", 0, main, width, strip)
    beside = (("positions", height // 3), ("risk", 0), ("logs", 0))
    return *left, *_column(width - side, 0, side, height, beside)


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
