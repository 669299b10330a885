"""The lines that are always there: status on top, notice and keys at the bottom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.control.protocol import StatusView
from core.control.readiness import BEGINNING, Standing
from tui.console.keys import Action, footer_actions
from tui.console.widgets.trouble import grouped
from tui.text.format import UNKNOWN, Glyphs, age, fit, lag, money, signed, utc_full, utc_seconds
from tui.text.table import Row, Span

SEPARATED_WIDTH = 140
MODES = ("demo", "paper", "live", "testnet")
_WORD_ROLE = {"RUNNING": "badge_good", "BLOCKED": "badge_bad", "HALTED": "badge_bad", "FAILED": "badge_bad"}
"""Every other word is a warning."""


@dataclass(frozen=True, slots=True)
class Field:
    """One item of the status line in a full and a short form. The lowest rank stays longest."""

    rank: int
    full: Row
    short: Row = ()


def status_row(
    status: StatusView, stands: Standing, alerts: int, *, stale: str, badge: str, width: int, glyphs: Glyphs
) -> Row:
    """The always-visible line, exactly `width` cells. `stale` is for how long the engine has said nothing, `badge`
    FROZEN; both may be empty."""
    fields = _fields(status, stands, alerts, stale, badge, glyphs)
    chosen: dict[int, Row] = {}
    gap: Span = (f" {glyphs.separator} ", "rule") if width >= SEPARATED_WIDTH else ("  ", "plain")
    left = width
    for field in sorted(fields, key=lambda f: f.rank):
        row = field.short or field.full
        need = _cells(row) + (0 if not chosen else 1 if _is_badge(row) else len(gap[0]))
        if need > left:
            continue
        chosen[field.rank] = row
        left -= need
    for field in sorted(fields, key=lambda f: f.rank):
        if field.rank in chosen and field.short:
            extra = _cells(field.full) - _cells(field.short)
            if extra <= left:
                chosen[field.rank] = field.full
                left -= extra
    spans: list[Span] = []
    for field in fields:
        if field.rank in chosen:
            spans += (
                [(" ", "plain") if _is_badge(field.full) else gap, *chosen[field.rank]] if spans else chosen[field.rank]
            )
    return (*spans, (" " * (width - _cells(spans)), "plain"))


def _clock(offset_ms: float) -> Row:
    return ("clock ", "dim"), (f"{signed(offset_ms, 0)}ms", "plain")


def _is_badge(row: Row) -> bool:
    """A badge brings its own margin."""
    return row[0][0].startswith(" ")


def _cells(row: Sequence[Span]) -> int:
    return sum(len(text) for text, _ in row)


def _state(stands: Standing, stale: str) -> Field:
    """The word that says whether positions may be opened; with it, where there is room, why not and until when."""
    if stands.word == "STALE":
        return Field(1, ((f" STALE {stale} ", "badge_bad"),))
    badge: Span = (f" {stands.word} ", _WORD_ROLE.get(stands.word, "badge_warn"))
    if stands.word == "BLOCKED":
        what, until = grouped(stands.blocks)[0]
        why: Span = (f" {what.partition(' (')[0]} {until}".rstrip(), "bad")
    elif stands.word == "RUNNING" and stands.full:
        why = (" book full", "plain")
    else:
        return Field(1, (badge,))
    return Field(1, (badge, why), (badge,))


def _fields(status: StatusView, stands: Standing, alerts: int, stale: str, badge: str, g: Glyphs) -> list[Field]:
    known = status.state not in BEGINNING
    pnl_role = "up" if known and status.day_pnl_usdt > 0 else "down" if known and status.day_pnl_usdt < 0 else "plain"
    speed = f" {status.speed:g}x" if status.speed else ""
    full_time = utc_full(status.as_of_ms) if status.mode == "demo" else utc_seconds(status.as_of_ms)
    alert_role = "bad" if alerts else "dim"

    def told(text: str) -> str:
        return text if known else UNKNOWN

    fields = [
        Field(0, (mode_badge(status.mode),)),
        _state(stands, stale),
        Field(13, ((f"{status.source}{speed}", "plain"),)),
        Field(3, (("feed ", "dim"), (age(status.feed_age_ms), "plain"))),
        Field(12, (("loop ", "dim"), (lag(status.loop_lag_ms), "plain"))),
        *([Field(14, _clock(status.clock_offset_ms))] if status.clock_offset_ms is not None else []),
        Field(7, (("eq ", "dim"), (told(money(status.equity_usdt)), "strong"))),
        Field(4, (("day ", "dim"), (told(signed(status.day_pnl_usdt)), pnl_role))),
        Field(9, (("expo ", "dim"), (told(f"{status.exposure_pct:.0f}%"), "plain"))),
        Field(5, (("dd ", "dim"), (told(f"{status.drawdown_pct:.1f}%"), "plain"))),
        Field(10, (("pos ", "dim"), (told(str(status.open_positions)), "plain"))),
        Field(11, (("ord ", "dim"), (told(str(status.open_orders)), "plain"))),
        Field(6, (("alerts ", alert_role), (str(alerts), alert_role)), (("!", alert_role), (str(alerts), alert_role))),
        Field(8, ((full_time, "plain"),), ((utc_seconds(status.as_of_ms), "plain"),)),
    ]
    if badge:
        fields.insert(2, Field(2, ((f" {badge} ", "badge_warn"),)))
    return [field for field in fields if any(text for text, _ in field.full)]


def waiting_row(word: str, text: str, role: str, width: int, ellipsis: str, mode: str = "") -> Row:
    """The status line while there is no snapshot. `mode` is that of the engine to come, where it is known."""
    first: Row = (mode_badge(mode), (" ", "plain")) if mode else ()
    badge = f" {word} "
    left = width - _cells(first) - len(badge)
    return (*first, (badge, role), (fit(f" {text}", left, ellipsis=ellipsis), "plain"))


def mode_badge(mode: str) -> Span:
    """The word, in a style of its own that is reversed for live: it stands out without colours, too."""
    return f" {mode.upper()} ", mode if mode in MODES else "strong"


def footer_row(width: int, possible: Callable[[Action], bool]) -> Row:
    """Keys, danger first. What cannot be done now stands in parentheses and dim."""
    spans: list[Span] = [(" ", "plain")]
    left = width - 1
    for action in footer_actions(width):
        left -= len(action.shown) + len(action.label) + 4
        if left < 0:
            break
        if possible(action):
            spans += [(f" {action.shown} ", "key"), (f"{action.label} ", "plain")]
        else:
            spans.append((f"({action.shown} {action.label})", "dim"))
        spans.append((" ", "plain"))
    return tuple(spans)
