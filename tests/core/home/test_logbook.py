import base64
import io
import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.exchange.connection.keys import Keys
from core.home.log_line import LogLine
from core.home.logbook import Logbook, LogSetup, PrivateFile, Stamp, iso_utc, set_up, write_failure

NOW_MS = 1_749_000_000_123
log = logging.getLogger("core.engine.engine")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "quarterdeck.log"


@pytest.fixture
def setup(path: Path) -> Iterator[LogSetup]:
    setup = set_up(path, lambda: NOW_MS, secrets=["open sesame"])
    yield setup
    setup.close()


def entries(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def record_of(book: Logbook, stamp: Stamp, message: str) -> None:
    record = logging.LogRecord("core", logging.INFO, __file__, 1, message, None, None)
    stamp.filter(record)
    book.emit(record)


def test_lines_carry_the_engine_s_time_and_the_file_also_the_wall_s(setup: LogSetup, path: Path) -> None:
    log.info("%s filled", "BTCUSDT")
    assert setup.book.lines_after(0) == (1, [LogLine(NOW_MS, "INFO", "core.engine.engine", "BTCUSDT filled")])
    (entry,) = entries(path)
    assert entry["time_ms"] == NOW_MS
    assert entry["time"] == "2025-06-04T01:20:00.123Z"
    assert entry["written"] != entry["time"]
    assert entry["message"] == "BTCUSDT filled"


def test_debug_lines_are_left_out(setup: LogSetup, path: Path) -> None:
    log.debug("detail")
    assert setup.book.lines_after(0) == (0, [])
    assert entries(path) == []


def test_the_file_is_private(setup: LogSetup, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_rotation_keeps_every_file_private_and_the_newest_lines(tmp_path: Path) -> None:
    handler = PrivateFile(tmp_path / "log", maxBytes=100, backupCount=2, encoding="utf-8")
    for number in range(50):
        handler.emit(logging.LogRecord("core", logging.INFO, __file__, 1, f"line {number:03d}", None, None))
    handler.close()
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["log", "log.1", "log.2"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert files[0].read_text().endswith("line 049\n")


def test_a_secret_is_hidden_in_message_arguments_and_traces(setup: LogSetup, path: Path) -> None:
    try:
        raise ValueError("key open sesame refused")
    except ValueError:
        log.exception("signing with %s", "open sesame")
    assert "open sesame" not in path.read_text()
    (entry,) = entries(path)
    assert entry["message"] == "signing with [hidden]"
    assert "ValueError: key [hidden] refused" in str(entry["trace"])
    _, (line,) = setup.book.lines_after(0)
    assert line.message == "signing with [hidden]: ValueError: key [hidden] refused"


def test_a_secret_registered_later_is_hidden_from_then_on(setup: LogSetup, path: Path) -> None:
    setup.hide("swordfish")
    log.info("swordfish")
    assert entries(path)[0]["message"] == "[hidden]"


def test_a_secret_within_another_leaves_nothing_readable() -> None:
    stamp = Stamp(lambda: 0, ["abcd", "abcdefgh"])
    book = Logbook()
    record_of(book, stamp, "abcdefgh")
    assert book.lines_after(0)[1][0].message == "[hidden]"


@pytest.mark.parametrize("width", [7, 20, 76])
@pytest.mark.parametrize("between", ["\n", "\r\n    ", " "])
def test_a_secret_that_is_broken_over_lines_is_hidden(width: int, between: str) -> None:
    keys = Keys("AbCd1234/+=EfGh5678", "s3cr3t/+=" + "abcdefghijklmnopqrstuvwxyz0123456789" * 3)
    stamp = Stamp(lambda: 0, keys.secrets())
    for whole in (keys.secret, base64.b64encode(keys.secret.encode()).decode()):
        pieces = [whole[start : start + width] for start in range(0, len(whole), width)]
        record = logging.LogRecord("test", logging.INFO, __file__, 0, "was %s, here", (between.join(pieces),), None)
        stamp.filter(record)
        assert not any(piece in record.getMessage() for piece in pieces[:-1])
        assert record.getMessage().endswith(", here")


def test_a_secret_too_short_to_hide_is_an_error() -> None:
    with pytest.raises(ValueError, match="fewer than 4 characters"):
        Stamp(lambda: 0, ["abc"])


def test_a_server_reads_plain_lines_from_its_level_on(path: Path) -> None:
    stderr = io.StringIO()
    setup = set_up(path, lambda: NOW_MS, stderr=stderr, stderr_level="WARNING")
    log.info("quiet")
    log.warning("feed is %d ms old", 5000)
    setup.close()
    assert stderr.getvalue() == "2025-06-04T01:20:00.123Z WARNING core.engine.engine: feed is 5000 ms old\n"
    assert [entry["message"] for entry in entries(path)] == ["quiet", "feed is 5000 ms old"]


def test_a_label_begins_every_line_on_stderr_and_no_other(path: Path) -> None:
    stderr = io.StringIO()
    setup = set_up(path, lambda: NOW_MS, stderr=stderr, label="LIVE")
    log.info("one")
    log.error("two")
    setup.close()
    assert [line.split()[0] for line in stderr.getvalue().splitlines()] == ["LIVE", "LIVE"]
    assert "LIVE" not in path.read_text()
    assert setup.book.lines_after(0)[1][0].message == "one"


def test_debug_on_stderr_stays_out_of_file_and_ring(path: Path) -> None:
    stderr = io.StringIO()
    setup = set_up(path, lambda: NOW_MS, stderr=stderr, stderr_level="DEBUG")
    log.debug("detail")
    assert setup.book.lines_after(0) == (0, [])
    setup.close()
    assert "detail" in stderr.getvalue()
    assert entries(path) == []


def test_close_takes_everything_down(path: Path) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    setup = set_up(path, lambda: NOW_MS)
    setup.close()
    setup.close()
    assert (root.level, root.handlers) == before


@given(written=st.integers(0, 40), cursor=st.integers(0, 50), limit=st.none() | st.integers(1, 50))
def test_a_cursor_reads_each_kept_line_once(written: int, cursor: int, limit: int | None) -> None:
    book, stamp = Logbook(capacity=16), Stamp(lambda: 0)
    for number in range(written):
        record_of(book, stamp, str(number))
    kept = range(max(written - 16, cursor), written)
    seen: list[int] = []
    while True:
        after, lines = book.lines_after(cursor, limit)
        if not lines:
            break
        seen += [int(line.message) for line in lines]
        cursor = after
    assert seen == list(kept)
    assert after == written


def test_an_unexpected_error_leaves_its_trace_in_the_file(path: Path) -> None:
    write_failure(path, NOW_MS, KeyError("x"))
    (entry,) = entries(path)
    assert entry["level"] == "CRITICAL"
    assert entry["message"] == "unexpected KeyError: 'x'"
    assert str(entry["trace"]).endswith("KeyError: 'x'")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_times_are_written_in_utc() -> None:
    assert iso_utc(0) == "1970-01-01T00:00:00.000Z"
