"""How the result moves with what should hardly matter: the seed, the costs, one bar of delay; and how often it was
looked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.arithmetic.days import LEAST_DAYS
from core.lab.checks.verdict import Status, Verdict

SEED = "seed sensitivity"
COST = "cost sensitivity"
DELAY = "delay by one bar"
SNOOPING = "data snooping"

DSR_NEEDED = 0.95


@dataclass(frozen=True, slots=True)
class Variant:
    """A run that differs from the plain one. `costs` multiplies fees and slippage; `delay_bars` makes every prediction
    come so many bars late; `seed` replaces that of the trainings."""

    costs: float = 1.0
    delay_bars: int = 0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    trades: int
    net_usdt: float


Run = Callable[[Variant], Outcome]

COST_STEPS = (0.5, 1.0, 1.5, 2.0)


def check_costs_matter(run: Run) -> Verdict:
    """Net result at several multiples of the costs, and the multiple at which nothing is left."""
    outcomes = [run(Variant(costs=step)) for step in COST_STEPS]
    figures = {f"net_usdt_at_{step:g}x": outcome.net_usdt for step, outcome in zip(COST_STEPS, outcomes, strict=True)}
    table = ", ".join(f"{step:g}x {o.net_usdt:+,.2f}" for step, o in zip(COST_STEPS, outcomes, strict=True))
    plain, double = outcomes[COST_STEPS.index(1.0)], outcomes[-1]
    if not plain.trades:
        return Verdict(COST, Status.UNKNOWN, "no trade was made", "check over a longer period", figures)
    if plain.net_usdt > 0.0 >= double.net_usdt:
        gone = _zero_between(COST_STEPS, [o.net_usdt for o in outcomes])
        detail = f"net USDT at a multiple of the costs: {table}; nothing is left at {gone:.2f}x"
        return Verdict(COST, Status.WARN, detail, "measure your real fees and slippage before you trade this", figures)
    return Verdict(COST, Status.CLEAN, f"net USDT at a multiple of the costs: {table}", "", figures)


def check_delay(run: Run) -> Verdict:
    """A profit that one bar of delay takes away came from the instant of the decision: suspect look-ahead."""
    plain, late = run(Variant()), run(Variant(delay_bars=1))
    figures = {"net_usdt": plain.net_usdt, "net_usdt_one_bar_late": late.net_usdt}
    detail = f"net {plain.net_usdt:+,.2f} USDT on time, {late.net_usdt:+,.2f} one bar late"
    if not plain.trades:
        return Verdict(DELAY, Status.UNKNOWN, "no trade was made", "check over a longer period", figures)
    if plain.net_usdt > 0.0 and late.net_usdt < 0.25 * plain.net_usdt:
        mend = "a live order is never instant: find out what the first minute holds"
        return Verdict(DELAY, Status.WARN, detail, mend, figures)
    return Verdict(DELAY, Status.CLEAN, detail, "", figures)


def check_seeds(run: Run, seeds: Sequence[int]) -> Verdict:
    """The spread of the net result over seeds of the training."""
    outcomes = [run(Variant(seed=seed)) for seed in seeds]
    nets = np.array([outcome.net_usdt for outcome in outcomes])
    figures = {f"net_usdt_seed_{seed}": float(net) for seed, net in zip(seeds, nets, strict=True)}
    detail = f"net over {len(nets)} seeds: {nets.min():+,.2f} to {nets.max():+,.2f} USDT, mean {nets.mean():+,.2f}"
    if not any(outcome.trades for outcome in outcomes):
        return Verdict(SEED, Status.UNKNOWN, "no trade was made", "check over a longer period", figures)
    if nets.min() < 0.0 < nets.max():
        return Verdict(SEED, Status.WARN, detail, "the sign of the result hangs on the seed; average models", figures)
    return Verdict(SEED, Status.CLEAN, detail, "", figures)


def no_seeds(name: str) -> Verdict:
    return Verdict(SEED, Status.CLEAN, f"{name} draws no random number")


def check_snooping(trials: int, deflated_sharpe: float | None, pbo: float | None) -> Verdict:
    """How many parameter sets were tried, and what is left of the Sharpe ratio after that."""
    figures = {"trials": float(trials)}
    parts = [f"{trials} parameter set{'' if trials == 1 else 's'} tried on this data"]
    if deflated_sharpe is None:
        detail = f"{parts[0]}; a deflated Sharpe ratio needs {LEAST_DAYS} days or more"
        return Verdict(SNOOPING, Status.UNKNOWN, detail, "check over a longer period", figures)
    figures["dsr"] = deflated_sharpe
    parts.append(f"deflated Sharpe ratio {deflated_sharpe:.3f}")
    if pbo is not None:
        figures["pbo"] = pbo
        parts.append(f"probability of backtest overfitting {pbo:.2f}")
    detail = "; ".join(parts)
    if deflated_sharpe < DSR_NEEDED or (pbo is not None and pbo > 0.5):
        mend = f"not distinguishable from luck: {DSR_NEEDED} is wanted; more data, fewer trials"
        return Verdict(SNOOPING, Status.WARN, detail, mend, figures)
    return Verdict(SNOOPING, Status.CLEAN, detail, "", figures)


def _zero_between(steps: Sequence[float], nets: Sequence[float]) -> float:
    """Where a line through neighbouring points first falls to zero."""
    for (left, above), (right, below) in zip(
        zip(steps, nets, strict=True), list(zip(steps, nets, strict=True))[1:], strict=False
    ):
        if above > 0.0 >= below:
            return left + (right - left) * above / (above - below)
    return steps[-1]
