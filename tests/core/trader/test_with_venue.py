"""Trader and simulated venue together: their books never part, and both told again from one journal go on the same."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domain.market import MINUTE_MS, Bar, FirstPrice, MarketEvent
from core.domain.orders import Order, OrderRole, OrderState, OrderUpdate
from core.domain.records import (
    CursorRecord,
    FillRecord,
    FirstPriceRecord,
    FundingRecord,
    IntentRecord,
    OrderUpdateRecord,
    Record,
)
from core.ports import VenueEvent
from core.settings.schema import Settings
from core.trader.memory import Seen, recall, remember
from core.trader.messages import Timer, WalletAdjustment
from core.trader.restore import restore, set_marks
from core.trader.trader import Trader
from core.venues.rebuild import Checkpoint, JournalledVenue, journalled_venue
from tests.core.trader.desk import INSTRUMENTS, make_trader
from tests.core.trader.session import Liquidate, Session, Step, as_loaded, knowledge, recovered
from tests.core.trader.test_restore import LIMITS, chance, script, sessions


class RealVenue:
    """The simulated venue with the calls that a scripted session makes."""

    def __init__(self, venue: JournalledVenue) -> None:
        self.rebuild = venue.restore
        self.venue = venue.venue

    def __deepcopy__(self, memo: object) -> None:
        """Nothing: a venue is rebuilt from the journal, not copied."""

    def place(self, order: Order, now_ms: int) -> list[VenueEvent]:
        return self.venue.submit(order, now_ms)

    def cancel(self, order: Order, now_ms: int) -> list[VenueEvent]:
        return self.venue.cancel(order.client_order_id, now_ms)

    def on_market(self, event: MarketEvent) -> list[VenueEvent]:
        return self.venue.on_market(event)


def make(reverses: bool) -> tuple[Trader, RealVenue]:
    chosen = Settings(limits=LIMITS)
    cooldown_ms = 0 if reverses else 3 * MINUTE_MS
    trader = make_trader(strategy={"reverses": reverses, "cooldown_ms": cooldown_ms}, settings=chosen)
    return trader, RealVenue(journalled_venue(INSTRUMENTS, chosen))


def steps_of(session: list[dict]) -> list[Step]:
    """The script without its liquidations (the venue has its own) and transfers (it knows none), with volumes that
    sometimes fill in parts."""
    steps: list[Step] = []
    for now_ms, events in script(session):
        kept: list = []
        for event in events:
            if isinstance(event, Bar):
                volume = (event.open_time_ms // 60_000 % 4) ** 3 * 20.0 / event.close
                fields = {name: getattr(event, name) for name in event.__slots__}
                kept.append(Bar(**{**fields, "volume": volume * 1_000}))
            elif not isinstance(event, Liquidate | WalletAdjustment):
                kept.append(event)
        steps.append((now_ms, kept))
    return steps


def newest(records: Sequence[Record], steps: Sequence[Step]) -> tuple[list[Bar], list[FirstPrice]]:
    """The newest bar and, where it is newer, first price of each symbol that the journal says were taken in."""
    bars = {r.symbol: r.open_time_ms for r in records if isinstance(r, CursorRecord)}
    firsts = {r.symbol: r.open_time_ms for r in records if isinstance(r, FirstPriceRecord)}
    events = [event for _, batch in steps for event in batch]
    return (
        [e for e in events if isinstance(e, Bar) and bars.get(e.symbol) == e.open_time_ms],
        [
            e
            for e in events
            if isinstance(e, FirstPrice) and firsts.get(e.symbol) == e.open_time_ms > bars.get(e.symbol, -1)
        ],
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions, st.booleans())
def test_books_never_part(session: list[dict], reverses: bool) -> None:
    trader, real = make(reverses)
    steps = steps_of(session)
    run = Session(trader, real, cutting=False)  # type: ignore[arg-type]
    for n in range(len(steps)):
        run.run(steps[: n + 1], n) if n else run.run(steps[:1])
        state = trader.state
        assert {s: b.lots for s, b in state.symbols.items() if b.lots} == real.venue.positions_lots()
        costs = {symbol: position.cost_usdt for symbol, position in state.ledger.positions.items()}
        assert costs == real.venue.positions_cost_usdt()
        assert state.ledger.wallet_usdt == real.venue.wallet_usdt()
        ours = {order_id for s in state.books() for order_id in s.orders}
        assert ours == {order.client_order_id for order in real.venue.open_orders()}
        if any(isinstance(event, Timer) for event in steps[n][1]):
            for s in state.books():
                stop, out = s.open_order(OrderRole.STOP), s.open_order(OrderRole.EXIT)
                assert s.lots == 0 or out is not None or (stop is not None and stop.remaining_lots >= abs(s.lots))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions, st.booleans())
def test_cut_after_any_step_both_go_on_the_same(session: list[dict], reverses: bool) -> None:
    steps = steps_of(session)
    trader, real = make(reverses)
    whole = Session(trader, real)  # type: ignore[arg-type]
    whole.run(steps)
    last_of_step = {cut.step: cut for cut in whole.cuts}
    for cut in last_of_step.values():
        loaded = as_loaded(whole.journal[: cut.records])
        again, rebuilt = make(reverses)
        recovered(again, loaded, steps)
        rebuilt.rebuild(loaded, *newest(loaded, steps))
        assert knowledge(again) == cut.knew
        rest = Session(again, rebuilt, cutting=False)  # type: ignore[arg-type]
        rest.run(steps, cut.step + 1)
        assert rest.commands == whole.commands[cut.commands :]


def test_the_sessions_trade() -> None:
    """What is drawn above fills entries, stops and exits, in whole and in part."""
    roles: set[tuple[OrderRole, str]] = set()
    for seed in range(6):
        trader, real = make(reverses=False)
        run = Session(trader, real, cutting=False)  # type: ignore[arg-type]
        run.run(steps_of(chance(seed)))
        roles |= {(r.order.role, r.order.state) for r in run.journal if isinstance(r, FillRecord)}
        assert trader.state.ledger.wallet_usdt != Decimal(10_000)
    assert roles >= {
        (OrderRole.ENTRY, "filled"),
        (OrderRole.ENTRY, "partially_filled"),
        (OrderRole.STOP, "filled"),
        (OrderRole.EXIT, "filled"),
    }


NEWEST = 15
"""So many of the last records of orders of before a checkpoint a venue is told."""

ORDERED = IntentRecord | OrderUpdateRecord | FillRecord


def checkpoint(journal: Sequence[Record], reverses: bool) -> tuple[Checkpoint, list[Record]]:
    """What stands for these records, and the newest of them."""
    trader, _ = make(reverses)
    assert restore(trader, journal) == []
    memory = remember(trader)
    seen = Seen(
        fills=[(r.fill.symbol, r.fill.fill_id) for r in journal if isinstance(r, FillRecord)],
        payments=[r.payment.funding_id for r in journal if isinstance(r, FundingRecord)],
    )
    known = [order for _, book in memory.books() for order in (*book.ended, *book.orders)]
    earlier: list[Record] = [IntentRecord(order) for order in known]
    earlier += [r for r in journal if isinstance(r, ORDERED)][-NEWEST:]
    return Checkpoint(memory, seen, len(earlier)), earlier


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions, st.booleans(), st.floats(0, 0.999))
def test_cut_behind_a_checkpoint_both_go_on_the_same(session: list[dict], reverses: bool, place: float) -> None:
    steps = steps_of(session)
    trader, real = make(reverses)
    whole = Session(trader, real)  # type: ignore[arg-type]
    whole.run(steps)
    # A checkpoint stands for whole commits.
    last_of_step = list({cut.step: cut for cut in whole.cuts}.values())
    at = int(place * len(last_of_step))
    done = last_of_step[at].records
    before, earlier = checkpoint(whole.journal[:done], reverses)
    for cut in last_of_step[at:]:
        again, _ = make(reverses)
        recall(again, copy.deepcopy(before.memory), before.seen)  # Trades are written on.
        behind = as_loaded(whole.journal[done : cut.records])
        market = newest(as_loaded(whole.journal[: cut.records]), steps)
        assert restore(again, behind) == []
        set_marks(again, market[0])
        for first in market[1]:
            again.handle(first)
        assert knowledge(again) == cut.knew
        rebuilt = RealVenue(journalled_venue(INSTRUMENTS, Settings(limits=LIMITS), before))
        rebuilt.rebuild([*earlier, *behind], *market)
        assert rebuilt.venue.wallet_usdt() == again.state.ledger.wallet_usdt
        rest = Session(again, rebuilt, cutting=False)  # type: ignore[arg-type]
        rest.run(steps, cut.step + 1)
        assert rest.commands == whole.commands[cut.commands :]


def test_the_sessions_have_orders_and_positions_that_a_checkpoint_stands_for() -> None:
    found: set[str] = set()
    for seed in range(6):
        trader, real = make(reverses=False)
        run = Session(trader, real)  # type: ignore[arg-type]
        run.run(steps_of(chance(seed)))
        for cut in run.cuts[::7]:
            before, _ = checkpoint(run.journal[: cut.records], reverses=False)
            kept = [book for _, book in before.memory.books()]
            found |= {"held" for book in kept if book.position is not None}
            found |= {"filled in part" for book in kept for order in book.orders if order.filled_lots}
            told = sum(isinstance(record, ORDERED) for record in run.journal[: cut.records])
            found |= {"cut off"} if told > NEWEST else set()
    assert found == {"held", "filled in part", "cut off"}


def test_an_order_that_nobody_knows_any_more_keeps_no_account_from_starting() -> None:
    """It ended long before the checkpoint, and news of it came behind that."""
    trader, real = make(reverses=False)
    run = Session(trader, real, cutting=False)  # type: ignore[arg-type]
    run.run(steps_of(chance(1)))
    before, earlier = checkpoint(run.journal, reverses=False)
    order = next(r.order for r in run.journal if isinstance(r, FillRecord) and r.order.state is OrderState.FILLED)
    told = OrderUpdate(order.client_order_id, order.symbol, order.state, order.updated_ms)
    before = replace(before, told=1)
    rebuilt = RealVenue(journalled_venue(INSTRUMENTS, Settings(limits=LIMITS), before))
    rebuilt.rebuild([earlier[0], OrderUpdateRecord(told, order)], [], [])
    assert rebuilt.venue.wallet_usdt() == trader.state.ledger.wallet_usdt
