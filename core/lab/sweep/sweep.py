"""The fast sweep: one strategy over recorded bars with predictions given, trade for trade what the trader would do.

`prepare` a history once, then `run` (all trades and the equity curve) or `score` (a few figures, for thousands of
parameter sets). Decisions are equal to those of the event-driven path, and money to 1e-8 USDT, wherever the prices lie
on the tick grid and tick * lot * contract size is a whole number of 1e-8 USDT; for finer contracts amounts are right to
about 1e-8 USDT. Vetoes are not counted here, and of the limits only the one that ends a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.arithmetic import exits
from core.arithmetic.costs import round_trip_cost_bps
from core.domain.errors import BadInputError, SettingsError
from core.domain.operator import LimitEffect
from core.domain.trading import ExitReason
from core.lab.run.result import EquityCurve, RunResult, TradeColumns, TradePlans
from core.lab.run.trade_plans import trade_plans
from core.lab.skip.signal_bits import encode_signals
from core.lab.skip.uneventful_bars import BLOCK, LONG, SHORT
from core.lab.sweep import forms
from core.lab.sweep.calling import addresses
from core.lab.sweep.inputs import Account, Policies, Samples, Told, Watch
from core.lab.sweep.kernel import run_kernel
from core.lab.sweep.prepared import Prepared
from core.position.policy import CLOSE, MOVE_STOP, NAMES, REDUCE, beyond
from core.settings.schema import LimitSettings, Settings
from core.strategy.decision import Decider
from core.strategy.declaration import Strategy
from core.trader.limits import DRAWDOWN, allowed_ms

Floats = NDArray[np.float64]
Times = NDArray[np.int64]

_CARRIED_OUT = (CLOSE, REDUCE, MOVE_STOP)
"""What a trade here can be told by its policies."""

_E8 = Decimal(100_000_000)
_RULES: dict[Callable[..., bool], int] = {
    exits.reversal: forms.REVERSAL_RULE,
    exits.stop_loss: forms.STOP_LOSS_RULE,
    exits.take_profit: forms.TAKE_PROFIT_RULE,
    exits.time_stop: forms.TIME_STOP_RULE,
}
REASONS = (
    ExitReason.STOP,
    ExitReason.TARGET,
    ExitReason.REVERSAL,
    ExitReason.LIQUIDATION,
    ExitReason.LIMIT,
    ExitReason.UNPROTECTED,
    ExitReason.HOLE,
)
"""By their codes in `core.lab.sweep.forms`."""


@dataclass(frozen=True, slots=True)
class Score:
    """What a sweep keeps of one parameter set. `daily_equity_usdt` is the account at the last bar of every UTC day that
    has one, `daily_ms` those times. `max_drawdown_pct` is that at the closes of bars. `ended_ms` is when the drawdown
    limit ended trading."""

    trades: int
    net_usdt: float
    fees_usdt: float
    final_usdt: float
    max_drawdown_pct: float
    daily_ms: Times
    daily_equity_usdt: Floats
    ended_ms: int | None = None


def check_strategy(strategy: Strategy) -> None:
    """Raises BadInputError where the strategy has an exit rule, a bracket, a ladder or a sizing of its own, a policy
    that numba cannot compile, or a part whose forecasts are known late: the sweep knows none."""
    late = [part.name for part in strategy.parts if part.latency_ms or part.analyst is not None]
    if late:
        raise BadInputError(
            f"strategy {strategy.name}: the sweep cannot run part {late[0]}, whose forecasts are known late; "
            "use quarterdeck backtest"
        )
    for name in ("bracket", "sizing"):
        if getattr(strategy, name) is not None:
            raise BadInputError(
                f"strategy {strategy.name}: the sweep cannot run a {name} of its own; use quarterdeck backtest"
            )
    if strategy.ladder:
        raise BadInputError(
            f"strategy {strategy.name}: the sweep cannot run several targets of one trade; use quarterdeck backtest"
        )
    if (found := beyond(strategy.policies, _CARRIED_OUT)) is not None:
        raise BadInputError(
            f"strategy {strategy.name}: the sweep cannot run its exit {found[0].reason!r}, which may "
            f"{NAMES[found[1]]}; it can {', '.join(NAMES[known] for known in _CARRIED_OUT)}"
        )
    for policy in strategy.policies:
        addresses(strategy.name, policy)
    for rule in strategy.exits:
        if rule.function not in _RULES:
            name = getattr(rule.function, "__name__", repr(rule.function))
            raise BadInputError(
                f"strategy {strategy.name}: the sweep cannot run its exit {name}, which is none of "
                f"{', '.join(known.__name__ for known in _RULES)}; use quarterdeck backtest"
            )


NOT_HEEDED = ("max_symbol_losses_in_row", "no_trade_hours", "funding_quiet_minutes", "events")
"""Keys of limits that the sweep does not know: each is off where it says nothing or 0."""


def check_limits(caps: LimitSettings) -> None:
    """Raises BadInputError where a limit is set that the sweep does not know."""
    for key in NOT_HEEDED:
        if getattr(caps, key):
            raise BadInputError(
                f"limits.{key}: the sweep cannot run it; use quarterdeck backtest, or switch it off here"
            )


def run(prepared: Prepared, settings: Settings, strategy: Strategy, values: Floats) -> RunResult:
    """All trades and the equity curve. `values` float64 (k, n, outputs): what is forecast of each symbol at the
    close of each slot, NaN for none; those before the first traded slot, and of missing bars, are not looked at.

    Raises BadInputError where the strategy has an exit that the sweep does not know, SettingsError where the leverage
    is more than a contract allows.
    """
    return run_told(prepared, settings, strategy, _told(prepared, settings, strategy, values))


def run_told(prepared: Prepared, settings: Settings, strategy: Strategy, told: Told) -> RunResult:
    """The same of predictions whose `signals` are known."""
    market = prepared.market
    directions = int(np.count_nonzero(told.signal & (LONG | SHORT)))
    memory = _memory(prepared, settings, strategy, closed=2 * directions + 2)
    samples = _samples(prepared.covered)
    _run(prepared, strategy, told, memory, samples, lean=False)
    rules, policies = (rule.reason for rule in strategy.exits), (policy.reason for policy in strategy.policies)
    reasons = [str(reason) for reason in (*REASONS, *rules, *policies)]
    closes = market.open_time_ms[prepared.covered] + prepared.interval_ms
    trades = _trade_columns(memory, prepared, reasons)
    return RunResult(
        trades=trades,
        plans=_trade_plans(memory, prepared, trades, settings, _confidence(prepared, settings, strategy, told, trades)),
        curve=EquityCurve(closes, samples.equity, samples.gross, samples.net),
        initial_usdt=float(settings.account.initial_balance_usdt),
        final_usdt=_final_usdt(prepared, memory),
        open_positions=int(np.count_nonzero(memory.books["lots"])),
        limits={DRAWDOWN.name: 1} if memory.account[0]["drawdown_fired"] else {},
        ended_ms=_ended_ms(memory),
        assumed_settlements=int(memory.account[0]["assumed"]),
        assumed_usdt=float(memory.account[0]["assumed_e8"]) / 1e8,
    )


def score(prepared: Prepared, settings: Settings, strategy: Strategy, values: Floats) -> Score:
    """The figures of one parameter set; see `run` for what it takes and raises."""
    return score_told(prepared, settings, strategy, _told(prepared, settings, strategy, values))


def score_told(prepared: Prepared, settings: Settings, strategy: Strategy, told: Told) -> Score:
    """The same of predictions whose `signals` are known."""
    memory = _memory(prepared, settings, strategy, closed=0)
    samples = _samples(prepared.day_ends)
    _run(prepared, strategy, told, memory, samples, lean=True)
    account = memory.account[0]
    return Score(
        trades=int(account["trades"]),
        net_usdt=float(account["net_e8"]) / 1e8,
        fees_usdt=float(account["fees_e8"]) / 1e8,
        final_usdt=_final_usdt(prepared, memory),
        max_drawdown_pct=100.0 * float(account["worst_drawdown"]),
        daily_ms=prepared.market.open_time_ms[prepared.day_ends] + prepared.interval_ms,
        daily_equity_usdt=samples.equity,
        ended_ms=_ended_ms(memory),
    )


def final_usdt(prepared: Prepared, settings: Settings, strategy: Strategy, told: Told) -> float:
    """The last equity alone, for what is run often; see `score_told`."""
    memory = _memory(prepared, settings, strategy, closed=0)
    _run(prepared, strategy, told, memory, _samples(prepared.covered[:0]), lean=False)
    return _final_usdt(prepared, memory)


def _ended_ms(memory: Account) -> int | None:
    account = memory.account[0]
    return int(account["ended_ms"]) if account["drawdown_fired"] else None


def _final_usdt(prepared: Prepared, memory: Account) -> float:
    """What the account is worth at the last prices, with the funding that was due behind them."""
    equity_e8, last = float(memory.account[0]["wallet_e8"]), prepared.market.mark[:, -1]
    for book, mark in zip(memory.books, last.tolist(), strict=True):
        if book["lots"]:
            equity_e8 += float(np.rint(book["lots"] * book["lot_e8"] * mark) - book["cost_e8"])
    return equity_e8 / 1e8


def _run(prepared: Prepared, strategy: Strategy, told: Told, memory: Account, samples: Samples, *, lean: bool) -> None:
    k = len(prepared.symbols)
    floats = np.zeros((6, k))
    scratch = np.zeros((2, BLOCK))
    watch = Watch(np.zeros(k, np.uint8), *floats, *scratch)
    policies = _policies(strategy, k)
    market, funding, holes = prepared.market, prepared.funding, prepared.holes
    run_kernel(prepared.first, market, funding, holes, told, memory, samples, watch, lean, policies)
    error = int(memory.account[0]["error"])
    if error in (forms.FAILED, forms.UNDECLARED):
        what = "raises an error" if error == forms.FAILED else "says what it does not declare"
        reason = strategy.policies[int(memory.account[0]["policy"])].reason
        raise BadInputError(f"strategy {strategy.name}: its exit {reason!r} {what}; quarterdeck backtest shows where")
    if error == forms.CROSSED:
        raise RuntimeError("sweep: an entry met a position of another trade")
    if error:
        raise RuntimeError(f"sweep: more than {forms.MAX_ORDERS} orders of one symbol at once")


def _policies(strategy: Strategy, k: int) -> Policies | None:
    """None where there are none: the kernel without them is a faster one."""
    if not strategy.policies:
        return None
    table = np.zeros(len(strategy.policies), forms.POLICY)
    begin = 0
    for record, policy in zip(table, strategy.policies, strict=True):
        record["see"], record["step"], record["at_entry"] = addresses(strategy.name, policy)
        record["says"] = sum(1 << what for what in policy.says)
        record["loosens"] = policy.loosens
        record["begin"], record["end"] = begin, begin + policy.state_size
        begin += policy.state_size
    counts = [len(policy.parameters) for policy in strategy.policies]
    return Policies(
        table,
        np.array([number for policy in strategy.policies for number in policy.parameters], np.float64),
        np.cumsum([0, *counts], dtype=np.int64),
        np.zeros((k, begin)),
        np.zeros((k, 5)),
        np.zeros(1),
    )


def _told(prepared: Prepared, settings: Settings, strategy: Strategy, values: Floats) -> Told:
    if prepared.interval_ms != settings.market.interval_ms:
        raise BadInputError(
            f"sweep: the history has bars of {prepared.interval_ms} ms, and market.interval_minutes is "
            f"{settings.market.interval_minutes}; load bars of that"
        )
    shape = (*prepared.market.mark.shape, len(strategy.outputs))
    values = np.ascontiguousarray(values, np.float64)
    if values.shape != shape:
        raise BadInputError(
            f"sweep: values are of shape {values.shape}, the history and the outputs of {strategy.name} of {shape}"
        )
    if len(prepared.holes.slot):
        values = values.copy()
        values[prepared.holes.symbol, prepared.holes.slot] = np.nan
    return Told(values, signals(settings, strategy, values, prepared.market.open))


def signals(settings: Settings, strategy: Strategy, values: Floats, opens: Floats) -> NDArray[np.uint8]:
    """What `strategy` decides on `values` (k, n, outputs), NaN for none; see `encode_signals`."""
    reversals = [rule.parameter for rule in strategy.exits if rule.function is exits.reversal]
    return encode_signals(values, opens, strategy, _cost_bps(settings), min(reversals, default=np.inf))


def _cost_bps(settings: Settings) -> float:
    return round_trip_cost_bps(float(settings.costs.taker_fee_bps), settings.costs.slippage_bps)


def _samples(slots: Times) -> Samples:
    return Samples(slots, *np.zeros((3, len(slots))))


def _memory(prepared: Prepared, settings: Settings, strategy: Strategy, *, closed: int) -> Account:
    k = len(prepared.symbols)
    account = np.zeros(1, forms.ACCOUNT)
    wallet = float(settings.account.initial_balance_usdt * _E8)
    for name in ("wallet_e8", "peak_e8", "day_start_e8", "highest_e8"):
        account[name] = wallet
    kinds, parameters = _rules(strategy)
    return Account(
        account=account,
        config=_config(settings, strategy),
        books=_books(prepared, settings),
        orders=np.zeros((k, forms.MAX_ORDERS), forms.ORDER),
        trades=np.zeros((k, forms.MAX_TRADES), forms.OPEN_TRADE),
        closed=np.empty(closed, forms.CLOSED_TRADE),
        queue=forms.commands_for(k),
        answers=forms.commands_for(k),
        rules=kinds,
        parameters=parameters,
    )


def _rules(strategy: Strategy) -> tuple[Times, Floats]:
    check_strategy(strategy)
    kinds = [_RULES[rule.function] for rule in strategy.exits]
    return np.array(kinds, np.int64), np.array([rule.parameter for rule in strategy.exits], np.float64)


def _config(settings: Settings, strategy: Strategy) -> Any:
    caps, engine = settings.limits, settings.engine
    check_limits(caps)
    stop_allowed = caps.min_stop_distance_pct <= strategy.stop_pct <= caps.max_stop_distance_pct
    max_feed_age_seconds = caps.max_feed_age_seconds + allowed_ms(settings.market.interval_ms) / 1000.0
    fresh = engine.inference_delay_ms / 1000.0 < max_feed_age_seconds
    config = np.zeros(1, forms.CONFIG)
    values: dict[str, Any] = {
        "stop_pct": strategy.stop_pct,
        "target_pct": strategy.target_pct,
        "cooldown_ms": strategy.cooldown_ms,
        "reverses": strategy.reverses,
        "entry_forbidden": not (stop_allowed and fresh),
        "leverage": settings.account.leverage,
        "day_loss_flattens": caps.day_loss_effect is LimitEffect.FLATTEN,
        "first_price_delay_ms": engine.first_price_delay_ms,
        "inference_delay_ms": engine.inference_delay_ms,
        "interval_ms": settings.market.interval_ms,
    }
    for section in (settings.sizing, settings.costs, caps):
        values |= {
            name: getattr(section, name) for name in type(section).model_fields if name in (forms.CONFIG.names or ())
        }
    values["max_feed_age_seconds"] = max_feed_age_seconds
    for name in forms.CONFIG.names or ():
        config[name] = values[name]
    return config


def _books(prepared: Prepared, settings: Settings) -> Any:
    books = np.zeros(len(prepared.symbols), forms.BOOK)
    leverage = settings.account.leverage
    for s, instrument in enumerate(prepared.instruments):
        if leverage > instrument.max_leverage:
            raise SettingsError(
                f"account.leverage: {leverage} is above the {instrument.max_leverage} that {instrument.symbol} allows"
            )
        book = books[s]
        book["trade"] = -1
        book["tick"], book["lot_qty"] = float(instrument.tick_size), float(instrument.qty(1))
        book["tick_num"], book["tick_den"] = instrument.tick_size.as_integer_ratio()
        book["lot_e8"] = float(instrument.qty(1) * _E8)
        book["tick_lot_e8"] = float(instrument.notional_usdt(1, 1) * _E8)
        book["min_lots"], book["max_lots"] = instrument.min_lots, instrument.max_lots
        book["min_notional_usdt"] = float(instrument.min_notional_usdt)
        book["min_notional_e8"] = float(instrument.min_notional_usdt * _E8)
        book["taker_num"], book["taker_den"] = (instrument.taker_fee_bps / 10_000).as_integer_ratio()
        liquidation = (instrument.liquidation_fee_bps / 10_000).as_integer_ratio()
        book["liquidation_num"], book["liquidation_den"] = liquidation
        book["maintenance"] = float(instrument.maintenance_margin_pct / 100)
        if prepared.first:
            mark = prepared.market.mark[s, prepared.first - 1]
            book["mark"], book["seen"] = mark, not np.isnan(mark)
            book["volume"] = prepared.market.volume[s, prepared.first - 1]
    return books


def _confidence(prepared: Prepared, settings: Settings, strategy: Strategy, told: Told, trades: TradeColumns) -> Floats:
    """How sure the strategy was of each trade: of the last forecast before its entry that asked for its side."""
    decider = Decider(strategy, _cost_bps(settings))
    found = np.full(len(trades), np.nan)
    asked: dict[tuple[int, int], Times] = {}
    begin_ms = int(prepared.market.open_time_ms[0])
    for i, (symbol, side, at_ms) in enumerate(
        zip(trades.symbol.tolist(), trades.side.tolist(), trades.entry_time_ms.tolist(), strict=True)
    ):
        s = prepared.symbols.index(symbol)
        if (s, side) not in asked:
            asked[s, side] = np.flatnonzero(told.signal[s] & (LONG if side > 0 else SHORT))
        slots = asked[s, side]
        place = int(np.searchsorted(slots, (at_ms - begin_ms) // prepared.interval_ms)) - 1
        if place >= 0:
            confidence = decider.direction(told.values[s, slots[place]])[1]
            found[i] = math.nan if confidence is None else confidence
    return found


def _trade_plans(
    memory: Account, prepared: Prepared, trades: TradeColumns, settings: Settings, confidence: Floats
) -> TradePlans:
    closed = memory.closed[: len(trades)]
    columns = (closed[name].tolist() for name in ("symbol", "first_stop_ticks", "first_target_ticks"))

    def price(s: int, count: int) -> float:
        return float(prepared.instruments[s].price(count)) if count else math.nan

    placed = np.array(
        [(price(s, stop), price(s, target)) for s, stop, target in zip(*columns, strict=True)], np.float64
    ).reshape(-1, 2)
    return trade_plans(trades, settings.account.leverage, confidence, placed[:, 0], placed[:, 1])


def _trade_columns(memory: Account, prepared: Prepared, reasons: list[str]) -> TradeColumns:
    closed = memory.closed[: int(memory.account[0]["trades"])]
    lot_e8 = memory.books["lot_e8"][closed["symbol"]]
    net = closed["gross_e8"] - closed["fees_e8"] + closed["funding_e8"]
    return TradeColumns(
        symbol=np.array(prepared.symbols, np.str_)[closed["symbol"]],
        side=closed["side"].astype(np.int8),
        entry_time_ms=closed["entry_time_ms"].copy(),
        exit_time_ms=closed["exit_time_ms"].copy(),
        qty=closed["entry_lots"] * lot_e8 / 1e8,
        entry_price=closed["entry_value_e8"] / (closed["entry_lots"] * lot_e8),
        exit_price=closed["exit_value_e8"] / (closed["exit_lots"] * lot_e8),
        gross_usdt=closed["gross_e8"] / 1e8,
        fees_usdt=closed["fees_e8"] / 1e8,
        funding_usdt=closed["funding_e8"] / 1e8,
        net_usdt=net / 1e8,
        exit_reason=np.array(reasons, np.str_)[closed["reason"]],
    )
