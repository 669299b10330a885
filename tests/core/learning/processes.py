"""Hearing from processes and waiting for their end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

from tests.patience import looks, until


async def told(pipe: Path, count: int = 1) -> list[int]:
    """The ids that `count` processes tell through `pipe`."""
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    text = ""
    try:
        for _ in looks(f"the word of {count} processes"):
            with contextlib.suppress(BlockingIOError):
                text += os.read(reader, 4096).decode()
            if text.count("\n") >= count:
                break
            await asyncio.sleep(0.002)
    finally:
        os.close(reader)
    return [int(line) for line in text.split()]


def is_gone(process_id: int) -> bool:
    """A zombie has ended; its parent has not asked yet."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def assert_ends(process_id: int) -> None:
    until(lambda: is_gone(process_id), f"the end of process {process_id}", 0.005)
