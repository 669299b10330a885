"""Scripted sessions with a moody venue, told again from their records: equal as they are, found where they are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domain.market import MarketEvent
from core.domain.operator import LimitEffect, OperatorCommand, Verb
from core.domain.orders import OrderState
from core.domain.records import (
    AdjustmentRecord,
    CursorRecord,
    EquityRecord,
    FillRecord,
    FirstPriceRecord,
    ForecastRecord,
    IntentRecord,
    LimitRecord,
    OperatorRecord,
    OrderUpdateRecord,
    PositionRecord,
    Record,
    SignalRecord,
    TradeRecord,
    WatchRecord,
)
from core.engine.wishes import kept
from core.lab.data.journalled_market import ToldMarket
from core.lab.replay.verify import DECISIONS, Verification, _Replay
from core.trader.trader import Trader
from tests.core.trader.session import Session, Step, TinyVenue
from tests.core.trader.test_restore import chance, make, script, sessions

OUTPUTS = (SignalRecord, PositionRecord, TradeRecord, LimitRecord)
"""What no input is told by."""


@cache
def played(seed: int) -> tuple[list[Step], list[Record]]:
    """A session of 40 minutes by the dice, and its journal."""
    steps = script(chance(seed))
    trader = make(flatten=False, reverses=False)
    session = Session(trader, TinyVenue(trader, seed), cutting=False)
    session.run(steps)
    return steps, session.journal


def stored(journal: Sequence[Record | None]) -> Iterator[tuple[int, Record]]:
    """As a database keeps it: of the cursors the newest of each symbol. None stands for a record that was lost."""
    newest = {
        (type(r), r.symbol): n for n, r in enumerate(journal, 1) if isinstance(r, CursorRecord | FirstPriceRecord)
    }
    for seq, record in enumerate(journal, 1):
        cursor = isinstance(record, CursorRecord | FirstPriceRecord)
        if record is not None and (not cursor or seq in newest.values()):
            yield seq, record


def replayed(trader: Trader, journal: Sequence[Record | None], steps: Sequence[Step]) -> Verification:
    async def market() -> AsyncIterator[MarketEvent]:
        for _, events in steps:
            for event in events:
                yield event  # type: ignore[misc]

    async def follow() -> Verification:
        replay = _Replay()
        replay._trader = trader
        replay._market = ToldMarket(market(), 1_000)
        await replay.follow(stored(journal), 1, len(journal))
        return replay.result(len(journal))

    return asyncio.run(follow())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions, st.integers(0, 1_000), st.booleans(), st.booleans())
def test_a_session_replays_to_its_own_journal(session: list[dict], salt: int, flatten: bool, reverses: bool) -> None:
    steps = script(session)
    trader = make(flatten, reverses)
    told = Session(trader, TinyVenue(trader, salt), cutting=False)
    told.run(steps)
    found = replayed(make(flatten, reverses), told.journal, steps)
    assert found.first_difference is None
    assert found.records == len(told.journal)
    assert found.decisions == sum(isinstance(record, DECISIONS) for record in told.journal)


def test_the_sessions_are_worth_replaying() -> None:
    """Every path of an order is met: unknown outcomes, refusals, liquidations, partial fills, late ones."""
    journals = [played(seed)[1] for seed in range(30)]
    records = [record for journal in journals for record in journal]
    states = {record.update.state for record in records if isinstance(record, OrderUpdateRecord)}
    assert {OrderState.UNKNOWN, OrderState.REJECTED, OrderState.CANCELED, OrderState.EXPIRED} <= states
    assert any(isinstance(r, IntentRecord) and r.order.role == "liquidation" for r in records)
    assert any(isinstance(r, FillRecord) and r.order.state is OrderState.PARTIALLY_FILLED for r in records)
    assert any(isinstance(r, LimitRecord) and r.event.effect is not LimitEffect.WARN for r in records)
    assert any(isinstance(r, WatchRecord) for r in records)
    assert {"connection", "unprotected"} <= {r.event.limit for r in records if isinstance(r, LimitRecord)}
    assert any(isinstance(r, AdjustmentRecord) and r.amount_usdt for r in records)
    digests = set()
    for seed, journal in enumerate(journals):
        found = replayed(make(flatten=False, reverses=False), journal, played(seed)[0])
        assert found.first_difference is None
        digests.add(found.digest)
    assert len(digests) == len(journals)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 3), st.data())
def test_a_lost_record_of_the_traders_own_is_found_at_its_place(seed: int, data: st.DataObject) -> None:
    steps, journal = played(seed)
    places = [n for n, record in enumerate(journal) if isinstance(record, OUTPUTS) and not _of_connection(record)]
    place = data.draw(st.sampled_from(places))
    found = replayed(make(flatten=False, reverses=False), [*journal[:place], None, *journal[place + 1 :]], steps)
    assert found.first_difference is not None
    assert found.first_difference.record == place + 1
    assert found.first_difference.journal == "nothing: a record is missing"
    assert found.records == place


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 3), st.data())
def test_a_lost_input_is_found_soon(seed: int, data: st.DataObject) -> None:
    """The next sample of the account comes at the latest a minute after it; nothing before it is in doubt."""
    steps, journal = played(seed)
    kinds = (FillRecord, ForecastRecord, OrderUpdateRecord)
    samples = [n for n, record in enumerate(journal) if isinstance(record, EquityRecord) and _is_by_timer(journal, n)]
    places = [n for n, record in enumerate(journal) if isinstance(record, kinds) and n < samples[-1]]
    place = data.draw(st.sampled_from(places))
    found = replayed(make(flatten=False, reverses=False), [*journal[:place], None, *journal[place + 1 :]], steps)
    assert found.first_difference is not None
    # What the venue fills of its own accord makes the intent that stands before it.
    first = place if _made_by(journal[place], journal[place - 1]) else place + 1
    assert first <= found.first_difference.record <= next(n for n in samples if n > place) + 1


def test_a_lost_fill_of_a_liquidation_is_found_at_the_intent_that_it_made() -> None:
    found = []
    for seed in range(4):
        steps, journal = played(seed)
        for place in range(1, len(journal)):
            if _made_by(journal[place], journal[place - 1]):
                lost = [*journal[:place], None, *journal[place + 1 :]]
                difference = replayed(make(flatten=False, reverses=False), lost, steps).first_difference
                assert difference is not None
                found.append(difference.record == place)
    assert found
    assert all(found)


def _made_by(record: Record, before: Record) -> bool:
    """Whether a fill is of an order that nobody placed here, and the record before it is the intent made of it."""
    return (
        isinstance(record, FillRecord)
        and isinstance(before, IntentRecord)
        and record.fill.client_order_id == before.order.client_order_id
        and before.order.role == "liquidation"
    )


def _of_connection(record: Record) -> bool:
    """Whether the record is how the venue's health is told."""
    return isinstance(record, LimitRecord) and record.event.limit == "connection"


def _is_by_timer(journal: Sequence[Record], place: int) -> bool:
    """Whether a sample was taken by the timer, and not because the operator resumed or the wallet moved."""
    return not isinstance(journal[place - 1], OperatorRecord | LimitRecord | AdjustmentRecord)


def tampered(record: Record) -> Record:
    match record:
        case PositionRecord(position):
            return replace(record, position=replace(position, cost_usdt=position.cost_usdt + Decimal("1e-8")))
        case SignalRecord(signal):
            first, *rest = signal.because
            nearly = replace(first, needed=first.needed * (1 + 2**-52))
            return SignalRecord(replace(signal, because=(nearly, *rest)))
        case TradeRecord(trade):
            return TradeRecord(replace(trade, fees_usdt=trade.fees_usdt + Decimal("1e-8")))
        case IntentRecord(order):
            return IntentRecord(replace(order, qty_lots=order.qty_lots + 1))
        case EquityRecord(sample):
            return EquityRecord(replace(sample, equity_usdt=sample.equity_usdt + Decimal("1e-8")))
        case LimitRecord(event):
            return LimitRecord(replace(event, used=event.used + 1e-9))
        case _:
            raise TypeError(type(record))


@pytest.mark.parametrize(
    "kind",
    [PositionRecord, SignalRecord, TradeRecord, IntentRecord, EquityRecord, LimitRecord],
    ids=lambda k: k.__name__,
)
@pytest.mark.parametrize("nth", [0, -1])
def test_the_least_change_is_found_at_its_place(kind: type[Record], nth: int) -> None:
    steps, journal = played(1)
    place = [n for n, record in enumerate(journal) if isinstance(record, kind)][nth]
    changed = tampered(journal[place])
    found = replayed(make(flatten=False, reverses=False), [*journal[:place], changed, *journal[place + 1 :]], steps)
    assert found.first_difference is not None
    assert found.first_difference.record == place + 1
    assert found.first_difference.journal != found.first_difference.trader


def test_a_journal_that_ends_too_early_is_found_at_its_end() -> None:
    steps, journal = played(1)
    place = next(n for n, record in enumerate(journal) if isinstance(record, FillRecord))
    found = replayed(make(flatten=False, reverses=False), journal[: place + 1], steps)
    assert found.first_difference is not None
    assert found.first_difference.record == place + 2
    assert found.first_difference.journal == "nothing: it ends here"
    assert found.first_difference.trader.startswith("position")


def test_a_fill_that_an_order_cannot_take_is_told_and_not_raised() -> None:
    steps, journal = played(1)
    place = next(n for n, record in enumerate(journal) if isinstance(record, FillRecord))
    record = journal[place]
    assert isinstance(record, FillRecord)
    more = FillRecord(replace(record.fill, qty_lots=10**9), record.order)
    found = replayed(make(flatten=False, reverses=False), [*journal[:place], more, *journal[place + 1 :]], steps)
    assert found.first_difference is not None
    assert found.first_difference.record == place + 1
    assert found.first_difference.trader.startswith("adjustment ")


def test_the_open_minute_of_an_older_journal_is_no_difference_and_a_bar_without_candle_is() -> None:
    found = replayed(make(flatten=False, reverses=False), [FirstPriceRecord("BTCUSDT", 60_000)], [])
    assert (found.records, found.first_difference) == (1, None)
    parted = replayed(make(flatten=False, reverses=False), [CursorRecord("BTCUSDT", 60_000)], []).first_difference
    assert parted is not None
    assert (parted.record, parted.trader) == (1, "no candle is left")


def test_other_words_of_what_clears_a_limit_are_no_difference() -> None:
    steps, journal = played(1)
    at = next(n for n, record in enumerate(journal) if isinstance(record, LimitRecord))
    told = journal[at]
    assert isinstance(told, LimitRecord)
    reworded = LimitRecord(replace(told.event, clears="in the words of an older program"))
    trader = make(flatten=False, reverses=False)
    assert replayed(trader, [*journal[:at], reworded, *journal[at + 1 :]], steps).first_difference is None


def test_a_flatten_that_was_kept_while_books_were_compared_is_no_difference() -> None:
    steps, journal = played(1)
    waiting = kept(OperatorCommand("op-kept", Verb.FLATTEN, "", "test", 1))
    told = [*journal[:40], waiting, *journal[40:]]
    assert replayed(make(flatten=False, reverses=False), told, steps).first_difference is None
