"""Warnings of Python and of libraries, which are for developers, kept from the operator's terminal."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TextIO

from core.domain.plain import plain
from tui.cli.echo import echo

log = logging.getLogger("quarterdeck.warnings")

_TOLD = (RuntimeWarning, UserWarning)
"""What may say something of a figure; others are of code."""


def route_warnings() -> None:
    """From here on a warning goes into the log where there is one. A verb without one tells in a line, once, what may
    say something of a figure, and drops the rest. Who asks for warnings by -W or PYTHONWARNINGS has them as Python
    shows them."""
    if not sys.warnoptions:
        warnings.showwarning = _Route()


class _Route:
    """In place of `warnings.showwarning`, with its arguments."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = plain(str(message))
        if logging.getLogger().handlers:
            log.warning("%s: %s", category.__name__, text)
        elif issubclass(category, _TOLD) and text not in self._told:
            self._told.add(text)
            echo(f"quarterdeck: warning: {text}", err=True)
