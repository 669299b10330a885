"""Distributions of strategies, as an installer leaves them on a path: code, and metadata with entry points."""

from __future__ import annotations

from pathlib import Path


def distribution(path: Path, name: str, entry_points: str, modules: dict[str, str] | None = None) -> Path:
    """Write the distribution `name`, whose `entry_points` are lines of `name = module:attribute`, under `path`."""
    metadata = path / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[quarterdeck.strategies]\n{entry_points}\n")
    for module, text in (modules or {}).items():
        (path / f"{module}.py").write_text(text)
    return path
