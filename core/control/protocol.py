"""The one way to look at and steer a running engine: snapshots out, operator commands in.

In process the snapshots are handed over by reference; over the socket they travel as JSON lines. There the rows of
which there are many are arrays, in the order of their fields: names would be half of a snapshot.
"""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

from core.control.events import KEPT_EVENTS, BecauseView, Events
from core.control.request import Claim, Request
from core.domain.market import Bar
from core.home.log_line import LogLine

RunState = Literal["starting", "recovering", "running", "paused", "halted", "ended", "stopping", "failed"]
MeterLevel = Literal["ok", "warn", "blocked", "unknown"]


class BlockView(Struct, frozen=True):
    """A limit that forbids new entries now: in one `symbol`, of one `strategy`, or all (then both are empty). `clears`
    says what ends that, `note` what is wrong where the limit's name does not."""

    limit: str
    symbol: str
    clears: str
    note: str = ""
    strategy: str = ""


class StatusView(Struct, frozen=True):
    """The always-visible line. Ages are wall-clock milliseconds; None means not measured yet.

    `exit_cost_bps` is what closing a position at market costs (taker fee and slippage), of its notional.
    `exchange` is the id of the exchange that is traded on or listened to, `connection` what is wrong with the way
    there (empty when all is well), `clock_offset_ms` its clock less this machine's; all for paper and live only.
    `halts` are the names of what forbids new entries, `blocks` those of them that are limits, with what ends them.
    `interval_minutes` is the length of a bar.
    """

    mode: str
    state: RunState
    as_of_ms: int
    balance_usdt: float
    equity_usdt: float
    day_pnl_usdt: float
    drawdown_pct: float
    exposure_pct: float
    open_positions: int
    open_orders: int
    feed_age_ms: float | None
    loop_lag_ms: float | None
    halts: tuple[str, ...] = ()
    speed: float = 0.0
    source: str = ""
    note: str = ""
    exit_cost_bps: float | None = None
    exchange: str = ""
    connection: str = ""
    clock_offset_ms: float | None = None
    blocks: tuple[BlockView, ...] = ()
    interval_minutes: int = 1


class OutputView(Struct, frozen=True, array_like=True):
    """One output of a forecast, None where it says nothing; `unit` as in `core.domain.forecast.OutputUnit`."""

    name: str
    value: float | None
    unit: str


class PriceView(Struct, frozen=True, array_like=True):
    """`as_of_ms` is when the newest bar closed, `quote_ms` the time of the newest quote where the feed has quotes;
    `outputs` are what was forecast last, none where nothing was."""

    symbol: str
    last: float
    change_pct: float
    as_of_ms: int
    closes: tuple[float, ...] = ()
    decimals: int = 2
    outputs: tuple[OutputView, ...] = ()
    model_version: str = ""
    quote_ms: int | None = None


class PositionView(Struct, frozen=True):
    """`protected` tells whether a stop is known to rest at the venue, None where nobody looks; `unprotected_ms` for how
    long none is, None while one does. `mark_ms` is the time of the price that it is valued at. `target_prices` are of
    the targets that are still to come, the nearest, which is `target_price`, first. The record of an engine that does
    not run has the same fields, and None in those that only a running one can know."""

    trade_id: str
    symbol: str
    side: str
    qty: float
    entry_price: float
    mark_price: float
    stop_price: float | None
    target_price: float | None
    notional_usdt: float
    unrealised_usdt: float
    unrealised_pct: float
    opened_ms: int
    strategy: str
    decimals: int = 2
    protected: bool | None = None
    unprotected_ms: int | None = None
    mark_ms: int | None = None
    target_prices: tuple[float, ...] = ()


class OrderView(Struct, frozen=True):
    client_order_id: str
    symbol: str
    side: str
    type: str
    role: str
    qty: float
    filled_qty: float
    price: float | None
    state: str
    created_ms: int
    reduce_only: bool = False


class ExternalOrderView(Struct, frozen=True):
    """What others placed in the account: an order, or a position (then `type` is "position", and no price is known).

    An order that closes the whole position, whatever it is by then, has no `qty`.
    """

    symbol: str
    side: str
    type: str
    qty: float | None
    price: float | None
    state: str
    client_order_id: str


SILENT = "silent"


class SignalView(Struct, frozen=True, array_like=True):
    """`action` is enter, exit or vetoed; wait (flat) or hold (in a position) where a forecast asked for nothing; SILENT
    where nothing is forecast of a symbol now, and `reason` says why: which input is missing, and since when.

    `because` says what was compared with what. `reasons` are (feature, value, share), strongest first: what each added
    to the output `reasons_of`, in `reasons_unit`.
    """

    time_ms: int
    symbol: str
    direction: int
    confidence: float | None
    action: str
    reason: str
    model_version: str
    reasons: tuple[tuple[str, float, float], ...] = ()
    reasons_unit: str = ""
    because: tuple[BecauseView, ...] = ()
    reasons_of: str = ""


class MeterView(Struct, frozen=True):
    """A limit as a meter. `clears` says what ends the block; `formula` how `used` is computed."""

    name: str
    used: float
    limit: float
    unit: str
    level: MeterLevel
    effect: str
    clears: str
    formula: str


class TradeView(Struct, frozen=True, array_like=True):
    trade_id: str
    symbol: str
    side: str
    qty: float
    entry_price: float
    exit_price: float
    entry_time_ms: int
    exit_time_ms: int
    net_pnl_usdt: float
    exit_reason: str


class MarkerView(Struct, frozen=True):
    """An entry or exit on the chart."""

    time_ms: int
    price: float
    kind: Literal["entry", "exit"]
    side: str


class ChartView(Struct, frozen=True):
    """The newest closed bars of a symbol, oldest first, and its newest entries and exits."""

    symbol: str
    bars: tuple[Bar, ...] = ()
    markers: tuple[MarkerView, ...] = ()


class Snapshot(Struct, frozen=True):
    """Everything a console shows, at one instant. Trades are newest first. `events` is the number of the newest event
    that it knows of, `writer` who holds the write lease, "" for nobody.

    Signals: each symbol's newest forecast that asked for nothing, then the journalled signals, newest first.
    """

    seq: int
    status: StatusView
    prices: tuple[PriceView, ...] = ()
    positions: tuple[PositionView, ...] = ()
    orders: tuple[OrderView, ...] = ()
    signals: tuple[SignalView, ...] = ()
    meters: tuple[MeterView, ...] = ()
    trades: tuple[TradeView, ...] = ()
    external: tuple[ExternalOrderView, ...] = ()
    events: int = 0
    writer: str = ""


class CommandResult(Struct, frozen=True):
    """`accepted` is False when the engine refused; `message` is one line for the operator."""

    command_id: str
    accepted: bool
    message: str


class Control(Protocol):
    """What a console holds. Every method is safe to call from another thread than the engine's."""

    def snapshot(self) -> Snapshot | None:
        """The newest snapshot, or None before the first. Never blocks."""
        ...

    def chart(self, symbol: str) -> ChartView | None:
        """The newest chart of a symbol; None where there is none, or where it is only now asked for. Never blocks."""
        ...

    def updates(self, after: int, at_most: int = KEPT_EVENTS) -> Events:
        """The events behind number `after` (0 at first) that are still kept, the oldest `at_most` of them, and the next
        number to ask for. Never blocks."""
        ...

    def log_lines(self, after: int) -> tuple[int, list[LogLine]]:
        """Lines logged since cursor `after` (0 at first) that are still kept, and the next cursor."""
        ...

    async def send(self, request: Request) -> CommandResult:
        """Ask the engine and wait for its answer. Raises UnavailableError when no engine answers."""
        ...


class Seat(Control, Protocol):
    """A Control as one of several consoles has it. `name` is how it is called in `Snapshot.writer`; `problem` is why
    nothing new comes from the engine, "" where it does."""

    name: str
    problem: str

    def against(self, act: str) -> str:
        """Why this console may not do the operation of that id, whoever else may; "" where it may. Never blocks."""
        ...

    async def claim(self, claim: Claim) -> str:
        """Ask for the write lease, or give it back; who holds it then, "" for nobody. Raises RefusedError where this
        console only looks on, and UnavailableError when no engine answers."""
        ...
