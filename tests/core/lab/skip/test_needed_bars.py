"""A run that passes over quiet slots decides, fills and ends as one that is told of every slot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.arithmetic import exits
from core.domain.market import MINUTE_MS
from core.domain.records import FundingRecord, LimitRecord, Record, TradeRecord
from core.domain.trading import ExitReason
from core.lab.data.history import History, MissingFunding
from core.lab.run.event_driven import Drive
from core.lab.run.result import RunResult
from core.strategy.declaration import ExitRule
from tests.core.lab.markets import Floats, decisions, make_parts, random_history, random_values, strategy

RULES = {
    "none": (),
    "reversal": (ExitRule(ExitReason.REVERSAL, exits.reversal, 4.0),),
    "time": (ExitRule(ExitReason.REVERSAL, exits.time_stop, 25.0 * MINUTE_MS),),
    "price": (ExitRule(ExitReason.STOP, exits.stop_loss, 0.2), ExitRule(ExitReason.REVERSAL, exits.reversal, 4.0)),
}
LIMITS: dict[str, dict[str, Any]] = {
    "wide": {"max_trades_per_day": 1_000_000, "max_losses_in_row": 1_000_000},
    "day": {"day_loss_usdt": 25.0},
    "counts": {"max_trades_per_day": 4, "max_losses_in_row": 3},
    "day_flatten": {"day_loss_pct": 0.2, "day_loss_effect": "flatten"},
    "drawdown": {"max_drawdown_pct": 0.35, "warn_at_pct": 60.0},
    "exposure": {"max_exposure_pct": 60.0, "warn_at_pct": 90.0, "max_open_positions": 2},
    "locks": {"max_symbol_losses_in_row": 1, "symbol_lock_minutes": 45.0, "symbol_losses_hours": 2.0},
    "hours": {"no_trade_hours": ("03:07-04:30", "sat 10:00-09:00")},
    "funding": {"funding_quiet_minutes": 37},
    "feed": {"max_feed_age_seconds": 150.0},
    "young_feed": {"max_feed_age_seconds": 0.05},
}


class Told:
    """A run and every record of it, and of how many slots the session was told whole."""

    def __init__(
        self,
        history: History,
        values: dict[str, Floats],
        chosen: dict[str, Any],
        sections: dict[str, Any],
        skipping: bool,
    ) -> None:
        self.records: list[Record] = []
        trader, venue = make_parts(strategy(**chosen), history.symbols, sections)
        self.drive = Drive(history, trader, venue, {}, values, skipping=skipping, observe=self.records.extend)
        asyncio.run(self.drive.run(lambda done, total: None, lambda: False))
        self.result: RunResult = self.drive.result()


def lacking_funding(rng: np.random.Generator, history: History) -> History:
    """With settlements that are missing, at instants of their own."""
    settled = {rate.time_ms // MINUTE_MS for rate in history.funding}
    slots = sorted({int(slot) for slot in rng.integers(history.first, len(history), 6)})
    times = [int(history.open_time_ms[slot]) for slot in slots]
    missing = [
        MissingFunding(symbol, time_ms, 8 * 60 * MINUTE_MS, Decimal(100))
        for time_ms in times
        if time_ms // MINUTE_MS not in settled
        for symbol in history.symbols
    ]
    return replace(history, missing_funding=tuple(missing))


def paid(records: Sequence[Record]) -> list[Record]:
    """Without the settlements of nothing: what passes over them counts them."""
    return [r for r in records if not isinstance(r, FundingRecord) or r.payment.amount_usdt]


PLAIN: dict[str, Any] = {
    "seed": 0,
    "k": 1,
    "share": 1.0,
    "rules": "none",
    "limits": "wide",
    "reverses": False,
    "gaps": False,
    "leverage": 1,
    "interval": 1,
    "assumed": "0",
}
"""What an example of its own does not change."""


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1_000_000),
    k=st.integers(1, 3),
    share=st.sampled_from([0.01, 0.05, 1.0]),
    rules=st.sampled_from(sorted(RULES)),
    limits=st.sampled_from(sorted(LIMITS)),
    reverses=st.booleans(),
    gaps=st.booleans(),
    leverage=st.sampled_from([1, 3, 50]),
    interval=st.sampled_from([1, 1, 15, 240, 1440]),
    assumed=st.sampled_from(["0", "1"]),
)
@example(**PLAIN | {"seed": 1, "k": 2, "share": 0.05, "limits": "drawdown", "leverage": 3})
@example(
    **PLAIN
    | {"seed": 7, "k": 3, "share": 0.05, "rules": "reversal", "reverses": True, "leverage": 3, "interval": 1440}
    | {"assumed": "1"}
)
@example(**PLAIN | {"seed": 2, "k": 3, "share": 0.05, "limits": "feed", "gaps": True, "leverage": 3, "interval": 15})
@example(**PLAIN | {"limits": "counts", "interval": 15})
@example(**PLAIN | {"limits": "locks", "k": 2, "share": 0.05})
@example(**PLAIN | {"limits": "hours", "k": 2, "share": 0.05})
@example(**PLAIN | {"limits": "funding", "k": 2, "share": 0.05, "interval": 15})
def test_skipping_changes_nothing(
    seed: int,
    k: int,
    share: float,
    rules: str,
    limits: str,
    reverses: bool,
    gaps: bool,
    leverage: int,
    interval: int,
    assumed: str,
) -> None:
    rng = np.random.default_rng(seed)
    history = lacking_funding(rng, random_history(rng, k, 500, gaps=gaps, interval_minutes=interval))
    values = random_values(rng, k, 500, share=share)
    sections = {
        "limits": LIMITS[limits] | {"max_leverage": 50.0},
        "account": {"leverage": leverage},
        "sizing": {"position_pct": 30.0, "risk_per_trade_pct": 1.0},
        "costs": {"max_participation_pct": float(rng.choice([0.0, 5.0, 60.0])), "assumed_funding_bps": assumed},
        "market": {"interval_minutes": interval},
    }
    chosen = {"exits": RULES[rules], "reverses": reverses}
    whole = Told(history, values, chosen, sections, skipping=False)
    quick = Told(history, values, chosen, sections, skipping=True)
    assert decisions(paid(quick.records)) == decisions(paid(whole.records))
    assert quick.result.assumed_settlements == whole.result.assumed_settlements
    assert quick.result.assumed_usdt == whole.result.assumed_usdt
    for name in ("time_ms", "equity_usdt", "gross_usdt", "net_usdt"):
        assert np.array_equal(getattr(quick.result.curve, name), getattr(whole.result.curve, name)), name
    ours, theirs = quick.drive.trader.state, whole.drive.trader.state
    assert ours.ledger.account(ours.exact_marks()) == theirs.ledger.account(theirs.exact_marks())
    assert ours.peak_equity_usdt == theirs.peak_equity_usdt
    assert ours.day_start_equity_usdt == theirs.day_start_equity_usdt
    assert [(s.mark, s.bar_close_ms) for s in ours.symbols.values()] == [
        (s.mark, s.bar_close_ms) for s in theirs.symbols.values()
    ]
    assert quick.drive.trader.guard.halts() == whole.drive.trader.guard.halts()
    assert quick.result.vetoes == whole.result.vetoes
    assert quick.result.limits == whole.result.limits
    assert quick.result.final_usdt == pytest.approx(quick.result.curve.equity_usdt[-1], abs=1e-6)
    for symbol in history.symbols:
        made = quick.result.predictions[symbol]
        assert np.array_equal(made.values, whole.result.predictions[symbol].values)


def test_the_markets_are_worth_it() -> None:
    """Each set of limits fires and warns somewhere, each rule closes something, and most slots are passed over."""
    fired: set[tuple[str, str]] = set()
    measured: set[str] = set()
    reasons: set[str] = set()
    told = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        history = random_history(rng, 2, 500, gaps=False)
        values = random_values(rng, 2, 500, share=0.05)
        for number, name in enumerate(LIMITS):
            rules = sorted(RULES)[(seed + number) % len(RULES)]
            sections = {"limits": LIMITS[name], "sizing": {"position_pct": 30.0, "risk_per_trade_pct": 1.0}}
            run = Told(history, values, {"exits": RULES[rules]}, sections, skipping=True)
            state, guard = run.drive.trader.state, run.drive.trader.guard
            measured |= {r.rule.name for r in guard.measure(state, state.sampled_ms, state.symbols)}
            fired |= {(r.event.limit, r.event.effect) for r in run.records if isinstance(r, LimitRecord)}
            reasons |= {r.trade.exit_reason for r in run.records if isinstance(r, TradeRecord)}
            told += sum(1 for r in run.records if type(r).__name__ == "EquityRecord")
    assert {limit for limit, effect in fired if effect == "warn"} >= {"drawdown", "day_loss_usdt", "exposure"}
    only_cuts = {"exposure"}
    assert {limit for limit, effect in fired if effect != "warn"} >= measured - only_cuts
    assert len(measured) == 10
    assert ("symbol_losses", "no_new_entries") in fired
    assert reasons >= {"stop", "target", "reversal", "limit"}
    assert told < 0.5 * 12 * len(LIMITS) * 495
