"""Waiting for processes to end, with a deadline that only a failure reaches."""

from __future__ import annotations

import time
from pathlib import Path

DEADLINE_S = 30.0


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
