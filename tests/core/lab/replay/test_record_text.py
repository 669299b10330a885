"""Text that is equal exactly where records are equal to the last bit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings

from core.domain.operator import LimitEffect, LimitEvent
from core.domain.records import EquityRecord, LimitRecord, PositionRecord, Record
from core.domain.trading import EquitySample, ExitReason, Position
from core.lab.replay.record_text import bits, differing, time_ms, values
from tests.storage.examples import journals

EVENT = LimitEvent("drawdown", "", 7, True, LimitEffect.FLATTEN, 0.0, 15.0, "%", "when the operator resumes")
SAMPLE = EquitySample(9, *[Decimal("1.0")] * 5)


@pytest.mark.parametrize("used", [5e-324, -5e-324, float("nan")])
def test_floats_count_to_the_bit(used: float) -> None:
    assert bits(LimitRecord(replace(EVENT, used=used))) != bits(LimitRecord(EVENT))


def test_floats_are_what_a_database_gives_back() -> None:
    assert bits(LimitRecord(replace(EVENT, used=-0.0))) == bits(LimitRecord(EVENT))
    assert bits(LimitRecord(replace(EVENT, limit_value=15))) == bits(LimitRecord(EVENT))


def test_decimals_count_to_the_digit() -> None:
    other = replace(SAMPLE, wallet_usdt=Decimal("1.00"))
    assert other == SAMPLE
    assert values(EquityRecord(other)) == values(EquityRecord(SAMPLE))
    assert values(EquityRecord(replace(SAMPLE, wallet_usdt=Decimal("1.01")))) != values(EquityRecord(SAMPLE))
    assert bits(EquityRecord(other)) != bits(EquityRecord(SAMPLE))


def test_a_reason_read_back_as_text_is_the_same() -> None:
    made, read = (Position("BTCUSDT", 1, Decimal(1), 2, reason) for reason in (ExitReason.STOP, "stop"))
    assert bits(PositionRecord(made, 3)) == bits(PositionRecord(read, 3))


@settings(max_examples=30, deadline=None)
@given(journals())
def test_records_with_one_text_are_one_record(records: list[Record]) -> None:
    for record in records:
        for other in records:
            if bits(record) == bits(other):
                assert record == other
        time_ms(record)


def test_only_what_differs_is_told() -> None:
    journal, trader = differing(
        PositionRecord(Position("BTCUSDT", 1, Decimal(5), 2, "t"), 3),
        PositionRecord(Position("BTCUSDT", 1, Decimal(6), 2, "t"), 3),
    )
    assert (journal, trader) == ("position BTCUSDT: cost_usdt 5", "position BTCUSDT: cost_usdt 6")


def test_records_of_two_kinds_are_told_whole() -> None:
    journal, trader = differing(LimitRecord(EVENT), EquityRecord(SAMPLE))
    assert journal.startswith("limit drawdown")
    assert trader.startswith("equity")
