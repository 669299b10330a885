"""What travels over the socket, as JSON Schema: for whoever writes a client, in whatever language."""

from __future__ import annotations

from typing import Any

import msgspec

from core.control.client import PROTOCOL_VERSION
from core.control.protocol import CommandResult, Snapshot, StatusView
from core.control.wire import PARAMS, Attached, ChartReply, LogReply, Updates

RESULTS: dict[str, Any] = {
    "status": StatusView,
    "snapshot": Snapshot,
    "updates": Updates,
    "chart": ChartReply,
    "logs": LogReply,
    "attach": Attached,
    "command": CommandResult,
    "schema": dict[str, Any],
}
"""The type of the result of each method. A snapshot of which only parts were asked for has only these."""


def schema() -> dict[str, Any]:
    """The `version` of the protocol, the schemas of the `params` and the `results` of each method, and what they refer
    to, under `$defs`."""
    found, defs = msgspec.json.schema_components([*PARAMS.values(), *RESULTS.values()], ref_template="#/$defs/{name}")
    params, results = found[: len(PARAMS)], found[len(PARAMS) :]
    return {
        "version": PROTOCOL_VERSION,
        "params": dict(zip(PARAMS, params, strict=True)),
        "results": dict(zip(RESULTS, results, strict=True)),
        "$defs": defs,
    }
