"""The books against what they must add up to, and against an independent oracle in fractions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Context, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arithmetic.cost_basis import release
from core.domain.orders import Fill, Side
from core.domain.trading import FundingPayment
from core.trader.ledger import Book, Entry, Ledger
from tests.core.trader.desk import BTC, ETH, INSTRUMENTS, XRP, make_instrument

EXACT = Context(prec=200)
INITIAL = Decimal("10000.123456789")
CONTRACTS = {**INSTRUMENTS, "CTUSDT": make_instrument("CTUSDT", "0.05", "3", contract_size=Decimal("0.07"))}
SYMBOLS = list(CONTRACTS)

amounts = st.decimals(min_value=-10, max_value=10, places=12)
prices = st.integers(min_value=1, max_value=9_999_999)
fills = st.tuples(
    st.just("fill"), st.sampled_from(SYMBOLS), st.sampled_from(Side), st.integers(1, 999), prices, amounts
)
payments = st.tuples(st.just("funding"), st.sampled_from(SYMBOLS), amounts)
events = st.lists(st.one_of(fills, fills, fills, payments), max_size=30)
marks = st.fixed_dictionaries({s: st.decimals(min_value="0.0001", max_value=10**6, places=14) for s in SYMBOLS})


def make_fill(n: int, symbol: str, side: Side, lots: int, ticks: int, fee: Decimal) -> Fill:
    return Fill(f"f{n}", f"o{n}", symbol, side, lots, ticks, fee, is_maker=False, time_ms=n)


def make_payment(n: int, symbol: str, amount: Decimal) -> FundingPayment:
    return FundingPayment(f"p{n}", symbol, n, Decimal("0.0001"), Decimal(1), 0, amount)


@dataclass
class Oracle:
    """Average cost in fractions, where nothing ever rounds."""

    lots: dict[str, int] = field(default_factory=dict)
    cost: dict[str, Fraction] = field(default_factory=dict)
    realised: Fraction = Fraction(0)
    partial_closes: int = 0

    def fill(self, fill: Fill) -> None:
        instrument = CONTRACTS[fill.symbol]
        value_of_lot = Fraction(instrument.qty(1)) * Fraction(instrument.price(fill.price_ticks))
        lots, cost = self.lots.get(fill.symbol, 0), self.cost.get(fill.symbol, Fraction(0))
        left = fill.qty_lots * fill.side.sign
        if lots * left < 0:
            closed = min(abs(lots), abs(left))
            part = cost * closed / abs(lots)
            self.realised += closed * (1 if lots > 0 else -1) * value_of_lot - part
            self.partial_closes += closed != abs(lots)
            sign = 1 if left > 0 else -1
            lots, cost, left = lots + sign * closed, cost - part, left - sign * closed
        self.lots[fill.symbol] = lots + left
        self.cost[fill.symbol] = cost + left * value_of_lot


@settings(max_examples=150, deadline=None)
@given(events, marks)
def test_books_balance_to_the_last_digit_at_every_step(sequence: list[tuple], mark: dict[str, Decimal]) -> None:
    ledger = Ledger(INITIAL, CONTRACTS)
    held = dict.fromkeys(SYMBOLS, 0)
    fees = funding = adjustments = Decimal(0)
    for n, (kind, symbol, *rest) in enumerate(sequence):
        if kind == "fill":
            fill = make_fill(n, symbol, *rest)
            effect = ledger.apply_fill(fill, "t")
            held[symbol] += fill.side.sign * fill.qty_lots
            fees += fill.fee_usdt
            assert effect.closed_lots + effect.opened_lots == fill.qty_lots
            assert effect.position == ledger.positions.get(symbol)
        else:
            ledger.apply_funding(make_payment(n, symbol, *rest))
            funding += rest[0]
        if n % 7 == 3:
            odd = Decimal("0.0000000000000000000000000001234")
            ledger.book(Entry(n, "correction", ((Book.WALLET, odd), (Book.ADJUSTMENTS, -odd))))
            adjustments += odd
        account = ledger.account(mark)
        equity = account.equity_usdt  # asked outside the exact context, as its readers do
        with localcontext(EXACT):
            gained = (
                account.realised_usdt
                + account.unrealised_usdt
                - account.fees_usdt
                + account.funding_usdt
                + account.adjustments_usdt
            )
            assert equity - account.initial_usdt == gained
            assert equity == account.wallet_usdt + account.unrealised_usdt
            unrealised = sum(
                (CONTRACTS[s].qty(p.lots) * mark[s] - p.cost_usdt for s, p in ledger.positions.items()), Decimal(0)
            )
            assert account.unrealised_usdt == unrealised
        assert account.initial_usdt == INITIAL
        assert (account.fees_usdt, account.funding_usdt, account.adjustments_usdt) == (fees, funding, adjustments)
        assert {s: p.lots for s, p in ledger.positions.items()} == {s: n for s, n in held.items() if n}


@settings(max_examples=150, deadline=None)
@given(st.lists(fills, max_size=30))
def test_realised_profit_is_the_oracles_within_the_step_of_each_partial_close(sequence: list[tuple]) -> None:
    ledger, oracle = Ledger(INITIAL, CONTRACTS), Oracle()
    for n, (_, *rest) in enumerate(sequence):
        fill = make_fill(n, *rest)
        ledger.apply_fill(fill, "t")
        oracle.fill(fill)
        # Half a step for each partial close; the rounded remainder is then closed, or averaged, with the position.
        bound = Fraction(1, 10**8) * oracle.partial_closes
        realised = ledger.account(dict.fromkeys(SYMBOLS, Decimal(1))).realised_usdt
        assert abs(Fraction(realised) - oracle.realised) <= bound
        for symbol, position in ledger.positions.items():
            assert abs(Fraction(position.cost_usdt) - oracle.cost[symbol]) <= bound
        if oracle.partial_closes == 0:
            assert Fraction(realised) == oracle.realised


@settings(max_examples=60, deadline=None)
@given(events, st.randoms(use_true_random=False))
def test_order_of_different_symbols_does_not_matter(sequence: list[tuple], random: object) -> None:
    numbered = list(enumerate(sequence))
    queues = {s: [item for item in numbered if item[1][1] == s] for s in SYMBOLS}
    mixed = []
    while any(queues.values()):
        symbol = random.choice([s for s in SYMBOLS if queues[s]])  # type: ignore[attr-defined]
        mixed.append(queues[symbol].pop(0))
    one, other = Ledger(INITIAL, CONTRACTS), Ledger(INITIAL, CONTRACTS)
    for ledger, order in ((one, numbered), (other, mixed)):
        for n, (kind, symbol, *rest) in order:
            if kind == "fill":
                ledger.apply_fill(make_fill(n, symbol, *rest), "t")
            else:
                ledger.apply_funding(make_payment(n, symbol, *rest))
    mark = dict.fromkeys(SYMBOLS, Decimal("1.5"))
    assert one.account(mark) == other.account(mark)
    assert one.positions == other.positions


@given(fills, fills)
def test_a_fill_applied_twice_raises_and_changes_nothing(first: tuple, second: tuple) -> None:
    ledger = Ledger(INITIAL, CONTRACTS)
    fill = make_fill(1, *first[1:])
    ledger.apply_fill(fill, "t")
    ledger.apply_fill(make_fill(2, *second[1:]), "t")
    mark = dict.fromkeys(SYMBOLS, Decimal(1))
    before = ledger.account(mark), dict(ledger.positions)
    with pytest.raises(ValueError, match="fill f1 was applied before"):
        ledger.apply_fill(replace(fill, qty_lots=fill.qty_lots + 1), "t")
    assert (ledger.account(mark), ledger.positions) == before
    assert ledger.has_fill(fill.symbol, "f1")
    assert not ledger.has_fill(fill.symbol, "f3")


def test_a_payment_applied_twice_raises_and_changes_nothing() -> None:
    ledger = Ledger(INITIAL, CONTRACTS)
    payment = make_payment(1, BTC, Decimal("-1.25"))
    ledger.apply_funding(payment)
    with pytest.raises(ValueError, match="funding p1 was applied before"):
        ledger.apply_funding(payment)
    assert ledger.wallet_usdt == INITIAL - Decimal("1.25")
    assert ledger.has_payment("p1")
    assert not ledger.has_payment("p2")


def test_an_entry_that_does_not_balance_is_refused() -> None:
    ledger = Ledger(INITIAL, CONTRACTS)
    with pytest.raises(ValueError, match="entry odd does not balance"):
        ledger.book(Entry(0, "odd", ((Book.WALLET, Decimal(1)), (Book.FEES, Decimal("-0." + "9" * 30)))))
    assert ledger.wallet_usdt == INITIAL


def test_a_round_trip_by_hand() -> None:
    ledger = Ledger(Decimal(1000), INSTRUMENTS)
    opened = ledger.apply_fill(make_fill(1, BTC, Side.BUY, 10, 600_000, Decimal("0.3")), "t1")
    assert opened.position is not None
    assert (opened.position.lots, opened.position.cost_usdt) == (10, Decimal(600))
    ledger.apply_fill(make_fill(2, BTC, Side.BUY, 10, 610_000, Decimal("0.3")), "t1")
    half = ledger.apply_fill(make_fill(3, BTC, Side.SELL, 5, 620_000, Decimal("0.1")), "t1")
    # 20 lots cost 1210: a quarter of it, 302.5, leaves for 310.
    assert (half.realised_usdt, half.closed_lots, half.opened_lots) == (Decimal("7.5"), 5, 0)
    flip = ledger.apply_fill(make_fill(4, BTC, Side.SELL, 25, 605_000, Decimal("0.2")), "t2")
    assert (flip.realised_usdt, flip.closed_lots, flip.opened_lots) == (Decimal(0), 15, 10)
    assert flip.position is not None
    assert (flip.position.lots, flip.position.cost_usdt, flip.position.trade_id, flip.position.opened_ms) == (
        -10,
        Decimal(-605),
        "t2",
        4,
    )
    flat = ledger.apply_fill(make_fill(5, BTC, Side.BUY, 10, 600_000, Decimal(0)), "t3")
    assert (flat.realised_usdt, flat.position) == (Decimal(5), None)
    assert ledger.wallet_usdt == Decimal("1011.6")


def test_an_open_position_without_a_mark_has_no_account() -> None:
    ledger = Ledger(INITIAL, INSTRUMENTS)
    ledger.apply_fill(make_fill(1, ETH, Side.BUY, 1, 250_000, Decimal(0)), "t")
    with pytest.raises(KeyError, match=ETH):
        ledger.account({XRP: Decimal(1)})


@given(
    st.integers(1, 10**6),
    st.decimals(min_value=-(10**9), max_value=10**9, places=8),
    st.integers(1, 10**6),
)
def test_released_and_remaining_cost_add_up(lots: int, cost: Decimal, closed: int) -> None:
    closed = min(lots, closed)
    out = release(lots, cost, closed)
    assert abs(Fraction(out) - Fraction(cost) * closed / lots) <= Fraction(1, 2 * 10**8)
    if closed == lots:
        assert out == cost


@pytest.mark.parametrize("closed", [0, -1, 6])
def test_more_than_is_held_cannot_be_released(closed: int) -> None:
    with pytest.raises(ValueError, match=f"cannot release {closed} of 5 lots"):
        release(5, Decimal(1), closed)
