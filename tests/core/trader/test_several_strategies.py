"""Two strategies on one account: each has its own trades, and the venue's position is their sum."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domain.forecast import Forecast
from core.domain.market import MINUTE_MS
from core.domain.operator import Verb
from core.domain.orders import OUTSIDE_PREFIX, Fill, Order, OrderRole, Side
from core.domain.origin import Origin
from core.domain.records import (
    FillRecord,
    ForecastRecord,
    FundingRecord,
    IntentRecord,
    PositionRecord,
    SignalRecord,
    TradeRecord,
)
from core.domain.trading import EXACT, ExitReason
from core.settings.schema import Settings
from core.trader.memory import Seen, recall, remember
from core.trader.messages import Command, Timer
from core.trader.restore import restore
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from tests.core.trader.desk import BTC, INSTRUMENTS, Desk, make_strategy, make_trader, placed, records
from tests.core.trader.session import Session, Step, TinyVenue, as_loaded, knowledge, recovered
from tests.core.trader.test_restore import LIMITS, chance, script, sessions
from tests.core.trader.test_with_venue import RealVenue, steps_of

OTHER = "other"


def pair(**limits: float) -> Trader:
    return make_trader(beside=[replace(make_strategy(), name=OTHER)], **limits)


@pytest.fixture
def desk() -> Desk:
    desk = Desk(pair())
    desk.minute()
    return desk


def enters(desk: Desk, strategy: str, value_bps: float = 20.0) -> Order:
    """An entry of a strategy filled, and its stop and target at rest; answers the entry."""
    (entry,) = placed(desk.predict(value_bps, strategy=strategy), OrderRole.ENTRY)
    desk.accept(entry)
    desk.accept(*placed(desk.fill(entry)))
    return entry


def both(desk: Desk) -> None:
    enters(desk, "plain")
    desk.minute()
    enters(desk, OTHER)
    desk.minute()


def lots(desk: Desk) -> tuple[int, int]:
    return desk.book(strategy="plain").lots, desk.book(strategy=OTHER).lots


def outside(desk: Desk, qty_lots: int, side: Side = Side.SELL) -> list[Command]:
    """Others trade against the position."""
    return desk.handle(
        Fill(
            "x1",
            f"{OUTSIDE_PREFIX}x1",
            BTC,
            side,
            qty_lots,
            600_000,
            Decimal("0.03"),
            is_maker=False,
            time_ms=desk.now_ms,
        )
    )


def as_told(desk: Desk) -> None:
    """The journal, and a checkpoint of it, tell the same trader."""
    again, recalled = pair(), pair()
    assert restore(again, desk.records) == []
    fills = [(r.fill.symbol, r.fill.fill_id) for r in desk.records if isinstance(r, FillRecord)]
    recall(recalled, remember(again), Seen(fills=fills))
    for told in (again, recalled):
        for name in ("plain", OTHER):
            ours, theirs = desk.book(strategy=name), told.state.symbols[BTC].book(name)
            assert (theirs.lots, theirs.trade, theirs.orders) == (ours.lots, ours.trade, ours.orders)
        assert told.state.ledger.positions == desk.trader.state.ledger.positions
        assert told.state.ledger.balances() == desk.trader.state.ledger.balances()


def test_of_two_that_want_opposite_sides_on_one_bar_the_first_holds_and_the_other_is_vetoed_by_name(desk: Desk) -> None:
    first, second = desk.predict(20.0), desk.predict(-20.0, strategy=OTHER)
    (entry,) = placed(first)
    assert (entry.side, entry.origin.strategy) == (Side.BUY, "plain")
    assert placed(second) == []
    (forecast,) = (r.forecast for r in records(second, ForecastRecord))
    (signal,) = (r.signal for r in records(second, SignalRecord))
    assert forecast.origin.strategy == signal.origin.strategy == OTHER
    assert signal.reason == "the long side of this symbol is held by plain"
    assert signal.signal_id.startswith(f"{OTHER}-")
    # It holds the side also once it is filled, and no longer than that.
    desk.accept(entry)
    desk.accept(*placed(desk.fill(entry)))
    desk.minute()
    assert placed(desk.predict(-20.0, strategy=OTHER)) == []
    (out,) = placed(desk.operator(Verb.FLATTEN, BTC))
    desk.accept(out)
    desk.fill(out)
    for order in list(desk.book().orders.values()):
        desk.update(order, order.state.CANCELED)
    desk.minute()
    assert [o.side for o in placed(desk.predict(-20.0, strategy=OTHER))] == [Side.SELL]


def test_on_one_side_both_hold_and_each_has_its_own_stop(desk: Desk) -> None:
    entries = [enters(desk, "plain")]
    entries.append(enters(desk, OTHER))
    stops = [desk.book(strategy=name).open_order(OrderRole.STOP) for name in ("plain", OTHER)]
    assert [stop and stop.qty_lots for stop in stops] == [entry.qty_lots for entry in entries]
    assert [stop and stop.trade_id for stop in stops] == [entry.trade_id for entry in entries]
    assert len({entry.trade_id for entry in entries}) == len({entry.client_order_id for entry in entries}) == 2
    told = [r for r in desk.records if isinstance(r, PositionRecord)]
    assert [(r.strategy, r.position.lots) for r in told] == [("plain", lots(desk)[0]), (OTHER, lots(desk)[1])]
    as_told(desk)


def test_what_one_leaves_the_other_holds(desk: Desk) -> None:
    both(desk)
    held = lots(desk)[1]
    (out,) = placed(desk.predict(-6.0))
    assert (out.role, out.qty_lots, out.origin.strategy) == (OrderRole.EXIT, lots(desk)[0], "plain")
    desk.accept(out)
    said = desk.fill(out)
    assert [r.trade.origin.strategy for r in records(said, TradeRecord)] == ["plain"]
    assert lots(desk) == (0, held)
    assert desk.book(strategy=OTHER).is_protected()
    as_told(desk)


def test_an_exit_that_crosses_its_stop_takes_what_the_other_holds_and_the_books_say_so(desk: Desk) -> None:
    both(desk)
    theirs = lots(desk)[1]
    (out,) = placed(desk.predict(-6.0))
    stop = desk.book().open_order(OrderRole.STOP)
    assert stop is not None
    desk.accept(out)
    desk.fill(stop)
    said = desk.fill(out, lots=theirs - 1)
    assert lots(desk) == (0, 1)
    # What is left of the other is protected for what it is.
    (cut,) = placed(said, OrderRole.STOP)
    assert (cut.qty_lots, cut.origin.strategy) == (1, OTHER)
    said = desk.fill(out, lots=1)
    (trade,) = (r.trade for r in records(said, TradeRecord))
    assert (trade.origin.strategy, trade.exit_reason) == (OTHER, ExitReason.OUTSIDE)
    assert lots(desk) == (0, 0)
    assert desk.trader.state.ledger.positions == {}
    as_told(desk)


def test_what_others_close_is_taken_from_the_oldest_trade_first(desk: Desk) -> None:
    both(desk)
    ours, theirs = lots(desk)
    said = outside(desk, ours + 3)
    assert lots(desk) == (0, theirs - 3)
    (trade,) = (r.trade for r in records(said, TradeRecord))
    assert (trade.origin.strategy, trade.exit_reason) == ("plain", ExitReason.OUTSIDE)
    (cut,) = placed(said, OrderRole.STOP)
    assert (cut.qty_lots, cut.origin.strategy) == (theirs - 3, OTHER)
    other = desk.book(strategy=OTHER).trade
    assert other is not None
    # To the last digit the fee is shared out by lots.
    assert trade.fees_usdt + other.fees_usdt == Decimal("0.03")
    as_told(desk)


def test_each_trade_is_of_its_own_cost_and_the_wallet_of_the_mean_until_all_are_flat(desk: Desk) -> None:
    enters(desk, "plain")
    desk.minute(BTCUSDT=60_300.0)
    enters(desk, OTHER)
    desk.minute()
    ours, theirs = lots(desk)
    (out,) = placed(desk.predict(-6.0))
    desk.accept(out)
    (trade,) = (r.trade for r in records(desk.fill(out, price=60_300.0), TradeRecord))
    # Bought at 60,000 and sold at 60,300; the exchange sells at the mean of both entries.
    assert trade.gross_pnl_usdt == Decimal(ours) * Decimal("0.3")
    mean = (Decimal(60_000) * ours + Decimal(60_300) * theirs) / (ours + theirs)
    realised = desk.trader.state.ledger.account(desk.trader.state.exact_marks()).realised_usdt
    assert abs(realised - (60_300 - mean) * ours / 1_000) <= Decimal("1e-8")
    assert realised < trade.gross_pnl_usdt
    stop = desk.book(strategy=OTHER).open_order(OrderRole.STOP)
    assert stop is not None
    (other,) = (r.trade for r in records(desk.fill(stop, price=60_300.0), TradeRecord))
    account = desk.trader.state.ledger.account({})
    assert other.gross_pnl_usdt == 0
    assert account.realised_usdt == trade.gross_pnl_usdt + other.gross_pnl_usdt
    as_told(desk)


def test_funding_is_shared_by_lots_and_sums_to_what_was_paid(desk: Desk) -> None:
    enters(desk, "plain")
    (entry,) = placed(desk.predict(20.0, strategy=OTHER), OrderRole.ENTRY)
    desk.accept(entry)
    desk.accept(*placed(desk.fill(entry, lots=entry.qty_lots // 3)))
    desk.minute()
    desk.funding("-1.00000001")
    trades = [desk.book(strategy=name).trade for name in ("plain", OTHER)]
    paid = [trade.funding_usdt for trade in trades if trade is not None]
    assert sum(paid) == Decimal("-1.00000001")
    ours, theirs = lots(desk)
    assert abs(paid[1] + Decimal(theirs) / (ours + theirs)) < Decimal("1e-7")
    as_told(desk)


def test_a_flatten_leaves_with_all_of_them(desk: Desk) -> None:
    both(desk)
    outs = placed(desk.operator(Verb.FLATTEN, BTC), OrderRole.EXIT)
    assert [(out.origin.strategy, out.qty_lots) for out in outs] == [("plain", lots(desk)[0]), (OTHER, lots(desk)[1])]


def test_what_one_left_behind_that_trades_no_more_is_looked_after_by_the_first(desk: Desk) -> None:
    both(desk)
    alone = make_trader()
    assert restore(alone, desk.records) == []
    again = Desk(alone, desk.now_ms)
    again.minute()
    assert again.book(strategy=OTHER).lots == lots(desk)[1]
    outs = placed(again.predict(-6.0), OrderRole.EXIT)
    assert [out.origin.strategy for out in outs] == ["plain", OTHER]
    assert len(placed(again.operator(Verb.FLATTEN))) == 0  # Both are on their way out.


def test_nothing_is_entered_beside_an_entry_under_way_of_one_that_trades_no_more(desk: Desk) -> None:
    (entry,) = placed(desk.predict(20.0, strategy=OTHER))
    alone = make_trader()
    assert restore(alone, desk.records) == []
    again = Desk(alone, desk.now_ms)
    again.minute()
    said = again.predict(20.0)
    assert placed(said) == []
    (signal,) = (r.signal for r in records(said, SignalRecord))
    assert signal.reason == f"{OTHER}, which trades no more, has not left this symbol yet"
    again.give_up(entry)
    again.minute()
    assert len(placed(again.predict(20.0), OrderRole.ENTRY)) == 1


def test_limits_count_what_all_of_them_hold(desk: Desk) -> None:
    few = Desk(pair(max_open_positions=1))
    few.minute()
    enters(few, "plain")
    said = few.predict(20.0, strategy=OTHER)
    (signal,) = (r.signal for r in records(said, SignalRecord))
    assert "open_positions" in signal.reason
    assert placed(said) == []


def several(steps: list[Step], seed: int) -> list[Step]:
    """The same steps, in which the other strategy speaks of every bar too: of some the same, of some the opposite."""
    told: list[Step] = []
    for now_ms, events in steps:
        more: list = []
        for event in events:
            more.append(event)
            if isinstance(event, Forecast):
                turn = -1.0 if (event.bar_close_ms // MINUTE_MS + seed) % 3 == 0 else 1.0
                values = (turn * (event.values[0] or 0.0), *event.values[1:])
                origin = Origin(OTHER, event.origin.part, event.origin.version_role, event.origin.version)
                more.append(replace(event, origin=origin, values=values))
        told.append((now_ms, more))
    return told


def make(*, reverses: bool = False) -> Trader:
    cooldown_ms = 0 if reverses else 3 * MINUTE_MS
    changes = {"reverses": reverses, "cooldown_ms": cooldown_ms}
    beside = [replace(make_strategy(**changes), name=OTHER)]
    return make_trader(strategy=changes, settings=Settings(limits=LIMITS), beside=beside)


def net_of_trades(trader: Trader) -> dict[str, int]:
    """What the open trades say is held."""
    net: dict[str, int] = {}
    for s in trader.state.books():
        if s.trade is not None and s.trade.entry_lots:
            held = s.trade.side.sign * (s.trade.entry_lots - s.trade.exit_lots)
            net[s.instrument.symbol] = net.get(s.instrument.symbol, 0) + held
    return {symbol: lots for symbol, lots in net.items() if lots}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions, st.booleans(), st.integers(0, 2))
def test_the_sum_of_trades_is_the_position_and_stops_cover_each(session: list[dict], reverses: bool, seed: int) -> None:
    trader, real = make(reverses=reverses), RealVenue(journalled_venue(INSTRUMENTS, Settings(limits=LIMITS)))
    steps = several(steps_of(session), seed)
    run = Session(trader, real, cutting=False)  # type: ignore[arg-type]
    for n in range(len(steps)):
        run.run(steps[: n + 1], n) if n else run.run(steps[:1])
        state = trader.state
        net = {symbol: s.lots for symbol, s in state.symbols.items() if s.lots}
        assert net == real.venue.positions_lots() == net_of_trades(trader)
        assert state.ledger.wallet_usdt == real.venue.wallet_usdt()
        marks = state.exact_marks()
        assert EXACT.add(
            state.ledger.wallet_usdt, state.ledger.all_unrealised_usdt(marks)
        ) == real.venue.wallet_usdt() + sum(
            INSTRUMENTS[symbol].qty(lots) * marks[symbol] - real.venue.positions_cost_usdt()[symbol]
            for symbol, lots in net.items()
        )
        for symbol in state.symbols.values():
            assert len({s.lots > 0 for s in symbol.books.values() if s.lots}) <= 1
        if not net and not any(isinstance(record, FundingRecord) for record in run.journal):
            trades = [record.trade.net_pnl_usdt for record in run.journal if isinstance(record, TradeRecord)]
            assert state.ledger.wallet_usdt == 10_000 + sum(trades)
        assert {i for s in state.books() for i in s.orders} == {o.client_order_id for o in real.venue.open_orders()}
        if any(isinstance(event, Timer) for event in steps[n][1]):
            for s in state.books():
                stop, out = s.open_order(OrderRole.STOP), s.open_order(OrderRole.EXIT)
                assert s.lots == 0 or out is not None or (stop is not None and stop.remaining_lots >= abs(s.lots))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions, st.booleans(), st.integers(0, 2))
def test_killed_after_any_commit_both_go_on_the_same(session: list[dict], reverses: bool, seed: int) -> None:
    """Orders refused, lost, filled in parts and too late, and both strategies restored at every commit."""
    steps = several(script(session), seed)
    trader = make(reverses=reverses)
    whole = Session(trader, TinyVenue(trader, seed))
    whole.run(steps)
    for cut in whole.cuts[::3]:
        again = make(reverses=reverses)
        recovered(again, as_loaded(whole.journal[: cut.records]), steps)
        assert knowledge(again) == cut.knew
    names = {r.order.origin.strategy for r in whole.journal if isinstance(r, IntentRecord)}
    assert names <= {"plain", OTHER, ""}


def test_the_sessions_have_two_that_hold_at_once_and_one_that_is_vetoed_by_name() -> None:
    found: set[str] = set()
    for seed in range(8):
        trader = make()
        run = Session(trader, TinyVenue(trader, seed), cutting=False)
        steps = several(script(chance(seed)), seed)
        for n in range(len(steps)):
            run.run(steps[: n + 1], n) if n else run.run(steps[:1])
            held = (sum(bool(s.lots) for s in symbol.books.values()) for symbol in trader.state.symbols.values())
            found |= {"both"} if max(held) > 1 else set()
        reasons = [r.signal.reason for r in run.journal if isinstance(r, SignalRecord)]
        found |= {"vetoed"} if any("is held by" in reason for reason in reasons) else set()
        closed = [r.trade for r in run.journal if isinstance(r, TradeRecord)]
        found |= {f"trades of {trade.origin.strategy}" for trade in closed}
    assert {"both", "vetoed", "trades of plain", f"trades of {OTHER}"} <= found
