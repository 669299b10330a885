"""What an operator can do: the one registry that keys, help, footer, confirm bars and verbs are read from.

A face chooses keys, layout and how it makes sure. What an act is called, what it does, how dangerous it is, what there
is to know before it and why it cannot be done now is said here alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from core.control.readiness import BEGINNING, OVER, STANDSTILL, Standing, standing
from core.control.request import Values
from core.domain.operator import CLEARED_BY_UNLOCK, Verb

if TYPE_CHECKING:
    from core.control.protocol import Snapshot


class Danger(IntEnum):
    """NONE is done at once. LOW is, too, where it was typed out; a single key may be a slip. HIGH is asked about first,
    and so is MONEY, where a yes that comes too fast does not count."""

    NONE = 0
    LOW = 1
    HIGH = 2
    MONEY = 3

    @property
    def asks(self) -> bool:
        return self >= Danger.HIGH


class Kind(StrEnum):
    SYMBOL = "symbol"
    FLAG = "flag"
    TEXT = "text"
    DURATION = "duration"
    TRADE = "trade"
    PERCENT = "percent"
    PRICE = "price"

    @property
    def is_named(self) -> bool:
        """Whether it says what the act is done to, or with what, and is so said without the name of the argument."""
        return self in (Kind.SYMBOL, Kind.TRADE, Kind.PRICE)


@dataclass(frozen=True, slots=True)
class Argument:
    """Something that may be said with an act, or must, where it is `needed`. `words` is what it changes: of what is
    named (`Kind.is_named`) a clause that goes on with what the act does, else a sentence. `sent` is added to what is
    said of the act on its way."""

    name: str
    kind: Kind
    words: str
    sent: str = ""
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of an act: its name in one word, in a clause what it does and what goes on, and the same as an order
    of one sentence or more, without the last full stop.

    `slip` is what a second press of its key would do, `sent` what happens now that it is on its way, `without` what can
    be done where no engine runs; they may be empty.
    """

    label: str
    does: str
    order: str
    goes_on: str = ""
    slip: str = ""
    sent: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    warns: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """A trade that the act would close. `cost_usdt` is the engine's estimate of fee and slippage, None without one."""

    trade_id: str
    symbol: str
    side: str
    notional_usdt: float
    unrealised_usdt: float
    cost_usdt: float | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A flag of the act that the operator may turn while he is asked: `what` it is about, and its two answers."""

    argument: str
    what: str
    no: str
    yes: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to know before a yes. `together` sums the holdings up."""

    title: str
    holdings: tuple[Holding, ...] = ()
    together: str = ""
    lines: tuple[Line, ...] = ()
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One act. `id` is what goes over the wire and into the journal.

    `reduces` says that it makes risk smaller, so it is taken where nothing else is any more. `against` tells why it
    cannot be done now, "" where it can. `facts` and `question` (without its question mark, for whoever has no snapshot)
    are there where the danger asks.
    """

    id: str
    words: Words
    danger: Danger
    reduces: bool
    arguments: tuple[Argument, ...] = ()
    against: Callable[[Snapshot], str] = lambda _: ""
    facts: Callable[[Snapshot], Facts] | None = None
    question: Callable[[Values], str] | None = None

    def reason_against(self, snapshot: Snapshot | None) -> str:
        """Why it cannot be done now, for the operator; empty when it can."""
        if snapshot is None:
            return self._with_way_out("no engine is attached yet")
        state = snapshot.status.state
        if state in OVER:
            return self._with_way_out(f"the engine has {'failed' if state == 'failed' else 'ended'}")
        why = self.against(snapshot)
        return f"{self.id}: {why}" if why else ""

    def _with_way_out(self, why: str) -> str:
        return "; ".join(filter(None, (f"{self.id}: {why}", self.words.without)))

    def possible(self, snapshot: Snapshot | None) -> bool:
        return not self.reason_against(snapshot)

    def sent(self, values: Values) -> str:
        """What is said once it is on its way."""
        words = f": {self.words.sent}" if self.words.sent else ""
        return f"{self.id} sent{words}{''.join(a.sent for a in self.arguments if values.get(a.name))}"


def _against_pause(snapshot: Snapshot) -> str:
    state = snapshot.status.state
    return f"already {state}; no new entries" if state in STANDSTILL else ""


def _against_resume(snapshot: Snapshot) -> str:
    """Resuming ends the operator's own standstill and the limits that say so; nothing else."""
    if snapshot.status.state in STANDSTILL:
        return ""
    blocks = _standing(snapshot).blocks
    if any(block.resumable for block in blocks):
        return ""
    if not blocks:
        return f"the engine is {snapshot.status.state}, nothing to resume"
    return f"does not end {blocks[0].what} {blocks[0].until}".rstrip()


def _resume_facts(snapshot: Snapshot) -> Facts:
    stands = _standing(snapshot)
    blocks = [
        Line(f"ends: {block.what}" if block.resumable else f"stays: {block.what} {block.until}", warns=True)
        for block in stands.blocks
    ]
    then = Line("The engine may then open new positions" + (", once nothing stays." if blocks else "."))
    return Facts(
        f"RESUME entries? {snapshot.status.mode.upper()}, now {stands.word}",
        lines=(*blocks, then),
    )


def _against_unlock(snapshot: Snapshot) -> str:
    locked = any(block.limit in CLEARED_BY_UNLOCK for block in snapshot.status.blocks)
    return "" if locked or snapshot.status.state in BEGINNING else "no symbol is locked"


def _against_a_trade(snapshot: Snapshot) -> str:
    """What is held is known once books are compared, and not before."""
    if snapshot.status.state in BEGINNING:
        return f"the engine is {snapshot.status.state}; ask again once books are compared"
    return "" if snapshot.positions else "no open position"


def _against_flatten(snapshot: Snapshot) -> str:
    begins = snapshot.status.state in BEGINNING  # It is kept then, until what is held is known.
    return "" if begins or snapshot.positions or snapshot.external or _entries(snapshot) else "no open position"


def _flatten_facts(snapshot: Snapshot) -> Facts:
    if snapshot.status.state in BEGINNING:
        return Facts(
            f"FLATTEN: close every position at market, once books are compared? {snapshot.status.mode.upper()}",
            lines=(Line("What is held is not known yet. The wish is kept, and carried out when it is.", warns=True),),
            choice=_choice(len(snapshot.external)),
        )
    bps = snapshot.status.exit_cost_bps
    holdings = tuple(
        Holding(
            p.trade_id,
            p.symbol,
            p.side,
            p.notional_usdt,
            p.unrealised_usdt,
            None if bps is None else p.notional_usdt * bps / 10_000,
        )
        for p in snapshot.positions
    )
    total = sum(p.notional_usdt for p in snapshot.positions)
    cost = "the engine gave no estimate" if bps is None else f"about {total * bps / 10_000:,.2f} ({bps:g} bp)"
    return Facts(
        f"FLATTEN: {_what_flatten_ends(snapshot)}? {snapshot.status.mode.upper()}",
        holdings,
        f"Together: notional {total:,.2f} USDT, fee and slippage {cost}",
        choice=_choice(len(snapshot.external)),
    )


def _choice(others: int) -> Choice | None:
    """Whether what others placed goes, too."""
    what = f"placed by OTHERS in this account: {_counted(others, 'item', 'items')}"
    return Choice("include_external", what, "left alone", "CLOSED TOO") if others else None


def _what_flatten_ends(snapshot: Snapshot) -> str:
    count, entries = len(snapshot.positions), _entries(snapshot)
    close = f"close {_counted(count, 'position', 'positions')} at market"
    if not entries:
        return close
    withdraw = f"withdraw {_counted(entries, 'entry', 'entries')} under way"
    return f"{close}, {withdraw}" if count else withdraw


def _flatten_question(values: Values) -> str:
    symbol = values.get("symbol")
    what = f"Close the position in {symbol} at market" if symbol else "Close ALL positions at market and pause"
    others = ", with orders and positions that OTHERS placed in this account"
    return what + (others if values.get("include_external") else "")


def _standing(snapshot: Snapshot) -> Standing:
    return standing(snapshot.status, snapshot.meters, [price.symbol for price in snapshot.prices])


def _entries(snapshot: Snapshot) -> int:
    """How many are under way."""
    return sum(order.role == "entry" for order in snapshot.orders)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


_ALL = (
    Operation(
        Verb.PAUSE.value,
        Words(
            label="pause",
            does="no new entries",
            order="Stop opening positions; stops, targets and exits go on, and so does an entry that is under way. "
            "`resume` ends it",
            goes_on="exits and stops go on",
            sent="no new entries; exits and stops go on",
        ),
        Danger.NONE,
        reduces=True,
        against=_against_pause,
    ),
    Operation(
        Verb.HALT.value,
        Words(
            label="halt",
            does="no new entries, and those that wait are cancelled",
            order="Stop opening positions and cancel the entries that wait; stops, targets and exits go on. "
            "`resume` ends it",
            goes_on="stops, targets and exits go on",
            slip="no new entries, cancel those that wait",
            sent="no new entries, those that wait are cancelled; stops and targets stay",
        ),
        Danger.LOW,
        reduces=True,
    ),
    Operation(
        Verb.FLATTEN.value,
        Words(
            label="flatten",
            does="close every position and pause",
            order="Close all positions at market, withdraw entries and pause",
            without="where no engine can, `quarterdeck panic` closes a live account at the exchange",
        ),
        Danger.MONEY,
        reduces=True,
        arguments=(
            Argument("symbol", Kind.SYMBOL, "or only those of SYMBOL without a pause"),
            Argument(
                "include_external",
                Kind.FLAG,
                "Also what others placed in the account; else it is left alone.",
                sent=", with what others placed",
            ),
        ),
        against=_against_flatten,
        facts=_flatten_facts,
        question=_flatten_question,
    ),
    Operation(
        Verb.RESUME.value,
        Words(label="resume", does="allow entries again", order="Open positions again after a pause or halt"),
        Danger.HIGH,
        reduces=False,
        against=_against_resume,
        facts=_resume_facts,
        question=lambda _: "Let the engine open positions again",
    ),
    Operation(
        Verb.LOCK.value,
        Words(
            label="lock",
            does="no new entries in one symbol, until it is unlocked",
            order="Open no more positions",
            goes_on="stops, targets and exits go on",
            slip="no new entries there until it is unlocked",
            sent="no new entries there; stops, targets and exits go on",
        ),
        Danger.LOW,
        reduces=True,
        arguments=(
            Argument(
                "symbol", Kind.SYMBOL, "in SYMBOL alone; stops, targets and exits go on. `unlock` ends it", needed=True
            ),
            Argument("for_ms", Kind.DURATION, "So long, as 90m, 2h or 1d; else until it is unlocked."),
            Argument("reason", Kind.TEXT, "Why, for the journal and whoever reads why nothing is entered."),
        ),
    ),
    Operation(
        Verb.UNLOCK.value,
        Words(
            label="unlock",
            does="allow entries again in one symbol that is locked",
            order="Open positions again after a lock",
            slip="entries there again",
            sent="entries there again",
        ),
        Danger.LOW,
        reduces=False,
        arguments=(
            Argument("symbol", Kind.SYMBOL, "in SYMBOL, whether the operator locked it or losses did", needed=True),
        ),
        against=_against_unlock,
    ),
    Operation(
        Verb.CLOSE.value,
        Words(
            label="close",
            does="close one open trade at market",
            order="Close one open trade at market",
            goes_on="all others, and entries, go on",
            slip="at market; all other trades go on",
            sent="at market; what is left of it stays protected",
        ),
        Danger.LOW,
        reduces=True,
        arguments=(
            Argument(
                "trade", Kind.TRADE, "TRADE as `positions` has its id, or a symbol in which it is alone", needed=True
            ),
            Argument(
                "share_pct", Kind.PERCENT, "Only so much of it, in percent; stop and targets are cut to the rest."
            ),
        ),
        against=_against_a_trade,
    ),
    Operation(
        Verb.MOVE_STOP.value,
        Words(
            label="move stop",
            does="put the stop of one open trade elsewhere",
            order="Put the stop of one open trade elsewhere; the old one goes once the new one rests",
            sent="the old stop goes once the new one rests",
        ),
        Danger.NONE,
        reduces=False,
        arguments=(
            Argument(
                "trade", Kind.TRADE, "TRADE as `positions` has its id, or a symbol in which it is alone", needed=True
            ),
            Argument("price", Kind.PRICE, "to PRICE in USDT", needed=True),
        ),
        against=_against_a_trade,
    ),
)

OPERATIONS: Mapping[str, Operation] = {operation.id: operation for operation in _ALL}
"""By id, in the order in which an operator is shown them."""
