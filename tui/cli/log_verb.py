"""`logs`: the log file, whether or not an engine runs."""

from __future__ import annotations

import json
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click

from core.domain.plain import plain, plain_json
from core.home.folder import Home
from tui.cli.echo import echo
from tui.cli.options import home_option, json_option

LEVELS = ("debug", "info", "warning", "error", "critical")
POLL_S = 0.25


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("--level", type=click.Choice(LEVELS), default="info", show_default=True, help="Lowest level shown.")
@click.option("--lines", type=click.IntRange(0, 1_000_000), default=50, show_default=True, help="How many old lines.")
@click.option(
    "--source", multiple=True, metavar="NAME", help="Only lines of trade, risk, model, engine, ...; repeatable."
)
@home_option
@json_option
def logs(home: Home, follow: bool, level: str, lines: int, source: tuple[str, ...], as_json: bool) -> None:
    """Show the newest log lines; times are the engine's, in UTC. JSON is one object a line."""
    lowest = logging.getLevelNamesMapping()[level.upper()]
    found, end = newest(home.log, lines, lowest, source)
    for entry in found:
        echo(_text(entry, as_json))
    if follow:
        try:
            for entry in followed(home.log, end, lowest, lambda: time.sleep(POLL_S), source):
                echo(_text(entry, as_json))
        except KeyboardInterrupt:
            return
    if not found and lines:
        of = f" of {', '.join(source)}" if source else ""
        echo(f"no line{of} of level {level} or above in {home.log}; `quarterdeck run` writes it", err=True)


def newest(path: Path, count: int, lowest: int, sources: Sequence[str] = ()) -> tuple[list[dict[str, Any]], int]:
    """The last `count` entries from `lowest` on, of `sources` or of all, oldest first, and the byte of the file up to
    which was read.

    They are from the file and the one that was rotated before it.
    """
    kept: deque[dict[str, Any]] = deque(maxlen=count)
    end = 0
    for part in (path.with_name(f"{path.name}.1"), path):
        try:
            with open(part, "rb") as file:
                end = 0
                for line in file:
                    kept.extend(_entry(line, lowest, sources))
                    # A line that is still being written is left to whoever reads on.
                    end += len(line) if line.endswith(b"\n") else 0
        except FileNotFoundError:
            end = 0
    return list(kept), end


def followed(
    path: Path, start: int, lowest: int, wait: Callable[[], None], sources: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Entries behind byte `start`, then new ones without end; `wait` is called when there is nothing new."""
    file = _open(path)
    if file:
        file.seek(start)
    rest = b""
    while True:
        was_replaced = _was_replaced(path, file)
        for line in file or ():
            rest += line
            if rest.endswith(b"\n"):
                yield from _entry(rest, lowest, sources)
                rest = b""
        if was_replaced:
            # Its last lines were read above, after the new file had taken its place.
            if file:
                file.close()
            file, rest = _open(path), b""
        else:
            wait()


def _open(path: Path) -> BinaryIO | None:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None


def _was_replaced(path: Path, file: BinaryIO | None) -> bool:
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return file is None or not os.path.samestat(found, os.fstat(file.fileno()))


def _entry(line: bytes, lowest: int, sources: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The line's entry, or none where it is not wanted or a crash cut it short."""
    try:
        entry = json.loads(line)
        level = logging.getLevelNamesMapping()[entry["level"]]
    except (ValueError, KeyError, TypeError):
        return
    if level >= lowest and (not sources or _is_of(str(entry.get("logger", "")), sources)):
        yield entry


def _is_of(logger: str, sources: Sequence[str]) -> bool:
    """A source is the name of a logger, or what it begins with; ours may leave `quarterdeck.` away."""
    names = (logger, logger.removeprefix("quarterdeck."))
    return any(name == source or name.startswith(f"{source}.") for source in sources for name in names)


def _text(entry: dict[str, Any], as_json: bool) -> str:
    if as_json:
        return plain_json(json.dumps(entry, ensure_ascii=False))
    about, message = (
        f"{entry.get('time', '-')} {entry['level']:<8} {entry.get('logger', '-')}",
        entry.get("message", ""),
    )
    text = plain(f"{about}: {message}")
    return f"{text}\n{entry['trace']}" if entry.get("trace") else text
