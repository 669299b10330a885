"""The order's transition table, and what fills may do to an order."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import InvalidTransitionError
from core.domain.orders import (
    TERMINAL_STATES,
    TRANSITIONS,
    Fill,
    Order,
    OrderRole,
    OrderState,
    OrderType,
    Side,
    advance,
    apply_fill,
    make_client_order_id,
)
from core.domain.origin import champion
from core.domain.trading import ExitReason

S = OrderState

# Written out by hand, so that the table cannot change without this page.
ALLOWED = {
    (S.INTENT, S.SENT),
    (S.INTENT, S.UNKNOWN),
    (S.INTENT, S.REJECTED),
    (S.INTENT, S.CANCELED),
    (S.INTENT, S.ACCEPTED),
    (S.INTENT, S.PARTIALLY_FILLED),
    (S.INTENT, S.FILLED),
    (S.INTENT, S.EXPIRED),
    (S.SENT, S.ACCEPTED),
    (S.SENT, S.PARTIALLY_FILLED),
    (S.SENT, S.FILLED),
    (S.SENT, S.REJECTED),
    (S.SENT, S.EXPIRED),
    (S.SENT, S.CANCELED),
    (S.SENT, S.UNKNOWN),
    (S.ACCEPTED, S.PARTIALLY_FILLED),
    (S.ACCEPTED, S.FILLED),
    (S.ACCEPTED, S.CANCELED),
    (S.ACCEPTED, S.EXPIRED),
    (S.ACCEPTED, S.REJECTED),
    (S.ACCEPTED, S.UNKNOWN),
    (S.PARTIALLY_FILLED, S.PARTIALLY_FILLED),
    (S.PARTIALLY_FILLED, S.FILLED),
    (S.PARTIALLY_FILLED, S.CANCELED),
    (S.PARTIALLY_FILLED, S.EXPIRED),
    (S.PARTIALLY_FILLED, S.UNKNOWN),
    (S.UNKNOWN, S.SENT),
    (S.UNKNOWN, S.ACCEPTED),
    (S.UNKNOWN, S.PARTIALLY_FILLED),
    (S.UNKNOWN, S.FILLED),
    (S.UNKNOWN, S.CANCELED),
    (S.UNKNOWN, S.REJECTED),
    (S.UNKNOWN, S.EXPIRED),
    (S.CANCELED, S.PARTIALLY_FILLED),
    (S.CANCELED, S.FILLED),
    (S.EXPIRED, S.PARTIALLY_FILLED),
    (S.EXPIRED, S.FILLED),
    (S.REJECTED, S.ACCEPTED),
    (S.REJECTED, S.PARTIALLY_FILLED),
    (S.REJECTED, S.FILLED),
}
PAIRS = list(product(OrderState, OrderState))


def make_order(state: OrderState = S.INTENT, qty_lots: int = 10, filled_lots: int = 0) -> Order:
    return Order(
        client_order_id="qd1",
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        role=OrderRole.ENTRY,
        qty_lots=qty_lots,
        created_ms=1_000,
        trade_id="BTCUSDT-0",
        origin=champion("s"),
        state=state,
        filled_lots=filled_lots,
        venue_order_id="v0",
        reason="signal",
    )


def make_fill(lots: int, fill_id: str = "f1", time_ms: int = 2_000) -> Fill:
    return Fill(fill_id, "qd1", "BTCUSDT", Side.BUY, lots, 600_000, Decimal("0.1"), is_maker=False, time_ms=time_ms)


def test_every_state_has_a_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(OrderState)


@pytest.mark.parametrize(("before", "after"), [pair for pair in PAIRS if pair in ALLOWED])
def test_allowed_change(before: OrderState, after: OrderState) -> None:
    order = advance(make_order(before), after, 5_000, venue_order_id="v1", reason="why")
    assert (order.state, order.updated_ms, order.venue_order_id, order.reason) == (after, 5_000, "v1", "why")


@pytest.mark.parametrize(("before", "after"), [pair for pair in PAIRS if pair not in ALLOWED])
def test_forbidden_change(before: OrderState, after: OrderState) -> None:
    with pytest.raises(InvalidTransitionError, match=f"order qd1: {before} cannot become {after}"):
        advance(make_order(before), after, 5_000)


def test_advance_keeps_what_it_is_not_told() -> None:
    order = advance(make_order(S.SENT), S.ACCEPTED, 5_000)
    assert (order.venue_order_id, order.reason, order.filled_lots) == ("v0", "signal", 0)


def test_open_means_not_terminal() -> None:
    assert {state for state in OrderState if make_order(state).is_open} == set(OrderState) - TERMINAL_STATES
    assert {S.FILLED, S.CANCELED, S.REJECTED, S.EXPIRED} == TERMINAL_STATES


@pytest.mark.parametrize("state", [state for state in OrderState if state is not S.FILLED])
@pytest.mark.parametrize(("lots", "after"), [(3, S.PARTIALLY_FILLED), (8, S.FILLED)])
def test_fill_moves_the_order_on(state: OrderState, lots: int, after: OrderState) -> None:
    order = apply_fill(make_order(state, filled_lots=2), make_fill(lots))
    assert (order.state, order.filled_lots, order.remaining_lots) == (after, 2 + lots, 8 - lots)
    assert order.updated_ms == 2_000


def test_fill_of_an_order_that_is_filled_is_refused() -> None:
    with pytest.raises(InvalidTransitionError, match="cannot become"):
        apply_fill(make_order(S.FILLED), make_fill(1))


@pytest.mark.parametrize("lots", [0, -1, 9])
def test_overfill_and_empty_fill_are_refused(lots: int) -> None:
    with pytest.raises(InvalidTransitionError, match=f"fill of {lots} lots exceeds the 8 left"):
        apply_fill(make_order(S.ACCEPTED, filled_lots=2), make_fill(lots))


steps = st.lists(
    st.one_of(st.sampled_from(OrderState), st.integers(min_value=-1, max_value=12)), min_size=1, max_size=12
)


@given(steps)
def test_any_sequence_follows_the_table_or_raises(sequence: list[OrderState | int]) -> None:
    order = make_order()
    for n, step in enumerate(sequence):
        before = order
        try:
            if isinstance(step, OrderState):
                order = advance(order, step, n)
            else:
                order = apply_fill(order, make_fill(step, f"f{n}", n))
        except InvalidTransitionError:
            if isinstance(step, OrderState):
                assert (before.state, step) not in ALLOWED
            else:
                after = S.FILLED if step == before.remaining_lots else S.PARTIALLY_FILLED
                assert not 0 < step <= before.remaining_lots or (before.state, after) not in ALLOWED
            continue
        assert (before.state, order.state) in ALLOWED
        assert before.filled_lots <= order.filled_lots <= order.qty_lots
        assert order.qty_lots == before.qty_lots
        if not isinstance(step, OrderState):
            assert (order.state is S.FILLED) == (order.filled_lots == order.qty_lots)


words = st.text(st.characters(codec="ascii", exclude_characters="|"), max_size=8)
intents = st.lists(words, min_size=1, max_size=6)


@given(intents, intents)
def test_client_order_id_is_a_pure_function_of_the_intent(one: list[str], other: list[str]) -> None:
    assert make_client_order_id(*one) == make_client_order_id(*one)
    assert (make_client_order_id(*one) == make_client_order_id(*other)) == (one == other)
    assert len(make_client_order_id(*one)) <= 32


def test_client_order_id_never_changes() -> None:
    # Orders of an old journal are asked for under this id: it must come out the same in every release.
    assert make_client_order_id("demo", "BTCUSDT", "1700000000000", "entry", "0") == "qd3cb53fefab7763cd7bf52786"


def test_side_sign_and_opposite() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)


def test_an_order_that_ends_a_trade_by_its_role_alone_names_a_reason_to_leave() -> None:
    others = (OrderRole.ENTRY, OrderRole.EXIT, OrderRole.REDUCE)
    assert {role.value for role in OrderRole if role not in others} <= set(ExitReason)
