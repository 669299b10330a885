"""What a run earned and risked: returns, drawdown, exposure, and its trades together and by group.

Annual figures stand on years of 365 days, as the market never closes, and on LEAST_DAYS whole UTC days or more. A
figure that is undefined is None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.arithmetic.days import DAY_MS, DAYS_PER_YEAR, LEAST_DAYS
from core.arithmetic.ratios import ROUNDING, sharpe, sortino
from core.lab.run.result import EquityCurve, Floats, RunResult, Times, TradeColumns

HOUR_MS = 3_600_000
YEAR_MS = DAYS_PER_YEAR * DAY_MS

NO_DAYS: Times = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class DailyReturns:
    """Simple returns of UTC days as fractions: `value` (n,) float64 of the days that start at `day_ms` (n,) int64.

    `left_out` is how many more whole days there were, which give none because a hole falls on them.
    """

    day_ms: Times
    value: Floats
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.day_ms)


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall of the equity below its peak so far, in percent of the peak (0 or above).

    `length_ms` runs from the last slot at the peak to the recovery, or to the end of the curve while `recovery_ms` is
    None and the peak was not reached again.
    """

    depth_pct: float
    peak_ms: int
    trough_ms: int
    recovery_ms: int | None
    length_ms: int


@dataclass(frozen=True, slots=True)
class TradeFigures:
    """What the closed trades named by `key` came to. A win has a net above 0, a loss below 0.

    `win_rate_pct` is wins over all trades, those of exactly 0 included; `profit_factor` the net of the wins over that
    of the losses, None without a loss; `expectancy_usdt` the mean net; `expectancy_bps` the mean of net over entry
    notional; `average_loss_usdt` is negative.
    """

    key: str
    trades: int
    wins: int
    losses: int
    gross_usdt: float
    fees_usdt: float
    funding_usdt: float
    net_usdt: float
    win_rate_pct: float | None
    profit_factor: float | None
    expectancy_usdt: float | None
    expectancy_bps: float | None
    average_win_usdt: float | None
    average_loss_usdt: float | None


@dataclass(frozen=True, slots=True)
class Ratios:
    """Of the returns of `return_days` whole UTC days without holes. Those of a year are None for fewer than LEAST_DAYS.

    `sharpe_a_day`, `sortino_a_day` and `calmar_a_day` are the same ratios brought to one day, for sorting alone and so
    of however few days: divided by sqrt(365), the last by 365.
    """

    return_days: int
    cagr_pct: float | None
    volatility_pct: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    sharpe_a_day: float | None
    sortino_a_day: float | None
    calmar_a_day: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one run, as far as a limit that ended it let it come (`measured`).

    `ratios` are of its daily returns (`daily_returns`), Calmar over the depth of `drawdown`; `holed_days` are the whole
    days that give no return because a hole falls on them. From the curve slot by
    slot: `drawdown`, `exposure_pct` (slots whose close saw an open position), `mean_gross_pct` (mean of gross notional
    over equity). From the closed trades: `turnover_per_day` (notional of entries and exits over mean equity, a day),
    `slippage_usdt` (slippage and impact, which are in the prices), `cost_share_pct` and `funding_share_pct` (fees with
    slippage and impact, and funding, over the gross of the trades whose gross before any cost is above 0).
    `open_result_usdt` is what is not of closed trades: the result so far of positions left open, with their costs.
    """

    initial_usdt: float
    final_usdt: float
    days: float
    total_return_pct: float | None
    ratios: Ratios
    holed_days: int
    drawdown: Drawdown | None
    exposure_pct: float | None
    mean_gross_pct: float | None
    turnover_per_day: float | None
    slippage_usdt: float
    cost_share_pct: float | None
    funding_share_pct: float | None
    open_result_usdt: float
    trades: TradeFigures
    by_symbol: tuple[TradeFigures, ...]
    by_hour: tuple[TradeFigures, ...]
    by_exit_reason: tuple[TradeFigures, ...]
    by_side: tuple[TradeFigures, ...]


def summary(
    result: RunResult, interval_ms: int, slippage_usdt: Floats | None = None, holed_ms: Times = NO_DAYS
) -> Summary:
    """The figures of `result`, whose curve has one slot every `interval_ms`. `slippage_usdt` (n,) is what each closed
    trade paid in its prices; without it none of them paid any. `holed_ms` are the days that a hole falls on."""
    curve, trades = measured(result), result.trades
    span_ms = covered_ms(curve, interval_ms)
    daily = daily_returns(curve, result.initial_usdt, interval_ms, holed_ms)
    drawdown = deepest_drawdown(curve, result.initial_usdt, interval_ms)
    in_order = bool(len(curve)) and bool(np.all(curve.equity_usdt > 0.0))
    slipped = np.zeros(len(trades)) if slippage_usdt is None else slippage_usdt
    before_costs = trades.gross_usdt + slipped
    gross_profit = float(before_costs[before_costs > 0.0].sum())
    sides = np.where(trades.side > 0, "long", "short")
    hours = trades.entry_time_ms // HOUR_MS % 24
    depth_pct = drawdown.depth_pct if drawdown is not None else None
    return Summary(
        initial_usdt=result.initial_usdt,
        final_usdt=result.final_usdt,
        days=span_ms / DAY_MS,
        total_return_pct=percent(result.final_usdt - result.initial_usdt, result.initial_usdt),
        ratios=ratios(daily.value, result.initial_usdt, result.final_usdt, span_ms, depth_pct),
        holed_days=daily.left_out,
        drawdown=drawdown,
        exposure_pct=float(np.count_nonzero(curve.gross_usdt)) / len(curve) * 100.0 if len(curve) else None,
        mean_gross_pct=float(np.mean(curve.gross_usdt / curve.equity_usdt)) * 100.0 if in_order else None,
        turnover_per_day=_turnover(trades, curve, span_ms),
        slippage_usdt=float(slipped.sum()),
        cost_share_pct=percent(float(trades.fees_usdt.sum() + slipped.sum()), gross_profit),
        funding_share_pct=percent(float(trades.funding_usdt.sum()), gross_profit),
        open_result_usdt=result.final_usdt - result.initial_usdt - float(trades.net_usdt.sum()),
        trades=_figures(trades, np.zeros(len(trades), np.intp), ["all"])[0],
        by_symbol=_grouped(trades, trades.symbol),
        by_hour=_grouped(trades, hours, "{:02d}"),
        by_exit_reason=_grouped(trades, trades.exit_reason),
        by_side=_grouped(trades, sides),
    )


def covered_ms(curve: EquityCurve, interval_ms: int) -> int:
    """How long a curve covers: its bars, and not what was missing between them."""
    return len(curve) * interval_ms


def measured(result: RunResult) -> EquityCurve:
    """The curve of a run, of one that a limit ended up to the end of that UTC day: what stands still afterwards is no
    record of anything."""
    curve = result.curve
    if result.ended_ms is None:
        return curve
    stop = int(np.searchsorted(curve.time_ms, day_end_ms(result.ended_ms), side="right"))
    return EquityCurve(curve.time_ms[:stop], curve.equity_usdt[:stop], curve.gross_usdt[:stop], curve.net_usdt[:stop])


def day_end_ms(time_ms: int) -> int:
    """The end of the UTC day that holds `time_ms`; midnight is the end of the day before it."""
    return -(-time_ms // DAY_MS) * DAY_MS


def ratios(returns: Floats, initial_usdt: float, final_usdt: float, span_ms: int, drawdown_pct: float | None) -> Ratios:
    """Of the returns (n,) of whole days; growth is by the equity at both ends of `span_ms`."""
    enough = len(returns) >= LEAST_DAYS
    growth_pct = cagr_pct(initial_usdt, final_usdt, span_ms)
    sharpe_ratio, sortino_ratio, calmar_ratio = sharpe(returns), sortino(returns), calmar(growth_pct, drawdown_pct)
    root = math.sqrt(DAYS_PER_YEAR)
    return Ratios(
        return_days=len(returns),
        cagr_pct=growth_pct if enough else None,
        volatility_pct=volatility_pct(returns) if enough else None,
        sharpe=sharpe_ratio if enough else None,
        sortino=sortino_ratio if enough else None,
        calmar=calmar_ratio if enough else None,
        sharpe_a_day=None if sharpe_ratio is None else sharpe_ratio / root,
        sortino_a_day=None if sortino_ratio is None else sortino_ratio / root,
        calmar_a_day=None if calmar_ratio is None else calmar_ratio / DAYS_PER_YEAR,
    )


def daily_returns(curve: EquityCurve, initial_usdt: float, interval_ms: int, holed_ms: Times = NO_DAYS) -> DailyReturns:
    """Returns of the whole UTC days of the curve, whose slots end every `interval_ms`, but for those of `holed_ms`. A
    close at midnight ends the day before it."""
    if not len(curve):
        return DailyReturns(np.zeros(0, np.int64), np.zeros(0))
    day = (curve.time_ms - 1) // DAY_MS
    last = np.flatnonzero(np.append(day[1:] != day[:-1], True))
    span = (int(curve.time_ms[0]) - interval_ms, int(curve.time_ms[-1]))
    return returns_of_days(day[last] * DAY_MS, curve.equity_usdt[last], initial_usdt, *span, holed_ms)


def returns_of_days(
    day_ms: Times, equity_usdt: Floats, initial_usdt: float, from_ms: int, to_ms: int, holed_ms: Times
) -> DailyReturns:
    """Returns from one day's end to the next of the whole UTC days in [from_ms, to_ms), of the equity at the end of
    each day that starts at `day_ms` (n,).

    A day that was covered in part, the first, the last or one of `holed_ms`, is no day: what it earned is in no return.
    Nothing follows a day that ends without equity, as no return can be told from there on.
    """
    equity = np.concatenate(([initial_usdt], equity_usdt))
    ruined = np.flatnonzero(equity <= 0.0)
    kept = int(ruined[0]) if len(ruined) else len(day_ms)
    whole = (day_ms[:kept] >= from_ms) & (day_ms[:kept] + DAY_MS <= to_ms)
    returns = equity[1 : kept + 1] / equity[:kept] - 1.0
    counted = whole & ~np.isin(day_ms[:kept], holed_ms)
    left_out = np.count_nonzero((holed_ms >= from_ms) & (holed_ms + DAY_MS <= to_ms))
    return DailyReturns(day_ms[:kept][counted], returns[counted], int(left_out))


def cagr_pct(initial_usdt: float, final_usdt: float, span_ms: int) -> float | None:
    """Compound growth a year, in percent, by the time that is covered: (final / initial) ** (1 / years) - 1.

    quantstats.stats.cagr counts a day for each return instead, so it differs where a day was covered in part. None too
    where a short span makes it larger than a number can be.
    """
    if span_ms <= 0 or initial_usdt <= 0.0 or final_usdt < 0.0:
        return None
    try:
        growth_pct = (math.pow(final_usdt / initial_usdt, YEAR_MS / span_ms) - 1.0) * 100.0
    except OverflowError:
        return None
    return growth_pct if math.isfinite(growth_pct) else None


def volatility_pct(returns: Floats) -> float | None:
    """Standard deviation (n - 1) of daily returns for a year, in percent; None for fewer than two."""
    return float(np.std(returns, ddof=1)) * math.sqrt(DAYS_PER_YEAR) * 100.0 if len(returns) > 1 else None


def calmar(growth_pct: float | None, drawdown_pct: float | None) -> float | None:
    """Growth over the deepest drawdown, both in percent: Young (1991) with that of a year. None without a drawdown."""
    if growth_pct is None or drawdown_pct is None or drawdown_pct <= ROUNDING:
        return None
    ratio = growth_pct / drawdown_pct
    return ratio if math.isfinite(ratio) else None


def deepest_drawdown(curve: EquityCurve, initial_usdt: float, interval_ms: int) -> Drawdown | None:
    """The deepest drawdown slot by slot; `initial_usdt` at the open of the first slot is the first peak."""
    if not len(curve) or initial_usdt <= 0.0:
        return None
    time_ms = np.concatenate(([curve.time_ms[0] - interval_ms], curve.time_ms))
    equity = np.concatenate(([initial_usdt], curve.equity_usdt))
    fall = equity / np.maximum.accumulate(equity) - 1.0
    trough = int(np.argmin(fall))
    peak = trough - int(np.argmax(equity[trough::-1]))
    again = np.flatnonzero(equity[trough:] >= equity[peak])
    end = trough + int(again[0]) if len(again) else len(equity) - 1
    return Drawdown(
        depth_pct=abs(float(fall[trough])) * 100.0,
        peak_ms=int(time_ms[peak]),
        trough_ms=int(time_ms[trough]),
        recovery_ms=int(time_ms[end]) if len(again) else None,
        length_ms=int(time_ms[end] - time_ms[peak]),
    )


def percent(part: float, whole: float) -> float | None:
    """`part` of `whole` in percent; None where `whole` is not above 0."""
    return part / whole * 100.0 if whole > 0.0 else None


def _turnover(trades: TradeColumns, curve: EquityCurve, span_ms: int) -> float | None:
    mean_usdt = float(np.mean(curve.equity_usdt)) if len(curve) else 0.0
    if mean_usdt <= 0.0:
        return None
    traded_usdt = float(np.sum(trades.qty * (trades.entry_price + trades.exit_price)))
    return traded_usdt / mean_usdt / (span_ms / DAY_MS)


def _grouped(
    trades: TradeColumns, labels: NDArray[np.str_] | NDArray[np.int64], form: str = "{}"
) -> tuple[TradeFigures, ...]:
    """Figures of the trades of each label, in order of the labels; only labels that occur."""
    found, codes = np.unique(labels, return_inverse=True)
    return _figures(trades, codes, [form.format(label) for label in found.tolist()])


def _figures(trades: TradeColumns, codes: NDArray[np.intp], keys: list[str]) -> tuple[TradeFigures, ...]:
    """One for each of `keys`; `codes` (n,) tells the key of every trade."""

    def total(values: Floats) -> list[float]:
        return [float(value) for value in np.bincount(codes, values, len(keys))]

    net = trades.net_usdt
    won, lost = net > 0.0, net < 0.0
    count, wins, losses = (
        np.bincount(codes[which], minlength=len(keys)).tolist() for which in (np.full(len(net), True), won, lost)
    )
    won_usdt, lost_usdt = total(np.where(won, net, 0.0)), total(np.where(lost, net, 0.0))
    bps = total(net / (trades.qty * trades.entry_price) * 10_000.0)
    gross, fees, funding, nets = (
        total(values) for values in (trades.gross_usdt, trades.fees_usdt, trades.funding_usdt, net)
    )
    return tuple(
        TradeFigures(
            key=key,
            trades=count[i],
            wins=wins[i],
            losses=losses[i],
            gross_usdt=gross[i],
            fees_usdt=fees[i],
            funding_usdt=funding[i],
            net_usdt=nets[i],
            win_rate_pct=percent(wins[i], count[i]),
            profit_factor=won_usdt[i] / -lost_usdt[i] if losses[i] else None,
            expectancy_usdt=nets[i] / count[i] if count[i] else None,
            expectancy_bps=bps[i] / count[i] if count[i] else None,
            average_win_usdt=won_usdt[i] / wins[i] if wins[i] else None,
            average_loss_usdt=lost_usdt[i] / losses[i] if losses[i] else None,
        )
        for i, key in enumerate(keys)
    )
