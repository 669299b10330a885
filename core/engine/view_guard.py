"""What only draws: it may fail, and nothing fails with it."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger("quarterdeck.engine")


class Drawing:
    """Carries out what makes a picture of the engine. What cannot be drawn is told, once until it changes; the last
    picture stays, and its age shows that it stands still."""

    def __init__(self, what: str = "the snapshot cannot be drawn") -> None:
        self._what = what
        self.problem = ""

    def attempt(self, draw: Callable[[], None]) -> None:
        try:
            draw()
        except Exception as error:
            problem = repr(error)
            if problem != self.problem:
                self.problem = problem
                log.exception("%s; trading goes on", self._what)
        else:
            self.problem = ""
