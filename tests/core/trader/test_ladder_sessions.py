"""Drawn sessions of trades with several targets, reduced, added to and trailed: books are exact, stops cover, targets
are never more than is held, and cut after any commit all goes on the same."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domain.market import Bar
from core.domain.orders import Order, OrderRole, OrderType
from core.domain.records import CursorRecord, FillRecord, IntentRecord, Record, SignalRecord, TradeRecord
from core.domain.trading import SignalAction
from core.settings.schema import LimitSettings, Settings
from core.trader.invariants import check_state
from core.trader.messages import Timer
from core.trader.trader import Trader
from core.venues.rebuild import journalled_venue
from tests.core.trader.desk import BTC, INSTRUMENTS, make_trader
from tests.core.trader.laddered import broken, fields
from tests.core.trader.session import Session, Step, TinyVenue, as_loaded, knowledge, recovered
from tests.core.trader.test_restore import chance, script, sessions
from tests.core.trader.test_with_venue import RealVenue, newest, steps_of

WIDE = LimitSettings(max_trades_per_day=60, max_losses_in_row=60, day_loss_pct=60, day_loss_usdt=5_000)
# Whole steps of five lots, and no order below ten.
COARSE = INSTRUMENTS | {BTC: replace(INSTRUMENTS[BTC], lot_step=5, min_lots=10)}


def make(reverses: bool) -> tuple[Trader, RealVenue]:
    chosen = Settings(limits=WIDE)
    changes = fields(reverses=reverses, cooldown_ms=0, stop_pct=0.5)
    trader = make_trader(strategy=changes, settings=chosen, instruments=COARSE)
    return trader, RealVenue(journalled_venue(COARSE, chosen))


def again(journal: Sequence[Record], steps: Sequence[Step], reverses: bool) -> tuple[Trader, RealVenue]:
    """Both as a start makes them, with the bars of what is held told again."""
    trader, real = make(reverses)
    loaded = as_loaded(journal)
    recovered(trader, loaded, steps)
    real.rebuild(loaded, *newest(loaded, steps))
    tell_bars(trader, loaded, steps)
    return trader, real


def tell_bars(trader: Trader, loaded: Sequence[Record], steps: Sequence[Step]) -> None:
    known = {r.symbol: r.open_time_ms for r in loaded if isinstance(r, CursorRecord)}
    bars = [event for _, batch in steps for event in batch if isinstance(event, Bar)]
    for symbol in trader.state.symbols:
        if trader.lacks_bars(symbol):
            mine = [bar for bar in bars if bar.symbol == symbol and bar.open_time_ms <= known.get(symbol, -1)]
            trader.recall_bars(symbol, mine)


def check(trader: Trader, real: RealVenue, *, at_rest: bool) -> None:
    state = trader.state
    assert check_state(state) == []
    assert broken(state) == []
    assert {s: b.lots for s, b in state.symbols.items() if b.lots} == real.venue.positions_lots()
    costs = {symbol: position.cost_usdt for symbol, position in state.ledger.positions.items()}
    assert costs == real.venue.positions_cost_usdt()
    assert state.ledger.wallet_usdt == real.venue.wallet_usdt()
    assert {order_id for s in state.books() for order_id in s.orders} == {
        order.client_order_id for order in real.venue.open_orders()
    }
    for s in state.books() if at_rest else ():
        stops = [order.remaining_lots for order in s.stops()]
        assert s.lots == 0 or s.open_exit() is not None or sum(stops) >= abs(s.lots)
        assert s.open_exit() is not None or len(stops) <= 1


def exact(journal: Sequence[Record]) -> None:
    """Each trade is what its fills come to."""
    fills: dict[str, list[FillRecord]] = {}
    for record in journal:
        if isinstance(record, FillRecord):
            fills.setdefault(record.order.trade_id, []).append(record)
        elif isinstance(record, TradeRecord) and "+" not in record.trade.trade_id:
            trade, its = record.trade, fills.get(record.trade.trade_id, [])
            lot, tick = COARSE[trade.symbol].qty, COARSE[trade.symbol].price
            into = [r.fill for r in its if r.order.role is OrderRole.ENTRY]
            out = [r.fill for r in its if r.order.role is not OrderRole.ENTRY]
            if sum(f.qty_lots for f in into) != sum(f.qty_lots for f in out):
                continue  # What was added came after its trade was over, or another's order closed it.
            bought = sum((lot(f.qty_lots) * tick(f.price_ticks) for f in into), Decimal(0))
            sold = sum((lot(f.qty_lots) * tick(f.price_ticks) for f in out), Decimal(0))
            assert trade.qty == lot(sum(f.qty_lots for f in into))
            assert trade.gross_pnl_usdt == trade.side.sign * (sold - bought)
            assert trade.entry_price == bought / trade.qty


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions, st.booleans())
def test_books_are_exact_and_targets_never_more_than_is_held(session: list[dict], reverses: bool) -> None:
    trader, real = make(reverses)
    steps = steps_of(session)
    run = Session(trader, real, cutting=False)  # type: ignore[arg-type]
    for n in range(len(steps)):
        run.run(steps[: n + 1], n)
        check(trader, real, at_rest=any(isinstance(event, Timer) for event in steps[n][1]))
    exact(run.journal)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions, st.booleans())
def test_cut_after_any_step_both_go_on_the_same(session: list[dict], reverses: bool) -> None:
    steps = steps_of(session)
    trader, real = make(reverses)
    whole = Session(trader, real)  # type: ignore[arg-type]
    whole.run(steps)
    for cut in {cut.step: cut for cut in whole.cuts}.values():
        told, rebuilt = again(whole.journal[: cut.records], steps, reverses)
        assert knowledge(told) == cut.knew
        rest = Session(told, rebuilt, cutting=False)  # type: ignore[arg-type]
        rest.run(steps, cut.step + 1)
        assert rest.commands == whole.commands[cut.commands :]


class Moody(TinyVenue):
    """Knows targets that leave their part at market, too."""

    def _touched(self, order: Order, low: float, high: float) -> bool:
        return order.type is not OrderType.MARKET and super()._touched(order, low, high)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions, st.integers(0, 1_000), st.booleans())
def test_cut_after_any_commit_beside_a_venue_with_moods(session: list[dict], salt: int, reverses: bool) -> None:
    """Refused, unanswered, half filled and doubled orders, liquidations, transfers."""
    steps = script(session)
    trader, _ = make(reverses)
    whole = Session(trader, Moody(trader, salt))
    whole.run(steps)
    assert check_state(trader.state) == []
    for cut in whole.cuts:
        told, _ = make(reverses)
        loaded = as_loaded(whole.journal[: cut.records])
        recovered(told, loaded, steps)
        tell_bars(told, loaded, steps)
        rest = Session(told, copy.deepcopy(cut.venue), cutting=False)
        rest.run(steps, cut.step + 1, cut.pending)
        assert rest.commands == whole.commands[cut.commands :]


def test_the_sessions_do_all_that_a_trade_can() -> None:
    found: set[Any] = set()
    for seed in range(14):
        trader, real = make(reverses=bool(seed % 2))
        run = Session(trader, real, cutting=False)  # type: ignore[arg-type]
        run.run(steps_of(chance(seed)))
        exact(run.journal)
        filled = [r.order for r in run.journal if isinstance(r, FillRecord)]
        found |= {(order.role, order.place) for order in filled}
        found |= {r.signal.action for r in run.journal if isinstance(r, SignalRecord)}
        found |= {"in part" for order in filled if order.role is OrderRole.TARGET and order.is_open}
        wanted = [r.order for r in run.journal if isinstance(r, IntentRecord)]
        found |= {"again" for order in wanted if order.role is OrderRole.TARGET and order.qty_lots % 2 == 0}
    assert found >= {
        *((OrderRole.TARGET, place) for place in range(3)),
        (OrderRole.ENTRY, 1),
        (OrderRole.REDUCE, 0),
        (OrderRole.STOP, 0),
        *(SignalAction.ADD, SignalAction.REDUCE, SignalAction.MOVE_STOP),
        "in part",
    }
