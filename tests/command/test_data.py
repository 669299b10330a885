"""`data` as it is typed: what people bring comes in and can be mended and deleted; what is wrong leaves nothing."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.home.folder import EngineLock, Home
from quarterdeck import QuarterdeckRuntime
from tui.cli import cli

T0 = 1_735_689_600_000
MINUTE = 60_000
HEADER = "open_time,open,high,low,close,volume"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def data(home: Path, *words: object) -> Result:
    return CliRunner().invoke(cli, ["data", *map(str, words), "--home", str(home)], obj=QuarterdeckRuntime())


def listed(home: Path) -> list[dict[str, Any]]:
    answer = data(home, "list", "--json")
    assert answer.exit_code == 0, answer.output
    return list(json.loads(answer.stdout))


def candles(path: Path, first: int, stop: int, sep: str = ",", volume: float = 5) -> Path:
    rows = [sep.join(map(str, (T0 + n * MINUTE, 10, 11, 9, 10.5, volume))) for n in range(first, stop)]
    path.write_text("\n".join([HEADER.replace(",", sep), *rows]))
    return path


def taken(home: Path, *words: object) -> list[dict[str, Any]]:
    answer = data(home, "import", *words, "--json")
    assert answer.exit_code == 0, answer.output
    return list(json.loads(answer.stdout))


def test_what_people_bring_comes_in_each_as_what_it_is(home: Path, files: Path) -> None:
    packed = files / "ETHUSDT-1m.csv.gz"
    packed.write_bytes(gzip.compress(candles(files / "a", 0, 300).read_bytes()))
    mark = files / "markPriceKlines" / "BTCUSDT-1m.csv"
    mark.parent.mkdir()
    bring = [
        candles(files / "BTCUSDT-1m.csv", 0, 300, sep=";"),
        packed,
        candles(files / "BTCUSDT_250328-1m-2025-01.csv", 0, 300),
        candles(files / "币安人生USDT_1m_data.csv", 0, 300),
        candles(mark, 0, 300, volume=0),
    ]
    rows = taken(home, *bring)
    assert [(row["symbol"], row["kind"], row["added"]) for row in rows] == [
        ("BTCUSDT", "candles", 300),
        ("ETHUSDT", "candles", 300),
        ("BTCUSDT_250328", "candles", 300),
        ("币安人生USDT", "candles", 300),
        ("BTCUSDT", "mark", 300),
    ]
    assert {(row["symbol"], row["kind"]) for row in listed(home)} == {(row["symbol"], row["kind"]) for row in rows}
    assert data(home, "check").exit_code == 0


def test_what_the_operator_should_know_is_told_beside_the_table(home: Path, files: Path) -> None:
    answer = data(home, "import", candles(files / "BTCUSDT-1m.csv", 0, 3, volume=0))
    assert answer.exit_code == 0
    assert answer.stderr.splitlines()[-1] == "BTCUSDT-1m.csv: every volume is zero"
    assert listed(home)[0]["note"] == "every volume is zero"


def test_an_unfinished_last_candle_is_corrected_and_told(home: Path, files: Path) -> None:
    first = candles(files / "BTCUSDT-1m-a.csv", 0, 300)
    first.write_text(first.read_text().removesuffix("5") + "4")
    taken(home, first)
    (row,) = taken(home, candles(files / "BTCUSDT-1m-b.csv", 299, 600))
    assert (row["added"], row["corrected"]) == (300, 1)
    assert "not finished" in row["notes"][0]


def test_data_are_replaced_and_deleted_on_demand(home: Path, files: Path) -> None:
    taken(home, candles(files / "BTCUSDT-1m-a.csv", 0, 300))
    other = candles(files / "BTCUSDT-1m-b.csv", 100, 200, volume=6)
    refused = data(home, "import", other)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "--replace" in refused.stderr
    assert taken(home, other, "--replace")[0]["replaced"] == 100

    gone = data(home, "delete", "BTCUSDT", "--from", "2025-01-01T01:00", "--to", "2025-01-01T02:00", "--json")
    assert [(row["kind"], row["rows"]) for row in json.loads(gone.stdout)] == [("candles", 60)]
    assert sum(row["rows"] for row in listed(home)) == 240
    assert data(home, "delete", "BTCUSDT").exit_code == 0
    assert listed(home) == []
    again = data(home, "delete", "BTCUSDT")
    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)


def test_nothing_is_deleted_beside_an_engine(home: Path, files: Path) -> None:
    taken(home, candles(files / "BTCUSDT-1m.csv", 0, 3))
    with EngineLock(Home(home)):
        answer = data(home, "delete", "BTCUSDT")
    assert answer.exit_code == 1
    assert "an engine runs in" in answer.stderr
    assert len(listed(home)) == 1


def observed(path: Path, first: int, stop: int) -> Path:
    rows = [f"{T0 + n * 4 * 60 * MINUTE},{100 + n},{n}" for n in range(first, stop)]
    path.write_text("\n".join(["timestamp,sumOpenInterest,sumOpenInterestValue", *rows]))
    return path


def test_streams_come_in_are_checked_and_go(home: Path, files: Path) -> None:
    (row,) = taken(home, observed(files / "BTCUSDT-4h-a.csv", 0, 10))
    assert (row["kind"], row["interval"], row["added"]) == ("open_interest", "4h", 10)
    assert taken(home, files / "BTCUSDT-4h-a.csv", "--stream", "open_interest.4h")[0]["added"] == 0
    assert data(home, "check").exit_code == 0
    taken(home, observed(files / "BTCUSDT-4h-b.csv", 12, 14))
    found = data(home, "check", "--json")
    assert found.exit_code == 1
    (problem,) = json.loads(found.stdout)
    assert (problem["symbol"], problem["kind"], problem["count"]) == ("BTCUSDT open_interest.4h", "gap", 2)
    gone = data(home, "delete", "BTCUSDT", "--kind", "open_interest", "--interval", "4h", "--json")
    assert json.loads(gone.stdout)[0]["rows"] == 12
    assert listed(home) == []


@pytest.mark.parametrize(
    ("content", "words", "reason"),
    [
        ("timestamp,sumOpenInterest,sumOpenInterestValue\n{T0},1,-2", (), "line 2: open_interest_value -2.0 cannot be"),
        ("timestamp,longAccount,shortAccount,longShortRatio\n{T0},.5,.5,1", (), "--stream long_short or --stream"),
        ("timestamp,buyVol,sellVol\n{T0},1,2", ("--stream", "taker"), "stream 'taker' is unknown; the streams are"),
        (
            "timestamp,buyVol,sellVol\n{T0},1,2",
            ("--stream", "trades"),
            "trades lacks the columns is_buyer_maker, price, qty, trade_id",
        ),
    ],
)
def test_a_bad_stream_is_one_line_and_leaves_nothing(
    home: Path, files: Path, content: str, words: tuple[str, ...], reason: str
) -> None:
    path = files / "BTCUSDT-4h.csv"
    path.write_text(content.replace("{T0}", str(T0)))
    answer = data(home, "import", path, *words)
    assert (answer.exit_code, answer.stderr.count("\n")) == (2, 1)
    assert answer.stderr.startswith("quarterdeck: BTCUSDT-4h.csv: ")
    assert reason in answer.stderr
    assert answer.stderr.endswith("nothing was imported\n")
    assert listed(home) == []


def test_a_period_that_ends_before_it_begins_is_bad_usage(home: Path, files: Path) -> None:
    taken(home, candles(files / "BTCUSDT-1m.csv", 0, 3))
    answer = data(home, "delete", "BTCUSDT", "--from", "2025-01-02", "--to", "2025-01-01")
    assert (answer.exit_code, answer.stderr) == (2, "quarterdeck: --from must lie before --to\n")


WRONG = {
    "BTCUSDT-1m.csv": b"id,price,qty\n1,2,3",
    "BTCUSDT-5m.csv": f"{HEADER}\n{T0},1,2,3,4,5".encode(),
    "BTCUSDT-1m.zip": b"PK\x03\x04 and no more",
    "BTCUSDT-1m.csv.gz": gzip.compress(b"x" * 1_000)[:20],
    "BTCUSDT-1m.feather": b"ARROW1\0\0 and no more",
    "BTCUSDT-1m.parquet": b"PAR1 and no more",
    "BTCUSDT-1m.json": b'{"open_time": [1, 2]}',
    "BTCUSDT-1m.txt": b"\xff\xfe\0",
    "markets.csv": f"{HEADER}\n{T0},1,1,1,1,5".encode(),
    "BTCUSDT-1m-b.csv": f"{HEADER}\n{T0},1,1,1,1,5\n{T0},1,1,1,1,5".encode(),
    "BTCUSDT-1m-mark.csv": b"funding_rate,x\n1,2",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line_and_leaves_nothing(home: Path, files: Path, name: str) -> None:
    path = files / name
    path.write_bytes(WRONG[name])
    answer = data(home, "import", path)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith(f"quarterdeck: {name}: ")
    assert answer.stderr.count("\n") == 1
    assert listed(home) == []


def test_of_several_files_the_wrong_one_says_which_came_in_before_it(home: Path, files: Path) -> None:
    good = candles(files / "BTCUSDT-1m.csv", 0, 3)
    bad = files / "ETHUSDT-1m.csv"
    bad.write_bytes(WRONG["BTCUSDT-1m.csv"])
    answer = data(home, "import", good, bad, good)
    assert answer.exit_code == 2
    assert answer.stderr.splitlines()[-1].endswith("; imported before it: BTCUSDT-1m.csv")
    assert [row["symbol"] for row in listed(home)] == ["BTCUSDT"]
