"""Which code decides: kept with every run and every start, so that a difference between two has a name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from core.strategy.declaration import Strategy
from core.strategy.loading import OWN_PACKAGES, outside_code

_ROOT = Path(__file__).resolve().parents[2]


def code_version(name: str, strategy: Strategy | None = None) -> str:
    """The program's version, and a digest of the code that decides; behind it one of the strategy's own code, where
    the strategy `name` comes from elsewhere."""
    ours = [path for package in OWN_PACKAGES for path in sorted((_ROOT / package).rglob("*.py"))]
    outside = outside_code(name, strategy)
    parts = [_digest(ours), *([_digest(outside)] if outside else [])]
    return f"{version('quarterdeck')}+{'.'.join(parts)}"


def _digest(paths: Sequence[Path]) -> str:
    digest = hashlib.blake2b(digest_size=4)
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
