"""The exchange's books under any sequence of orders: identities that hold after every step, to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.instrument import Instrument
from core.domain.orders import Fill, Side
from core.trader.ledger import Ledger as TraderLedger
from tests.venue.orders import Trade
from tests.venue.refusals import RefusalError
from tests.venue.venue import BinanceVenue

SYMBOL = "ETHUSDT"
Step = tuple[Any, ...]
START_MS = 1_780_000_020_000
STEP = st.one_of(
    st.tuples(st.just("market"), st.booleans(), st.integers(1, 400), st.booleans(), st.none() | st.integers(0, 100)),
    st.tuples(st.just("limit"), st.booleans(), st.integers(1, 400), st.booleans(), st.integers(-300, 300)),
    st.tuples(st.just("stop"), st.booleans(), st.integers(1, 400), st.booleans(), st.integers(-300, 300)),
    st.tuples(st.just("move"), st.integers(-200, 200), st.integers(1, 30), st.integers(1, 50), st.none()),
    st.tuples(st.just("fund"), st.integers(-30, 30), st.none(), st.none(), st.none()),
    st.tuples(st.just("trade"), st.integers(-200, 200), st.integers(1, 90), st.booleans(), st.none()),
)


def act(venue: BinanceVenue, step: Step, now_ms: int) -> None:
    kind, market = step[0], venue.exchange.markets[SYMBOL]
    mid = market.last_ticks
    if kind == "move":
        bid = Decimal(max(mid + step[1], 100_000)) / 100
        venue.set_book(
            SYMBOL,
            bid,
            bid + step[2] * Decimal("0.01"),
            now_ms,
            bid_qty=Decimal(step[3]) / 100,
            ask_qty="0.3",
        )
    elif kind == "fund":
        venue.fund(SYMBOL, Decimal(step[1]) / 10_000, Decimal(mid) / 100 + Decimal("0.00337"), now_ms)
    elif kind == "trade":
        price = Decimal(max(mid + step[1], 100_000)) / 100
        venue.trade(SYMBOL, price, Decimal(step[2]) / 1000, now_ms, is_buyer_maker=bool(step[3]))
    else:
        place(venue, step, mid, now_ms)


def place(venue: BinanceVenue, step: Step, mid: int, now_ms: int) -> None:
    kind, is_buy, lots, reduce_only, extra = step
    params = {
        "symbol": SYMBOL,
        "side": "BUY" if is_buy else "SELL",
        "quantity": f"{Decimal(lots) / 1000}",
        "reduceOnly": "true" if reduce_only else "false",
    }
    if kind == "market" and extra is not None:
        venue.expire_after(SYMBOL, Decimal(extra) / 1000)
    price = f"{Decimal(mid + (extra or 0)) / 100:.2f}"
    if kind == "stop":
        venue.place_external_algo(now_ms, **params, type="STOP_MARKET", triggerPrice=price)
    elif kind == "limit":
        venue.place_external(now_ms, **params, type="LIMIT", price=price, timeInForce="GTC")
    else:
        venue.place_external(now_ms, **params)


@settings(max_examples=120, deadline=None)
@given(st.lists(STEP, min_size=5, max_size=60))
def test_books_stay_exact_under_any_sequence(steps: list[Step]) -> None:
    venue = BinanceVenue([SYMBOL], wallet_usdt="5000")
    now_ms = START_MS
    venue.set_book(SYMBOL, "3000.00", "3000.01", now_ms)
    mirror = TraderLedger(Decimal(5000), {SYMBOL: instrument(venue)})
    for step in steps:
        now_ms += 700
        booked = len(venue.ledger.trades)
        before = venue.position_lots(SYMBOL)
        try:
            act(venue, step, now_ms)
        except RefusalError:
            assert len(venue.ledger.trades) == booked
            venue.exchange.scripts.clear()
        venue.ledger.check()
        for trade in venue.ledger.trades[booked:]:
            before = check_trade(trade, before)
            effect = mirror.apply_fill(fill_of(trade), "t")
            assert effect.realised_usdt == trade.realised_usdt
        assert before == venue.position_lots(SYMBOL)
        for order in venue.orders:
            assert order.filled_lots <= order.lots
    position, mirrored = venue.ledger.position(SYMBOL), mirror.positions.get(SYMBOL)
    assert (position.lots, position.cost_usdt) == ((mirrored.lots, mirrored.cost_usdt) if mirrored else (0, 0))
    assert venue.ledger.wallet_usdt - venue.ledger.funding_usdt == mirror.wallet_usdt


def check_trade(trade: Trade, before: int) -> int:
    """The position after the trade; a reduce-only one may neither increase nor flip it."""
    after = before + trade.order.sign * trade.lots
    assert after == trade.position_after_lots
    if trade.order.reduce_only:
        assert abs(after) < abs(before)
        assert after * before >= 0
    return after


def fill_of(trade: Trade) -> Fill:
    side = Side.BUY if trade.order.sign > 0 else Side.SELL
    return Fill(
        str(trade.trade_id), "c", SYMBOL, side, trade.lots, trade.price_ticks, trade.fee_usdt, False, trade.time_ms
    )


def instrument(venue: BinanceVenue) -> Instrument:
    contract = venue.exchange.contracts[SYMBOL]
    one = Decimal(1)
    return Instrument(SYMBOL, "ETH", contract.tick_size, contract.lot_size, one, 1, 10**7, one, one, one, 125, one, one)
