from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from core.domain.errors import ModelError
from core.learning.versions import (
    MANIFEST,
    Manifest,
    digests,
    list_versions,
    load_version,
    prune_versions,
    sweep_partials,
    write_version,
)

FILES = {"model.txt": b"tree", "scaler.json": b"{}"}
NAMES = ("a", "b")
DRAFT = Manifest(
    strategy="scalper",
    symbol="BTCUSDT",
    feature_names=NAMES,
    lookback_bars=600,
    horizon_ms=600_000,
    seed=5,
    settings={"window_hours": 48},
    parameters={"num_leaves": 64},
    window_from_ms=0,
    window_to_ms=60_000,
    data_sha256="00",
    calibration={"residual_rmse_bps": 11.5},
    metrics={"rmse_bps": 11.5},
    passed=True,
    note="",
    libraries={"numpy": "2"},
    created_ms=1_749_203_999_000,
    files=digests(FILES),
)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def load(root: Path, version: str) -> tuple[Manifest, dict[str, bytes]]:
    return load_version(root, "scalper", "BTCUSDT", version, NAMES)


def test_a_version_comes_back_whole(tmp_path: Path) -> None:
    version = write_version(tmp_path, DRAFT, FILES)
    assert version.startswith("BTCUSDT-20250606T0959-")
    assert load(tmp_path, version) == (DRAFT, FILES)
    assert list_versions(tmp_path, "scalper", "BTCUSDT") == [version]


def test_the_name_tells_every_difference(tmp_path: Path) -> None:
    others = [replace(DRAFT, seed=6), replace(DRAFT, passed=False), replace(DRAFT, files=digests({"model.txt": b"x"}))]
    assert len({manifest.version for manifest in [DRAFT, *others]}) == 4


def test_making_a_version_again_changes_no_byte(tmp_path: Path) -> None:
    version = write_version(tmp_path, DRAFT, FILES)
    before = tree(tmp_path)
    inode = (tmp_path / "scalper/BTCUSDT" / version).stat().st_ino
    assert write_version(tmp_path, DRAFT, FILES) == version
    assert tree(tmp_path) == before
    assert (tmp_path / "scalper/BTCUSDT" / version).stat().st_ino == inode


def test_making_a_damaged_version_again_mends_it(tmp_path: Path) -> None:
    version = write_version(tmp_path, DRAFT, FILES)
    (tmp_path / "scalper/BTCUSDT" / version / "model.txt").write_bytes(b"tre")
    write_version(tmp_path, DRAFT, FILES)
    assert load(tmp_path, version) == (DRAFT, FILES)


@pytest.mark.parametrize("name", ["model.txt", "scaler.json"])
def test_a_changed_or_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    version = write_version(tmp_path, DRAFT, FILES)
    file = tmp_path / "scalper/BTCUSDT" / version / name
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ModelError, match=f"{name}: its checksum differs"):
        load(tmp_path, version)
    file.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load(tmp_path, version)


@pytest.mark.parametrize("change", [{"seed": 6}, {"feature_names": ["a"]}, {"files": {}}])
def test_a_changed_manifest_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    version = write_version(tmp_path, DRAFT, FILES)
    file = tmp_path / "scalper/BTCUSDT" / version / MANIFEST
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}, sort_keys=True, indent=1))
    with pytest.raises(ModelError, match="was changed after the training"):
        load(tmp_path, version)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"feature_names": 3}', "\ufffe"])
def test_a_manifest_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    version = write_version(tmp_path, DRAFT, FILES)
    (tmp_path / "scalper/BTCUSDT" / version / MANIFEST).write_text(content)
    with pytest.raises(ModelError, match="is not a manifest"):
        load(tmp_path, version)


def test_a_version_of_other_features_is_refused(tmp_path: Path) -> None:
    version = write_version(tmp_path, DRAFT, FILES)
    for names in [("b", "a"), ("a",), ("a", "b", "c")]:
        with pytest.raises(ModelError, match="was trained on other features"):
            load_version(tmp_path, "scalper", "BTCUSDT", version, names)


def test_a_version_in_another_symbols_place_is_refused(tmp_path: Path) -> None:
    version = write_version(tmp_path, DRAFT, FILES)
    (tmp_path / "scalper/BTCUSDT").rename(tmp_path / "scalper/ETHUSDT")
    with pytest.raises(ModelError, match="belongs to scalper BTCUSDT"):
        load_version(tmp_path, "scalper", "ETHUSDT", version, NAMES)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".partial-x"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="cannot name"):
        load(tmp_path, name)


def test_a_version_that_cannot_be_stored_is_reported(tmp_path: Path) -> None:
    (tmp_path / "scalper").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be stored"):
        write_version(tmp_path, DRAFT, FILES)


def test_a_crash_while_storing_leaves_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        write_version(tmp_path, DRAFT, FILES)
    monkeypatch.undo()
    assert tree(tmp_path)
    assert list_versions(tmp_path, "scalper", "BTCUSDT") == []
    assert load(tmp_path, write_version(tmp_path, DRAFT, FILES)) == (DRAFT, FILES)


def test_sweeping_removes_only_what_is_half_written(tmp_path: Path) -> None:
    version = write_version(tmp_path, DRAFT, FILES)
    before = tree(tmp_path)
    partial = tmp_path / "scalper/BTCUSDT/.partial-x"
    partial.mkdir()
    (partial / "model.txt").write_bytes(b"tr")
    sweep_partials(tmp_path)
    assert tree(tmp_path) == before
    assert load(tmp_path, version)


def test_everything_is_on_disk_before_the_version_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    renamed: list[set[int]] = []
    fsync, rename = os.fsync, Path.rename

    def noting_fsync(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    def noting_rename(self: Path, target: Path) -> Path:
        renamed.append(set(synced))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "rename", noting_rename)
    home = tmp_path / "scalper/BTCUSDT" / write_version(tmp_path, DRAFT, FILES)
    assert renamed == [{path.stat().st_ino for path in [home, *home.iterdir()]}]
    assert home.parent.stat().st_ino in synced


def test_pruning_keeps_the_newest_and_those_in_use(tmp_path: Path) -> None:
    made = [write_version(tmp_path, replace(DRAFT, created_ms=DRAFT.created_ms + i * 900_000), FILES) for i in range(6)]
    assert list_versions(tmp_path, "scalper", "BTCUSDT") == made
    assert prune_versions(tmp_path, "scalper", "BTCUSDT", 2, {made[1]}) == [made[0], made[2], made[3]]
    assert list_versions(tmp_path, "scalper", "BTCUSDT") == [made[1], made[4], made[5]]
    assert prune_versions(tmp_path, "scalper", "ETHUSDT", 2, set()) == []
