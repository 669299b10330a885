"""A trader told its journal again, cut after any commit, goes on as if nothing had happened."""

from __future__ import annotations

import copy
import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domain.forecast import Forecast
from core.domain.market import MINUTE_MS, Bar, FirstPrice, FundingRate
from core.domain.operator import OperatorCommand, Verb
from core.domain.origin import champion
from core.domain.records import (
    AdjustmentRecord,
    FillRecord,
    LimitRecord,
    OperatorRecord,
    Record,
    TradeRecord,
)
from core.settings.schema import LimitSettings, Settings, SizingSettings
from core.trader.messages import CancelOrder, PlaceOrder, Timer, VenueHealth, WalletAdjustment, Watch
from core.trader.restore import restore
from core.trader.state import DAY_MS
from core.trader.trader import Trader
from storage.database import open_database
from storage.journal import SqliteJournal
from tests.core.trader.desk import BTC, DAY0_MS, ETH, PRICES, XRP, make_trader
from tests.core.trader.session import Liquidate, Session, Step, TinyVenue, knowledge, recovered

SYMBOLS = (BTC, ETH, XRP)
START_MS = DAY0_MS + DAY_MS - 9 * MINUTE_MS

# Tight, so that a session of a few minutes meets all of them.
LIMITS = LimitSettings(
    max_order_notional_usdt=2_400,
    max_leverage=0.7,
    day_loss_usdt=30,
    day_loss_pct=0.4,
    max_trades_per_day=6,
    max_losses_in_row=2,
    max_drawdown_pct=0.5,
    max_exposure_pct=60,
    max_open_positions=2,
    max_feed_age_seconds=100,
)


def make(flatten: bool, reverses: bool) -> Trader:
    limits = LIMITS.model_copy(update={"day_loss_effect": "flatten"}) if flatten else LIMITS
    return make_trader(
        strategy={"cooldown_ms": 0 if reverses else 2 * MINUTE_MS, "reverses": reverses},
        settings=Settings(limits=limits, sizing=SizingSettings(position_pct=25)),
    )


moves = st.sampled_from([-130, -110, -60, -10, 0, 10, 60, 110, 320])
values = st.sampled_from([-25.0, -25.0, -6.0, 0.0, 6.0, 25.0, 25.0])
minute = st.fixed_dictionaries(
    {
        "moves": st.tuples(moves, moves, moves),
        "gaps": st.tuples(moves, moves, moves),
        "values": st.tuples(values, values, values),
        "silent": st.sampled_from([None] * 6 + [ETH]),
        "funding": st.booleans(),
        "liquidate": st.sampled_from([None] * 12 + [BTC]),
        "operator": st.sampled_from([None] * 10 + [*Verb, Verb.RESUME, Verb.RESUME, ETH]),
        "when": st.integers(0, 2),
        "watches": st.sampled_from([(), (), (2_000, 9_000, 30_000)]),
        "health": st.sampled_from([None] * 5 + ["stream: silent", "", ""]),
        "wallet": st.sampled_from([None] * 5 + [Decimal("-12.5"), Decimal("0.00000001")]),
    }
)
sessions = st.lists(minute, min_size=4, max_size=15)


def script(session: list[dict]) -> list[Step]:
    """Per minute: bars, funding and the timer; predictions; first prices. The operator before any of them."""
    steps: list[Step] = []
    last = dict(PRICES)
    for k, m in enumerate(session):
        close_ms = START_MS + (k + 1) * MINUTE_MS
        bars: list = []
        for symbol, move in zip(SYMBOLS, m["moves"], strict=True):
            open_, close = last[symbol], round(last[symbol] * (1 + move / 10_000), 4)
            last[symbol] = close
            if m["silent"] != symbol:
                bars.append(
                    Bar(
                        symbol, close_ms - MINUTE_MS, MINUTE_MS, open_, max(open_, close), min(open_, close), close, 9.0
                    )
                )
        if m["funding"]:
            bars += [FundingRate(s, close_ms, Decimal("0.0001"), Decimal(repr(last[s]))) for s in SYMBOLS]
        if m["liquidate"]:
            bars.insert(0, Liquidate(m["liquidate"], close_ms))
        predictions = [
            Forecast(s, close_ms, close_ms + 100, (value, 0.6), champion("plain", "v1"))
            for s, value in zip(SYMBOLS, m["values"], strict=True)
        ]
        firsts: list = []
        for symbol, gap in zip(SYMBOLS, m["gaps"], strict=True):
            last[symbol] = round(last[symbol] * (1 + gap / 100_000), 4)
            firsts.append(FirstPrice(symbol, close_ms + 1_000, close_ms, last[symbol]))
        parts: list[Step] = [
            (close_ms, [*bars, Timer(close_ms)]),
            (close_ms + 100, list(predictions)),
            (close_ms + 1_000, firsts),
        ]
        if m["operator"]:
            verb, symbol = (m["operator"], "") if isinstance(m["operator"], Verb) else (Verb.FLATTEN, m["operator"])
            at_ms = parts[m["when"]][0]
            parts.insert(m["when"], (at_ms, [OperatorCommand(f"op{k}", verb, symbol, "test", at_ms)]))
        if m["health"] is not None:
            parts.append((close_ms + 1_500, [VenueHealth(close_ms + 1_500, m["health"])]))
        if m["wallet"] is not None:
            parts.append((close_ms + 1_600, [WalletAdjustment(f"w{k}", close_ms + 1_600, m["wallet"], "transfer")]))
        parts += [(close_ms + after_ms, [Watch(close_ms + after_ms)]) for after_ms in m["watches"]]
        steps += parts
    return steps


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(sessions, st.integers(0, 1_000), st.booleans(), st.booleans())
def test_cut_anywhere_and_told_again_it_goes_on_the_same(
    session: list[dict], salt: int, flatten: bool, reverses: bool
) -> None:
    steps = script(session)
    trader = make(flatten, reverses)
    whole = Session(trader, TinyVenue(trader, salt))
    whole.run(steps)
    for cut in whole.cuts:
        again = recovered(make(flatten, reverses), whole.journal[: cut.records], steps)
        rest = Session(again, copy.deepcopy(cut.venue), cutting=False)
        assert knowledge(again) == cut.knew
        for command in cut.pending:
            # What a crash keeps from being sent is known to the new process: intents and wishes to cancel.
            if isinstance(command, PlaceOrder | CancelOrder):
                s, order_id = again.state.symbols[command.order.symbol], command.order.client_order_id
                ended_since = isinstance(command, CancelOrder) and order_id in s.ended
                assert ended_since or order_id in (s.orders if isinstance(command, PlaceOrder) else s.canceling)
        rest.run(steps, cut.step + 1, cut.pending)
        assert rest.commands == whole.commands[cut.commands :]


def chance(seed: int) -> list[dict]:
    """A session of 40 minutes by the dice."""
    dice = random.Random(seed)
    three = lambda values: tuple(dice.choice(values) for _ in SYMBOLS)  # noqa: E731
    return [
        {
            "moves": three([-110, -60, -10, 0, 10, 60, 110]),
            "gaps": three([-60, 0, 60]),
            "values": three([-25.0, -6.0, 0.0, 6.0, 25.0, 25.0]),
            "silent": dice.choice([None] * 9 + [ETH]),
            "funding": dice.random() < 0.2,
            "liquidate": dice.choice([None] * 19 + [BTC]),
            "operator": dice.choice([None] * 9 + [Verb.RESUME, Verb.RESUME, Verb.HALT, ETH]),
            "when": dice.randrange(3),
            "watches": dice.choice([(), (2_000, 9_000, 30_000)]),
            "health": dice.choice([None] * 9 + ["stream: silent", "", ""]),
            "wallet": dice.choice([None] * 9 + [Decimal("-1.5"), Decimal("0.00000001")]),
        }
        for _ in range(40)
    ]


def play(seed: int) -> tuple[list[Step], Session]:
    steps = script(chance(seed))
    trader = make(flatten=False, reverses=False)
    session = Session(trader, TinyVenue(trader, seed))
    session.run(steps)
    return steps, session


@pytest.mark.parametrize("seed", range(3))
async def test_the_stored_journal_tells_the_same(tmp_path: Path, seed: int) -> None:
    steps, session = play(seed)
    assert sum(isinstance(record, TradeRecord) for record in session.journal) > 3
    database = open_database(tmp_path / "quarterdeck.db")
    journal = await SqliteJournal.open(database, "demo")
    try:
        done = 0
        for cut in session.cuts:
            await journal.commit(session.journal[done : cut.records])
            done = cut.records
        loaded = await journal.load()
    finally:
        await journal.close()
    assert knowledge(recovered(make(flatten=False, reverses=False), loaded, steps)) == session.cuts[-1].knew


def test_the_fold_says_where_a_trade_differs_from_its_fills() -> None:
    _, session = play(1)
    journal = list(session.journal)
    place = next(n for n, record in enumerate(journal) if isinstance(record, TradeRecord))
    told = journal[place]
    assert isinstance(told, TradeRecord)
    journal[place] = TradeRecord(replace(told.trade, net_pnl_usdt=told.trade.net_pnl_usdt + Decimal("0.00000001")))
    (difference,) = restore(make(flatten=False, reverses=False), journal)
    assert difference.what == "trade differs from its fills"
    assert difference.ours == str(told.trade.net_pnl_usdt + Decimal("0.00000001"))
    assert difference.theirs == str(told.trade.net_pnl_usdt)


@pytest.mark.parametrize("kind", [FillRecord, OperatorRecord, LimitRecord, AdjustmentRecord])
def test_a_journal_that_lacks_records_tells_another_state(kind: type[Record]) -> None:
    """The comparison above can fail: each of these kinds holds something that no other does."""
    steps, session = play(4)
    lacking = [record for record in session.journal if not isinstance(record, kind | TradeRecord)]
    assert knowledge(recovered(make(flatten=False, reverses=False), lacking, steps)) != session.cuts[-1].knew
