"""The collector of Python, off while the program is put together: it would walk through what stays for good."""

from __future__ import annotations

import gc


def collect_garbage() -> None:
    """From here on; what was imported so far stays for good and is not looked at again."""
    gc.freeze()
    gc.enable()
