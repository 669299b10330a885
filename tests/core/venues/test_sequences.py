"""Random lives of a venue: what must hold after every step, and that a journal rebuilds it at any of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.errors import StorageError, VenueRejectedError
from core.domain.market import MINUTE_MS, Bar, FirstPrice, FundingRate, MarketEvent, Quote
from core.domain.orders import Fill, Order, OrderState, OrderType, Side
from core.ports import VenueEvent
from core.venues.simulated import SimulatedVenue
from tests.core.venues.kit import INSTRUMENTS, T0, Journal, bar, first_price, holding, make_venue, protect
from tests.core.venues.kit import order as make_order

SYMBOLS = tuple(INSTRUMENTS)
MIDDLE = 100.0
INITIAL = Decimal(300)


@dataclass(frozen=True)
class Submit:
    order: Order
    now_ms: int


@dataclass(frozen=True)
class Cancel:
    client_order_id: str
    now_ms: int


Step = Submit | Cancel | Bar | FirstPrice | Quote | FundingRate

symbols = st.sampled_from(SYMBOLS)
offsets = st.integers(-40, 40)
PLANS = st.one_of(
    st.tuples(
        st.just("order"),
        symbols,
        st.sampled_from([Side.BUY, Side.SELL]),
        st.sampled_from([OrderType.MARKET, OrderType.MARKET, *OrderType]),
        st.integers(1, 900),
        offsets,
    ),
    st.tuples(
        st.just("exit"),
        symbols,
        st.sampled_from([OrderType.MARKET, OrderType.MARKET, *OrderType]),
        st.integers(1, 900),
        offsets,
    ),
    st.tuples(st.just("protect"), symbols, st.sampled_from([Side.BUY, Side.SELL]), st.integers(1, 30)),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("again"), st.integers(0, 30)),
    st.tuples(st.just("bar"), symbols, offsets, offsets, st.integers(0, 60), st.sampled_from([0.0, 0.02, 2.0, 9.0])),
    st.tuples(st.just("bar"), symbols, offsets, offsets, st.integers(0, 60), st.sampled_from([0.0, 0.02, 2.0, 9.0])),
    st.tuples(st.just("first"), symbols, offsets),
    st.tuples(st.just("quote"), symbols, offsets, st.integers(0, 5), st.integers(0, 900)),
    st.tuples(st.just("funding"), symbols, st.integers(-9, 9)),
)


@dataclass
class Script:
    """Turns drawn plans into steps on one time line; each symbol closes its own next minute, so bars can be late."""

    now_ms: int = T0 + 500
    made: list[Order] = field(default_factory=list)
    minutes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SYMBOLS, 0))

    def steps(self, plan: Sequence[object]) -> list[Step]:
        self.now_ms += 700
        return list(getattr(self, f"_{plan[0]}")(*plan[1:]))

    def _submit(self, symbol: str, side: Side, kind: OrderType, lots: int, ticks: int, reduce_only: bool) -> Submit:
        qty = lots if symbol == "AAAUSDT" else lots // 20 + 2
        made = make_order(
            f"o{len(self.made)}",
            side,
            qty,
            kind,
            price=ticks if kind is OrderType.LIMIT else None,
            trigger=ticks if kind in (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET) else None,
            reduce_only=reduce_only,
            symbol=symbol,
        )
        self.made.append(made)
        return Submit(made, self.now_ms)

    def _order(self, symbol: str, side: Side, kind: OrderType, lots: int, offset: int) -> list[Step]:
        return [self._submit(symbol, side, kind, lots, self._ticks(symbol, offset), False)]

    def _exit(self, symbol: str, kind: OrderType, lots: int, offset: int) -> list[Step]:
        """Reduce-only on both sides: whatever is held, one has something to reduce and one is refused."""
        return [self._submit(symbol, side, kind, lots, self._ticks(symbol, offset), True) for side in Side]

    def _protect(self, symbol: str, side: Side, distance: int) -> list[Step]:
        """A market entry, a first price for it, and a stop and a target around the middle."""
        away = -side.sign * distance
        return [
            self._submit(symbol, side, OrderType.MARKET, 200, 0, False),
            *self._first(symbol, 0),
            self._submit(symbol, side.opposite, OrderType.TAKE_PROFIT_MARKET, 200, self._ticks(symbol, -away), True),
            self._submit(symbol, side.opposite, OrderType.STOP_MARKET, 200, self._ticks(symbol, away), True),
        ]

    def _cancel(self, number: int) -> list[Step]:
        return [Cancel(f"o{number}", self.now_ms)]

    def _again(self, number: int) -> list[Step]:
        return [Submit(self.made[number], self.now_ms)] if number < len(self.made) else []

    def _bar(self, symbol: str, first: int, close: int, reach: int, volume: float) -> list[Step]:
        opened_ms = T0 + self.minutes[symbol] * MINUTE_MS
        self.minutes[symbol] += 1
        self.now_ms = max(self.now_ms, opened_ms + MINUTE_MS)
        prices = [self._price(symbol, ticks) for ticks in (first, max(first, close) + reach, min(first, close) - reach)]
        return [Bar(symbol, opened_ms, MINUTE_MS, *prices, self._price(symbol, close), volume)]

    def _first(self, symbol: str, offset: int) -> list[Step]:
        return [FirstPrice(symbol, self.now_ms, self.now_ms // MINUTE_MS * MINUTE_MS, self._price(symbol, offset))]

    def _quote(self, symbol: str, offset: int, spread: int, age_ms: int) -> list[Step]:
        bid, ask = self._price(symbol, offset), self._price(symbol, offset + spread)
        return [Quote(symbol, self.now_ms - age_ms, bid, ask)]

    def _funding(self, symbol: str, rate: int) -> list[Step]:
        return [FundingRate(symbol, self.now_ms, Decimal(rate) / 1000, Decimal("99.87654321"))]

    def _ticks(self, symbol: str, offset: int) -> int:
        return INSTRUMENTS[symbol].ticks_nearest(MIDDLE) + self._scale(symbol) * offset

    def _price(self, symbol: str, offset: int) -> float:
        return float(INSTRUMENTS[symbol].price(self._ticks(symbol, offset)))

    @staticmethod
    def _scale(symbol: str) -> int:
        return 3 if symbol == "AAAUSDT" else 30


def fresh() -> SimulatedVenue:
    return make_venue(slippage_bps=1.5, impact_bps=12.0, initial_balance_usdt=INITIAL, leverage=15)


def step_venue(venue: SimulatedVenue, step: Step) -> list[VenueEvent] | str:
    try:
        if isinstance(step, Submit):
            return venue.submit(step.order, step.now_ms)
        if isinstance(step, Cancel):
            return venue.cancel(step.client_order_id, step.now_ms)
        market: MarketEvent = step
        return venue.on_market(market)
    except VenueRejectedError as error:
        return str(error)


def keep(journal: Journal, step: Step, answer: list[VenueEvent] | str) -> None:
    if isinstance(step, Submit):
        journal.sent(step.order)
        if isinstance(answer, str):
            journal.refused(step.order.client_order_id, step.now_ms)
    elif not isinstance(step, Cancel):
        journal.market(step)
    if not isinstance(answer, str):
        journal.take(answer)


def picture(venue: SimulatedVenue, journal: Journal) -> tuple[object, ...]:
    return (
        venue.wallet_usdt(),
        venue.positions_lots(),
        venue.positions_cost_usdt(),
        venue.open_orders(),
        [venue.liquidation_price(symbol) for symbol in SYMBOLS],
        [venue.order(client_order_id) for client_order_id in journal.orders],
        [venue.fills_of(fill.client_order_id) for fill in journal.fills],
    )


def live(plans: Sequence[Sequence[object]], after: Callable[[Step, SimulatedVenue, Journal, object], None]) -> Journal:
    script, venue, journal = Script(), fresh(), Journal()
    for symbol in SYMBOLS:
        first = Bar(symbol, T0 - MINUTE_MS, MINUTE_MS, MIDDLE, MIDDLE, MIDDLE, MIDDLE, 5.0)
        keep(journal, first, step_venue(venue, first))
    for plan in plans:
        for step in script.steps(plan):
            answer = step_venue(venue, step)
            keep(journal, step, answer)
            after(step, venue, journal, answer)
    return journal


def check_money(venue: SimulatedVenue, journal: Journal) -> None:
    """Wallet = initial balance + all cash that moved + the cost of what is open, to the last digit."""
    lots = Counter[str]()
    cash = Decimal(0)
    for fill in journal.fills:
        lots[fill.symbol] += fill.side.sign * fill.qty_lots
        cash -= fill.side.sign * INSTRUMENTS[fill.symbol].notional_usdt(fill.qty_lots, fill.price_ticks)
        cash -= fill.fee_usdt
    cash += sum((payment.amount_usdt for payment in journal.payments), Decimal(0))
    assert venue.positions_lots() == {symbol: held for symbol, held in lots.items() if held}
    assert venue.wallet_usdt() == INITIAL + cash + sum(venue.positions_cost_usdt().values(), Decimal(0))


def check_orders(venue: SimulatedVenue, journal: Journal) -> None:
    """Fills add up to what each order says and never to more than it asked; reduce-only only ever reduces."""
    filled = Counter[str]()
    held = Counter[str]()
    for fill in journal.fills:
        filled[fill.client_order_id] += fill.qty_lots
        known = venue.order(fill.client_order_id)
        assert known is not None
        assert filled[fill.client_order_id] <= known.qty_lots
        assert fill.fill_id == f"{fill.client_order_id}:{filled[fill.client_order_id]}"
        before = held[fill.symbol]
        held[fill.symbol] += fill.side.sign * fill.qty_lots
        if known.reduce_only:
            assert before * fill.side.sign < 0
            assert abs(held[fill.symbol]) < abs(before)
            assert held[fill.symbol] * before >= 0
    for known in journal.orders.values():
        assert filled[known.client_order_id] == known.filled_lots
        if known.state is not OrderState.REJECTED:
            assert venue.order(known.client_order_id) == known


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(PLANS, min_size=30, max_size=60))
def test_money_and_orders_add_up_after_every_step(plans: list[Sequence[object]]) -> None:
    def after(step: Step, venue: SimulatedVenue, journal: Journal, answer: object) -> None:
        check_money(venue, journal)
        check_orders(venue, journal)

    live(plans, after)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(PLANS, min_size=25, max_size=50))
def test_restored_at_any_step_the_rest_is_the_same(plans: list[Sequence[object]]) -> None:
    rebuilt: list[SimulatedVenue] = []

    def after(step: Step, venue: SimulatedVenue, journal: Journal, answer: object) -> None:
        told = repr(answer)
        expected = picture(venue, journal)
        for shadow in rebuilt:
            assert repr(step_venue(shadow, step)) == told
            assert picture(shadow, journal) == expected
        shadow = fresh()
        journal.restore(shadow)
        assert picture(shadow, journal) == expected
        rebuilt.append(shadow)

    live(plans, after)


def test_the_sequences_reach_what_they_are_meant_to_reach() -> None:
    """A census of the draws above: a generator that never fills or liquidates would prove nothing."""
    census = Counter[str]()

    @settings(deadline=None, derandomize=True, max_examples=300)
    @given(st.lists(PLANS, min_size=30, max_size=60))
    def draw(plans: list[Sequence[object]]) -> None:
        def after(step: Step, venue: SimulatedVenue, journal: Journal, answer: object) -> None:
            for event in answer if isinstance(answer, list) else ():
                known = venue.order(event.client_order_id) if not hasattr(event, "funding_id") else None
                if isinstance(event, Fill) and known is not None:
                    census[f"fill {known.role} {known.type}"] += 1
                    census["partial"] += known.state is OrderState.PARTIALLY_FILLED
                    census["maker"] += event.is_maker
                elif known is not None:
                    census[f"update {event.state}"] += 1
                else:
                    census["funding"] += 1
            census["refused"] += isinstance(answer, str)

        live(plans, after)

    draw()
    wanted = ["partial", "maker", "funding", "refused", "update expired", "update canceled"]
    wanted += [f"fill entry {kind}" for kind in OrderType] + [f"fill exit {kind}" for kind in OrderType]
    assert {name: census[name] for name in [*wanted, "fill liquidation market"] if not census[name]} == {}


def test_a_journal_that_contradicts_itself_is_refused() -> None:
    venue = holding(100)
    entry, fill = venue.order("entry"), venue.fills_of("entry")[0]
    assert entry is not None
    with pytest.raises(StorageError, match="order entry says 100 lots filled, its fills say 0"):
        make_venue().restore([entry], [], [], [])
    with pytest.raises(StorageError, match="fill entry:100 has no order"):
        make_venue().restore([], [fill], [], [])
    only_b = SimulatedVenue(
        {"BBBUSDT": INSTRUMENTS["BBBUSDT"]},
        slippage_bps=0.0,
        impact_bps=0.0,
        max_participation_pct=10.0,
        initial_balance_usdt=INITIAL,
        leverage=1,
    )
    with pytest.raises(StorageError, match="fill entry:100 is of AAAUSDT, which is not traded"):
        only_b.restore([entry], [fill], [], [])


def test_an_order_whose_answer_is_unknown_is_open_where_the_venue_had_taken_it() -> None:
    venue = holding(100)
    protect(venue, 100, 970)
    entry, stop = venue.order("entry"), venue.order("stop")
    assert entry is not None
    assert stop is not None
    unknown = type(stop)(**{name: getattr(stop, name) for name in stop.__slots__} | {"state": OrderState.UNKNOWN})
    again = make_venue()
    again.restore([entry, unknown], venue.fills_of("entry"), [], [bar(0, 100, 100, 100)], [first_price(1, 100)])
    assert again.open_orders() == [stop]
