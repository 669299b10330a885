"""The operator's acts: which are possible, which ask first, what became of them. No Textual, no clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.control.protocol import Snapshot
from core.control.readiness import Standing, standing
from core.domain.operator import Verb
from tui.text.format import Glyphs, arrow, fit, money, plural, side_sign, side_word, signed
from tui.text.table import Row, text_row, wrap_row

NARROW = 75
"""Below this many columns the confirm bar speaks in fewer words."""
HALT_WINDOW_MS = 2_000
FLATTEN_GUARD_MS = 1_000
CONFIRM_TIMEOUT_MS = 10_000
NOTICE_MS = 8_000

_OVER = frozenset(("ended", "failed", "stopping"))
_SENT = {
    Verb.PAUSE: "pause sent: no new entries; exits and stops go on",
    Verb.HALT: "halt sent: no new orders, open orders are cancelled",
    Verb.RESUME: "resume sent",
    Verb.FLATTEN: "flatten sent",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What the confirm bar shows. `y` counts from `guard_ms` after it opened; after `timeout_ms` it is a no.

    `act` is what a yes does where it is none of the safety acts. `external` is how much others placed in the account;
    a yes takes that too only where `include_external` was chosen as well.
    """

    kind: str
    title: str
    facts: tuple[Row, ...]
    opened_ms: int
    guard_ms: int = 0
    timeout_ms: int = CONFIRM_TIMEOUT_MS
    act: Callable[[], None] | None = None
    external: int = 0
    include_external: bool = False

    def ready(self, now_ms: int) -> bool:
        return now_ms - self.opened_ms >= self.guard_ms

    def expired(self, now_ms: int) -> bool:
        return now_ms - self.opened_ms >= self.timeout_ms

    def rows(self, now_ms: int, width: int = 200) -> list[Row]:
        """Whole words on as many lines as they need: neither mode nor cost is ever beyond the edge."""
        wait_ms = self.opened_ms + self.guard_ms - now_ms
        left_s = max(0, -(-(self.opened_ms + self.timeout_ms - now_ms) // 1000))
        yes = (f" wait {wait_ms / 1000:.1f} s ", "dim") if wait_ms > 0 else (f" y {self.kind} ", "badge_bad")
        no, end = (" n, esc, enter: cancel (default) ", f"  cancels itself in {left_s} s")
        if width < NARROW:
            no, end = " n, esc: cancel ", f" {left_s} s"
        last: Row = ((" ", "plain"), yes, ("  ", "plain"), (no, "key"), (end, "dim"))
        rows: list[Row] = [((f" {self.title} ", "badge_bad"),), *self.facts, *self._external_rows(), last]
        return [line for row in rows for line in wrap_row(row, width)]

    def _external_rows(self) -> list[Row]:
        if not self.external:
            return []
        what = f" placed by OTHERS in this account: {plural(self.external, 'item')}, "
        chosen = ("CLOSED TOO", "badge_bad") if self.include_external else ("left alone", "strong")
        return [((what, "warn"), chosen, ("   ", "plain"), (" e changes that ", "key"))]


@dataclass(frozen=True, slots=True)
class Notice:
    text: str
    role: str
    until_ms: int


class SafetyDesk:
    """Holds the open question, the first press of halt, the flatten in progress and the last notice."""

    def __init__(
        self,
        clock_ms: Callable[[], int],
        send: Callable[[Verb, bool], None],
        leave: Callable[[], None],
        *,
        engine_here: bool,
        glyphs: Glyphs,
    ) -> None:
        self._clock_ms = clock_ms
        self._send = send
        self._leave = leave
        self._engine_here = engine_here
        self._glyphs = glyphs
        self._halt_pressed_ms: int | None = None
        self._closing: frozenset[str] = frozenset()
        self.question: Question | None = None
        self.notice: Notice | None = None

    def reason_against(self, action: str, snapshot: Snapshot | None) -> str:
        """Why a guarded action cannot be done now; empty when it can."""
        if snapshot is None:
            return f"{action}: no engine is attached yet"
        state = snapshot.status.state
        if state in _OVER:
            return f"{action}: the engine has {'failed' if state == 'failed' else 'ended'}"
        if action == "pause" and state in ("paused", "halted"):
            return f"pause: already {state}; no new entries"
        if action == "resume" and state not in ("paused", "halted"):
            return _reason_against_resume(snapshot)
        if action == "flatten" and not (snapshot.positions or snapshot.external or _entries(snapshot)):
            return "flatten: no open position"
        return ""

    def tell(self, text: str, role: str = "accent") -> None:
        self.notice = Notice(text, role, self._clock_ms() + NOTICE_MS)

    def pause(self) -> None:
        self._do(Verb.PAUSE)

    def halt(self) -> None:
        """Only the second press within HALT_WINDOW_MS is sent."""
        now = self._clock_ms()
        first, self._halt_pressed_ms = self._halt_pressed_ms, now
        if first is not None and now - first <= HALT_WINDOW_MS:
            self._halt_pressed_ms = None
            self._do(Verb.HALT)
            return
        text = "K again within 2 s = HALT: no new orders, cancel open orders"
        self.notice = Notice(text, "bad", now + HALT_WINDOW_MS)

    def ask_resume(self, snapshot: Snapshot) -> None:
        stands = _standing(snapshot)
        facts = [
            text_row(f"ends: {block.what}" if block.resumable else f"stays: {block.what} {block.until}", "warn")
            for block in stands.blocks
        ]
        what = text_row("The engine may then open new positions" + (", once nothing stays." if facts else "."))
        self._ask(f"RESUME entries? {snapshot.status.mode.upper()}, now {stands.word}", "resume", (*facts, what))

    def ask_flatten(self, snapshot: Snapshot, rows: int, width: int = 200) -> None:
        """`rows` is how many positions the bar has room for, each on a line of `width`."""
        count = len(snapshot.positions)
        what = f"close {plural(count, 'position')} at market"
        if entries := _entries(snapshot):
            under_way = f"withdraw {entries} {'entry' if entries == 1 else 'entries'} under way"
            what = f"{what}, {under_way}" if count else under_way
        title = f"FLATTEN: {what}? {snapshot.status.mode.upper()}"
        facts = flatten_facts(snapshot, rows - bool(snapshot.external), self._glyphs, width)
        self._ask(title, "flatten", facts, FLATTEN_GUARD_MS, len(snapshot.external))

    def turn_external(self) -> None:
        """The second choice of a flatten: whether what others placed goes, too."""
        if self.question is not None and self.question.external:
            self.question = replace(self.question, include_external=not self.question.include_external)

    def ask(self, kind: str, title: str, facts: Sequence[Row], act: Callable[[], None]) -> None:
        """Ask before something that is no safety act. A safety act that is being asked about is answered first."""
        if self.question is not None and self.question.act is None:
            self.tell(f"{kind}: answer the question that is open first", "warn")
            return
        self.question = Question(kind, title, tuple(facts), self._clock_ms(), act=act)

    def ask_leave(self, snapshot: Snapshot | None, run: str = "", *, starting: bool = False, mode: str = "") -> None:
        """Leaves at once where that ends no engine, no `run` of the lab and leaves no position; asks once otherwise.

        An engine of `mode` that is `starting` in this process has no snapshot yet.
        """
        count = len(snapshot.positions) if snapshot else 0
        ends = self._engine_here and snapshot is not None and snapshot.status.state not in _OVER
        if not (ends or count or run or starting) or (self.question is not None and self.question.kind == "leave"):
            self._leave()
            return
        fate: tuple[str, ...] = ()
        if starting:
            fate = (
                "The engine is being started in this process: that is given up.",
                "What it holds is not known yet; the next start takes it up again.",
            )
        elif ends:
            fate = ("The engine runs in this process and stops with the console.",)
        if count and self._engine_here:
            fate += ("The journal keeps the positions; the next start takes them up again.",)
        elif count:
            fate = ("The engine is another process and goes on trading.",)
        if run:
            fate += (f"The lab's {run} is under way: it is stopped, and stores a PARTIAL result.",)
        held = [f"with {plural(count, 'open position')}"] if count else []
        held += ["while a run of the lab is under way"] if run else []
        mode = snapshot.status.mode if snapshot is not None else mode
        what = "LEAVE and END the start" if starting else "LEAVE and END the engine" if ends else "LEAVE"
        title = f"{mode.upper()} {' '.join([what, ' and '.join(held)]).rstrip()}?".lstrip()
        self._ask(title, "leave", tuple(text_row(line) for line in fate))

    def withdraw(self, kind: str) -> bool:
        """Close the question of that kind, where it is open: what it was asked about has changed."""
        was_open = self.question is not None and self.question.kind == kind
        if was_open:
            self.question = None
        return was_open

    def yes(self, snapshot: Snapshot | None) -> None:
        question = self.question
        if question is None or not question.ready(self._clock_ms()):
            return
        self.question = None
        if question.act is not None:
            question.act()
        elif question.kind == "leave":
            self._leave()
        elif question.kind == "resume":
            self._do(Verb.RESUME)
        else:
            self._closing = frozenset(p.trade_id for p in snapshot.positions) if snapshot else frozenset()
            self._do(Verb.FLATTEN, question.include_external)

    def no(self, why: str = "") -> None:
        if self.question is not None:
            done = "sent" if self.question.act is None else "done"
            self.tell(f"{self.question.kind} cancelled{why}; nothing was {done}", "dim")
            self.question = None

    def answered(self, verb: Verb, accepted: bool, message: str) -> None:
        if accepted:
            self.tell(f"{verb}: {message}" if message else f"{verb}: done", "good")
            return
        if verb is Verb.FLATTEN:
            self._closing = frozenset()
        self.tell(f"{verb} REFUSED: {message}", "bad")

    def tick(self) -> None:
        now = self._clock_ms()
        if self.question is not None and self.question.expired(now):
            self.no(" after 10 s")
        if self.notice is not None and now >= self.notice.until_ms:
            self.notice = None

    def progress(self, snapshot: Snapshot | None) -> tuple[str, str] | None:
        """How far the flatten is, as the engine's snapshots tell it: text and role."""
        if not self._closing or snapshot is None:
            return None
        left = sum(p.trade_id in self._closing for p in snapshot.positions)
        total = len(self._closing)
        if left:
            return f"flatten: {total - left}/{total} closed, waiting for the venue", "warn"
        self._closing = frozenset()
        self.tell(f"flatten done: {total}/{total} closed, the engine confirms it", "good")
        return None

    def _ask(self, title: str, kind: str, facts: tuple[Row, ...], guard_ms: int = 0, external: int = 0) -> None:
        if self.question is None or self.question.kind != kind:
            self.question = Question(kind, title, facts, self._clock_ms(), guard_ms, external=external)

    def _do(self, verb: Verb, include_external: bool = False) -> None:
        self.tell(_SENT[verb] + (", with what others placed" if include_external else ""))
        self._send(verb, include_external)


def _standing(snapshot: Snapshot) -> Standing:
    return standing(snapshot.status, snapshot.meters, [price.symbol for price in snapshot.prices])


def _reason_against_resume(snapshot: Snapshot) -> str:
    """Resuming ends the operator's own standstill and the limits that say so; nothing else."""
    stands = _standing(snapshot)
    if any(block.resumable for block in stands.blocks):
        return ""
    if not stands.blocks:
        return f"resume: the engine is {snapshot.status.state}, nothing to resume"
    block = stands.blocks[0]
    return f"resume: does not end {block.what} {block.until}".rstrip()


def _entries(snapshot: Snapshot) -> int:
    """How many are under way."""
    return sum(order.role == "entry" for order in snapshot.orders)


def flatten_facts(snapshot: Snapshot, rows: int, g: Glyphs, width: int) -> tuple[Row, ...]:
    """What closing would mean, a line per position and their sum. The cost is the engine's own estimate."""
    bps = snapshot.status.exit_cost_bps
    shown = snapshot.positions if len(snapshot.positions) <= rows else snapshot.positions[: max(0, rows - 1)]
    facts: list[Row] = []
    for p in shown:
        cost = "?" if bps is None else money(p.notional_usdt * bps / 10_000)
        side = fit(arrow(side_sign(p.side), g) + side_word(p.side), 6)
        if width < NARROW:
            facts.append(((f" {side} {p.symbol}", "strong"), (f" {money(p.notional_usdt)} cost {cost}", "plain")))
            continue
        facts.append(
            (
                (f"  {side} {fit(p.symbol, 9)}", "strong"),
                (f" notional {money(p.notional_usdt):>11}", "plain"),
                (f"  P/L {signed(p.unrealised_usdt):>9}", "plain"),
                (f"  cost about {cost:>7}", "plain"),
            )
        )
    if 0 < len(shown) < len(snapshot.positions):
        facts.append(text_row(f" and {len(snapshot.positions) - len(shown)} more", "plain"))
    total = sum(p.notional_usdt for p in snapshot.positions)
    cost = "the engine gave no estimate" if bps is None else f"about {money(total * bps / 10_000)} ({bps:g} bp)"
    facts.append(text_row(f" Together: notional {money(total)} USDT, fee and slippage {cost}"))
    return tuple(facts)
