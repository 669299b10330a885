"""Hypothesis strategies for lists of journal records that keep the journal's rules."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st

from core.domain.errors import RejectKind
from core.domain.forecast import Because, Contribution, Forecast
from core.domain.operator import LimitEffect, LimitEvent, LimitScope, OperatorCommand, Verb
from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderType, OrderUpdate, Side
from core.domain.origin import Origin, VersionRole, champion
from core.domain.records import (
    AdjustmentRecord,
    CancelRecord,
    CursorRecord,
    EquityRecord,
    FillRecord,
    FirstPriceRecord,
    ForecastRecord,
    FundingRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    PositionRecord,
    Record,
    SignalRecord,
    TradeRecord,
    TrainingRecord,
    TrainingStatus,
    WatchRecord,
)
from core.domain.trading import EquitySample, FundingPayment, Position, Signal, SignalAction, Trade

symbols = st.sampled_from(["BTCUSDT", "ETHUSDT", "XRPUSDT"])
text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
integers = st.integers(-(2**62), 2**62)
times = st.integers(0, 2**42)
floats = st.floats(allow_nan=False)
money = st.decimals(allow_nan=False, allow_infinity=False, places=None)
values = st.lists(st.none() | floats, min_size=1, max_size=4).map(tuple)
contributions = st.lists(st.builds(Contribution, text, floats, floats), max_size=3).map(tuple)
metrics = st.lists(st.tuples(text, floats), max_size=3).map(tuple)

origins = st.builds(Origin, text, text, st.sampled_from(VersionRole), text)

orders = st.builds(
    Order,
    client_order_id=st.just(""),
    symbol=symbols,
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    role=st.sampled_from(OrderRole),
    qty_lots=integers,
    created_ms=times,
    trade_id=text,
    origin=origins,
    price_ticks=st.none() | integers,
    trigger_ticks=st.none() | integers,
    reduce_only=st.booleans(),
    ladder=st.lists(st.tuples(floats, floats), max_size=4).map(tuple),
    place=st.integers(0, 3),
)
changes = st.fixed_dictionaries(
    {
        "state": st.sampled_from(OrderState),
        "filled_lots": integers,
        "venue_order_id": text,
        "updated_ms": times,
        "reason": text,
    }
)
plain_records: st.SearchStrategy[Record] = st.one_of(
    st.builds(FundingRecord, st.builds(FundingPayment, st.just("F"), symbols, times, money, money, integers, money)),
    st.builds(PositionRecord, st.builds(Position, symbols, integers, money, times, text), times),
    st.builds(
        TradeRecord,
        st.builds(
            Trade,
            trade_id=st.just("T"),
            side=st.sampled_from(Side),
            qty=money,
            entry_price=money,
            exit_price=money,
            gross_pnl_usdt=money,
            fees_usdt=money,
            funding_usdt=money,
            net_pnl_usdt=money,
            entry_time_ms=times,
            exit_time_ms=times,
        ),
    ),
    st.builds(
        ForecastRecord,
        st.builds(Forecast, symbols, times, times, values, origins, contributions),
    ),
    st.builds(
        SignalRecord,
        st.builds(
            Signal,
            signal_id=text,
            symbol=symbols,
            time_ms=times,
            direction=st.sampled_from([-1, 1]),
            confidence=st.none() | floats,
            action=st.sampled_from(SignalAction),
            contributions=contributions,
            because=st.lists(st.builds(Because, text, st.none() | floats, st.none() | floats, text, text)).map(tuple),
        ),
    ),
    st.builds(
        LimitRecord,
        st.builds(
            LimitEvent,
            text,
            symbols,
            times,
            st.booleans(),
            st.sampled_from(LimitEffect),
            floats,
            floats,
            text,
            text,
            text,
            origins,
            st.sampled_from(LimitScope),
            st.none() | times,
        ),
    ),
    st.builds(
        OperatorRecord,
        st.builds(
            OperatorCommand,
            text,
            st.sampled_from(Verb),
            text,
            text,
            times,
            st.booleans(),
            st.none() | times,
            text,
            text,
            st.none() | money,
            st.none() | money,
        ),
        text,
    ),
    st.builds(EquityRecord, st.builds(EquitySample, times, money, money, money, money, money)),
    st.builds(CursorRecord, symbols, times),
    st.builds(FirstPriceRecord, symbols, times, st.none() | floats),
    st.builds(TrainingRecord, symbols, origins, times, times, st.sampled_from(TrainingStatus), text, metrics),
    st.builds(WatchRecord, times),
    st.builds(AdjustmentRecord, st.just("A"), times, symbols, text, text, text, money),
)


@st.composite
def journals(draw: st.DrawFn) -> list[Record]:
    """Records in an order that the journal takes: an intent before its events, every id once."""
    found: list[Record] = []
    open_orders: list[Order] = []
    for number in range(draw(st.integers(0, 25))):
        what = draw(st.sampled_from(["intent", "update", "cancel", "fill", "plain", "plain", "plain"]))
        if what == "plain":
            found.append(_numbered(draw(plain_records), number))
        elif what == "intent" or not open_orders:
            order = replace(draw(orders), client_order_id=f"qd{number}", **draw(changes))
            open_orders.append(order)
            found.append(IntentRecord(order))
        else:
            order = replace(draw(st.sampled_from(open_orders)), **draw(changes))
            found.append(_event(draw, what, order, number))
    return found


def _event(draw: st.DrawFn, what: str, order: Order, number: int) -> Record:
    if what == "update":
        state = draw(st.sampled_from(OrderState))
        told = (draw(times), draw(text), draw(text), draw(st.sampled_from(RejectKind)))
        update = OrderUpdate(order.client_order_id, order.symbol, state, *told)
        return OrderUpdateRecord(update, order)
    if what == "cancel":
        return CancelRecord(order.client_order_id, order.symbol, draw(times), draw(text))
    fill = Fill(
        fill_id=f"f{number}",
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        qty_lots=draw(integers),
        price_ticks=draw(integers),
        fee_usdt=draw(money),
        is_maker=draw(st.booleans()),
        time_ms=draw(times),
    )
    return FillRecord(fill, order)


def _numbered(record: Record, number: int) -> Record:
    if isinstance(record, FundingRecord):
        return FundingRecord(replace(record.payment, funding_id=f"F{number}"))
    if isinstance(record, TradeRecord):
        return TradeRecord(replace(record.trade, trade_id=f"T{number}"))
    if isinstance(record, AdjustmentRecord):
        return replace(record, adjustment_id=f"A{number}")
    return record


def entry(number: int, symbol: str = "BTCUSDT") -> Order:
    return Order(
        client_order_id=f"qd{number}",
        symbol=symbol,
        side=Side.BUY,
        type=OrderType.MARKET,
        role=OrderRole.ENTRY,
        qty_lots=10,
        created_ms=1_000 + number,
        trade_id=f"t{number}",
        origin=champion("scalper"),
    )


def fill_of(order: Order, fill_id: str, lots: int) -> Fill:
    return Fill(fill_id, order.client_order_id, order.symbol, order.side, lots, 1_000_000, Decimal("0.5"), False, 2_000)
