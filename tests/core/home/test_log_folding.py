"""A flood of one line is told with its count; what differs in anything is never folded."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from core.home.log_folding import MOST_KEPT, WHOLE_LINES, WINDOW_S, Folding
from core.home.logbook import FILE_BYTES, FILE_COUNT, set_up
from core.settings.schema import Settings

T0_S = 1_749_000_000.0


class Kept(logging.Handler):
    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.lines: list[str] = []
        self.is_closed = False

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def close(self) -> None:
        self.is_closed = True
        super().close()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def folding(kept: Kept) -> Folding:
    return Folding([kept])


def say(folding: Folding, text: str, at_s: float = 0.0, level: int = logging.WARNING, trace: str = "") -> None:
    record = logging.LogRecord("core.engine.engine", level, __file__, 1, "%s", (text,), None)
    record.created, record.exc_text = T0_S + at_s, trace
    folding.handle(record)


def test_lines_that_differ_all_pass(folding: Folding, kept: Kept) -> None:
    wanted = [f"fill {number}" for number in range(10 * WHOLE_LINES)]
    for text in wanted:
        say(folding, text)
    assert kept.lines == wanted


def test_a_flood_is_told_with_its_count_once_another_line_comes_after_the_window(folding: Folding, kept: Kept) -> None:
    for number in range(5_000):
        say(folding, "cannot read", number / 1_000)
    assert kept.lines == ["cannot read"] * WHOLE_LINES + ["cannot read (again and again: counted from here on)"]
    say(folding, "bar", WINDOW_S)
    assert kept.lines[-2:] == ["cannot read (repeated 5,000 times)", "bar"]


def test_a_flood_that_goes_on_is_told_again_and_again(folding: Folding, kept: Kept) -> None:
    for number in range(60_000):
        say(folding, "cannot read", number / 1_000)
    assert len(kept.lines) == 6 * (WHOLE_LINES + 1) + 5
    assert kept.lines.count("cannot read (repeated 10,000 times)") == 5


def test_two_lines_that_take_turns_are_both_folded(folding: Folding, kept: Kept) -> None:
    for number in range(2_000):
        say(folding, f"reconnecting to {number % 2}", number / 1_000)
    assert len(kept.lines) == 2 * (WHOLE_LINES + 1)


def test_a_line_of_another_level_or_trace_is_another_line(folding: Folding, kept: Kept) -> None:
    for _ in range(WHOLE_LINES):
        say(folding, "no")
        say(folding, "no", level=logging.ERROR)
        say(folding, "no", trace="ValueError: 1")
    assert kept.lines == ["no"] * 3 * WHOLE_LINES


def test_what_comes_now_and_then_is_never_folded(folding: Folding, kept: Kept) -> None:
    for number in range(1_000):
        say(folding, "bar", number * (WINDOW_S / WHOLE_LINES))
    assert kept.lines == ["bar"] * 1_000


def test_the_close_tells_what_was_folded(folding: Folding, kept: Kept) -> None:
    for _ in range(WHOLE_LINES + 7):
        say(folding, "no")
    folding.close()
    assert kept.lines[-1] == f"no (repeated {WHOLE_LINES + 7} times)"
    assert kept.is_closed


def test_a_clock_that_is_set_back_ends_a_window(folding: Folding, kept: Kept) -> None:
    for _ in range(WHOLE_LINES + 7):
        say(folding, "no")
    say(folding, "no", -3_600)
    assert kept.lines[-2:] == [f"no (repeated {WHOLE_LINES + 7} times)", "no"]


def test_what_is_counted_is_bounded_and_nothing_of_it_is_lost(folding: Folding, kept: Kept) -> None:
    for _ in range(WHOLE_LINES + 7):
        say(folding, "no")
    for number in range(2 * MOST_KEPT):
        say(folding, f"line {number}")
    assert len(folding._seen) == MOST_KEPT
    assert kept.lines.count(f"no (repeated {WHOLE_LINES + 7} times)") == 1


def test_each_handler_takes_from_its_level_on(kept: Kept) -> None:
    loud = Kept(logging.ERROR)
    folding = Folding([kept, loud])
    say(folding, "quiet")
    say(folding, "loud", level=logging.ERROR)
    assert (kept.lines, loud.lines) == (["quiet", "loud"], ["loud"])


def test_a_flood_of_one_line_leaves_the_files_small_and_the_lines_before_it_readable(tmp_path: Path) -> None:
    path = tmp_path / "quarterdeck.log"
    setup = set_up(path, lambda: 0)
    logging.getLogger("core").warning("the stop was refused")
    for _ in range(20_000):
        logging.getLogger("core").warning("a row of the stream cannot be read")
    setup.close()
    files = list(tmp_path.iterdir())
    assert len(files) == 1
    assert path.stat().st_size < 100_000
    assert "the stop was refused" in path.read_text()
    assert setup.book.lines_after(0)[1][0].message == "the stop was refused"


def test_a_flood_of_lines_that_differ_stays_within_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "quarterdeck.log"
    setup = set_up(path, lambda: 0)
    long = "x" * 100_000
    for number in range(2 * (FILE_COUNT + 1) * FILE_BYTES // 100_000):
        logging.getLogger("core").warning("%d %s", number, long)
    setup.close()
    files = list(tmp_path.iterdir())
    assert len(files) == 1 + FILE_COUNT
    assert sum(file.stat().st_size for file in files) <= (1 + FILE_COUNT) * FILE_BYTES


def test_size_and_number_of_files_are_chosen(tmp_path: Path) -> None:
    path = tmp_path / "quarterdeck.log"
    setup = set_up(path, lambda: 0, file_bytes=20_000, file_count=2)
    for number in range(100):
        logging.getLogger("core").warning("%d %s", number, "x" * 1_000)
    setup.close()
    files = list(tmp_path.iterdir())
    assert len(files) == 3
    assert max(file.stat().st_size for file in files) <= 20_000


def test_the_settings_begin_with_what_a_log_has_without_them() -> None:
    log = Settings().log
    assert (log.file_mb * 1_000_000, log.old_files) == (FILE_BYTES, FILE_COUNT) == (10_000_000, 5)
