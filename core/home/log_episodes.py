"""What fails again and again until it passes: told when it begins and when it is over, with how often it was tried."""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, field

from core.domain.errors import VenueBusyError

MOST_KEPT = 256
"""How many different things may fail at once."""
MOST_CAUSES = 8
"""So many causes of one are told; after that only its end is."""


@dataclass(slots=True)
class _Episode:
    tries: int = 0
    causes: set[str] = field(default_factory=set)


class Episodes:
    """Lines to `log` about things that are tried every few seconds, each under a key of its own.

    A cause is told once until the thing passes. That the exchange wants no request now is one cause, however long it
    says that it lasts; other causes are the same where their text is.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._open: OrderedDict[str, _Episode] = OrderedDict()

    def failed(self, key: str, error: Exception, line: str, level: int = logging.WARNING) -> None:
        """Tell `line` where `error` is news."""
        episode = self._open.setdefault(key, _Episode())
        if len(self._open) > MOST_KEPT:
            self._open.popitem(last=False)
        episode.tries += 1
        cause = "busy" if isinstance(error, VenueBusyError) else str(error)
        if cause not in episode.causes and len(episode.causes) < MOST_CAUSES:
            episode.causes.add(cause)
            self._log.log(level, "%s", line)

    def passed(self, key: str, line: str) -> None:
        """Tell `line`, with the count, where it had failed more than once; what failed once was told whole."""
        episode = self._open.pop(key, None)
        if episode is not None and episode.tries > 1:
            self._log.warning("%s, after %d tries in vain", line, episode.tries)
