"""One JSON-ready object, as commands print it."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
"""One JSON-ready object: str, int, float, bool, None, and lists and objects of them. Keys carry their units."""
