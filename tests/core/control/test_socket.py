import asyncio
import json
import os
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.control import client as control_client
from core.control import serving
from core.control import socket as control_socket
from core.control.attach import SocketSeat
from core.control.client import PROTOCOL_VERSION, request
from core.control.protocol import CommandResult
from core.control.rate import Pace
from core.control.request import Request
from core.control.socket import MAX_CLIENTS, MAX_LOG_LINES, MAX_REQUEST_BYTES, ControlServer
from core.domain.errors import (
    BadInputError,
    ComputeError,
    ConfirmationError,
    QuarterdeckError,
    RefusedError,
    RejectKind,
    StorageError,
    TaskError,
    UnavailableError,
    VenueBusyError,
    VenueRejectedError,
)
from core.domain.operator import Verb
from core.home.folder import EngineLock, Home
from tests.core.control.asking import ask, raw
from tests.core.control.control_samples import SNAPSHOT, FakeControl


@pytest.mark.usefixtures("server")
async def test_status_is_the_status_line(home: Home) -> None:
    status = await ask(home, "status")
    assert status["mode"] == "demo"
    assert status["equity_usdt"] == 10_012.5
    assert status["loop_lag_ms"] is None
    assert status["halts"] == ["day loss"]


@pytest.mark.usefixtures("server")
async def test_only_the_parts_asked_for_travel(home: Home) -> None:
    parts = await ask(home, "snapshot", {"parts": ["positions", "seq"]})
    assert parts.keys() == {"positions", "seq"}
    assert parts["positions"][0]["symbol"] == "BTCUSDT"


@pytest.mark.usefixtures("server")
async def test_the_socket_is_its_owner_s_alone(home: Home) -> None:
    assert stat.S_IMODE(home.socket.stat().st_mode) == 0o600


@pytest.mark.usefixtures("server")
async def test_log_lines_are_read_on_from_a_cursor(home: Home, control: FakeControl) -> None:
    first = await ask(home, "logs", {"after": 0, "limit": 2})
    assert [line["message"] for line in first["lines"]] == ["line 0", "line 1"]
    rest = await ask(home, "logs", {"after": first["next"]})
    assert [line["message"] for line in rest["lines"]] == ["line 2"]
    assert rest["next"] == 3
    control.lines = control.lines * MAX_LOG_LINES
    assert len((await ask(home, "logs"))["lines"]) == MAX_LOG_LINES


@pytest.mark.usefixtures("server")
async def test_a_command_reaches_the_engine(home: Home, control: FakeControl) -> None:
    answer = await ask(home, "command", {"verb": "pause", "operator": "ann"})
    assert answer == {"command_id": "c1", "accepted": True, "message": "pause done"}
    assert control.asked == [(Verb.PAUSE, "", "ann")]


@pytest.mark.usefixtures("server")
async def test_an_error_of_the_engine_arrives_as_the_same_kind(home: Home) -> None:
    with pytest.raises(RefusedError, match="not while recovering"):
        await ask(home, "command", {"verb": "flatten", "symbol": "RAISE"})


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("method", "params", "said"),
    [
        ("sell", {}, "unknown method 'sell'; known: status"),
        (
            "command",
            {"verb": "buy"},
            r"Invalid value 'buy' .* verb \(pause, halt, flatten, resume, lock, unlock, close, move-stop\)",
        ),
        ("command", {}, "missing required field `verb`"),
        ("command", {"verb": "flatten", "symbol": "x" * 65}, r"`\$.symbol`; it takes .* text of at most 64"),
        ("command", {"verb": "halt", "operator": 7}, r"`\$.operator`; it takes .* text of at most 64"),
        ("command", {"verb": "flatten", "symbl": "BTCUSDT"}, "unknown field `symbl`"),
        ("command", {"verb": "halt", "symbol": "BTCUSDT"}, "unknown field `symbol`"),
        ("command", {"verb": "flatten", "include_external": "yes"}, "Expected `bool`, got `str`"),
        ("command", {"verb": "flatten", "include_external": None}, "Expected `bool`, got `null`"),
        ("command", {"verb": "lock"}, "missing required field `symbol`"),
        ("command", {"verb": "lock", "symbol": "BTCUSDT", "for_ms": 0}, "Expected `int` >= 1"),
        ("command", {"verb": "lock", "symbol": "BTCUSDT", "for_ms": "2h"}, "Expected `int`, got `str`"),
        ("command", {"verb": "lock", "symbol": "BTCUSDT", "reason": "x" * 201}, "length <= 200"),
        ("command", {"verb": "close"}, "missing required field `trade`"),
        ("command", {"verb": "close", "trade": "t1", "share_pct": 50}, "Expected `str`, got `int`"),
        ("command", {"verb": "move-stop", "trade": "t1", "price": "-1"}, "matching regex"),
        ("command", {"verb": "move-stop", "trade": "t1"}, "missing required field `price`"),
        ("command", {"verb": "flatten", "symbol": {"a": [{}]}}, "Expected `str`, got `object`"),
        ("snapshot", {"parts": ["secrets"]}, "parts, a list out of seq, status"),
        ("snapshot", {"parts": "status"}, "parts, a list"),
        ("snapshot", {"parts": [[["seq"]]]}, "parts, a list"),
        ("status", {"x": 1}, "unknown field `x`; it takes nothing"),
        ("logs", {"after": -1}, "after and limit, whole numbers from 0 on"),
        ("logs", {"limit": True}, "got `bool` .* whole numbers from 0 on"),
        ("logs", {"after": 2**70}, "whole numbers from 0 on"),
    ],
)
async def test_a_bad_request_is_answered_with_its_mend(
    home: Home, method: str, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        await ask(home, method, params)


@pytest.mark.usefixtures("server")
async def test_unreadable_lines_are_answered_and_the_connection_lives_on(home: Home) -> None:
    answers = await raw(
        home,
        b"not json\n",
        b"[1]\n",
        b'{"id": 2}\n',
        b'{"id": 3, "method": 5}\n',
        b'{"id": 4, "version": 3, "method": "status", "more": 1}\n',
        b'{"id": 5, "version": 3, "method": "status", "params": [1]}\n',
        b"[" * 20_000 + b"\n",
        b'{"id": "x", "version": 3, "method": "status"}\n',
    )
    assert ["error" in answer for answer in answers] == [True, True, True, True, True, True, True, False]
    assert answers[-1]["id"] == "x"
    assert answers[3]["id"] is None
    assert {answer["error"]["kind"] for answer in answers if "error" in answer} == {"BadInputError"}


@pytest.mark.usefixtures("server")
async def test_a_line_too_long_ends_the_connection(home: Home) -> None:
    reader, writer = await asyncio.open_unix_connection(str(home.socket))
    writer.write(b"x" * (MAX_REQUEST_BYTES + 2))
    assert "at most 65536 bytes" in json.loads(await reader.readline())["error"]["message"]
    assert await reader.read() == b""
    writer.close()


@pytest.mark.usefixtures("server")
async def test_a_client_that_leaves_in_mid_line_harms_nobody(home: Home) -> None:
    _, writer = await asyncio.open_unix_connection(str(home.socket))
    writer.write(b'{"id": 1, "met')
    writer.close()
    assert (await ask(home, "status"))["state"] == "running"


@pytest.mark.usefixtures("server")
async def test_one_client_too_many_is_told_so(home: Home) -> None:
    clients = [await asyncio.open_unix_connection(str(home.socket)) for _ in range(MAX_CLIENTS)]
    for reader, writer in clients:
        writer.write(b'{"id": 1, "version": 3, "method": "status"}\n')
        await reader.readline()
    with pytest.raises(UnavailableError, match="16 clients are connected already"):
        await ask(home, "status")
    for _, writer in clients:
        writer.close()


@pytest.mark.usefixtures("server")
async def test_clients_that_only_sit_there_lock_nobody_out_who_makes_risk_smaller(
    home: Home, control: FakeControl
) -> None:
    clients = [await asyncio.open_unix_connection(str(home.socket)) for _ in range(MAX_CLIENTS)]
    for verb in ("halt", "flatten", "pause"):
        assert (await ask(home, "command", {"verb": verb}))["accepted"]
    with pytest.raises(UnavailableError, match=r"16 clients .* only close, flatten, halt, lock, pause are taken"):
        await ask(home, "command", {"verb": "resume"})
    assert [verb for verb, _, _ in control.asked] == [Verb.HALT, Verb.FLATTEN, Verb.PAUSE]
    for _, writer in clients:
        writer.close()


@pytest.mark.usefixtures("server")
async def test_nor_do_any_number_of_them(home: Home, control: FakeControl) -> None:
    """Who waits longest in a place that is kept for commands makes way for who comes to give one."""
    clients = [await asyncio.open_unix_connection(str(home.socket)) for _ in range(4 * MAX_CLIENTS)]
    assert (await ask(home, "command", {"verb": "halt"}))["accepted"]
    assert [verb for verb, _, _ in control.asked] == [Verb.HALT]
    for _, writer in clients:
        writer.close()


@pytest.mark.parametrize("name", ["engine.sock", "engine.sock.path"])
async def test_a_folder_in_place_of_the_socket_is_told_in_one_line(home: Home, control: FakeControl, name: str) -> None:
    (home.root / name).mkdir()
    with pytest.raises(UnavailableError, match=rf"{name}: cannot listen here: Is a directory; name another --home"):
        async with ControlServer(control, home):
            pass


@pytest.mark.usefixtures("server")
async def test_who_says_nothing_is_sent_away(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "IDLE_S", 0.05)
    for said in (b"", b'{"id": 1, "meth'):
        reader, writer = await asyncio.open_unix_connection(str(home.socket))
        writer.write(said)
        assert "nothing was asked for 0.05 s" in json.loads(await reader.readline())["error"]["message"]
        assert await reader.read() == b""
        writer.close()


async def test_commands_that_come_too_fast_are_refused_each_verb_by_itself(home: Home, control: FakeControl) -> None:
    time_s = [0.0]
    command = b'{"id": 1, "version": 3, "method": "command", "params": {"verb": "%b"}}\n'
    async with ControlServer(control, home, lambda: time_s[0]):
        floods = await raw(home, *[command % b"pause"] * 30)
        assert [("result" in answer) for answer in floods] == [True] * 10 + [False] * 20
        assert floods[-1]["error"]["message"] == "pause: asked for too often; it is taken 2 times a second"
        assert "result" in (await raw(home, command % b"flatten"))[0]
        time_s[0] = 1.0
        assert ["result" in answer for answer in await raw(home, *[command % b"pause"] * 3)] == [True, True, False]
    assert len(control.asked) == 13


@pytest.mark.usefixtures("server")
async def test_a_snapshot_is_written_down_once_however_often_it_is_asked_for(
    home: Home, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[object] = []
    encode = serving.encode
    monkeypatch.setattr(serving, "encode", lambda value: encoded.append(value) or encode(value))
    ask_for = b'{"id": %d, "version": 3, "method": "snapshot"}\n'
    answers = await raw(home, *[ask_for % number for number in range(20)])
    assert [answer["id"] for answer in answers] == list(range(20))
    assert sum(isinstance(value, dict) for value in encoded) == 1
    control.current = replace(SNAPSHOT, seq=SNAPSHOT.seq + 1)
    assert (await ask(home, "snapshot"))["seq"] == SNAPSHOT.seq + 1


def test_who_asks_too_fast_waits_longer_each_time() -> None:
    time_s = [0.0]
    pace = Pace(25.0, 2, lambda: time_s[0])
    assert [pace.take() for _ in range(4)] == pytest.approx([0.0, 0.0, 0.04, 0.08])
    time_s[0] = 10.0
    assert pace.take() == 0.0


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("operator", ["ann\n2026-01-01 forged", "\x1b[2J", "\u202eann"])
async def test_an_operator_s_name_can_be_printed(home: Home, control: FakeControl, operator: str) -> None:
    with pytest.raises(BadInputError, match="characters that can be printed"):
        await ask(home, "command", {"verb": "halt", "operator": operator})
    assert control.asked == []


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "\\ud800", "method": "sell"}',
        b'{"id": 1, "version": 3, "method": "\\ud800"}',
        b'{"id": 1, "version": 3, "method": "command", "params": {"verb": "halt", "operator": "\\ud800"}}',
        b'{"id": "\xff", "method": "status"}',
        b'{"id": 1' + b"0" * 80 + b', "method": "status"}',
        b'{"id": {"a": 1}, "method": "status"}',
        b'{"id": ' + b"[" * 20_000 + b"]" * 20_000 + b', "method": "status"}',
        b'{"id": 1, "version": 3, "method": "status", "params": {"x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}}",
        b'{"id": 1, "version": 3, "method": "halt\\n2026-01-01 forged\\u202e"}',
    ],
)
async def test_what_no_text_may_hold_is_refused_in_one_line(home: Home, control: FakeControl, line: bytes) -> None:
    answers = await raw(home, line + b"\n", b'{"id": "\\u00e9", "version": 3, "method": "status"}\n')
    assert answers[0]["error"]["kind"] == "BadInputError"
    assert answers[0]["error"]["message"].isprintable()
    assert (answers[1]["id"], "result" in answers[1]) == ("\u00e9", True)
    assert control.asked == []


def test_what_an_engine_says_before_it_hangs_up_is_heard(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = {
        "version": PROTOCOL_VERSION,
        "error": {"kind": "UnavailableError", "message": "16 clients are connected already"},
    }

    class HungUpOn(socket.socket):
        def connect(self, address: Any) -> None:
            super().connect(address)
            peer, _ = listener.accept()
            with peer:
                peer.sendall(json.dumps(reply).encode() + b"\n")

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(home.socket))
        listener.listen()
        monkeypatch.setattr(control_client.socket, "socket", HungUpOn)
        with pytest.raises(UnavailableError, match="16 clients are connected already"):
            request(home, "status")


async def test_a_client_that_does_not_read_is_dropped(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "WRITE_TIMEOUT_S", 0.05)
    wide = replace(SNAPSHOT, status=replace(SNAPSHOT.status, note="x" * 4_000_000))
    async with ControlServer(FakeControl(wide), home) as server:
        reader, writer = await asyncio.open_unix_connection(str(home.socket), limit=1024)
        writer.write(b'{"id": 1, "version": 3, "method": "logs"}\n')
        await reader.readline()
        writer.write(b'{"id": 2, "version": 3, "method": "status"}\n')
        await asyncio.wait(server._clients)
        assert not (await reader.read()).endswith(b"\n")
        writer.close()


async def test_before_the_first_snapshot_the_engine_is_starting(home: Home) -> None:
    async with ControlServer(FakeControl(snapshot=None), home):
        with pytest.raises(UnavailableError, match="still starting"):
            await ask(home, "status")


async def test_a_fault_of_ours_is_answered_and_logged(
    home: Home, control: FakeControl, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(control, "snapshot", lambda: 1 / 0)
    async with ControlServer(control, home):
        with pytest.raises(QuarterdeckError, match="the engine failed on this request"):
            await ask(home, "status")
    assert "ZeroDivisionError" in caplog.text


async def test_a_command_without_an_answer_says_that_it_was_taken(
    home: Home, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_socket, "COMMAND_TIMEOUT_S", 0.01)
    monkeypatch.setattr(control, "send", lambda *_: asyncio.Event().wait())
    async with ControlServer(control, home):
        with pytest.raises(UnavailableError, match="halt: the engine took it but has not answered"):
            await ask(home, "command", {"verb": "halt"})


async def test_a_socket_left_by_a_killed_engine_makes_way(home: Home, control: FakeControl) -> None:
    home.socket.write_text("left over")
    async with ControlServer(control, home):
        assert (await ask(home, "status"))["state"] == "running"
    assert not home.socket.exists()


async def test_a_long_home_is_found_through_its_note(
    tmp_path: Path, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / ("long" * 30))
    home.create()
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        await serve_from(Path(short), home, control, monkeypatch)
    assert not home.socket_note.exists()


async def serve_from(short: Path, home: Home, control: FakeControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    async with ControlServer(control, home):
        # A shell without this variable must find the same engine.
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        assert (await ask(home, "status"))["state"] == "running"
        assert len(os.listdir(short / f"quarterdeck-{os.getuid()}")) == 1
    assert os.listdir(short / f"quarterdeck-{os.getuid()}") == []


async def test_who_asked_for_the_step_that_ended_the_engine_is_told_why(home: Home, control: FakeControl) -> None:
    taken, ended = asyncio.Event(), asyncio.Event()

    async def send(_: Request) -> CommandResult:
        taken.set()
        await ended.wait()
        raise StorageError("quarterdeck.db: is locked by another program")

    control.send = send  # type: ignore[method-assign]
    async with ControlServer(control, home):
        asking = asyncio.create_task(ask(home, "command", {"verb": "flatten"}))
        await taken.wait()
        asyncio.get_running_loop().call_soon(ended.set)
    with pytest.raises(StorageError, match="locked by another program"):
        await asking


async def test_an_engine_that_ends_waits_for_no_answer_for_long(
    home: Home, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_socket, "LAST_ANSWER_S", 0.0)
    taken = asyncio.Event()

    async def send(_: Request) -> CommandResult:
        taken.set()
        await asyncio.Event().wait()
        raise AssertionError

    control.send = send  # type: ignore[method-assign]
    async with ControlServer(control, home):
        asking = asyncio.create_task(ask(home, "command", {"verb": "flatten"}))
        await taken.wait()
    with pytest.raises(UnavailableError, match="closed the connection"):
        await asking


async def test_closing_ends_waiting_clients(home: Home, control: FakeControl) -> None:
    async with ControlServer(control, home):
        reader, writer = await asyncio.open_unix_connection(str(home.socket))
        writer.write(b'{"id": 1, "version": 3, "method": "status"}\n')
        await reader.readline()
    assert await reader.read() == b""
    writer.close()


def test_no_engine_says_what_to_do(home: Home) -> None:
    with pytest.raises(UnavailableError, match="no engine runs here; start one with `quarterdeck run`"):
        request(home, "status")


def test_an_engine_that_does_not_listen_yet_is_named(home: Home) -> None:
    with EngineLock(home), pytest.raises(UnavailableError, match=rf"process {os.getpid()}\) does not listen"):
        request(home, "status")


async def test_a_silent_engine_is_not_waited_for_without_end(home: Home) -> None:
    server = await asyncio.start_unix_server(lambda *_: None, str(home.socket))
    async with server:
        with pytest.raises(UnavailableError, match=r"has not answered within 0.05 s"):
            await asyncio.to_thread(request, home, "status", None, 0.05)


async def test_a_reply_that_breaks_off_is_said(home: Home) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"id": 1, "res')
        writer.close()

    server = await asyncio.start_unix_server(answer, str(home.socket))
    async with server:
        with pytest.raises(UnavailableError, match="closed the connection"):
            await ask(home, "status")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (VenueBusyError("banned", 1_000), UnavailableError),
        (VenueRejectedError("no margin", RejectKind.NO_MARGIN), QuarterdeckError),
        (TaskError(3, "a task failed", 2), ComputeError),
        (ConfirmationError("not the tag"), ConfirmationError),
    ],
)
async def test_an_error_that_says_more_than_its_text_comes_over_as_the_nearest_that_does_not(
    home: Home, control: FakeControl, server: ControlServer, raised: QuarterdeckError, told: type[QuarterdeckError]
) -> None:
    control.raises = raised
    with pytest.raises(told) as caught:
        await ask(home, "command", {"verb": "pause"})
    assert (type(caught.value), str(caught.value)) == (told, str(raised))


@pytest.mark.usefixtures("server")
async def test_a_flatten_says_whether_others_are_included(home: Home, control: FakeControl) -> None:
    await ask(home, "command", {"verb": "flatten"})
    await ask(home, "command", {"verb": "flatten", "include_external": True})
    async with SocketSeat(home) as socket:
        await socket.send(Request("flatten", {"include_external": True}))
    assert control.external == [False, True, True]
