"""A limit that is lifted without its cause is told, and so is a peak or a day's start that moves for no reason."""

from __future__ import annotations

from decimal import Decimal

import pytest

from core.domain.operator import CLEARED_BY_DAY, CLEARED_BY_RESUME, LimitEffect, LimitEvent, OperatorCommand, Verb
from core.domain.orders import Order, OrderRole, OrderType, Side
from core.domain.origin import champion
from core.domain.records import AdjustmentRecord, EquityRecord, IntentRecord, LimitRecord, OperatorRecord, Record
from core.domain.trading import EquitySample
from core.trader.state import FLAT_ID
from tests.simulation.latches import DAY_MS, Latches, Marks

BTC = "BTCUSDT"
T0 = 20_000 * DAY_MS + DAY_MS // 2


def limit(name: str, *, fired: bool, symbol: str = "", effect: LimitEffect = LimitEffect.NO_NEW_ENTRIES) -> Record:
    return LimitRecord(LimitEvent(name, symbol, T0, fired, effect, 1.0, 1.0, "USDT", "somehow"))


def operator(verb: Verb, result: str = "done", command_id: str = "op", symbol: str = "") -> Record:
    return OperatorRecord(OperatorCommand(command_id, verb, symbol, "test", T0), result)


def entry(symbol: str = BTC) -> Record:
    origin = champion("plain")
    return IntentRecord(Order("qd1", symbol, Side.BUY, OrderType.MARKET, OrderRole.ENTRY, 1, T0, "trade", origin))


def sample(time_ms: int = T0, equity: str = "1000", peak: str = "1000", day_start: str = "1000") -> EquityRecord:
    equity_usdt = Decimal(equity)
    return EquityRecord(EquitySample(time_ms, equity_usdt, Decimal(0), equity_usdt, Decimal(peak), Decimal(day_start)))


def told(*commits: list[Record]) -> list[str]:
    latches = Latches()
    for commit in [[sample()], *commits]:
        latches.take(commit)
    return latches.problems


TOMORROW = sample(T0 + DAY_MS)
RESUMED = operator(Verb.RESUME)


CLEARS = [
    ("day_loss_usdt", TOMORROW),
    ("day_loss_pct", TOMORROW),
    ("losses_in_row", TOMORROW),
    ("losses_in_row", RESUMED),
    ("drawdown", RESUMED),
    ("books", RESUMED),
    ("stop_refused", RESUMED),
    ("second_engine", RESUMED),
]


def test_the_limits_that_latch_are_these() -> None:
    assert {name for name, by in CLEARS if by is TOMORROW} == CLEARED_BY_DAY
    assert {name for name, by in CLEARS if by is RESUMED} == CLEARED_BY_RESUME


@pytest.mark.parametrize(("name", "by"), CLEARS)
def test_a_limit_may_be_lifted_by_what_clears_it(name: str, by: Record) -> None:
    assert told([limit(name, fired=True)], [by, limit(name, fired=False)], [entry()]) == []


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("day_loss_usdt", RESUMED),
        ("day_loss_usdt", sample(T0 + 60_000)),
        ("day_loss_usdt", sample(T0 - DAY_MS)),
        ("drawdown", TOMORROW),
        ("drawdown", operator(Verb.RESUME, "refused: the engine is starting")),
        ("books", TOMORROW),
    ],
)
def test_and_by_nothing_else(name: str, by: Record) -> None:
    found = told([limit(name, fired=True)], [by, limit(name, fired=False)])
    assert found == [f"{name} was lifted though neither resumed nor a new day"]


def test_bars_of_yesterday_do_not_make_today_a_new_day_again() -> None:
    lifted = [sample(T0 + DAY_MS + 60_000), limit("day_loss_usdt", fired=False)]
    found = told([TOMORROW], [limit("day_loss_usdt", fired=True)], [sample(T0 + DAY_MS - 1)], lifted)
    assert found == ["day_loss_usdt was lifted though neither resumed nor a new day"]


@pytest.mark.parametrize("what", [limit("day_loss_usdt", fired=True), limit("stop_refused", fired=True, symbol=BTC)])
def test_an_entry_in_spite_of_a_limit_is_told(what: Record) -> None:
    (found,) = told([what], [entry()])
    assert "is decided on in spite of" in found


def test_a_limit_that_warns_or_is_of_another_contract_forbids_nothing() -> None:
    warns = limit("day_loss_usdt", fired=True, effect=LimitEffect.WARN)
    assert told([warns, limit("stop_refused", fired=True, symbol="ETHUSDT")], [entry()]) == []


@pytest.mark.parametrize("verb", [Verb.PAUSE, Verb.HALT, Verb.FLATTEN])
def test_an_entry_in_spite_of_the_operator_is_told(verb: Verb) -> None:
    assert told([operator(verb)], [entry()]) == [f"{BTC} entry qd1 is decided on in spite of {verb}"]
    assert told([operator(verb)], [RESUMED], [entry()]) == []
    assert told([operator(verb)], [RESUMED], [operator(verb, command_id=f"op{FLAT_ID}")], [entry()]) == []


def test_a_flatten_of_one_contract_forbids_nothing() -> None:
    assert told([operator(Verb.FLATTEN, symbol=BTC)], [entry()]) == []


def moved(*commits: list[Record]) -> list[str]:
    marks = Marks()
    for commit in commits:
        marks.take(commit)
    return [problem.partition(" is ")[0] for problem in marks.problems]


def transfer(amount: str) -> Record:
    return AdjustmentRecord("a", T0, "", "transfer", "0", "0", Decimal(amount))


def test_marks_that_stay_or_rise_with_the_equity_are_right() -> None:
    assert moved([sample()], [sample(equity="990")], [sample(equity="1010", peak="1010")]) == []


def test_a_later_day_begins_with_what_there_is() -> None:
    assert moved([sample(equity="990")], [sample(T0 + DAY_MS, equity="980", day_start="980")]) == []


@pytest.mark.parametrize(
    ("after", "problems"),
    [
        (sample(equity="495", peak="500", day_start="500"), []),
        (sample(equity="495"), ["the day start", "the peak"]),
        (sample(equity="495", peak="505", day_start="505"), ["the day start", "the peak"]),
    ],
)
def test_half_of_the_account_taken_out_halves_the_marks(after: EquityRecord, problems: list[str]) -> None:
    assert moved([sample(equity="990")], [transfer("-495"), after]) == problems


@pytest.mark.parametrize("time_ms", [T0, T0 - DAY_MS])
def test_a_day_is_not_opened_again(time_ms: int) -> None:
    later = sample(T0, equity="990")
    assert moved([later], [sample(time_ms, equity="990", day_start="990")]) == ["the day start"]


def test_a_peak_begins_anew_only_where_a_drawdown_is_resumed_from() -> None:
    anew = sample(equity="900", peak="900")
    assert moved([sample(equity="900")], [anew]) == ["the peak"]
    assert moved([sample(equity="900")], [limit("drawdown", fired=False), anew]) == []
