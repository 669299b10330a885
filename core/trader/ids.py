"""The ids of what a trader decides: pure functions of what each is for, so that the same decision has the same id in
any process, and two strategies never share one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.domain.orders import OrderRole, make_client_order_id
from core.domain.origin import ACCOUNT, Origin
from core.domain.records import IntentRecord, Record

WITHOUT_STRATEGY = 1
"""The form in journals of before an account could hold several strategies: no id, and no limit, is of one."""

NEWEST = 2
"""The form in which ids are made. A replay makes them in the form of the start that it judges."""


def form_in(records: Iterable[Record]) -> int:
    """In which form the ids of these are; the newest where none tells."""
    for record in records:
        if isinstance(record, IntentRecord) and record.order.role is OrderRole.ENTRY:
            order = record.order
            return NEWEST if order.trade_id.startswith(f"{order.origin.strategy}-") else WITHOUT_STRATEGY
    return NEWEST


@dataclass(frozen=True, slots=True)
class Ids:
    """Makes the ids of one account, in a form of the above."""

    account: str
    form: int = NEWEST

    def trade(self, strategy: str, symbol: str, decision_ms: int) -> str:
        """Of the round trip that the bar which closed at `decision_ms` led to."""
        return f"{self._prefix(strategy)}{symbol}-{decision_ms}"

    def signal(self, strategy: str, symbol: str, bar_close_ms: int, action: str) -> str:
        return f"{self._prefix(strategy)}{symbol}-{bar_close_ms}-{action}"

    def order(self, strategy: str, symbol: str, decision_ms: int, leg: str, attempt: int) -> str:
        """A client order id. `leg` says what the order is for in its trade, `attempt` counts tries of that."""
        if self.form == WITHOUT_STRATEGY:
            return make_client_order_id(self.account, symbol, str(decision_ms), leg, str(attempt))
        return make_client_order_id(self.account, strategy, symbol, str(decision_ms), leg, str(attempt))

    def of_limit(self, origin: Origin) -> Origin:
        """Whose a limit is that is measured of a decision of `origin`."""
        return ACCOUNT if self.form == WITHOUT_STRATEGY else origin

    def _prefix(self, strategy: str) -> str:
        return "" if self.form == WITHOUT_STRATEGY else f"{strategy}-"
