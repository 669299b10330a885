"""What `doctor` can see without opening the database: the machine, the terminal, the home, the settings."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

from core.control.client import request
from core.domain.errors import QuarterdeckError
from core.domain.finding import Finding
from core.home.folder import CANNOT_WRITE_MEND, Home, engine_pid
from core.home.key_environment import keys_in_environment
from tui.cli.options import has_terminal

LEAST_COLUMNS, LEAST_LINES = 80, 24
LEAST_FREE_MB = 500


def local_findings(home: Home, settings_path: Path | None) -> list[Finding]:
    beside = (*_terminal(), _home(home), _disk(home), *_keys(), _settings(home, settings_path), _engine(home))
    return [_python(), *beside]


def _python() -> Finding:
    found = ".".join(str(part) for part in sys.version_info[:3])
    ok = sys.version_info[:2] == (3, 11)
    return Finding("python", ok, found, "" if ok else "install Python 3.11 and run `make setup`")


def _terminal() -> list[Finding]:
    from tui.console.terminal import unfit

    if not has_terminal():
        return [Finding("terminal", True, "none here; only `run --headless` works without one")]
    size = shutil.get_terminal_size()
    fits = size.columns >= LEAST_COLUMNS and size.lines >= LEAST_LINES
    encoding = (sys.stderr.encoding or "none").lower()
    utf8 = encoding.replace("-", "") == "utf8"
    term = os.environ.get("TERM", "")
    named = not unfit(os.environ)
    colours = "true colour" if os.environ.get("COLORTERM") in ("truecolor", "24bit") else "no COLORTERM: fewer colours"
    return [
        Finding(
            "terminal size",
            fits,
            f"{size.columns}x{size.lines}",
            "" if fits else f"make it at least {LEAST_COLUMNS}x{LEAST_LINES}",
        ),
        Finding("encoding", utf8, encoding, "" if utf8 else "set LANG=C.UTF-8"),
        Finding(
            "terminal kind", named, f"{term or 'not named'}, {colours}", "" if named else "set TERM=xterm-256color"
        ),
    ]


def _home(home: Home) -> Finding:
    folder = _nearest(home.root)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("home", False, f"{folder} cannot be written", CANNOT_WRITE_MEND)
    if folder != home.root:
        return Finding("home", True, f"{home.root} will be made by the first run")
    found = folder.stat()
    if found.st_uid != os.geteuid():
        return Finding("home", False, f"{home.root} belongs to another user", "name a folder of your own with --home")
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        return Finding("home", False, f"{home.root} is open to other users ({mode:o})", f"chmod 700 {home.root}")
    return Finding("home", True, str(home.root))


def _disk(home: Home) -> Finding:
    free_mb = shutil.disk_usage(_nearest(home.root)).free // 1_000_000
    ok = free_mb >= LEAST_FREE_MB
    return Finding("disk", ok, f"{free_mb:,} MB free", "" if ok else f"free {LEAST_FREE_MB} MB or move the home")


def _keys() -> list[Finding]:
    """A word where keys came by the door that stays open."""
    names = keys_in_environment()
    if not names:
        return []
    told = "come from the environment, where every program of this user can read them while the engine runs"
    return [Finding("keys", True, f"{', '.join(names)} {told}; keys.toml with mode 0600 is the better place")]


def _settings(home: Home, named: Path | None) -> Finding:
    from core.settings.schema import load_settings

    path = named or (home.settings if home.settings.exists() else None)
    if path is None:
        return Finding("settings", True, "the defaults; no settings.toml")
    try:
        load_settings(path)
    except QuarterdeckError as error:
        return Finding("settings", False, str(error), f"correct {path}")
    return Finding("settings", True, str(path))


def _engine(home: Home) -> Finding:
    pid = engine_pid(home)
    if pid is None:
        return Finding("engine", True, "none runs here; the lock is free")
    try:
        state = request(home, "status", timeout_s=3.0)["state"]
    except QuarterdeckError as error:
        return Finding(
            "engine", False, f"process {pid} holds the lock: {error}", f"look at the log, or end process {pid}"
        )
    return Finding("engine", True, f"process {pid} runs here, {state}; a second one is refused")


def _nearest(folder: Path) -> Path:
    """The folder itself or the closest one above it that exists."""
    while not folder.exists():
        folder = folder.parent
    return folder
