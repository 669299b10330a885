"""`data fetch` as a process: cut off, gone on with, refused, and never two at once."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from core.home.folder import Home
from core.home.logbook import iso_utc
from tests import patience
from tests.command import kit
from tests.core.market.fetch.market import MARK_ABOVE_TICKS, Past, at
from tests.venue.archive import LoopbackArchive, in_thread

BTC, ETH = "BTCUSDT", "ETHUSDT"
JUNE = ("--from", "2025-06-01", "--to", "2025-07-01")
JUNE_BARS = 30 * 1440
MONTH = f"{BTC}-1m-2025-06.zip"


@pytest.fixture
def past() -> Iterator[Past]:
    past = Past((BTC, ETH))
    for symbol in (BTC, ETH):
        past.publish(symbol)
    with in_thread(lambda: past.server, lambda: past.archive):
        yield past


@pytest.fixture
def home(tmp_path: Path, past: Past) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "settings.toml").write_text(
        f'[exchange]\nbase_url = "{past.server.base_url}"\n[data]\narchive_url = "{past.archive.url}"\n'
    )
    return home


def fetch(home: Path, *words: object) -> Popen[str]:
    return kit.start("data", "fetch", "--home", home, *words)


def fetched(home: Path, *words: object) -> dict[str, Any]:
    answer = kit.finish(fetch(home, "--json", *words))
    assert answer.code == 0, answer.err
    found: dict[str, Any] = json.loads(answer.out)
    return found


def stored(home: Path, symbol: str = BTC) -> list[tuple[Any, ...]]:
    columns = "open_time_ms, open, high, low, close, volume"
    return kit.rows(home, f"SELECT {columns} FROM candles WHERE symbol = '{symbol}' ORDER BY 1")


def marks(home: Path) -> list[tuple[Any, ...]]:
    sql = f"SELECT open_time_ms, open, close FROM price_candles WHERE kind = 'mark' AND symbol = '{BTC}' ORDER BY 1"
    return kit.rows(home, sql)


def expected(past: Past, symbol: str = BTC) -> list[tuple[Any, ...]]:
    begin_ms, end_ms = at("2025-06-01"), at("2025-07-01")
    return [
        (bar.open_time_ms, bar.open, bar.high, bar.low, bar.close, bar.volume)
        for bar in past.bars[symbol]
        if begin_ms <= bar.open_time_ms < end_ms
    ]


def stall(archive: LoopbackArchive, process: Popen[str]) -> None:
    """Until the archive has fallen silent in the midst of a file."""
    kit.until(archive.stalled.is_set, "a stalled download", process)
    archive.stalled.clear()


def test_a_month_that_was_cut_off_twice_ends_complete(home: Path, past: Past) -> None:
    archive = past.archive
    archive.stalls = True
    archive.cuts.extend([400_000, 300_000])

    interrupted = fetch(home, BTC, *JUNE)
    stall(archive, interrupted)
    part = Home(home).fetched / f"monthly/klines/{BTC}/1m/{MONTH}.part"
    patience.until(lambda: part.exists() and part.stat().st_size > 200_000, "what was sent")
    interrupted.send_signal(signal.SIGINT)
    answer = kit.finish(interrupted)
    assert answer.code == 1
    assert "stopped; what has come is kept: run the same command again to go on" in answer.err

    first = part.stat().st_size
    killed = fetch(home, BTC, *JUNE)
    stall(archive, killed)
    patience.until(lambda: part.stat().st_size > first + 100_000, "what was sent")
    kit.end(killed)

    found = fetched(home, BTC, *JUNE)
    begins = [asked.from_byte for asked in archive.asked if asked.name == MONTH]
    assert begins[:2] == [0, first]
    assert begins[2] > first + 100_000
    # The last is the file of the same name that has the mark prices.
    assert begins[3:] == [0]
    rows = {(row["kind"], row["source"]): row["rows"] for row in found["fetched"]}
    assert rows == {
        ("candles", "monthly archive"): JUNE_BARS,
        ("funding", "binanceusdm"): 90,
        ("mark", "monthly archive"): JUNE_BARS,
    }
    assert found["problems"] == []
    assert found["contracts"][0]["tick_size"] == "0.1"
    assert stored(home) == expected(past)
    assert not Home(home).fetched.exists()
    kit.assert_sound(home)


def test_two_symbols_are_told_apart_and_checked(home: Path, past: Past) -> None:
    answer = kit.finish(fetch(home, BTC, ETH, "--from", "2025-06-29", "--to", "2025-07-03"))
    assert answer.code == 0, answer.err
    assert [line.split()[:4] for line in answer.out.splitlines()[1:]] == [
        [BTC, "candles", "1m", "daily"],
        [BTC, "candles", "1m", "binanceusdm"],
        [BTC, "funding", "8h", "binanceusdm"],
        [BTC, "mark", "1m", "daily"],
        [BTC, "mark", "1m", "binanceusdm"],
        [ETH, "candles", "1m", "daily"],
        [ETH, "candles", "1m", "binanceusdm"],
        [ETH, "funding", "8h", "binanceusdm"],
        [ETH, "mark", "1m", "daily"],
        [ETH, "mark", "1m", "binanceusdm"],
    ]
    assert f"{ETH}: rules of binanceusdm: tick 0.01, lot 0.001" in answer.err
    assert "data check finds no problem" in answer.err
    for symbol in (BTC, ETH):
        last = stored(home, symbol)[-1]
        assert iso_utc(last[0]).startswith("2025-07-02T04:59")


def test_a_checksum_that_does_not_match_is_one_line_and_nothing_is_stored(home: Path, past: Past) -> None:
    past.archive.checksums[f"monthly/klines/{BTC}/1m/{MONTH}"] = "ab" * 32
    answer = kit.finish(fetch(home, BTC, *JUNE))
    assert answer.code == 2
    told = [line for line in answer.err.splitlines() if line.startswith("quarterdeck: ")]
    assert len(told) == 1
    assert told[0].startswith(f"quarterdeck: {MONTH}: does not match its checksum in the archive")
    assert "Traceback" not in answer.err
    assert stored(home) == []


def test_mark_prices_that_were_cut_off_go_on_and_are_listed(home: Path, past: Past) -> None:
    archive, path = past.archive, f"monthly/markPriceKlines/{BTC}/1m/{MONTH}"
    assert kit.finish(fetch(home, "--no-mark", BTC, *JUNE)).code == 0
    assert marks(home) == []

    archive.stalls = True
    archive.cuts.append(200_000)
    interrupted = fetch(home, BTC, *JUNE)
    stall(archive, interrupted)
    part = Home(home).fetched / f"{path}.part"
    patience.until(lambda: part.exists() and part.stat().st_size > 100_000, "what was sent")
    kit.end(interrupted)
    first = part.stat().st_size

    found = fetched(home, BTC, *JUNE)
    assert [asked.from_byte for asked in archive.asked if asked.name == MONTH][-1] == first
    rows = {(row["kind"], row["source"]): row["rows"] for row in found["fetched"]}
    assert rows["mark", "monthly archive"] == JUNE_BARS
    assert found["problems"] == []
    above = MARK_ABOVE_TICKS / 10
    assert marks(home) == [(row[0], round(row[1] + above, 1), round(row[4] + above, 1)) for row in expected(past)]
    assert stored(home) == expected(past)
    listed = kit.finish(kit.start("data", "list", "--home", home, "--json"))
    kinds = {(row["kind"], row["interval"]): row["rows"] for row in json.loads(listed.out)}
    assert kinds == {("candles", "1m"): JUNE_BARS, ("funding", "8h"): 90, ("mark", "1m"): JUNE_BARS}


def test_a_hole_in_the_mark_prices_is_told_at_the_end(home: Path, past: Past) -> None:
    market = past.market(BTC)
    hole = market.candles[-200:-190]
    del market.candles[-200:-190], market.candle_times[-200:-190]
    answer = kit.finish(fetch(home, BTC, "--from", "2025-07-02", "--to", "2025-07-02T05:00", "--json"))
    assert answer.code == 0, answer.err
    problems = [(row["symbol"], row["kind"], row["from_ms"]) for row in json.loads(answer.out)["problems"]]
    assert (f"{BTC} mark", "gap", hole[0].open_ms) in problems


def test_a_second_fetch_in_the_home_is_refused(home: Path, past: Past) -> None:
    past.archive.stalls = True
    past.archive.cuts.append(200_000)
    first = fetch(home, BTC, *JUNE)
    stall(past.archive, first)
    answer = kit.finish(fetch(home, ETH, *JUNE))
    kit.end(first)
    assert answer.code == 1
    assert "another data fetch goes on here" in answer.err


def test_an_exchange_out_of_reach_leaves_the_archive(home: Path, past: Past) -> None:
    settings = (home / "settings.toml").read_text()
    (home / "settings.toml").write_text(settings.replace(past.server.base_url, "http://127.0.0.1:9"))
    answer = kit.finish(fetch(home, BTC, *JUNE))
    assert answer.code == 0, answer.err
    assert "binanceusdm is left out, and its archive alone is asked: 127.0.0.1:9 refuses the connection" in answer.err
    assert stored(home) == expected(past)
    answer = kit.finish(fetch(home, BTC, "--from", "2025-06-30", "--to", "2025-07-02T05:00"))
    assert answer.code == 3
    assert "nowhere" in answer.out


def test_nobody_to_ask_is_one_line(home: Path, past: Past) -> None:
    (home / "settings.toml").write_text('[exchange]\nbase_url = "http://127.0.0.1:9"\n[data]\narchive_url = ""\n')
    answer = kit.finish(fetch(home, BTC, *JUNE))
    assert answer.code == 3
    assert answer.err.startswith("quarterdeck: 127.0.0.1:9 refuses the connection; check this machine's network")
    assert answer.err.count("\n") == 1


def test_a_symbol_that_nobody_knows_is_bad_input(home: Path, past: Past) -> None:
    answer = kit.finish(fetch(home, "BTCUSTD", "--from", "2025-06-30", "--to", "2025-07-01"))
    assert answer.code == 2
    assert "quarterdeck: BTCUSTD: binanceusdm has no USDT-margined perpetual of this name; did you mean" in answer.err
    assert stored(home) == []
