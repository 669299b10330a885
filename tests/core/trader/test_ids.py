"""Ids carry the strategy, and those of before come out as they were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.domain.forecast import Forecast
from core.domain.origin import ACCOUNT, ONLY_PART, Origin, VersionRole, champion
from core.domain.records import ForecastRecord, IntentRecord, LimitRecord, SignalRecord
from core.trader.ids import NEWEST, WITHOUT_STRATEGY, Ids, form_in
from core.trader.memory import Seen, recall, remember
from core.trader.messages import Journal
from core.trader.restore import restore
from tests.core.trader.desk import BTC, Desk, make_trader, records

NEW, OLD = Ids("live"), Ids("live", WITHOUT_STRATEGY)


def test_two_strategies_never_share_an_id() -> None:
    for make in (
        lambda strategy: NEW.order(strategy, BTC, 60_000, "entry", 0),
        lambda strategy: NEW.trade(strategy, BTC, 60_000),
        lambda strategy: NEW.signal(strategy, BTC, 60_000, "enter"),
    ):
        assert make("scalper") == make("scalper") != make("ema_cross")


def test_ids_never_change() -> None:
    # An order that a crash left behind is asked for under its id by the next release.
    assert NEW.order("scalper", "BTCUSDT", 1_700_000_000_000, "entry", 0) == "qded642dc003e4c8460fe6c2b4"
    assert OLD.order("scalper", "BTCUSDT", 1_700_000_000_000, "entry", 0) == "qd11e7ee57fc5b5c11029a342e"
    assert NEW.trade("scalper", "BTCUSDT", 5) == "scalper-BTCUSDT-5"
    assert OLD.trade("scalper", "BTCUSDT", 5) == "BTCUSDT-5"
    assert NEW.signal("scalper", "BTCUSDT", 5, "enter") == "scalper-BTCUSDT-5-enter"
    assert OLD.signal("scalper", "BTCUSDT", 5, "enter") == "BTCUSDT-5-enter"


def forecast(desk: Desk, origin: Origin, value_bps: float = 20.0) -> Forecast:
    return Forecast(BTC, desk.now_ms, desk.now_ms + 100, (value_bps, 0.6), origin)


@pytest.mark.parametrize(
    "origin", [champion("other", "v1"), replace(champion("plain"), version_role=VersionRole.CANDIDATE)]
)
def test_what_another_strategy_or_a_candidate_says_is_kept_and_never_decided_on(origin: Origin) -> None:
    desk = Desk(make_trader())
    desk.bar()
    strange = forecast(desk, origin)
    assert desk.handle(strange) == [Journal(ForecastRecord(strange))]
    own = desk.handle(forecast(desk, champion("plain", "v7")))
    (order,) = (record.order for record in records(own, IntentRecord))
    (signal,) = (record.signal for record in records(own, SignalRecord))
    assert order.origin == signal.origin == champion("plain", "v7")
    told = [command.record for command in desk.said if isinstance(command, Journal)]
    again = make_trader()
    restore(again, told)
    assert again.newest(BTC, ONLY_PART) == forecast(desk, champion("plain", "v7"))
    recalled = make_trader()
    recall(recalled, remember(again), Seen())
    assert recalled.newest(BTC, ONLY_PART) == again.newest(BTC, ONLY_PART)


@pytest.mark.parametrize(("form", "whose"), [(NEWEST, champion("plain", "v1")), (WITHOUT_STRATEGY, ACCOUNT)])
def test_a_limit_of_a_decision_is_of_its_strategy(form: int, whose: Origin) -> None:
    desk = Desk(make_trader(strategy={"stop_pct": 9.0}, id_form=form))
    desk.bar()
    (event,) = (record.event for record in records(desk.predict(20.0), LimitRecord))
    assert (event.limit, event.origin) == ("stop_distance", whose)


@pytest.mark.parametrize("form", [WITHOUT_STRATEGY, NEWEST])
def test_a_journal_tells_the_form_of_its_ids(form: int) -> None:
    desk = Desk(make_trader(id_form=form))
    desk.bar()
    desk.predict(20.0)
    assert form_in(command.record for command in desk.said if isinstance(command, Journal)) == form
    assert form_in(()) == NEWEST
