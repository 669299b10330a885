"""`collect` as a process: killed, stopped, refused, and beside an engine of the same home."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from core.home.folder import Home
from storage.database import open_database
from tests.command import kit
from tests.command.conftest import Run
from tests.venue.archive import in_thread
from tests.venue.server import VenueServer
from tests.venue.venue import BinanceVenue
from tests.venue.walk import RandomWalk

BTC = "BTCUSDT"
STEP_S = 0.02


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class MovingMarket:
    """A loopback exchange whose market moves by the clock of this machine."""

    def __init__(self) -> None:
        self.venue = BinanceVenue([BTC])
        self.walk = RandomWalk(self.venue, [BTC], random.Random(3), history_minutes=10)
        self.server = VenueServer(self.venue, now_ms)

    async def __aenter__(self) -> MovingMarket:
        self.walk.begin(now_ms())
        await self.server.start()
        self.moving = asyncio.ensure_future(self._move())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.moving.cancel()
        await asyncio.gather(self.moving, return_exceptions=True)
        await self.server.close()

    async def _move(self) -> None:
        while True:
            self.walk.step(now_ms())
            await asyncio.sleep(STEP_S)


@pytest.fixture(scope="module")
def moving() -> Iterator[MovingMarket]:
    with in_thread(MovingMarket) as (market,):
        yield market


@pytest.fixture
def home(tmp_path: Path, moving: MovingMarket) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "settings.toml").write_text(
        f'[exchange]\nbase_url = "{moving.server.base_url}"\n[collect]\nbatch_seconds = 0.2\nmin_free_disk_mb = 0\n'
    )
    return home


def collect(home: Path, *words: object, streams: str = "trades,book10,mark,open_interest") -> Popen[str]:
    return kit.start("collect", BTC, "--home", home, "--streams", streams, "--json", *words)


def numbers(home: Path) -> list[int]:
    sql = "SELECT number FROM observations WHERE stream = 'trades' ORDER BY number"
    return [number for (number,) in kit.rows(home, sql)]


def grown(home: Path, process: Popen[str], count: int) -> int:
    """How many trades there are, once they are more than `count`."""
    return kit.until(lambda: len(found) if len(found := numbers(home)) > count else 0, "trades", process)


def is_whole(home: Path) -> bool:
    found = numbers(home)
    return found == list(range(found[0], found[-1] + 1))


def ended(process: Popen[str], code: int = 0) -> dict[str, Any]:
    answer = kit.finish(process)
    assert answer.code == code, answer.err
    told: dict[str, Any] = json.loads(answer.out)
    return {**told, "err": answer.err, **{row["stream"]: row for row in told["collected"]}}


def test_what_a_kill_lost_comes_after_the_next_start_and_a_signal_ends_it_with_its_report(home: Path) -> None:
    first = collect(home)
    before = grown(home, first, 20)
    kit.end(first)
    second = collect(home)
    before = grown(home, second, before + 20)
    kit.until(lambda: is_whole(home), "the filled hole", second)
    kit.end(second)
    third = collect(home)
    grown(home, third, before + 20)
    kit.until(lambda: is_whole(home), "the filled hole", third)
    third.send_signal(signal.SIGTERM)
    told = ended(third)
    assert is_whole(home)
    assert told["stopped"] == ""
    assert told["trades"]["rows"] == len(numbers(home))
    assert told["trades"]["holes"] == 0
    assert told["trades"]["filled"] > 0
    assert told["book10"]["rows"] == kit.rows(home, "SELECT count(*) FROM observations WHERE stream = 'book10'")[0][0]
    assert told["open_interest.5m"]["came"] <= 2
    assert told["free_mb"] > 0
    kit.assert_sound(home)
    listed = kit.finish(kit.start("data", "list", "--home", home, "--json"))
    assert {row["source"] for row in json.loads(listed.out)} == {"binanceusdm live"}
    assert "gathering trades, book10, mark, open_interest.5m of BTCUSDT" in Home(home).collect_log.read_text()


def test_it_ends_when_its_time_is_over(home: Path) -> None:
    told = ended(collect(home, "--for", "0.05m", streams="trades"))
    assert 3 <= told["seconds"] <= 6
    assert told["trades"]["came"] == len(numbers(home)) > 0


def test_a_second_one_in_the_home_is_refused(home: Path) -> None:
    first = collect(home, streams="trades")
    grown(home, first, 0)
    answer = kit.finish(collect(home, streams="mark"))
    kit.end(first)
    assert answer.code == 1
    assert "another collect goes on here" in answer.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((BTC, "--streams", "news"), 2, "stream 'news' is unknown; the streams are"),
        ((BTC, "--streams", "open_interest.3m"), 2, "stream open_interest.3m: binanceusdm tells it of 5m, 15m"),
        ((BTC, "--streams", "trades", "--exchange", "mexc"), 2, "mexc does not tell it live: it tells its trades with"),
        ((BTC, "--streams", "trades,,mark"), 2, "'trades,,mark' has an empty name"),
        ((BTC,), 2, "Missing option '--streams'"),
        (("NOSUCHUSDT", "--streams", "mark"), 2, "quarterdeck: NOSUCHUSDT: binanceusdm has no USDT-margined perpetual"),
        ((BTC, "--streams", "mark", "--min-free-disk", "999999999"), 1, "are to stay free: nothing more is gathered"),
    ],
)
def test_what_cannot_be_is_one_line(home: Path, words: tuple[str, ...], code: int, said: str) -> None:
    answer = kit.finish(kit.start("collect", *words, "--home", home))
    assert answer.code == code, answer.err
    (line,) = [line for line in answer.err.splitlines() if line.startswith("quarterdeck: ")]
    assert said in line
    assert "Traceback" not in answer.err


def test_another_exchanges_market_is_refused_in_one_line(home: Path) -> None:
    told = (BTC, "candles", 60_000, 0, 0, 1, 0)
    with closing(open_database(Home(home).database).connect_sync(durable=False)) as connection:
        connection.execute("INSERT INTO sources VALUES (1, 'mexc REST', 'x', ?2, 0, ?1, ?3, ?4, ?5, ?6, ?7, '')", told)
    answer = kit.finish(collect(home, streams="mark"))
    assert answer.code == 2
    (line,) = [line for line in answer.err.splitlines() if line.startswith("quarterdeck: ")]
    assert line.startswith(f"quarterdeck: {BTC}: what is stored of it is of mexc")
    assert "Traceback" not in answer.err


def test_an_engine_beside_it_writes_the_journal_that_it_writes_alone(
    runs: dict[str, Run], fresh: Path, moving: MovingMarket, tmp_path: Path
) -> None:
    settings = tmp_path / "collect.toml"
    settings.write_text(f'[exchange]\nbase_url = "{moving.server.base_url}"\n[collect]\nbatch_seconds = 0.1\n')
    gathering = collect(fresh, "--settings", settings, "--min-free-disk", 0)
    before = grown(fresh, gathering, 0)
    engine = kit.headless(fresh, "--seed", 7, "--from", kit.FROM)
    answer = kit.finish(engine)
    assert answer.code == 0, answer.err
    assert grown(fresh, gathering, before) > before
    gathering.send_signal(signal.SIGTERM)
    assert ended(gathering)["trades"]["holes"] == 0
    assert kit.record(fresh) == kit.record(runs["first"].home)
    shutil.rmtree(fresh)
