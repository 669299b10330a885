"""Analysts outside: asked in real time by the door of the models, never substituted; told again in virtual time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.domain.errors import BadInputError, ModelError
from core.domain.forecast import Forecast, Output
from core.domain.market import MINUTE_MS
from core.domain.origin import champion
from core.domain.records import ForecastRecord
from core.engine.outside import OutsideAnalyst, StoredAnalyst, in_a_thread, stored_analysts
from core.features.probe import made_market
from core.ports import BarColumns
from core.settings.schema import parse_settings
from core.strategy.declaration import Analyst, Part, Rule
from storage.database import open_database
from storage.journal import SqliteJournal
from storage.paper import told_in_real_time
from tests.core.engine.test_answers import on_floor
from tests.core.engine.test_asking import sums, told
from tests.core.lab.markets import decisions
from tests.core.lab.recorded import ListJournal, demo_records
from tests.core.lab.sweep.test_parity import FROM_MS, backtest
from tests.core.trader.desk import BTC, ETH
from tests.declared import declared
from tests.engine.test_latency import Crashing

WINDOW = made_market(bars=5, seed=1)
MOOD = (Output("mood", "probability"),)


def part_of(ask: Any, timeout_ms: int = 5_000) -> Part:
    return Part(MOOD, 1, Analyst(lambda: ask, timeout_ms), name="news")


def outside(ask: Any, timeout_ms: int = 5_000) -> OutsideAnalyst:
    part = part_of(ask, timeout_ms)
    return OutsideAnalyst(declared("plain", parts=(part,)), part)


def asked(ask: Any, timeout_ms: int = 5_000) -> tuple[Forecast | None, str]:
    """The answer, and what is wrong with it."""

    async def run() -> tuple[Forecast | None, str]:
        analyst = outside(ask, timeout_ms)
        (answer,) = await analyst.predict([(WINDOW, "")], 7)
        return answer, analyst.describe()["unusable"].get(WINDOW.symbol, "")

    return asyncio.run(run())


async def answers(window: BarColumns) -> list[float]:
    return [0.25]


def answers_slowly(window: BarColumns) -> list[float | None]:
    assert threading.current_thread() is not threading.main_thread()
    return [0.75]


class Asks:
    async def __call__(self, window: BarColumns) -> list[float]:
        return [float(len(window.close)) / 10.0]


@pytest.mark.parametrize(("ask", "value"), [(answers, 0.25), (answers_slowly, 0.75), (Asks(), 0.5)])
def test_a_coroutine_a_plain_function_and_an_object_are_asked(ask: Any, value: float) -> None:
    answer, problem = asked(ask)
    assert problem == ""
    assert answer == Forecast(
        WINDOW.symbol, int(WINDOW.open_time_ms[-1]) + MINUTE_MS, 7, (value,), champion("plain", part="news")
    )


async def raises(window: BarColumns) -> list[float]:
    raise RuntimeError("no way\x1b[2J\nto it")


async def never(window: BarColumns) -> list[float]:
    await asyncio.Event().wait()
    return []


async def too_much(window: BarColumns) -> list[float]:
    return [1.5]


async def words(window: BarColumns) -> list[str]:
    return ["up"]


async def nothing(window: BarColumns) -> None:
    return None


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (raises, "the analyst failed, RuntimeError: no way\\x1b[2J\\nto it (1 times so far)"),
        (never, "the analyst failed, no answer within 0.02 s (1 times so far)"),
        (too_much, "the analyst failed, answers mood 1.5, which is no probability (1 times so far)"),
        (
            words,
            "the analyst failed, answers what is no numbers: could not convert string to float: 'up' (1 times so far)",
        ),
        (nothing, ""),
    ],
)
def test_a_failure_is_told_and_nothing_stands_in_for_the_answer(ask: Any, said: str) -> None:
    assert asked(ask, 20 if ask is never else 5_000) == (None, said)


def test_one_that_hangs_in_its_thread_is_not_asked_again_until_it_is_back() -> None:
    gate, calls = threading.Event(), []

    def hangs(window: BarColumns) -> list[float]:
        calls.append(1)
        gate.wait()
        return [0.5]

    async def run() -> None:
        analyst = outside(hangs, 200)
        for _ in range(3):
            assert await analyst.predict([(WINDOW, "")], 7) == [None]
        problem = "the analyst failed, it has not come back from an earlier question (3 times so far)"
        assert analyst.describe()["unusable"][WINDOW.symbol] == problem
        gate.set()
        await asyncio.gather(*analyst._out.values())
        assert [answer is not None for answer in await analyst.predict([(WINDOW, "")], 7)] == [True]

    asyncio.run(run())
    assert len(calls) == 2


def test_one_that_cannot_be_made_is_refused_in_one_line() -> None:
    def create() -> Callable[[BarColumns], Awaitable[Any]]:
        raise KeyError("no\nkey")

    part = Part(MOOD, 2, Analyst(create), name="news")
    with pytest.raises(BadInputError, match="strategy plain: part news: its analyst fails: KeyError") as error:
        OutsideAnalyst(declared("plain", parts=(part,)), part)
    assert "\n" not in str(error.value)


BEHIND = Part((Output("sum", "score"),), 1, Rule(sums, 1, ()), name="behind", inputs=("news",))


def test_in_real_time_its_failure_is_shown_and_who_sees_it_says_nothing() -> None:
    replies: list[Any] = [[0.5], RuntimeError("gone"), [0.25]]

    async def ask(window: BarColumns) -> list[float]:
        reply = replies[0] if window.symbol == BTC else [1.0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    news = part_of(ask)
    chosen: dict[str, Any] = {"parts": (news, BEHIND), "decides_on": ("behind",), "because": None}

    async def test(floor: Any) -> None:
        await floor.bars()
        replies.pop(0)
        await floor.bars()
        problem = "no forecast of BTCUSDT by news: the analyst failed, RuntimeError: gone (1 times so far)"
        assert floor.session.note() == problem
        replies.pop(0)
        await floor.bars()
        assert floor.session.note() == ""
        assert told(floor, "news") == [(1, 0.5), (3, 0.25)]
        assert told(floor, "behind") == [(1, 0.5), (3, 0.75)]
        assert [value for _, value in told(floor, "behind", ETH)] == [1.0, 2.0, 3.0]

    desk = OutsideAnalyst(declared("plain", parts=(news,)), news)
    on_floor(test, others={"news": desk}, **chosen)  # type: ignore[dict-item]


SYMBOLS = ("SOLUSDT", "BTCUSDT")
SETTINGS = parse_settings(
    {"market": {"symbols": SYMBOLS}, "limits": {"max_trades_per_day": 200, "max_losses_in_row": 100}}, "the test"
)
TO_MS = FROM_MS + 40 * MINUTE_MS
NEWS = Part((Output("mood", "score"),), 2, Analyst(lambda: answers), name="news", max_age_ms=12_000)
LATER = Part((Output("sum", "score"),), 1, Rule(sums, 1, ()), name="later", inputs=("news",), latency_ms=1_000)
STRATEGY = declared(
    "listens", parts=(NEWS, LATER), decides_on=("news", "later"), parameters=(0.5,), because=None, stop_pct=0.3
)


def stored() -> list[Forecast]:
    """Of every bar but each fifth, made 0 to 13 s after the close."""
    rng = np.random.default_rng(2)
    made = []
    for minute in range(1, 41):
        for symbol in SYMBOLS if minute % 5 else ():
            close_ms = FROM_MS + minute * MINUTE_MS
            made_ms = close_ms + 1_000 * (minute % 14)
            values = (float(rng.normal()),)
            made.append(Forecast(symbol, close_ms, made_ms, values, champion("listens", part="news")))
    return made


def forecasters() -> dict[str, Any]:
    return dict(stored_analysts(STRATEGY, stored(), SYMBOLS, FROM_MS, TO_MS, "the hour"))


async def test_in_virtual_time_it_says_again_what_it_said_when_it_was_known() -> None:
    theirs = await demo_records(STRATEGY, SETTINGS, None, FROM_MS, TO_MS, analysts=forecasters())
    _, ours = await backtest(STRATEGY, SETTINGS, None, FROM_MS, TO_MS, 60, analysts=forecasters())
    assert decisions(ours) == decisions(theirs)
    assert len(decisions(ours)) > 20
    made = [record.forecast for record in theirs if isinstance(record, ForecastRecord)]
    news = [one for one in made if one.origin.part == "news"]
    young = [one for one in stored() if one.made_ms - one.bar_close_ms <= NEWS.max_age_ms and one.made_ms < TO_MS]
    key = {(one.symbol, one.bar_close_ms): one.values for one in young}
    assert {(one.symbol, one.bar_close_ms): one.values for one in news} == key
    known = {(one.symbol, one.bar_close_ms): one.made_ms for one in news}
    later = [one for one in made if one.origin.part == "later"]
    assert later
    for one in later:
        assert one.made_ms == known[one.symbol, one.bar_close_ms] + LATER.latency_ms


@pytest.mark.parametrize("commits", [40, 41, 42, 43])
async def test_after_a_crash_it_goes_on_as_if_there_had_been_none(commits: int) -> None:
    whole = await demo_records(STRATEGY, SETTINGS, None, FROM_MS, TO_MS, analysts=forecasters())
    broken, journal = Crashing(commits), ListJournal()
    with pytest.raises(ExceptionGroup):
        await demo_records(STRATEGY, SETTINGS, None, FROM_MS, TO_MS, broken, analysts=forecasters())
    await journal.commit(broken.records)
    again = await demo_records(STRATEGY, SETTINGS, None, FROM_MS, TO_MS, journal, analysts=forecasters())
    assert [r for r in again if isinstance(r, ForecastRecord)] == [r for r in whole if isinstance(r, ForecastRecord)]


def test_where_nothing_is_stored_a_run_is_refused_in_one_line() -> None:
    with pytest.raises(BadInputError) as error:
        stored_analysts(STRATEGY, stored(), SYMBOLS, TO_MS, TO_MS + MINUTE_MS, "2025-07-01")
    assert str(error.value) == (
        "strategy listens: its part news is an analyst, who is asked in real time alone, and nothing is stored of what "
        "it said of SOLUSDT, BTCUSDT in 2025-07-01; run it in paper, and take a period of that"
    )
    assert error.value.exit_code == 2


async def test_what_was_said_in_paper_is_read_and_what_a_demo_said_is_not(tmp_path: Path) -> None:
    database = open_database(tmp_path / "home.db")
    first, *rest = stored()
    for account, told_there in (("paper", rest), ("demo", [first])):
        journal = await SqliteJournal.open(database, account)
        await journal.commit([ForecastRecord(one) for one in told_there])
        await journal.close()
    assert told_in_real_time(database, "listens") == rest
    assert told_in_real_time(database, "another") == []


async def test_it_is_not_trained() -> None:
    with pytest.raises(ModelError, match="an analyst is not trained"):
        await StoredAnalyst(NEWS, stored()).train(WINDOW, 0)
    assert (await in_a_thread(lambda: [1.0])) == [1.0]


async def test_it_is_not_asked_before_there_are_as_many_bars_as_it_looks_back_on() -> None:
    part = Part(MOOD, 6, Analyst(lambda: answers), name="news")
    assert await OutsideAnalyst(declared("plain", parts=(part,)), part).predict([(WINDOW, "")], 7) == [None]
