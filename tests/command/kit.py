"""The command in processes of its own, and what it leaves behind: locks, sockets, children, files, rows."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from core.control.client import request
from core.domain.errors import QuarterdeckError
from core.home.folder import Home, engine_pid
from tests import patience

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
SETTINGS = Path(__file__).with_name("settings.toml")
COMMAND = [sys.executable, "-c", "from quarterdeck import main; main()"]
FROM, TO = "2025-06-06T12:30", "2025-06-06T12:58"
TABLES = ("orders", "order_events", "fills", "trades", "signals", "forecasts", "training")


@dataclass(frozen=True, slots=True)
class Answer:
    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    # COLUMNS and LINES, which a test runner may set, would stand in for the size of the terminal.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("QUARTERDECK_") and name not in ("COLUMNS", "LINES")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "LANG": "C.UTF-8", **more}


def start(*arguments: object, **more: str) -> subprocess.Popen[str]:
    """The command in a session of its own, so that its whole process group can be signalled."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Answer:
    """Its whole output and exit code, once it has ended."""
    out, err = process.communicate()
    return Answer(process.returncode, out, err)


def quarterdeck(*arguments: object, **more: str) -> Answer:
    return finish(start(*arguments, **more))


def headless(home: Path, *arguments: object, speed: object = "max", to: str = TO, **more: str) -> subprocess.Popen[str]:
    """An engine alone on `home`, with the small settings."""
    common = ["run", "--headless", "--home", home, "--settings", SETTINGS, "--speed", speed, "--to", to]
    return start(*common, *arguments, **more)


def read(verb: str, home: Path, *arguments: object) -> Any:
    answer = quarterdeck(verb, "--json", "--home", home, *arguments)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def until(look: Callable[[], T | None], what: str, process: subprocess.Popen[str] | None = None) -> T:
    """The first truthy thing that `look` sees; told at once when the `process` that should bring it has ended."""

    def looked() -> T | None:
        has_ended = process is not None and process.poll() is not None
        seen = look()
        assert seen or not has_ended, f"{what} does not come: the command ended: {_last_words(process)}"
        return seen

    return patience.until(looked, what)


def live(home: Path) -> dict[str, Any] | None:
    """The status of the engine that answers on `home`, over its socket."""
    try:
        status: dict[str, Any] = request(Home(home), "status")
    except QuarterdeckError:
        return None
    return status


def is_trading(home: Path) -> bool:
    status = live(home)
    return status is not None and status["state"] == "running"


def rows(home: Path, sql: str) -> list[tuple[Any, ...]]:
    """What a query finds in the record, none while there is no record yet."""
    try:
        with closing(sqlite3.connect(f"file:{home}/quarterdeck.db?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()
    except sqlite3.OperationalError:
        return []


def record(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The journal by table, in its own order; the numbers of its commits aside, which a restart may shift."""
    found = {}
    with closing(sqlite3.connect(f"file:{home}/quarterdeck.db?mode=ro", uri=True)) as connection:
        for table in TABLES:
            names = [f'"{row[1]}"' for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "seq"]
            found[table] = connection.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()
    return found


def pending_trainings(home: Path) -> int:
    asked = rows(home, "SELECT count(*) FROM training WHERE status = 'requested'")
    ended = rows(home, "SELECT count(*) FROM training WHERE status != 'requested'")
    return asked[0][0] - ended[0][0] if asked and ended else 0


def descendants(process_id: int) -> list[int]:
    """Every process below this one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(parents.get(process_id, []))
    for child in found:
        found += parents.get(child, [])
    return found


def workers(process_id: int) -> list[int]:
    """The descendants that train and predict: not multiprocessing's own resource tracker."""
    return [child for child in descendants(process_id) if b"spawn_main" in _command_line(child)]


def is_gone(process_id: int) -> bool:
    """A zombie has ended; its parent has not asked yet."""
    fields = _stat(process_id)
    return fields is None or fields[0] == "Z"


def assert_released(home: Path) -> None:
    """Nobody holds the home any more, and its record is whole."""
    assert engine_pid(Home(home)) is None
    assert not Home(home).socket.exists()
    assert_sound(home)


def assert_sound(home: Path) -> None:
    with closing(sqlite3.connect(home / "quarterdeck.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def assert_all_gone(process_ids: list[int]) -> None:
    until(lambda: all(is_gone(process_id) for process_id in process_ids), f"the end of {process_ids}")


def contents(folder: Path) -> dict[str, str]:
    """A hash of every file below a folder, SQLite's scratch aside: even a reader leaves an empty log behind."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_scratch(path))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def end(process: subprocess.Popen[Any]) -> None:
    """Kill what a failed test left running; its workers end with it."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _last_words(process: subprocess.Popen[str] | None) -> str:
    assert process is not None
    out, err = process.communicate()
    return f"code {process.returncode}, {(out or '')[-1000:]!r}, {(err or '')[-3000:]!r}"


def _is_scratch(path: Path) -> bool:
    return path.name.endswith("-shm") or (path.name.endswith("-wal") and not path.stat().st_size)


def _stat(process_id: int) -> list[str] | None:
    """State, parent and so on."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _command_line(process_id: int) -> bytes:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
