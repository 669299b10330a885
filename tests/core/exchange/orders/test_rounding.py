"""What of an order goes out under the steps of its contract."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.domain.errors import RejectKind, VenueRejectedError
from core.domain.orders import Order, OrderRole, OrderType, Side
from core.exchange.orders.rounding import as_sent
from core.exchange.orders.translate import protects
from tests.core.trader.desk import BTC, make_instrument
from tests.storage.examples import entry

RULES = make_instrument(BTC, "0.1", "0.001", tick_step=10, lot_step=10, min_lots=20, max_lots=1000)


def closing(lots: int, side: Side = Side.SELL, trigger: int | None = None) -> Order:
    kind = OrderType.MARKET if trigger is None else OrderType.STOP_MARKET
    role = OrderRole.EXIT if trigger is None else OrderRole.STOP
    return replace(entry(1), side=side, type=kind, role=role, qty_lots=lots, trigger_ticks=trigger, reduce_only=True)


@pytest.mark.parametrize(
    ("lots", "cut_down", "alone"), [(41, 50, 40), (40, 40, 40), (25, 30, 20), (1, 20, 0), (1234, 1000, 1000)]
)
def test_what_only_reduces_is_rounded_up_where_it_is_cut_down_to_the_position(
    lots: int, cut_down: int, alone: int
) -> None:
    assert as_sent(closing(lots), RULES, is_cut_down=True).qty_lots == cut_down
    if alone:
        assert as_sent(closing(lots), RULES, is_cut_down=False).qty_lots == alone
    else:
        with pytest.raises(VenueRejectedError, match=r"0.001 BTC is less than the 0.010 that an order must be") as told:
            as_sent(closing(lots), RULES, is_cut_down=False)
        assert told.value.kind is RejectKind.PRECISION


def test_what_opens_is_never_more_than_decided() -> None:
    assert as_sent(replace(entry(1), qty_lots=59), RULES, is_cut_down=True).qty_lots == 50


@pytest.mark.parametrize(("side", "trigger"), [(Side.SELL, 594_010), (Side.BUY, 594_000)])
def test_a_stop_goes_to_the_price_that_leaves_sooner_and_is_known_again(side: Side, trigger: int) -> None:
    stop = closing(41, side, 594_005)
    sent = as_sent(stop, RULES, is_cut_down=False)
    assert sent.trigger_ticks == trigger
    row = {
        "side": side.value,
        "triggerPrice": f"{RULES.price(trigger):f}",
        "amount": f"{RULES.qty(sent.qty_lots):f}",
        "reduceOnly": True,
    }
    assert protects(row, stop, RULES, 41) == ""
    assert protects({**row, "triggerPrice": f"{RULES.price(594_005):f}", "amount": "0.041"}, stop, RULES, 41) == ""
    assert protects({**row, "triggerPrice": "59300.0"}, stop, RULES, 41) == "its trigger is 59300.0"
    assert protects({**row, "amount": "0.030"}, stop, RULES, 41) == "it is for 0.030"


def test_an_order_on_the_grid_goes_out_as_it_is() -> None:
    order = closing(40, trigger=594_000)
    assert as_sent(order, RULES, is_cut_down=True) is order
