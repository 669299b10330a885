"""A live start whose root knows one tag."""

from __future__ import annotations

from core.control.protocol import Control
from core.domain.errors import ConfirmationError
from tests.tui.fake_control import FakeClock, FakeControl, live_snapshot
from tui.console.app import QuarterdeckApp
from tui.console.arming import LiveStart

TAG = "k3Y9"
FACTS = (
    ("exchange", "binanceusdm"),
    ("symbols", "BTCUSDT, ETHUSDT, SOLUSDT, BNBUSDT, XRPUSDT"),
    ("strategy", "scalper"),
    ("leverage", "3 times, cross margin"),
    ("balance", "not known before the exchange is asked"),
    ("home", "/home/trader/.local/share/quarterdeck"),
)


class LiveRoot:
    """Remembers what was typed; starts an engine for the right tag, or raises `error`."""

    def __init__(self) -> None:
        self.typed: list[str] = []
        self.control = FakeControl(live_snapshot())
        self.error: Exception | None = None

    async def connect(self, tag: str) -> Control:
        self.typed.append(tag)
        if tag != TAG:
            raise ConfirmationError(
                "this is not the account: its tag is the last four characters of the API key in use"
            )
        if self.error is not None:
            raise self.error
        return self.control


def live_app(root: LiveRoot, clock: FakeClock) -> QuarterdeckApp:
    live = LiveStart(FACTS, root.connect)
    return QuarterdeckApp(None, clock_ms=clock, version="0.1.0", flush_hz=0.001, mode="live", live=live)
