"""Asking the engine of a home over its socket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from core.control.client import request
from core.home.folder import Home


async def ask(home: Home, method: str, params: dict[str, Any] | None = None) -> Any:
    return await asyncio.to_thread(request, home, method, params)


async def raw(home: Home, *lines: bytes) -> list[dict[str, Any]]:
    reader, writer = await asyncio.open_unix_connection(str(home.socket))
    answers = []
    for line in lines:
        writer.write(line)
        answers.append(json.loads(await reader.readline()))
    writer.close()
    return answers
