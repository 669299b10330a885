"""What a run earned and risked: returns, drawdown, exposure, and its trades together and by group.

Annual figures stand on years of 365 days, as the market never closes. A figure that is undefined is None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.backtest.result import EquityCurve, Floats, RunResult, Times, TradeColumns

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
DAYS_PER_YEAR = 365
YEAR_MS = DAYS_PER_YEAR * DAY_MS

# A spread this small against the values themselves is what rounding leaves of equal values.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class DailyReturns:
    """Simple returns of UTC days as fractions: `value` (n,) float64 of the days that start at `day_ms` (n,) int64."""

    day_ms: Times
    value: Floats

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
class Summary:
    """The figures of one run.

    From the daily returns of the equity curve (`daily_returns`): `volatility_pct`, `sharpe`, `sortino` and `calmar`,
    with `daily_drawdown_pct` the drawdown that `calmar` divides by. From the curve slot by slot: `drawdown`,
    `exposure_pct` (slots whose close saw an open position), `mean_gross_pct` (mean of gross notional over equity).
    From the closed trades: `turnover_per_year` (notional of entries and exits over mean equity, a year),
    `cost_share_pct` and `funding_share_pct` (fees and funding over the gross of the trades whose gross is above 0,
    before any cost; slippage is in the prices and so in neither).
    """

    initial_usdt: float
    final_usdt: float
    days: float
    total_return_pct: float | None
    cagr_pct: float | None
    volatility_pct: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    daily_drawdown_pct: float | None
    drawdown: Drawdown | None
    exposure_pct: float | None
    mean_gross_pct: float | None
    turnover_per_year: float | None
    cost_share_pct: float | None
    funding_share_pct: float | None
    trades: TradeFigures
    by_symbol: tuple[TradeFigures, ...]
    by_hour: tuple[TradeFigures, ...]
    by_exit_reason: tuple[TradeFigures, ...]
    by_side: tuple[TradeFigures, ...]


def summary(result: RunResult, interval_ms: int) -> Summary:
    """The figures of `result`, whose curve has one slot every `interval_ms`."""
    curve, trades = result.curve, result.trades
    span_ms = covered_ms(curve, interval_ms)
    returns = daily_returns(curve, result.initial_usdt).value
    growth_pct = cagr_pct(result.initial_usdt, result.final_usdt, span_ms)
    daily_pct = drawdown_of_returns_pct(returns)
    in_order = bool(len(curve)) and bool(np.all(curve.equity_usdt > 0.0))
    gross_profit = float(trades.gross_usdt[trades.gross_usdt > 0.0].sum())
    sides = np.where(trades.side > 0, "long", "short")
    hours = trades.entry_time_ms // HOUR_MS % 24
    return Summary(
        initial_usdt=result.initial_usdt,
        final_usdt=result.final_usdt,
        days=span_ms / DAY_MS,
        total_return_pct=percent(result.final_usdt - result.initial_usdt, result.initial_usdt),
        cagr_pct=growth_pct,
        volatility_pct=volatility_pct(returns),
        sharpe=sharpe(returns),
        sortino=sortino(returns),
        calmar=calmar(growth_pct, daily_pct),
        daily_drawdown_pct=daily_pct,
        drawdown=deepest_drawdown(curve, result.initial_usdt, interval_ms),
        exposure_pct=float(np.count_nonzero(curve.gross_usdt)) / len(curve) * 100.0 if len(curve) else None,
        mean_gross_pct=float(np.mean(curve.gross_usdt / curve.equity_usdt)) * 100.0 if in_order else None,
        turnover_per_year=_turnover(trades, curve, span_ms),
        cost_share_pct=percent(float(trades.fees_usdt.sum()), gross_profit),
        funding_share_pct=percent(float(trades.funding_usdt.sum()), gross_profit),
        trades=_figures(trades, np.zeros(len(trades), np.intp), ["all"])[0],
        by_symbol=_grouped(trades, trades.symbol),
        by_hour=_grouped(trades, hours, "{:02d}"),
        by_exit_reason=_grouped(trades, trades.exit_reason),
        by_side=_grouped(trades, sides),
    )


def covered_ms(curve: EquityCurve, interval_ms: int) -> int:
    """How long a curve covers: its bars, and not what was missing between them."""
    return len(curve) * interval_ms


def daily_returns(curve: EquityCurve, initial_usdt: float) -> DailyReturns:
    """Returns from one UTC day's last close to the next, the first from `initial_usdt`.

    A close at midnight ends the day before it. A day without a bar has no return. A first or last
    day covered in part is a day like the others. Nothing follows a day that ends without equity, as no return can be
    told from there on.
    """
    day = (curve.time_ms - 1) // DAY_MS
    last = np.flatnonzero(np.append(day[1:] != day[:-1], True)) if len(day) else np.zeros(0, np.intp)
    equity = np.concatenate(([initial_usdt], curve.equity_usdt[last]))
    ruined = np.flatnonzero(equity <= 0.0)
    kept = int(ruined[0]) if len(ruined) else len(last)
    return DailyReturns(day[last][:kept] * DAY_MS, equity[1 : kept + 1] / equity[:kept] - 1.0)


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


def sharpe(returns: Floats) -> float | None:
    """Mean over standard deviation (n - 1) of daily returns, times sqrt(365); the riskless rate is 0.

    Sharpe (1994), "The Sharpe Ratio". None for fewer than two returns or where they are all equal.
    """
    if len(returns) < 2:
        return None
    spread = float(np.std(returns, ddof=1))
    if spread <= ROUNDING * float(np.max(np.abs(returns))):
        return None
    return float(np.mean(returns)) / spread * math.sqrt(DAYS_PER_YEAR)


def sortino(returns: Floats) -> float | None:
    """Mean of daily returns over their downside deviation, times sqrt(365).

    The deviation is the root of the mean over all days, the winning ones too, of min(return, 0) squared: Rollinger and
    Hoffman (2013), "Sortino: A 'Sharper' Ratio". None without a losing day or with fewer than two days.
    """
    if len(returns) < 2:
        return None
    downside = math.sqrt(float(np.mean(np.minimum(returns, 0.0) ** 2)))
    return float(np.mean(returns)) / downside * math.sqrt(DAYS_PER_YEAR) if downside > 0.0 else None


def calmar(growth_pct: float | None, drawdown_pct: float | None) -> float | None:
    """Growth a year over the deepest drawdown of the daily returns: Young (1991). None without a drawdown."""
    if growth_pct is None or drawdown_pct is None or drawdown_pct <= ROUNDING:
        return None
    ratio = growth_pct / drawdown_pct
    return ratio if math.isfinite(ratio) else None


def drawdown_of_returns_pct(returns: Floats) -> float | None:
    """The deepest fall of the compounded `returns` below their peak, the start included, in percent of the peak."""
    if not len(returns):
        return None
    wealth = np.cumprod(np.concatenate(([1.0], 1.0 + returns)))
    return -float(np.min(wealth / np.maximum.accumulate(wealth) - 1.0)) * 100.0


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
    return traded_usdt / mean_usdt / (span_ms / YEAR_MS)


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
