"""What a UTC day began with, as it is worked out from the exchange's own trades and funding: the equity of the sample
that opens the day, less all that the day had brought by then. A start over midnight must count the night's loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from core.domain.records import CursorRecord, EquityRecord, FillRecord, FirstPriceRecord, FundingRecord, Record
from core.domain.trading import EquitySample
from tests.simulation.latches import DAY_MS
from tests.simulation.shares import Claims, is_trade_ours
from tests.venue.exchange import Exchange

_CENT = Decimal("0.01")


@dataclass
class Days:
    """A journal observer. `close` answers with a bar's close by symbol and open time. What cannot be known is not
    judged: where the books lack a trade, or others traded in our contracts since midnight. Funding counts once it is
    booked."""

    exchange: Exchange
    symbols: Sequence[str]
    claims: Claims
    close: Callable[[str, int], float]
    opened: Callable[[], None] = lambda: None
    """Called where a day is judged that had fills by then."""

    problems: list[str] = field(default_factory=list)
    _marks: dict[str, Decimal] = field(default_factory=dict)
    _fills: set[str] = field(default_factory=set)
    _funding: list[tuple[int, Decimal]] = field(default_factory=list)
    _day: int = -1

    def committed(self, records: Sequence[Record]) -> None:
        """To be called after the claims have taken the records in."""
        for record in records:
            match record:
                case CursorRecord(symbol, open_time_ms):
                    self._marks[symbol] = Decimal(repr(self.close(symbol, open_time_ms)))
                case FillRecord(fill):
                    self._fills.add(fill.fill_id)
                case FundingRecord(payment):
                    self._funding.append((payment.time_ms, payment.amount_usdt))
                case FirstPriceRecord(symbol, _, price) if price is not None:
                    self._marks[symbol] = Decimal(repr(price))
                case EquityRecord(sample):
                    day = sample.time_ms // DAY_MS
                    if day > self._day >= 0:
                        self._judge(sample, day * DAY_MS)
                    self._day = max(day, self._day)
                case _:
                    pass

    def _judge(self, sample: EquitySample, midnight_ms: int) -> None:
        ledger = self.exchange.ledger
        # A fill is stamped with the time of its trade; that of the stroke of midnight is of the day before.
        trades = [
            trade for trade in ledger.trades if trade.time_ms > midnight_ms and trade.order.symbol in self.symbols
        ]
        held = {symbol: ledger.position(symbol).lots for symbol in self.symbols}
        is_known = (
            all(f"{trade.order.symbol}-{trade.trade_id}" in self._fills for trade in trades)
            and all(self.claims.ours.get(symbol, 0) == lots for symbol, lots in held.items())
            and all(is_trade_ours(self.exchange, trade) for trade in trades)
        )
        if not is_known:
            return
        gained = sum((amount for time_ms, amount in self._funding if time_ms >= midnight_ms), Decimal(0))
        for trade in trades:
            contract = self.exchange.contracts[trade.order.symbol]
            worth = contract.qty(trade.lots) * (self._marks[trade.order.symbol] - contract.price(trade.price_ticks))
            gained += trade.order.sign * worth - trade.fee_usdt
        began_usdt = sample.equity_usdt - gained
        if abs(sample.day_start_equity_usdt - began_usdt) > _CENT:
            self.problems.append(
                f"the day is said to have begun with {sample.day_start_equity_usdt:.4f} USDT, "
                f"and did with {began_usdt:.4f}"
            )
        if trades:
            self.opened()
