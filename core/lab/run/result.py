"""What a run over history gives: trades and equity as columns, one form for both engines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.forecast import Output
from core.domain.instrument import Instrument
from core.domain.orders import Fill, Order, OrderRole, OrderType
from core.domain.trading import ExitReason, Trade

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """Closed trades in order of their exits, all columns of one length. `side` is +1 long, -1 short; amounts USDT.

    net = gross - fees + funding. `symbol` and `exit_reason` are arrays of str.
    """

    symbol: NDArray[np.str_]
    side: NDArray[np.int8]
    entry_time_ms: Times
    exit_time_ms: Times
    qty: Floats
    entry_price: Floats
    exit_price: Floats
    gross_usdt: Floats
    fees_usdt: Floats
    funding_usdt: Floats
    net_usdt: Floats
    exit_reason: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.side)


@dataclass(frozen=True, slots=True)
class TradePlans:
    """Of each trade, in their order, NaN where it is not known. Amounts are in USDT and before costs: `margin_usdt`
    bound at the entry, `expected_profit_usdt` made at the target, `expected_loss_usdt` lost at the stop."""

    confidence: Floats
    leverage: Floats
    margin_usdt: Floats
    expected_profit_usdt: Floats
    expected_loss_usdt: Floats

    def __len__(self) -> int:
        return len(self.confidence)


def trade_columns(trades: Sequence[Trade]) -> TradeColumns:
    def floats(name: str) -> Floats:
        return np.array([float(getattr(trade, name)) for trade in trades], np.float64)

    return TradeColumns(
        symbol=np.array([trade.symbol for trade in trades], np.str_),
        side=np.array([trade.side.sign for trade in trades], np.int8),
        entry_time_ms=np.array([trade.entry_time_ms for trade in trades], np.int64),
        exit_time_ms=np.array([trade.exit_time_ms for trade in trades], np.int64),
        qty=floats("qty"),
        entry_price=floats("entry_price"),
        exit_price=floats("exit_price"),
        gross_usdt=floats("gross_pnl_usdt"),
        fees_usdt=floats("fees_usdt"),
        funding_usdt=floats("funding_usdt"),
        net_usdt=floats("net_pnl_usdt"),
        exit_reason=np.array([str(trade.exit_reason) for trade in trades], np.str_),
    )


@dataclass(frozen=True, slots=True)
class FillColumns:
    """Every execution, in order, all columns of one length. `side` is +1 buy, -1 sell.

    `decided_ms` is when the order was wanted, `time_ms` when it filled; `role` is that of the order, `is_market` False
    where the fill came from a resting stop or target.
    """

    symbol: NDArray[np.str_]
    side: NDArray[np.int8]
    role: NDArray[np.str_]
    is_market: NDArray[np.bool_]
    decided_ms: Times
    time_ms: Times
    qty: Floats
    price: Floats
    fee_usdt: Floats

    def __len__(self) -> int:
        return len(self.side)


def fill_columns(fills: Sequence[tuple[Fill, Order]], instruments: Mapping[str, Instrument]) -> FillColumns:
    """Fills with the orders after them, as columns."""
    sides = [fill.side.sign for fill, _ in fills]
    prices = [float(instruments[fill.symbol].price(fill.price_ticks)) for fill, _ in fills]
    return FillColumns(
        symbol=np.array([fill.symbol for fill, _ in fills], np.str_),
        side=np.array(sides, np.int8),
        role=np.array([str(order.role) for _, order in fills], np.str_),
        is_market=np.array([order.type is OrderType.MARKET for _, order in fills], np.bool_),
        decided_ms=np.array(_decided_ms(fills), np.int64),
        time_ms=np.array([fill.time_ms for fill, _ in fills], np.int64),
        qty=np.array([float(instruments[fill.symbol].qty(fill.qty_lots)) for fill, _ in fills], np.float64),
        price=np.array(prices, np.float64),
        fee_usdt=np.array([float(fill.fee_usdt) for fill, _ in fills], np.float64),
    )


def _decided_ms(fills: Sequence[tuple[Fill, Order]]) -> list[int]:
    """When each order was wanted. The other side of a reversal was with the exit that came first, though its order was
    made when that had filled."""
    decided: list[int] = []
    turned: dict[str, tuple[int, int]] = {}
    for fill, order in fills:
        flat_ms, wanted_ms = turned.get(fill.symbol, (0, 0))
        is_turn = order.role is OrderRole.ENTRY and order.created_ms == flat_ms
        decided.append(wanted_ms if is_turn else order.created_ms)
        if order.role is OrderRole.EXIT and order.reason == ExitReason.REVERSAL:
            turned[fill.symbol] = (fill.time_ms, order.created_ms)
    return decided


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """The account at the close of every traded slot that has a bar; `equity_usdt` counts open positions.

    `gross_usdt` is the notional of all open positions, `net_usdt` that of longs less shorts. Where a symbol has no bar
    its last close stands; where none has one there is no point, so the points count the time that is covered.
    """

    time_ms: Times
    equity_usdt: Floats
    gross_usdt: Floats
    net_usdt: Floats

    def __len__(self) -> int:
        return len(self.time_ms)


UNNAMED = "value"
"""The output of runs that were kept before outputs had names: one figure in bps."""


@dataclass(frozen=True, slots=True)
class ForecastColumns:
    """What was forecast of one symbol: `values` (n, outputs) at the closes `close_ms` (n,), oldest first, NaN for an
    output that said nothing. `names` and `units` (outputs,) are arrays of str."""

    close_ms: Times
    values: Floats
    names: NDArray[np.str_]
    units: NDArray[np.str_]


def forecast_columns(outputs: Sequence[Output], close_ms: Times, values: Floats) -> ForecastColumns:
    names, units = [output.name for output in outputs], [output.unit for output in outputs]
    return ForecastColumns(close_ms, values, np.array(names, np.str_), np.array(units, np.str_))


@dataclass(frozen=True, slots=True)
class RunResult:
    """One run. `complete` is False where it was stopped early: everything then tells of the part that was run.

    `initial_usdt` opened the account; `final_usdt` is the equity at the last close. `vetoes` counts the signals that
    were refused, by reason; `limits` the firings of each limit; `trainings` what came of those. `fills` is None where
    the engine keeps none, `plans` (what trades were entered with) of a run of before they were kept. `ended_ms` is when
    a limit ended trading that only the operator could have resumed. `assumed_settlements` fell on a position and are
    missing in the data; `assumed_usdt` (0 or below) is what was booked for them.
    """

    trades: TradeColumns = field(repr=False)
    curve: EquityCurve = field(repr=False)
    initial_usdt: float
    final_usdt: float
    complete: bool = True
    open_positions: int = 0
    vetoes: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    trainings: Mapping[str, int] = field(default_factory=dict)
    predictions: Mapping[str, ForecastColumns] = field(default_factory=dict, repr=False)
    fills: FillColumns | None = field(default=None, repr=False)
    ended_ms: int | None = None
    assumed_settlements: int = 0
    assumed_usdt: float = 0.0
    plans: TradePlans | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a run comes from, in the words that every report repeats.

    `engine` is "event-driven" or "sweep"; `settings_json` the whole settings; `code_version` names the code. `trials`
    counts every parameter set ever tried of the strategy on data of this hash or overlapping it, this one included.
    `in_sample` is True where parameters or model were chosen on data of the run. `rules_json` lists the contract rules
    (the rows of `core.market.contracts.rules.ContractRules.told`), none where they are not known any more.
    `data_labels` are warnings of what the data lack. `fault` is the label of why the result cannot be believed, empty
    where no fault was found.
    """

    strategy: str
    engine: str
    symbols: tuple[str, ...]
    from_ms: int
    to_ms: int
    interval_ms: int
    source: str
    data_hash: str
    is_synthetic: bool
    in_sample: bool
    settings_json: str
    code_version: str
    seed: int
    trials: int = 1
    rules_json: str = "[]"
    data_labels: tuple[str, ...] = ()
    fault: str = ""

    def labels(self) -> tuple[str, ...]:
        """Warnings that must stand beside every figure of the run."""
        found = [self.fault] if self.fault else []
        if self.is_synthetic:
            found.append("SYNTHETIC DATA: not performance")
        if self.in_sample:
            found.append("IN-SAMPLE: parameters or model were chosen on this data")
        inferred = [rules["symbol"] for rules in self.rules() if rules["kind"] == "inferred"]
        if inferred:
            found.append(f"RULES INFERRED: sizes of {', '.join(inferred)} are read off the candles, terms are assumed")
        return (*found, *self.data_labels)

    def rules(self) -> list[dict[str, Any]]:
        """The contract rules, a row a symbol."""
        rows: list[dict[str, Any]] = json.loads(self.rules_json)
        return rows
