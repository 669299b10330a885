import json
from pathlib import Path

import pytest

from core.home.folder import Home
from core.home.logbook import file_entry
from tests.tui.cli.fakes import Quarterdeck
from tui.cli import log_verb

T0_MS = 1_749_000_000_000
WARNING = 30


def line(number: int, level: str = "INFO", trace: str = "") -> str:
    return json.dumps(file_entry(T0_MS + number, T0_MS, level, "core.engine.engine", f"line {number}", trace)) + "\n"


def numbers(entries: list[dict[str, object]]) -> list[int]:
    return [int(str(entry["message"]).removeprefix("line ")) for entry in entries]


class Writer:
    """Changes the file whenever its reader waits, and ends the reader when it has no more to do."""

    def __init__(self, path: Path, *steps: str) -> None:
        self._path = path
        self._steps = list(steps)

    def __call__(self) -> None:
        if not self._steps:
            raise KeyboardInterrupt
        step = self._steps.pop(0)
        if step == "rotate":
            self._path.rename(self._path.with_name(f"{self._path.name}.1"))
        else:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(step)


def test_the_newest_lines_come_last(quarterdeck: Quarterdeck, home: Home) -> None:
    home.log.write_text("".join(line(number) for number in range(9)))
    assert quarterdeck("logs", "--lines", "2").stdout.splitlines() == [
        "2025-06-04T01:20:00.007Z INFO     core.engine.engine: line 7",
        "2025-06-04T01:20:00.008Z INFO     core.engine.engine: line 8",
    ]


def test_json_is_an_object_a_line(quarterdeck: Quarterdeck, home: Home) -> None:
    home.log.write_text(line(1) + line(2))
    assert [json.loads(text)["message"] for text in quarterdeck("logs", "--json").stdout.splitlines()] == [
        "line 1",
        "line 2",
    ]


def test_a_level_hides_what_is_below_it(quarterdeck: Quarterdeck, home: Home) -> None:
    home.log.write_text(line(1) + line(2, "ERROR", "Traceback\nValueError: x"))
    text = quarterdeck("logs", "--level", "warning").stdout
    assert "line 1" not in text
    assert text.endswith("line 2\nTraceback\nValueError: x\n")


def test_a_source_hides_the_others(quarterdeck: Quarterdeck, home: Home) -> None:
    names = ("quarterdeck.trade", "quarterdeck.risk", "quarterdeck.trades", "core.exchange.orders.outbox")
    entries = [file_entry(T0_MS + n, T0_MS, "INFO", name, f"of {name}", "") for n, name in enumerate(names)]
    home.log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    told = quarterdeck("logs", "--source", "trade", "--source", "core.exchange", "--json").stdout.splitlines()
    assert [json.loads(text)["logger"] for text in told] == ["quarterdeck.trade", "core.exchange.orders.outbox"]
    found = quarterdeck("logs", "--source", "model")
    assert (found.stdout, "no line of model of level info" in found.stderr) == ("", True)


def test_no_line_says_what_comes_next(quarterdeck: Quarterdeck, home: Home) -> None:
    result = quarterdeck("logs")
    assert result.exit_code == 0
    assert result.stderr == f"no line of level info or above in {home.log}; `quarterdeck run` writes it\n"


def test_lines_reach_back_into_the_file_rotated_before(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.with_name("log.1").write_text(line(1) + line(2))
    path.write_text(line(3))
    entries, end = log_verb.newest(path, 2, 0)
    assert numbers(entries) == [2, 3]
    assert end == len(line(3))


def test_a_line_cut_short_and_one_of_another_kind_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(line(1) + line(2)[:30] + "\n" + "[1]\n" + '{"level": "LOUD"}\n' + line(3))
    assert numbers(log_verb.newest(path, 9, 0)[0]) == [1, 3]


@pytest.mark.parametrize(
    "steps",
    [
        [line(2), line(3)],
        [line(2)[:20], line(2)[20:] + line(3)],
        [line(2), "rotate", line(3)],
        ["rotate", line(2) + line(3)],
        [line(2) + line(1, "DEBUG"), line(3)],
    ],
)
def test_following_gives_each_new_line_once(tmp_path: Path, steps: list[str]) -> None:
    path = tmp_path / "log"
    path.write_text(line(0) + line(1))
    entries, end = log_verb.newest(path, 9, 20)
    with pytest.raises(KeyboardInterrupt):
        entries.extend(log_verb.followed(path, end, 20, Writer(path, *steps)))
    assert numbers(entries) == [0, 1, 2, 3]


def test_a_line_being_written_is_shown_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(line(1) + line(2)[:30])
    entries, end = log_verb.newest(path, 9, 0)
    with pytest.raises(KeyboardInterrupt):
        entries.extend(log_verb.followed(path, end, 0, Writer(path, line(2)[30:])))
    assert numbers(entries) == [1, 2]


def test_following_begins_before_there_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    found: list[dict[str, object]] = []
    with pytest.raises(KeyboardInterrupt):
        found.extend(log_verb.followed(path, 0, 0, Writer(path, line(1), line(2))))
    assert numbers(found) == [1, 2]


def test_ctrl_c_ends_following_without_a_complaint(
    quarterdeck: Quarterdeck, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(home.log, line(2))
    monkeypatch.setattr(log_verb.time, "sleep", lambda _: writer())
    home.log.write_text(line(1))
    result = quarterdeck("logs", "--follow")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [text[-1] for text in result.stdout.splitlines()] == ["1", "2"]
