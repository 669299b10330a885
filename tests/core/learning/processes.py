"""Hearing from processes and waiting for their end, with a deadline that only a failure reaches."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

DEADLINE_S = 30.0


async def told(pipe: Path, count: int = 1) -> list[int]:
    """The ids that `count` processes tell through `pipe`."""
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    text = ""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while text.count("\n") < count:
                with contextlib.suppress(BlockingIOError):
                    text += os.read(reader, 4096).decode()
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
    deadline = time.monotonic() + DEADLINE_S
    while not is_gone(process_id):
        assert time.monotonic() < deadline, f"process {process_id} lives on"
        time.sleep(0.005)
