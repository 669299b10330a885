"""The lines that are always there: status on top, notice and keys at the bottom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.control import PositionView, Snapshot, StatusView
from tui.format import Glyphs, age, fit, lag, money, plural, signed, utc_full, utc_seconds
from tui.keys import Action, footer_actions
from tui.widgets.table import Row, Span

SEPARATED_WIDTH = 140
MODES = ("demo", "paper", "live", "testnet")
_STATE_ROLE = {
    "running": "badge_good",
    "paused": "badge_warn",
    "halted": "badge_bad",
    "failed": "badge_bad",
    "recovering": "badge_warn",
    "starting": "badge_warn",
    "stopping": "badge_warn",
    "ended": "badge_warn",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One item of the status line in a full and a short form. The lowest rank stays longest."""

    rank: int
    full: Row
    short: Row = ()


def status_row(status: StatusView, alerts: int, *, badge: str, width: int, glyphs: Glyphs) -> Row:
    """The always-visible line, exactly `width` cells. `badge` is FROZEN, ENGINE SILENT or empty."""
    fields = _fields(status, alerts, badge, glyphs)
    chosen: dict[int, Row] = {}
    gap: Span = (f" {glyphs.separator} ", "rule") if width >= SEPARATED_WIDTH else ("  ", "plain")
    left = width
    for field in sorted(fields, key=lambda f: f.rank):
        row = field.short or field.full
        if _cells(row) + len(gap[0]) > left:
            break
        chosen[field.rank] = row
        left -= _cells(row) + len(gap[0])
    for field in sorted(fields, key=lambda f: f.rank):
        if field.rank in chosen and field.short:
            extra = _cells(field.full) - _cells(field.short)
            if extra <= left:
                chosen[field.rank] = field.full
                left -= extra
    spans: list[Span] = []
    for field in fields:
        if field.rank in chosen:
            badge_next = field.full[0][0].startswith(" ")
            spans += [(" ", "plain") if badge_next else gap, *chosen[field.rank]] if spans else chosen[field.rank]
    return (*spans, (" " * (width - _cells(spans)), "plain"))


def _clock(offset_ms: float) -> Row:
    return ("clock ", "dim"), (f"{signed(offset_ms, 0)}ms", "plain")


def _cells(row: Sequence[Span]) -> int:
    return sum(len(text) for text, _ in row)


def _fields(status: StatusView, alerts: int, badge: str, g: Glyphs) -> list[Field]:
    state_role = _STATE_ROLE.get(status.state, "badge_warn")
    pnl_role = "up" if status.day_pnl_usdt > 0 else "down" if status.day_pnl_usdt < 0 else "plain"
    speed = f" {status.speed:g}x" if status.speed else ""
    full_time = utc_full(status.as_of_ms) if status.mode == "demo" else utc_seconds(status.as_of_ms)
    alert_role = "bad" if alerts else "dim"
    fields = [
        Field(0, (mode_badge(status.mode),)),
        Field(1, ((f" {status.state.upper()} ", state_role),)),
        Field(13, ((f"{status.source}{speed}", "plain"),)),
        Field(3, (("feed ", "dim"), (age(status.feed_age_ms), "plain"))),
        Field(12, (("loop ", "dim"), (lag(status.loop_lag_ms), "plain"))),
        *([Field(14, _clock(status.clock_offset_ms))] if status.clock_offset_ms is not None else []),
        Field(7, (("eq ", "dim"), (money(status.equity_usdt), "strong"))),
        Field(4, (("day ", "dim"), (signed(status.day_pnl_usdt), pnl_role))),
        Field(9, (("expo ", "dim"), (f"{status.exposure_pct:.0f}%", "plain"))),
        Field(5, (("dd ", "dim"), (f"{status.drawdown_pct:.1f}%", "plain"))),
        Field(10, (("pos ", "dim"), (str(status.open_positions), "plain"))),
        Field(11, (("ord ", "dim"), (str(status.open_orders), "plain"))),
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


def trouble(snapshot: Snapshot) -> tuple[str, str] | None:
    """What the operator has to know first, as text and role: naked positions, the connection, halts, lost answers."""
    status = snapshot.status
    if naked := [naked_text(p) for p in snapshot.positions if p.protected is False]:
        return f"UNPROTECTED: {', '.join(naked)}", "badge_bad"
    standing = [f"CONNECTION: {status.connection}"] if status.connection else []
    # The limit of that name says no more than that; what is wrong says the first.
    halts = [halt for halt in status.halts if not (standing and halt == "connection")]
    standing += [f"HALT: {'; '.join(halts)}"] if halts else []
    if standing:
        return "   ".join(standing), "bad"
    if unknown := [order for order in snapshot.orders if order.state == "unknown"]:
        which = ", ".join(dict.fromkeys(f"{order.symbol} {order.role}" for order in unknown))
        many = plural(len(unknown), "order")
        return f"UNKNOWN: no answer about {many} ({which}); the exchange is being asked", "warn"
    return None


def naked_text(p: PositionView) -> str:
    """A position without a stop at the venue, and since when."""
    since = "" if p.unprotected_ms is None else f" for {p.unprotected_ms / 1000:.0f} s"
    return f"{p.symbol} has no stop at the venue{since}"


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
