"""Text from outside is text: on its way into the log, a cell or the terminal nothing of it controls anything."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from core.domain.plain import plain, plain_json, plain_lines
from core.exchange.account.reconciliation import _external
from core.exchange.connection.health import Health
from core.exchange.connection.outcome import clean
from core.home.logbook import JsonLines, Logbook, PlainLines, Stamp
from tui.cli.echo import echo
from tui.cli.output import Column, emit_json, pairs, table
from tui.text.format import fit
from tui.text.table import Column as ScreenColumn
from tui.text.table import row_text, table_row, text_row

ROOT = Path(__file__).parents[3]
EVIL = "\x1b[2J\x1b]0;owned\x07\u202e\u2066\u200b\u2028\n2026-01-01T00:00:00Z CRITICAL forged\r\x9b31m\x7f\ud800"
TEXT = st.text(st.characters() | st.sampled_from(sorted(set(EVIL))), max_size=40) | st.just(EVIL)


@given(TEXT)
def test_a_text_made_plain_is_one_line_that_can_be_printed_and_written(text: str) -> None:
    made = plain(text)
    assert made.isprintable()
    assert made.encode("utf-8").decode() == made
    assert plain(made) == made
    assert text != made or text.isprintable()


def test_what_was_there_can_still_be_read() -> None:
    assert plain("größer 比特币 1000\N{NO-BREAK SPACE}USDT") == "größer 比特币 1000 USDT"
    assert plain(EVIL).startswith(r"\x1b[2J\x1b]0;owned\x07\u202e")
    assert plain("a\nb") == r"a\nb"
    assert plain_lines("a\x1b\nb") == "a\\x1b\nb"


@given(st.dictionaries(TEXT, TEXT, max_size=3))
def test_json_made_plain_says_the_same(value: dict[str, str]) -> None:
    text = plain_json(json.dumps(value, ensure_ascii=False))
    assert text.isprintable()
    assert json.loads(text) == value


@given(TEXT)
def test_every_cell_of_a_verb_stands_in_its_line(text: str) -> None:
    lines = table([{"a": text, "b": 1}], [Column("a", "A", right=False), Column("b", "B")]).split("\n")
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    assert pairs([(text, text)]).isprintable()


@given(TEXT, st.integers(1, 40))
def test_every_cell_of_the_screen_is_plain(text: str, width: int) -> None:
    assert fit(text, width).isprintable()
    columns = [ScreenColumn("a", width)]
    assert row_text(table_row([(text, "plain")], columns, [width], "~")).isprintable()
    assert row_text(text_row(text)).isprintable()


@given(TEXT)
def test_a_verb_prints_lines_that_control_nothing(text: str) -> None:
    runner = CliRunner()
    with runner.isolation() as (out, *_):
        echo(text)
        emit_json({"a": text})
        said = out.getvalue().decode()
    assert all(line.isprintable() for line in said.split("\n"))


def test_a_verb_has_no_other_way_to_the_terminal() -> None:
    # About tells our own version alone; the group's own error is made plain where it stands.
    ways = {
        (path.name, line.strip())
        for path in (ROOT / "tui" / "cli").glob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"click\.echo|\bprint\(|std(out|err)\.write", line) and path.name not in ("echo.py", "about.py")
    }
    assert {name for name, _ in ways} == {"group.py", "progress.py"}
    assert all("plain(" in line or "console.print(" in line for _, line in ways)


@given(TEXT)
def test_a_line_of_the_log_is_one_line_everywhere(text: str) -> None:
    book, stamp = Logbook(), Stamp(lambda: 0)
    record = logging.LogRecord("core", logging.INFO, __file__, 1, "%s", (text,), None)
    stamp.filter(record)
    book.emit(record)
    (line,) = book.lines_after(0)[1]
    assert line.message.isprintable()
    assert PlainLines().format(record).isprintable()
    assert JsonLines().format(record).encode("utf-8")


def test_a_trace_in_the_log_controls_nothing() -> None:
    book, stamp = Logbook(), Stamp(lambda: 0)
    try:
        raise ValueError(EVIL)
    except ValueError as error:
        record = logging.LogRecord("core", logging.ERROR, __file__, 1, "no", (), (type(error), error, None))
    stamp.filter(record)
    book.emit(record)
    assert record.exc_text is not None
    assert all(line.isprintable() for line in record.exc_text.split("\n"))
    assert book.lines_after(0)[1][0].message.isprintable()


@given(TEXT)
def test_what_an_exchange_says_is_plain_where_it_enters(text: str) -> None:
    assert clean(text, ()).isprintable()
    health = Health()
    health.report("part", text)
    assert health.problem().isprintable()
    row = {"id": text, "side": text, "type": text, "info": {"orderType": text}, "amount": text, "price": text}
    shown = _external(text, row, text)
    assert all(value.isprintable() for value in (shown.symbol, shown.order_id, shown.side, shown.type))


@pytest.mark.parametrize("name", ["core", "tui", "storage", "strategies"])
def test_the_house_says_of_itself_nothing_that_is_made_plain(name: str) -> None:
    """A log line of ours that holds a line end would be told with an escape in it."""
    calls = re.compile(r"log\w*\.(?:info|warning|error|exception)\(\s*f?\"[^\"]*\\n")
    assert [path for path in (ROOT / name).rglob("*.py") if calls.search(path.read_text())] == []
