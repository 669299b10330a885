"""Where state lives: one folder a user can name, and the lock that keeps a second engine out of it."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from core.domain.errors import RefusedError, UnavailableError

ENVIRONMENT_NAME = "QUARTERDECK_HOME"
CANNOT_WRITE_MEND = "mend its permissions or its disk, or name another folder with --home"
MAX_SOCKET_PATH_BYTES = 103
"""The shortest limit of `sun_path` among the systems we run on, its closing zero left out (Linux allows 107)."""

_LOCK_TRIES = 5
_LOCK_PAUSE_S = 0.02
ENGINE_TURN_S = 0.15
"""Longer than SQLite waits between two looks at a lock (0.1 s): who waits for it has it then."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds everything an engine keeps."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "quarterdeck.db"

    @property
    def recorded(self) -> Path:
        """The market that comes with the program, never mixed with the operator's own candles. It can be deleted at any
        time and is made again where it is missing."""
        return self.root / "recorded" / "candles.db"

    @property
    def lab(self) -> Path:
        """The lab's own database, so that a long write of a run never delays an order's commit."""
        return self.root / "lab.db"

    @property
    def searches(self) -> Path:
        """What Optuna remembers of its studies, so that a search can be resumed."""
        return self.root / "optuna.db"

    def market(self, exchange: str) -> Path:
        """Candles that came from an exchange as they happened, never mixed with recorded ones, nor those of its test
        hosts with its own: `exchange` is then another name."""
        return self.root / f"market-{exchange}.db"

    @property
    def keys(self) -> Path:
        """An exchange's keys, for an operator who keeps them in a file; it must be readable by nobody else."""
        return self.root / "keys.toml"

    @property
    def fetched(self) -> Path:
        """Files of an exchange's archive while they are fetched, and the part that is there of one."""
        return self.root / "fetched"

    @property
    def collecting(self) -> Path:
        """Held by the process that gathers an exchange's streams here."""
        return self.root / "collect.lock"

    @property
    def collect_log(self) -> Path:
        return self.root / "collect.log"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def testnet_models(self) -> Path:
        """Those that learned from prices of test hosts."""
        return self.root / "models-testnet"

    @property
    def log(self) -> Path:
        return self.root / "quarterdeck.log"

    @property
    def worker_log(self) -> Path:
        """What worker processes write to stderr: libraries' own words, not lines of ours."""
        return self.root / "workers.log"

    @property
    def lock(self) -> Path:
        return self.root / "engine.lock"

    @property
    def settings(self) -> Path:
        return self.root / "settings.toml"

    @property
    def socket(self) -> Path:
        """The engine's socket, or a short stand-in for it where this path is too long for a Unix socket."""
        path = self.root / "engine.sock"
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
            return path
        name = hashlib.blake2b(os.fsencode(self.root), digest_size=8).hexdigest()
        return _short_folder(os.environ) / f"{name}.sock"

    @property
    def socket_note(self) -> Path:
        """A text file that says where the socket is while it is not in the home itself."""
        return self.root / "engine.sock.path"

    def create(self) -> None:
        """Make the folders with mode 0700. Raises RefusedError when the system does not let us, and where others own
        or can write what lies there."""
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self.root, self.models):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            if self.root.is_dir():
                raise cannot_write(self.root, error) from error
            raise RefusedError(
                f"{self.root}: cannot be made: {error.strerror}; name another folder with --home"
            ) from error
        for folder in (self.root, self.models, self.testnet_models, self.recorded.parent):
            if folder.exists():
                check_ours(folder)


def check_ours(folder: Path) -> None:
    """To be asked before anything is written in it. Raises RefusedError where another user owns it or others can
    write there."""
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise RefusedError(f"{folder}: belongs to another user; name a folder of your own with --home")
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise RefusedError(f"{folder}: can be written by others; run: chmod go-w {folder}")


def check_begun(home: Home) -> None:
    """Raises UnavailableError where nothing was ever stored."""
    if not home.database.exists():
        raise UnavailableError(f"{home.root}: holds no database yet; start an engine with: quarterdeck run")


def find_home(option: Path | None, environment: Mapping[str, str]) -> Home:
    """The home an operator means: the option, else $QUARTERDECK_HOME, else the user's data folder."""
    named = option or environment.get(ENVIRONMENT_NAME)
    if named:
        return Home(Path(named).expanduser().absolute())
    import platformdirs

    return Home(platformdirs.user_data_path("quarterdeck"))


def _short_folder(environment: Mapping[str, str]) -> Path:
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    for base in (runtime, tempfile.gettempdir()):
        folder = Path(base) / f"quarterdeck-{os.getuid()}"
        if base and len(os.fsencode(folder)) <= MAX_SOCKET_PATH_BYTES - 32:
            return folder
    return Path("/tmp") / f"quarterdeck-{os.getuid()}"  # noqa: S108 - private_folder() checks who owns it


def open_own(path: Path, flags: int) -> int:
    """A descriptor of a file of the home, which is made with mode 0600 where `flags` say so.

    Raises OSError also where a link stands there, or a pipe or device, which would be waited for.
    """
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise _no_plain_file(path) from error
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "is a link", str(path)) from error
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _no_plain_file(path)


def _no_plain_file(path: Path) -> OSError:
    return OSError(errno.EINVAL, "is no plain file", str(path))


def cannot_write(path: Path, error: OSError) -> RefusedError:
    """The one line for what an engine must write and cannot."""
    return RefusedError(f"{path}: cannot be written: {error.strerror}; {CANNOT_WRITE_MEND}")


def private_folder(folder: Path) -> None:
    """Make `folder` with mode 0700, or make sure that it is ours and nobody else's.

    Raises RefusedError where another user could have put it there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise RefusedError(f"{folder}: belongs to another user; name a shorter --home")
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)


class EngineLock:
    """The exclusive right to run an engine on a home. The kernel gives it back when the process ends, however it ends.

    The descriptor is not inherited by spawned workers, so a worker that outlives its engine holds nothing.
    """

    def __init__(self, home: Home) -> None:
        self._path = home.lock
        self._root = home.root
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raises UnavailableError naming the process that has it, RefusedError where the home cannot be written;
        nothing has been changed then."""
        try:
            descriptor = open_own(self._path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise cannot_write(self._path, error) from error
        if not _try_lock(descriptor):
            os.close(descriptor)
            pid = _read_pid(self._path)
            who = f" (process {pid})" if pid else ""
            raise UnavailableError(
                f"{self._root}: an engine{who} already runs here; stop it first or name another folder with --home"
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Idempotent. The file stays: removing it would let two engines lock two files of one name."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> EngineLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _try_lock(descriptor: int) -> bool:
    # engine_pid() holds the lock for an instant when it looks; a start must not fail on that.
    for attempt in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            if attempt + 1 < _LOCK_TRIES:
                time.sleep(_LOCK_PAUSE_S)
        else:
            return True
    return False


def engine_pid(home: Home) -> int | None:
    """The process whose engine holds `home`, 0 if it is not known, None when no engine runs there."""
    try:
        descriptor = open_own(home.lock, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _read_pid(home.lock)
    else:
        return None
    finally:
        os.close(descriptor)


def leave_to_engine(home: Home) -> None:
    """For a program that writes much into the database of `home`, between two transactions: an engine that runs there
    commits its journal now."""
    if engine_pid(home) is not None:
        time.sleep(ENGINE_TURN_S)


def _read_pid(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii").strip() or 0)
    except (OSError, ValueError):
        return 0
