"""What is closed and what is withdrawn, as a function of the account and of what is ours."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.exchange.orders.panic_plan import Close, Holding, Plan, Resting, lots_to_send, plan_of
from tests.core.trader.desk import make_instrument

BTC, UNIFIED = "BTCUSDT", "BTC/USDT:USDT"
RULES = replace(make_instrument(BTC, "0.1", "0.01"), lot_size=Decimal("0.01"), contract_size=Decimal(1), max_lots=500)
amounts = st.decimals("0", "9", places=4)


def held(amount: str, *, is_long: bool = True, is_hedged: bool = False) -> Holding:
    return Holding(UNIFIED, BTC, is_long, Decimal(amount), is_hedged)


def resting(client_id: str, unified: str = UNIFIED) -> Resting:
    return Resting(unified, BTC, "7", client_id, True, "stop_market sell at 50000.0")


@given(net=amounts, ours=amounts, is_long=st.booleans(), other_side=st.booleans())
def test_never_more_than_ours_nor_than_there_is(net: Decimal, ours: Decimal, is_long: bool, other_side: bool) -> None:
    signed = ours if is_long is not other_side else -ours
    holding = Holding(UNIFIED, BTC, is_long, net)
    closed = sum((close.amount for close in plan_of([holding], [], {BTC: signed}).closes), Decimal(0))
    assert closed == (0 if other_side else min(net, ours))


def test_others_are_named_and_left_alone() -> None:
    plan = plan_of(
        [held("0.05")], [resting("web_1"), resting("qdother"), resting("qdours")], {BTC: Decimal("0.02")}, ["qdours"]
    )
    assert plan.closes == (Close(held("0.05"), Decimal("0.02")),)
    assert plan.cancels == (resting("qdours"),)
    assert plan.others == (
        "BTCUSDT long 0.03",
        "BTCUSDT stop_market sell at 50000.0",
        "BTCUSDT stop_market sell at 50000.0: an order with our prefix that this journal does not hold; "
        "another engine may use the account",
    )


def test_everything_is_everything() -> None:
    plan = plan_of([held("0.05", is_long=False)], [resting("web_1"), resting("qdours")], None)
    assert plan == Plan(
        (Close(held("0.05", is_long=False), Decimal("0.05")),), (resting("web_1"), resting("qdours")), ()
    )


def test_stops_stay_until_their_contract_is_flat() -> None:
    eth = resting("qd2", "ETH/USDT:USDT")
    plan = Plan((Close(held("0.05"), Decimal("0.05")),), (resting("qd1"), eth), ())
    assert plan.withdrawable() == [eth]
    assert not plan.is_done
    assert Plan((), (), ("another's",)).is_done


@pytest.mark.parametrize(
    ("holding", "amount", "lots"),
    [
        (held("0.05"), "0.05", 5),
        (held("0.041"), "0.041", 5),
        (held("0.001"), "0.001", 1),
        (held("0.041"), "0.031", 3),
        (held("0.041"), "0.001", 0),
        (held("0.041", is_hedged=True), "0.041", 4),
        (held("12"), "12", 500),
    ],
    ids=["on the grid", "below it", "less than a lot", "a part", "too small a part", "hedged", "more than one order"],
)
def test_the_lots_of_one_order(holding: Holding, amount: str, lots: int) -> None:
    assert lots_to_send(Close(holding, Decimal(amount)), RULES) == lots
