from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from core.domain.errors import BadInputError
from core.domain.orders import Fill, Order, OrderRole, OrderState, OrderType, Side
from core.domain.origin import champion
from core.domain.records import CursorRecord, FillRecord, IntentRecord, Record
from core.trader.account import Opening, Period, check_seed, first_period, later_period, retired_symbols

HOUR_MS = 3_600_000
SPANS = {"A": (0, 100 * HOUR_MS), "B": (10 * HOUR_MS, 90 * HOUR_MS)}
OPENING = Opening(7, Decimal("10000.50"), 58 * HOUR_MS)


def test_an_opening_survives_its_way_through_text() -> None:
    assert Opening.from_json(OPENING.to_json()) == OPENING


def test_a_new_account_begins_where_every_training_window_is_full() -> None:
    assert first_period(SPANS, 48 * HOUR_MS, None, None) == Period(58 * HOUR_MS, 58 * HOUR_MS, 100 * HOUR_MS)


def test_a_new_account_begins_and_ends_as_wished() -> None:
    period = first_period(SPANS, 48 * HOUR_MS, 20 * HOUR_MS, 30 * HOUR_MS)
    assert period == Period(20 * HOUR_MS, 20 * HOUR_MS, 30 * HOUR_MS)


@pytest.mark.parametrize(("from_ms", "to_ms"), [(9 * HOUR_MS, None), (100 * HOUR_MS, None), (None, 58 * HOUR_MS)])
def test_a_period_outside_the_stored_market_is_refused(from_ms: int | None, to_ms: int | None) -> None:
    with pytest.raises(BadInputError, match="1970-01"):
        first_period(SPANS, 48 * HOUR_MS, from_ms, to_ms)


def test_an_account_goes_on_where_it_is() -> None:
    assert later_period(OPENING, 60 * HOUR_MS, 100 * HOUR_MS, None, None) == Period(
        58 * HOUR_MS, 60 * HOUR_MS, 100 * HOUR_MS
    )


def test_a_later_from_leaves_the_time_between_to_be_walked_through() -> None:
    period = later_period(OPENING, 60 * HOUR_MS, 100 * HOUR_MS, 70 * HOUR_MS, 80 * HOUR_MS)
    assert period == Period(58 * HOUR_MS, 70 * HOUR_MS, 80 * HOUR_MS)


def test_the_same_command_again_goes_on() -> None:
    period = later_period(OPENING, 60 * HOUR_MS, 100 * HOUR_MS, OPENING.start_ms, 80 * HOUR_MS)
    assert period.trade_from_ms == 60 * HOUR_MS


def test_nothing_is_traded_twice() -> None:
    with pytest.raises(BadInputError, match="has traded up to"):
        later_period(OPENING, 60 * HOUR_MS, 100 * HOUR_MS, 59 * HOUR_MS, None)


def test_another_seed_is_another_account() -> None:
    check_seed(OPENING, None)
    check_seed(OPENING, 7)
    with pytest.raises(BadInputError, match="--seed 7"):
        check_seed(OPENING, 8)


def test_a_symbol_is_retired_once_nothing_of_it_is_held() -> None:
    records: list[Record] = [CursorRecord("A", 0), CursorRecord("B", 0)]
    assert retired_symbols(records, ("A", "B", "C")) == frozenset()
    assert retired_symbols(records, ("A", "C")) == {"B"}
    entry = Order("entry", "B", Side.BUY, OrderType.MARKET, OrderRole.ENTRY, 3, 0, "t1", champion("tests"))
    stop = replace(entry, client_order_id="stop", side=Side.SELL, role=OrderRole.STOP)
    whole = replace(entry, state=OrderState.FILLED, filled_lots=3)
    bought = Fill("1", "entry", "B", Side.BUY, 3, 100, Decimal(0), is_maker=False, time_ms=1)
    sold = replace(bought, fill_id="2", client_order_id="stop", side=Side.SELL)
    for held in (
        [IntentRecord(entry)],
        [IntentRecord(entry), FillRecord(bought, whole)],
        [IntentRecord(entry), FillRecord(bought, whole), IntentRecord(stop)],
    ):
        with pytest.raises(BadInputError, match=r"lack B, .* holds .*: add it, flatten it, then take"):
            retired_symbols([*records, *held], ("A", "C"))
    ended = replace(stop, state=OrderState.FILLED, filled_lots=3)
    flat = [IntentRecord(entry), FillRecord(bought, whole), FillRecord(sold, ended)]
    assert retired_symbols([*records, *flat], ("A", "C")) == {"B"}
