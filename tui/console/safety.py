"""How the console makes sure before an act, and what became of it. No Textual, no clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.control.operations import Choice, Danger, Facts, Holding, Operation
from core.control.protocol import Snapshot
from core.control.readiness import OVER
from core.control.request import Values
from tui.console.keys import ACT_KEYS, TWICE_S
from tui.text.format import Glyphs, arrow, fit, money, plural, side_sign, side_word, signed
from tui.text.table import Row, text_row, wrap_row

NARROW = 75
"""Below this many columns the confirm bar speaks in fewer words."""
TWICE_MS = TWICE_S * 1_000
GUARD_MS = 1_000
"""Before that a yes to what costs money does not count."""
CONFIRM_TIMEOUT_MS = 10_000
NOTICE_MS = 8_000


@dataclass(frozen=True, slots=True)
class Question:
    """What the confirm bar shows. `y` counts from `guard_ms` after it opened; after `timeout_ms` it is a no.

    `operation` is the act that is asked about; `act` is what a yes does where it is none. Of a `choice` the answer is
    no until it was `chosen`.
    """

    kind: str
    title: str
    facts: tuple[Row, ...]
    opened_ms: int
    guard_ms: int = 0
    timeout_ms: int = CONFIRM_TIMEOUT_MS
    act: Callable[[], None] | None = None
    operation: Operation | None = None
    choice: Choice | None = None
    chosen: bool = False

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
        rows: list[Row] = [((f" {self.title} ", "badge_bad"),), *self.facts, *self._choice_rows(), last]
        return [line for row in rows for line in wrap_row(row, width)]

    def _choice_rows(self) -> list[Row]:
        if self.choice is None:
            return []
        answer = (self.choice.yes, "badge_bad") if self.chosen else (self.choice.no, "strong")
        return [((f" {self.choice.what}, ", "warn"), answer, ("   ", "plain"), (" e changes that ", "key"))]


@dataclass(frozen=True, slots=True)
class Notice:
    text: str
    role: str
    until_ms: int


class SafetyDesk:
    """Holds the open question, the first press of a key that needs two, what is being closed and the last notice."""

    def __init__(
        self,
        clock_ms: Callable[[], int],
        send: Callable[[Operation, Values], None],
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
        self._pressed: tuple[Operation, Values, int] | None = None
        self._closing: tuple[Operation, frozenset[str]] | None = None
        self.question: Question | None = None
        self.notice: Notice | None = None

    def tell(self, text: str, role: str = "accent") -> None:
        self.notice = Notice(text, role, self._clock_ms() + NOTICE_MS)

    def operate(
        self, operation: Operation, snapshot: Snapshot, rows: int, width: int = 200, given: Values | None = None
    ) -> None:
        """Do it, or make sure first. `rows` is how many trades the bar has room for, each on a line of `width`; `given`
        is what the act needs, as the selected symbol."""
        if operation.facts is not None:
            self._ask_about(operation, operation.facts(snapshot), rows, width)
        elif operation.danger is not Danger.LOW or self._pressed_twice(operation, given or {}):
            self._do(operation, given or {})

    def _pressed_twice(self, operation: Operation, given: Values) -> bool:
        """Whether this is the second press within TWICE_MS for the same; else it is told what that would do."""
        now = self._clock_ms()
        if self._pressed is not None and self._pressed[:2] == (operation, given) and now - self._pressed[2] <= TWICE_MS:
            self._pressed = None
            return True
        self._pressed = operation, given, now
        key, name = ACT_KEYS[operation.id].key, " ".join([operation.words.label.upper(), *map(str, given.values())])
        text = f"{key} again within {TWICE_S} s = {name}: {operation.words.slip}"
        self.notice = Notice(text, "bad", now + TWICE_MS)
        return False

    def _ask_about(self, operation: Operation, facts: Facts, rows: int, width: int) -> None:
        shown = fact_rows(facts, rows - (facts.choice is not None), self._glyphs, width)
        guard_ms = GUARD_MS if operation.danger is Danger.MONEY else 0
        opened = Question(operation.id, facts.title, shown, self._clock_ms(), guard_ms)
        self._open(replace(opened, operation=operation, choice=facts.choice))

    def turn_choice(self) -> None:
        """The second choice of what is asked about, or not."""
        if self.question is not None and self.question.choice is not None:
            self.question = replace(self.question, chosen=not self.question.chosen)

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
        ends = self._engine_here and snapshot is not None and snapshot.status.state not in OVER
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
        self._open(Question("leave", title, tuple(text_row(line) for line in fate), self._clock_ms()))

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
        elif question.operation is None:
            self._leave()
        else:
            choice = question.choice
            self._note_closing(question.operation, snapshot)
            self._do(question.operation, {choice.argument: question.chosen} if choice is not None else {})

    def no(self, why: str = "") -> None:
        if self.question is not None:
            done = "sent" if self.question.act is None else "done"
            self.tell(f"{self.question.kind} cancelled{why}; nothing was {done}", "dim")
            self.question = None

    def answered(self, operation: Operation, accepted: bool, message: str) -> None:
        if accepted:
            self.tell(f"{operation.id}: {message or 'done'}", "good")
            return
        if self._closing is not None and self._closing[0] is operation:
            self._closing = None
        self.tell(f"{operation.id} REFUSED: {message}", "bad")

    def tick(self) -> None:
        now = self._clock_ms()
        if self.question is not None and self.question.expired(now):
            self.no(" after 10 s")
        if self.notice is not None and now >= self.notice.until_ms:
            self.notice = None

    def _note_closing(self, operation: Operation, snapshot: Snapshot | None) -> None:
        """What it closes is followed until it is gone."""
        if snapshot is not None and operation.facts is not None:
            closing = frozenset(holding.trade_id for holding in operation.facts(snapshot).holdings)
            self._closing = (operation, closing) if closing else self._closing

    def progress(self, snapshot: Snapshot | None) -> tuple[str, str] | None:
        """How far the closing is, as the engine's snapshots tell it: text and role."""
        if self._closing is None or snapshot is None:
            return None
        operation, closing = self._closing
        left = sum(p.trade_id in closing for p in snapshot.positions)
        total = len(closing)
        if left:
            return f"{operation.id}: {total - left}/{total} closed, waiting for the venue", "warn"
        self._closing = None
        self.tell(f"{operation.id} done: {total}/{total} closed, the engine confirms it", "good")
        return None

    def _open(self, question: Question) -> None:
        if self.question is None or self.question.kind != question.kind:
            self.question = question

    def _do(self, operation: Operation, values: Values) -> None:
        self.tell(operation.sent(values))
        self._send(operation, values)


def fact_rows(facts: Facts, rows: int, g: Glyphs, width: int) -> tuple[Row, ...]:
    """A line per trade that the act would close, as many as `rows` has room for, their sum, and what else there is."""
    holdings = facts.holdings
    shown = holdings if len(holdings) <= rows else holdings[: max(0, rows - 1)]
    found = [_holding_row(holding, g, width) for holding in shown]
    if 0 < len(shown) < len(holdings):
        found.append(text_row(f" and {len(holdings) - len(shown)} more", "plain"))
    if facts.together:
        found.append(text_row(f" {facts.together}"))
    found += [text_row(line.text, "warn" if line.warns else "plain") for line in facts.lines]
    return tuple(found)


def _holding_row(holding: Holding, g: Glyphs, width: int) -> Row:
    cost = "?" if holding.cost_usdt is None else money(holding.cost_usdt)
    side = fit(arrow(side_sign(holding.side), g) + side_word(holding.side), 6)
    notional = money(holding.notional_usdt)
    if width < NARROW:
        return ((f" {side} {holding.symbol}", "strong"), (f" {notional} cost {cost}", "plain"))
    return (
        (f"  {side} {fit(holding.symbol, 9)}", "strong"),
        (f" notional {notional:>11}", "plain"),
        (f"  P/L {signed(holding.unrealised_usdt):>9}", "plain"),
        (f"  cost about {cost:>7}", "plain"),
    )
