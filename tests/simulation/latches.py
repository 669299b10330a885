"""That a limit which has fired stays so until what clears it, and that what limits measure from moves for a reason:
by the journal alone, whatever is started again, told late or taken out of the account meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from core.domain.operator import CLEARED_BY_DAY, CLEARED_BY_RESUME, LimitEffect, LimitEvent, Verb
from core.domain.orders import Order, OrderRole
from core.domain.records import AdjustmentRecord, EquityRecord, IntentRecord, LimitRecord, OperatorRecord, Record
from core.domain.trading import EquitySample
from core.trader.state import FLAT_ID, KEPT_ID

DAY_MS = 86_400_000

DAY_LOSS = frozenset({"day_loss_usdt", "day_loss_pct"})
LATCHING = CLEARED_BY_DAY | CLEARED_BY_RESUME

_CENT = Decimal("0.01")


@dataclass
class Latches:
    """Limits that latch, and the operator's own halt and pause. A breach is one that clears without its cause, or an
    entry that is decided on in spite of it."""

    problems: list[str] = field(default_factory=list)
    fired: dict[tuple[str, str], LimitEvent] = field(default_factory=dict)
    """By limit and symbol, where it is of one symbol."""
    stopped_by: str = ""
    _day: int = -1

    @property
    def has_day_limit(self) -> bool:
        return any(limit in CLEARED_BY_DAY for limit, _ in self.fired)

    @property
    def has_money_limit(self) -> bool:
        return self.has_day_limit or ("drawdown", "") in self.fired

    def take(self, records: Sequence[Record]) -> None:
        """What was written down in one commit."""
        newest = max((r.sample.time_ms // DAY_MS for r in records if isinstance(r, EquityRecord)), default=self._day)
        is_resumed, day_turns = False, newest > self._day >= 0
        for record in records:
            match record:
                case OperatorRecord(command, result) if is_accepted(command.command_id, result):
                    is_resumed = is_resumed or command.verb is Verb.RESUME
                    self._operate(command.verb, command.symbol)
                case LimitRecord(event) if event.limit in LATCHING:
                    self._limit(event, is_resumed=is_resumed, day_turns=day_turns)
                case IntentRecord(order) if order.role is OrderRole.ENTRY:
                    self._enter(order)
                case _:
                    pass
        self._day = max(self._day, newest)

    def _operate(self, verb: Verb, symbol: str) -> None:
        if verb is Verb.RESUME:
            self.stopped_by = ""
        elif not symbol:
            self.stopped_by = verb

    def _limit(self, event: LimitEvent, *, is_resumed: bool, day_turns: bool) -> None:
        key = (event.limit, event.symbol)
        if event.fired:
            if event.effect is not LimitEffect.WARN:
                self.fired[key] = event
            return
        if self.fired.pop(key, None) is None:
            return
        by_resume, by_day = event.limit in CLEARED_BY_RESUME, event.limit in CLEARED_BY_DAY
        if not (is_resumed and by_resume) and not (day_turns and by_day):
            self.problems.append(f"{' '.join(key).strip()} was lifted though neither resumed nor a new day")

    def _enter(self, order: Order) -> None:
        standing = [limit for limit, symbol in self.fired if symbol in ("", order.symbol)]
        for what in [*standing, *([self.stopped_by] if self.stopped_by else [])]:
            self.problems.append(f"{order.symbol} entry {order.client_order_id} is decided on in spite of {what}")


@dataclass
class Marks:
    """The peak and the day's start that losses are measured from. They move in proportion with money that is put in or
    taken out; a peak otherwise only upwards, or anew when a drawdown is resumed from, a day's start only when a later
    day than any is opened."""

    problems: list[str] = field(default_factory=list)
    _last: EquitySample | None = None
    _day: int = -1

    def take(self, records: Sequence[Record]) -> None:
        amount_usdt, is_new_peak = Decimal(0), False
        for record in records:
            match record:
                case AdjustmentRecord() if record.amount_usdt:
                    amount_usdt += record.amount_usdt
                case LimitRecord(event) if event.limit == "drawdown" and not event.fired:
                    is_new_peak = True
                case EquityRecord(sample):
                    self._look(sample, amount_usdt, is_new_peak)
                    amount_usdt = Decimal(0)
                case _:
                    pass

    def _look(self, sample: EquitySample, amount_usdt: Decimal, is_new_peak: bool) -> None:
        last, day, equity = self._last, sample.time_ms // DAY_MS, sample.equity_usdt
        if last is not None:
            before = equity - amount_usdt
            share = equity / before if amount_usdt and before > 0 and equity > 0 else Decimal(1)
            start = last.day_start_equity_usdt * share
            self._compare("day start", sample.day_start_equity_usdt, start, day > self._day)
            peak = max(equity, last.peak_equity_usdt * share)
            self._compare("peak", sample.peak_equity_usdt, peak, is_new_peak)
        self._last, self._day = sample, max(self._day, day)

    def _compare(self, what: str, told: Decimal, true: Decimal, is_free: bool) -> None:
        if not is_free and abs(told - true) > _CENT:
            self.problems.append(f"the {what} is {told:.4f} USDT, and would be {true:.4f} by what was booked")


def is_accepted(command_id: str, result: str) -> bool:
    """Whether a record of an operator tells of a wish that was taken now, not that an earlier one is done or that it
    is kept for later."""
    return not result.startswith("refused") and not command_id.endswith((FLAT_ID, KEPT_ID))
