"""A root without an exchange, for the console's own part of a live start: it knows one tag and notes what it starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from core.control.protocol import Control
from core.control.requests import RunRequest
from core.domain.errors import ConfirmationError
from tests.tui.fake_control import FakeControl, live_snapshot

TAG = "k3Y9"


class Engine:
    def __init__(self, request: RunRequest) -> None:
        self._request = request

    def wait(self) -> Control:
        if self._request.confirm_live != TAG:
            raise ConfirmationError("this is not the account")
        (self._request.home / "started").write_text(self._request.confirm_live)
        return FakeControl(live_snapshot())

    def ask_to_stop(self) -> None:
        pass

    def stop(self, timeout_s: float) -> None:
        pass

    def failure(self) -> BaseException | None:
        return None

    def ended(self) -> bool:
        return False


class LiveRuntime:
    def start_engine(self, request: RunRequest) -> Engine:
        assert request.mode == "live"
        return Engine(request)

    def lab(self, home: Path) -> None:
        return None


def main() -> NoReturn:
    from tui.cli import main as run_command_line

    sys.exit(run_command_line(LiveRuntime()))  # type: ignore[arg-type]
