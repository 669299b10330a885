"""Who speaks another version is told so in one line, and can make risk smaller all the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from core.control.client import PROTOCOL_VERSION, request
from core.domain.errors import BadInputError, QuarterdeckError, RefusedError, UnavailableError
from core.domain.operator import Verb
from core.home.folder import Home
from tests.core.control.asking import raw
from tests.core.control.control_samples import FakeControl

OTHERS = [b"", b'"version": 1, ', b'"version": 99, ']


def line(version: bytes, method: str, **params: object) -> bytes:
    return b"{%b" % version + json.dumps({"id": 1, "method": method, "params": params})[1:].encode() + b"\n"


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("version", OTHERS)
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("status", {}),
        ("snapshot", {}),
        ("logs", {"after": 0}),
        ("a method of theirs", {}),
        ("command", {"verb": "resume"}),
        ("command", {"verb": "a verb of theirs"}),
        ("command", {"verb": "flatten", "an argument of theirs": 1}),
    ],
)
async def test_a_client_of_another_version_is_told_what_to_do(
    home: Home, control: FakeControl, version: bytes, method: str, params: dict[str, Any]
) -> None:
    (answer,) = await raw(home, line(version, method, **params))
    assert answer["version"] == PROTOCOL_VERSION
    error = answer["error"]
    assert error["kind"] == "RefusedError"
    told = f"the engine speaks version {PROTOCOL_VERSION} of the control protocol, who asks version "
    assert error["message"].startswith(told)
    assert "run both from the same version of Quarterdeck" in error["message"]
    assert control.asked == []


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("version", OTHERS)
async def test_what_makes_risk_smaller_is_taken_from_any_version(
    home: Home, control: FakeControl, version: bytes
) -> None:
    params = {"verb": "flatten", "operator": "ann", "symbol": "BTCUSDT", "include_external": False}
    answers = await raw(home, line(version, "command", verb="halt"), line(version, "command", **params))
    assert [answer["result"]["accepted"] for answer in answers] == [True, True]
    assert control.asked == [(Verb.HALT, "", "socket"), (Verb.FLATTEN, "BTCUSDT", "ann")]


async def answered(home: Home, reply: object, *args: Any, **options: Any) -> Any:
    """What the client makes of an engine that says `reply` to everything."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(json.dumps(reply).encode() + b"\n")
        writer.close()

    async with await asyncio.start_unix_server(answer, str(home.socket)):
        return await asyncio.to_thread(request, home, *args, **options)


@pytest.mark.parametrize("version", [{}, {"version": 1}, {"version": 99}, {"version": "x" * 1_000}, {"version": None}])
@pytest.mark.parametrize("said", [{"result": 7}, {"error": {"kind": "BadInputError", "message": "unknown method"}}])
async def test_an_engine_of_another_version_is_told_by_name(
    home: Home, version: dict[str, object], said: dict[str, object]
) -> None:
    told = rf"the engine speaks version .{{1,8}} of the control protocol, this program version {PROTOCOL_VERSION}: run"
    with pytest.raises(RefusedError, match=told):
        await answered(home, {"id": 1, **version, **said}, "status")


async def test_its_answer_to_what_makes_risk_smaller_counts(home: Home) -> None:
    assert await answered(home, {"id": 1, "result": 7}, "command", {"verb": "halt"}, any_version=True) == 7
    home.socket.unlink()
    refused = {"id": 1, "error": {"kind": "BadInputError", "message": "unknown verb"}}
    with pytest.raises(BadInputError, match="unknown verb"):
        await answered(home, refused, "command", {"verb": "halt"}, any_version=True)


@pytest.mark.parametrize(
    "reply", [[], 7, None, "x", {"version": PROTOCOL_VERSION}, {"version": PROTOCOL_VERSION, "error": []}]
)
async def test_what_is_no_answer_is_said(home: Home, reply: object) -> None:
    with pytest.raises(UnavailableError, match="unreadable") as caught:
        await answered(home, reply, "status")
    assert isinstance(caught.value, QuarterdeckError)
