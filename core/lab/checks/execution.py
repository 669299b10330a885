"""Checks of what a run was charged and at which prices it traded."""

from __future__ import annotations

import numpy as np

from core.domain.orders import OrderRole
from core.lab.checks.verdict import Status, Verdict
from core.lab.data.history import History
from core.lab.run.result import FillColumns
from core.settings.schema import CostSettings

FILLS = "fills after decisions"
COSTS = "costs"

_ROUNDING_USDT = 1e-6
_OF_THE_VENUE = (OrderRole.LIQUIDATION, OrderRole.HOLE)


def check_fills(fills: FillColumns, history: History) -> Verdict:
    """A market order fills at a price that came after its decision: in a later bar, inside that bar's range.

    What the venue closes of its own accord nobody decided on.
    """
    chosen = np.flatnonzero(fills.is_market & ~np.isin(fills.role, _OF_THE_VENUE))
    if not len(chosen):
        return Verdict(FILLS, Status.UNKNOWN, "no market order was filled", "check over a longer period")
    interval_ms = history.interval_ms
    # A decision belongs to the newest bar that had closed; the first price after it is the next bar's open.
    closed = (fills.decided_ms[chosen] - history.open_time_ms[0]) // interval_ms
    filled = (fills.time_ms[chosen] - history.open_time_ms[0]) // interval_ms
    on_boundary = (fills.time_ms[chosen] - history.open_time_ms[0]) % interval_ms == 0
    early = np.flatnonzero(
        (fills.time_ms[chosen] <= fills.decided_ms[chosen]) | (filled < closed) | (on_boundary & (filled <= closed))
    )
    if len(early):
        first = int(chosen[early[0]])
        return Verdict(
            FILLS,
            Status.FAULT,
            f"{len(early)} of {len(chosen)} market orders filled at the price they were decided on, the first at "
            f"{int(fills.time_ms[first])} ms ({fills.symbol[first]}, {fills.price[first]:g})",
            "fill no earlier than the first price after the decision",
        )
    rows = np.array([history.symbols.index(name) for name in fills.symbol[chosen]])
    slots = np.where(on_boundary, filled - 1, filled)
    opens, side = history.open[rows, slots], fills.side[chosen]
    better = np.flatnonzero(
        ((side > 0) & (fills.price[chosen] < history.low[rows, slots] * (1 - 1e-9)))
        | ((side < 0) & (fills.price[chosen] > history.high[rows, slots] * (1 + 1e-9)))
    )
    if len(better):
        return Verdict(
            FILLS,
            Status.FAULT,
            f"{len(better)} fills at prices that the market never showed, the first {fills.price[chosen][better[0]]:g} "
            f"in a bar that opened at {opens[better[0]]:g}",
            "fill inside the range of the bar that filled",
        )
    return Verdict(FILLS, Status.CLEAN, f"{len(chosen)} market orders filled after their decisions")


def check_costs(fills: FillColumns, history: History, costs: CostSettings) -> Verdict:
    """Every fill pays at least the maker's fee, and a taken one no better than the price seen."""
    free = [
        name
        for name, value in (
            ("costs.taker_fee_bps", float(costs.taker_fee_bps)),
            ("costs.slippage_bps", costs.slippage_bps + costs.impact_bps),
        )
        if value <= 0.0
    ]
    if free:
        return Verdict(
            COSTS, Status.FAULT, f"{' and '.join(free)} 0: this trades for nothing", "set what the venue really takes"
        )
    if not len(fills):
        return Verdict(COSTS, Status.UNKNOWN, "nothing was filled", "check over a longer period")
    least = fills.qty * fills.price * float(min(costs.maker_fee_bps, costs.taker_fee_bps)) / 1e4 - _ROUNDING_USDT
    unpaid = int(np.count_nonzero(fills.fee_usdt < least))
    if unpaid:
        return Verdict(
            COSTS, Status.FAULT, f"{unpaid} of {len(fills)} fills paid less than the fee", "charge every fill"
        )
    slots = (fills.time_ms - history.open_time_ms[0]) // history.interval_ms
    firsts = np.flatnonzero(fills.is_market & ((fills.time_ms - history.open_time_ms[0]) % history.interval_ms > 0))
    rows = np.array([history.symbols.index(name) for name in fills.symbol[firsts]], np.int64)
    opens = history.open[rows, slots[firsts]]
    free_slip = int(np.count_nonzero(fills.side[firsts] * (fills.price[firsts] - opens) < -1e-9 * opens))
    if free_slip:
        return Verdict(
            COSTS,
            Status.FAULT,
            f"{free_slip} market orders filled better than the price they met",
            "slip a taker's price against it",
        )
    paid = float(fills.fee_usdt.sum() / (fills.qty * fills.price).sum() * 1e4)
    return Verdict(COSTS, Status.CLEAN, f"{len(fills)} fills paid {paid:.2f} bps of notional each and slippage")
