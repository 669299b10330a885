import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core.control.client import request
from core.domain.errors import RefusedError, UnavailableError
from core.home.folder import (
    MAX_SOCKET_PATH_BYTES,
    EngineLock,
    Home,
    engine_pid,
    find_home,
    leave_to_engine,
    private_folder,
)
from core.home.logbook import set_up

HOLD = """
import sys
from pathlib import Path
from core.home.folder import EngineLock, Home
EngineLock(Home(Path(sys.argv[1]))).acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_the_option_wins_over_the_environment_and_that_over_the_default(tmp_path: Path) -> None:
    environment = {"QUARTERDECK_HOME": str(tmp_path / "env")}
    assert find_home(tmp_path / "option", environment).root == tmp_path / "option"
    assert find_home(None, environment).root == tmp_path / "env"
    assert find_home(None, {}).root.name == "quarterdeck"


def test_a_relative_home_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_home(Path("here"), {}).root == tmp_path / "here"


def test_folders_are_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    home.create()
    home.create()
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.models.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RefusedError, match=r"cannot be made: .*; name another folder with --home"):
        Home(tmp_path / "file" / "home").create()


def test_a_second_engine_is_told_the_pid_and_changes_nothing(home: Home) -> None:
    with EngineLock(home):
        before = home.lock.read_bytes()
        with pytest.raises(UnavailableError, match=rf"process {os.getpid()}\) already runs here"):
            EngineLock(home).acquire()
        assert home.lock.read_bytes() == before
        assert engine_pid(home) == os.getpid()
    assert engine_pid(home) is None


def test_a_released_lock_can_be_taken_again(home: Home) -> None:
    lock = EngineLock(home)
    lock.acquire()
    lock.release()
    lock.release()
    with EngineLock(home):
        assert stat.S_IMODE(home.lock.stat().st_mode) == 0o600


def test_no_engine_where_there_is_no_lock_file(tmp_path: Path) -> None:
    assert engine_pid(Home(tmp_path)) is None


def test_the_kernel_gives_the_lock_back_when_its_holder_is_killed(home: Home) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UnavailableError, match=rf"process {holder.pid}\)"):
            EngineLock(home).acquire()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with EngineLock(home):
        assert engine_pid(home) == os.getpid()


def test_the_socket_is_in_the_home_where_its_path_fits(tmp_path: Path) -> None:
    home = Home(Path("/srv/desk"))
    assert home.socket == Path("/srv/desk/engine.sock")


def test_a_long_home_gets_a_short_socket_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    one, two = Home(Path("/srv") / ("a" * 120)), Home(Path("/srv") / ("b" * 120))
    assert one.socket != two.socket
    assert one.socket == one.socket
    assert all(len(os.fsencode(home.socket)) <= MAX_SOCKET_PATH_BYTES for home in (one, two))


def test_a_stand_in_folder_that_is_not_private_is_made_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)
    private_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_stand_in_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(RefusedError, match="belongs to another user"):
        private_folder(tmp_path / "link")


def test_a_home_that_is_there_and_cannot_be_written_is_not_told_as_missing(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("x")
    with pytest.raises(RefusedError, match=r"cannot be written: .*; mend its permissions or its disk, or name another"):
        Home(tmp_path).create()


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.lock.mkdir()
    with pytest.raises(RefusedError, match=r"engine\.lock: cannot be written: .*; mend its permissions or its disk"):
        EngineLock(home).acquire()


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
@pytest.mark.parametrize("folder", ["", "models"])
def test_a_home_that_others_can_write_is_refused(tmp_path: Path, mode: int, folder: str) -> None:
    home = Home(tmp_path / "home")
    home.create()
    (home.root / folder).chmod(mode)
    with pytest.raises(RefusedError, match=r"can be written by others; run: chmod go-w"):
        home.create()


def test_a_home_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    home.create()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(RefusedError, match="belongs to another user"):
        home.create()


def test_lock_and_log_never_follow_a_link(tmp_path: Path) -> None:
    home, elsewhere = Home(tmp_path / "home"), tmp_path / "elsewhere"
    home.create()
    elsewhere.write_text("kept")
    home.lock.symlink_to(elsewhere)
    home.log.symlink_to(elsewhere)
    with pytest.raises(RefusedError, match="cannot be written"):
        EngineLock(home).acquire()
    with pytest.raises(OSError, match="is a link"):
        set_up(home.log, lambda: 0)
    assert engine_pid(home) is None
    assert elsewhere.read_text() == "kept"


def test_lock_log_and_database_are_never_waited_for_where_a_pipe_lies_in_their_place(home: Home) -> None:
    for path in (home.lock, home.log, home.database):
        os.mkfifo(path)
    with pytest.raises(RefusedError, match=r"engine\.lock: cannot be written: is no plain file; mend its"):
        EngineLock(home).acquire()
    with pytest.raises(OSError, match="is no plain file"):
        set_up(home.log, lambda: 0)
    assert engine_pid(home) is None


def test_a_note_of_the_socket_that_is_no_path_is_none(home: Home) -> None:
    for content in (b"", b"/tmp/a\0b", b"\xff\xfe", b"x" * 5_000):
        home.socket_note.write_bytes(content)
        with pytest.raises(UnavailableError, match="no engine runs here"):
            request(home, "status")
    home.socket_note.unlink()
    os.mkfifo(home.socket_note)
    with pytest.raises(UnavailableError, match="no engine runs here"):
        request(home, "status")


def test_the_database_is_left_for_a_moment_to_an_engine_alone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("core.home.folder.time.sleep", slept.append)
    leave_to_engine(home)
    assert slept == []
    with EngineLock(home):
        leave_to_engine(home)
    # SQLite looks at a lock every 0.1 s.
    assert len(slept) == 1
    assert slept[0] > 0.1
