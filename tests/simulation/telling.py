"""What is told of a simulated hour: a hash of all that happened, or every line of it for a reader."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from core.domain.records import CursorRecord, EquityRecord, FirstPriceRecord, Record
from tests.simulation.faults import Asked
from tests.simulation.transport import Answer, Fate, Outcome
from tests.simulation.world import World

HOUR_MS = 3_600_000
START_MS = 1_795_246_200_000 - 1_795_246_200_000 % (8 * HOUR_MS) - HOUR_MS // 2
"""Half an hour before a funding."""


def at(time_ms: int, start_ms: int = START_MS) -> str:
    """A time as minutes and seconds since the start."""
    minutes, seconds = divmod((time_ms - start_ms) / 1000.0, 60.0)
    return f"{int(minutes):02d}:{seconds:06.3f}"


class Trace:
    """A hash of everything that left the process and everything that it wrote down, with its time."""

    def __init__(self, world: World, whole: bool) -> None:
        self._hash = hashlib.blake2b(digest_size=12)
        self._world = world
        self._whole = whole

    def asked(self, asked: Asked, outcome: Outcome) -> None:
        now_ms = self._world.clock.now_ms()
        text = f"{now_ms} {asked.method} {asked.path} {outcome.name}"
        self._hash.update((f"{text} {sorted(asked.params.items())}" if self._whole else text).encode())

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None: ...

    def committed(self, records: Sequence[Record]) -> None:
        text = repr(records) if self._whole else " ".join(type(record).__name__ for record in records)
        self._hash.update(f"{self._world.clock.now_ms()} {text}".encode())

    def digest(self) -> str:
        return self._hash.hexdigest()


class Told:
    """Prints what happens, for a reader of a replay: requests and their fate, records, and the engine's own log."""

    def __init__(self, world: World) -> None:
        self._world = world

    def say(self, text: str) -> None:
        print(at(self._world.clock.now_ms()), text)

    def asked(self, asked: Asked, outcome: Outcome) -> None:
        shown = {key: value for key, value in asked.params.items() if key not in _UNSHOWN}
        self.say(f"> {asked.method} {asked.path} {shown} {'' if outcome is Outcome.ANSWERED else outcome.name}")

    def answered(self, asked: Asked, fate: Fate, answer: Answer | None) -> None:
        sent = fate.answer or answer
        if sent is not None and (asked.method != "GET" or sent.status != 200):
            self.say(f"< {asked.method} {asked.path} {fate.outcome.name} {sent.status} {sent.body[:160]}")

    def committed(self, records: Sequence[Record]) -> None:
        for record in records:
            if not isinstance(record, CursorRecord | FirstPriceRecord | EquityRecord):
                self.say(f"= {record}")

    def log_handler(self) -> logging.Handler:
        said = self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                said.say(f"# {record.levelname} {record.getMessage()}")

        return Handler(logging.INFO)


_UNSHOWN = frozenset({"timestamp", "recvWindow", "signature", "newOrderRespType", "algoType"})


@contextmanager
def quiet_machine(told: Told | None) -> Iterator[None]:
    """No log is written, except where it is `told`."""
    product = logging.getLogger("quarterdeck"), logging.getLogger("core")
    disabled = logging.root.manager.disable
    if told is None:
        logging.disable(logging.CRITICAL)
    for logger in product if told is not None else ():
        logger.setLevel(logging.INFO)
        logger.handlers = [told.log_handler()]
    try:
        yield
    finally:
        logging.disable(disabled)
        for logger in product if told is not None else ():
            logger.handlers = []
