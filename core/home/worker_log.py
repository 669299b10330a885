"""Where worker processes write what their libraries say: the home's workers.log, or nowhere."""

from __future__ import annotations

import os
from pathlib import Path

from core.home.folder import cannot_write, open_own

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def check_worker_log(path: Path) -> None:
    """Raises RefusedError where no worker could write there: said once and before any starts."""
    try:
        os.close(open_own(path, _FLAGS))
    except OSError as error:
        raise cannot_write(path, error) from error


def write_output_to(path: Path | None) -> None:
    """Send this process's standard output and error there; nowhere with None. Raises OSError."""
    output = os.open(os.devnull, os.O_WRONLY) if path is None else open_own(path, _FLAGS)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
