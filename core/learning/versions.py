"""Model versions on disk: immutable, checksummed, whole.

ROOT/<strategy>/<symbol>/<version>/ holds the model's own files and manifest.json, which tells everything else. A
version is named `<symbol>-<UTC minute of the request>-<8 hex digits of its manifest's hash>`, and the manifest holds
the hash of every file: so the same training gives the same name, and no byte of a version can change unnoticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.domain.errors import ModelError

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30
_PARTIAL = ".partial-"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Times are UTC milliseconds. `files` are SHA-256 by file name; `data_sha256` is that of the training window.

    `settings` are the strategy's, `parameters` those the library was called with, `created_ms` the time of the request.
    """

    strategy: str
    symbol: str
    feature_names: tuple[str, ...]
    lookback_bars: int
    horizon_ms: int
    seed: int
    settings: Mapping[str, Any]
    parameters: Mapping[str, Any]
    window_from_ms: int
    window_to_ms: int
    data_sha256: str
    calibration: Mapping[str, float]
    metrics: Mapping[str, float]
    passed: bool
    note: str
    libraries: Mapping[str, str]
    created_ms: int
    files: Mapping[str, str]

    @property
    def version(self) -> str:
        minute = datetime.fromtimestamp(self.created_ms // 1000, tz=UTC).strftime("%Y%m%dT%H%M")
        return f"{self.symbol}-{minute}-{_sha256(self.to_json())[:8]}"

    def to_json(self) -> bytes:
        """Canonical: equal manifests give equal bytes."""
        return json.dumps(asdict(self), sort_keys=True, indent=1, allow_nan=False).encode()


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: _sha256(content) for name, content in sorted(files.items())}


def write_version(root: Path, manifest: Manifest, files: Mapping[str, bytes], *, durable: bool = True) -> str:
    """Store a version and return its name. A version that is there already and whole is left as it is.

    It appears under its name at once and, where asked, durable, or not at all. Raises ModelError when it cannot be
    stored.
    """
    final = _directory(root, manifest.strategy, manifest.symbol, manifest.version)
    try:
        if final.exists():
            try:
                _read(final, manifest.version)
            except ModelError:
                shutil.rmtree(final)
            else:
                return manifest.version
        partial = final.with_name(_PARTIAL + final.name)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name, content in {**files, MANIFEST: manifest.to_json()}.items():
            _write(partial / name, content, durable)
        if durable:
            _sync_directory(partial)
        partial.rename(final)
        if durable:
            for directory in (final.parent, final.parent.parent, root):
                _sync_directory(directory)
    except OSError as error:
        raise ModelError(f"{final}: the model version cannot be stored: {error.strerror}") from error
    return manifest.version


def load_version(
    root: Path, strategy: str, symbol: str, version: str, feature_names: tuple[str, ...]
) -> tuple[Manifest, dict[str, bytes]]:
    """A version's manifest and files.

    Raises ModelError when it is missing, when a checksum differs, or when it was trained on other features than
    `feature_names`.
    """
    directory = _directory(root, strategy, symbol, version)
    manifest, files = _read(directory, version)
    if (manifest.strategy, manifest.symbol) != (strategy, symbol):
        raise ModelError(f"{directory}: belongs to {manifest.strategy} {manifest.symbol}; retrain {symbol}")
    if manifest.feature_names != feature_names:
        raise ModelError(f"{directory}: was trained on other features than this program computes; retrain {symbol}")
    return manifest, files


def list_versions(root: Path, strategy: str, symbol: str) -> list[str]:
    """Stored versions of a symbol, oldest first."""
    home = _directory(root, strategy, symbol)
    if not home.is_dir():
        return []
    return sorted(path.name for path in home.iterdir() if path.is_dir() and not path.name.startswith("."))


def prune_versions(root: Path, strategy: str, symbol: str, keep: int, in_use: Collection[str]) -> list[str]:
    """Delete all but the newest `keep` versions and those in use; returns what was deleted, oldest first."""
    old = [version for version in list_versions(root, strategy, symbol)[:-keep] if version not in in_use]
    for version in old:
        shutil.rmtree(_directory(root, strategy, symbol, version), ignore_errors=True)
    return old


def sweep_partials(root: Path) -> None:
    """Remove what a crash left half written. Only while nothing is being stored."""
    for partial in root.glob(f"*/*/{_PARTIAL}*"):
        shutil.rmtree(partial, ignore_errors=True)


def _read(directory: Path, version: str) -> tuple[Manifest, dict[str, bytes]]:
    content = _read_file(directory / MANIFEST, MAX_MANIFEST_BYTES)
    try:
        fields = json.loads(content)
        fields["feature_names"] = tuple(fields["feature_names"])
        manifest = Manifest(**fields)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{directory / MANIFEST}: is not a manifest of this program; delete the version") from error
    if manifest.to_json() != content or manifest.version != version:
        raise ModelError(f"{directory / MANIFEST}: was changed after the training; delete the version")
    if any(not _PLAIN_NAME.fullmatch(name) for name in manifest.files):
        raise ModelError(f"{directory / MANIFEST}: names files of other folders; delete the version")
    files = {name: _read_file(directory / name, MAX_FILE_BYTES) for name in manifest.files}
    for name, digest in digests(files).items():
        if digest != manifest.files[name]:
            raise ModelError(f"{directory / name}: its checksum differs from the manifest's; delete the version")
    return manifest, files


def _read_file(path: Path, most_bytes: int) -> bytes:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > most_bytes:
                raise ModelError(f"{path}: is no file of at most {most_bytes:,} bytes; delete the version")
            return file.read(most_bytes)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error


def _directory(root: Path, *names: str) -> Path:
    for name in names:
        if not _PLAIN_NAME.fullmatch(name):
            raise ModelError(f"{root}: {name!r} cannot name a model version's directory")
    return root.joinpath(*names)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes, durable: bool) -> None:
    with path.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
