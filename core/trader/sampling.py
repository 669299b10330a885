"""What the account is worth, sampled, and what moves its wallet beside trading."""

from __future__ import annotations

from decimal import Decimal

from core.domain.records import AdjustmentRecord, EquityRecord
from core.domain.trading import EXACT, EquitySample
from core.trader.guard import Guard
from core.trader.messages import Command, Journal, WalletAdjustment
from core.trader.sending import journalled
from core.trader.state import DAY_MS, TraderState


class Sampling:
    def __init__(self, state: TraderState, guard: Guard) -> None:
        self._state = state
        self._guard = guard

    def sample(self, now_ms: int, *, new_peak: bool = False) -> list[Command]:
        """Sample the account and move the marks of the limits; the first sample of a UTC day opens the day."""
        state, day = self._state, now_ms // DAY_MS
        new_day = day > state.opened_day
        wallet, unrealised = state.ledger.wallet_usdt, state.ledger.all_unrealised_usdt(state.exact_marks())
        equity = EXACT.add(wallet, unrealised)
        peak = equity if new_peak else max(equity, Decimal(repr(state.peak_equity_usdt)))
        day_start = Decimal(repr(state.day_start_equity_usdt))
        if new_day:
            day_start = EXACT.subtract(equity, state.unopened.gained_usdt(day, self._exact_mark))
        sample = EquitySample(now_ms, wallet, unrealised, equity, peak, day_start)
        state.apply_equity(sample)
        cleared = self._guard.clear_day(now_ms) if new_day else []
        return [Journal(EquityRecord(sample)), *journalled(cleared)]

    def on_wallet(self, adjustment: WalletAdjustment) -> list[Command]:
        ledger, amount_usdt = self._state.ledger, adjustment.amount_usdt
        if not amount_usdt or ledger.has_adjustment(adjustment.adjustment_id):
            return []
        before = ledger.wallet_usdt
        equity = EXACT.add(before, ledger.all_unrealised_usdt(self._state.exact_marks()))
        self._state.apply_wallet(adjustment.adjustment_id, adjustment.time_ms, amount_usdt, equity)
        record = AdjustmentRecord(
            adjustment.adjustment_id,
            adjustment.time_ms,
            "",
            adjustment.what,
            str(before),
            str(ledger.wallet_usdt),
            amount_usdt,
        )
        # A start does not know what positions were worth here: a sample keeps where the marks of the limits came to.
        return [Journal(record), *(self.sample(self._state.sampled_ms) if self._state.sampled_ms else [])]

    def _exact_mark(self, symbol: str) -> Decimal:
        return Decimal(repr(self._state.symbols[symbol].mark))
