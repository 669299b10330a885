"""The locks: which version of each package is installed, and by which hashes its files are known.

`requirements.txt` is what the product runs on, `requirements-test.txt` what lint, tests and benchmarks need on top.
`make lock` writes both from `pyproject.toml`. pip finds the files, for this machine and for PLATFORMS. Versions stay as
they are, but for what `--upgrade` names; a version that stays keeps its hashes, so that a run on a machine of another
kind adds the files for that one. No address of an index stands in a lock: where the files come from is a matter of the
machine; that they are the same is seen by their hashes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from platform import python_version
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUN, TEST = ROOT / "requirements.txt", ROOT / "requirements-test.txt"
FOR_TESTS = "dev"
"""The extra of `pyproject.toml` that is no part of the product."""
_GLIBC = (17, 24, 26, 27, 28)
PLATFORMS = {
    "Linux x86_64": [*(f"manylinux_2_{minor}_x86_64" for minor in _GLIBC), "manylinux2014_x86_64"],
    "Linux aarch64": [*(f"manylinux_2_{minor}_aarch64" for minor in _GLIBC), "manylinux2014_aarch64"],
    "macOS arm64": ["macosx_14_0_arm64"],
}
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--dry-run"]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s+\\]+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
_HEADS = {
    RUN: "# What the product runs on, extras included. Written by `make lock`.\n",
    TEST: "# What lint, tests and benchmarks need on top. Written by `make lock`.\n--requirement requirements.txt\n",
}


@dataclass(frozen=True, slots=True)
class Pin:
    """A version, and the SHA-256 of each of its files that may be installed."""

    version: str
    hashes: frozenset[str]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read(lock: Path) -> dict[str, Pin]:
    """The pins of a lock by canonical name; none where there is no such file."""
    text = lock.read_text() if lock.exists() else ""
    return {
        canonical(name): Pin(version, frozenset(re.findall(r"sha256:(\w+)", hashes)))
        for name, version, hashes in _PIN.findall(text)
    }


def written(lock: Path, pins: Mapping[str, Pin]) -> str:
    """The text of the lock that holds `pins`."""
    lines = [_HEADS[lock]]
    for name, pin in sorted(pins.items()):
        hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in sorted(pin.hashes))
        lines.append(f"{name}=={pin.version}{hashes}\n")
    return "".join(lines)


def wanted(pyproject: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The requirements of the product with all its extras and of what builds it; those of the tests."""
    project = pyproject["project"]
    extras = project["optional-dependencies"]
    shipped = [requirement for name, extra in extras.items() if name != FOR_TESTS for requirement in extra]
    return [*project["dependencies"], *shipped, *pyproject["build-system"]["requires"]], list(extras[FOR_TESTS])


def found_by_pip(requirements: Iterable[str], options: Sequence[str]) -> dict[str, Pin]:
    """What pip would install. Raises subprocess.CalledProcessError where it finds no answer."""
    with tempfile.TemporaryDirectory() as folder:
        asked, report = Path(folder) / "asked.txt", Path(folder) / "report.json"
        asked.write_text("\n".join(requirements))
        places = ["--requirement", str(asked), "--report", str(report), "--target", str(Path(folder) / "nowhere")]
        subprocess.run([*_PIP, "--ignore-installed", *options, *places], check=True, capture_output=True, text=True)
        items = json.loads(report.read_text())["install"]
    return {
        canonical(item["metadata"]["name"]): Pin(
            item["metadata"]["version"], frozenset([item["download_info"]["archive_info"]["hashes"]["sha256"]])
        )
        for item in items
    }


def resolved(requirements: Sequence[str], kept: Mapping[str, Pin]) -> dict[str, Pin]:
    """All that `requirements` need, at the versions that are `kept` where one is, with the files for this machine."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(f"{name}=={pin.version}" for name, pin in kept.items()))
        constraints.flush()
        return found_by_pip(requirements, ["--constraint", constraints.name])


def wheels_for(platform: str, pins: Mapping[str, Pin]) -> dict[str, Pin]:
    """The wheels of the same versions for one of PLATFORMS; what has none there is left out."""
    tags = [part for tag in PLATFORMS[platform] for part in ("--platform", tag)]
    version = "--python-version", python_version()
    options = ["--no-deps", "--only-binary", ":all:", "--implementation", "cp", *version, *tags]
    try:
        return found_by_pip([f"{name}=={pin.version}" for name, pin in pins.items()], options)
    except subprocess.CalledProcessError:
        names = list(pins)
        if len(names) == 1:
            print(f"{names[0]} has no wheel for {platform}", file=sys.stderr)
            return {}
        halves = names[: len(names) // 2], names[len(names) // 2 :]
        return {k: v for half in halves for k, v in wheels_for(platform, {n: pins[n] for n in half}).items()}


def together(pins: Mapping[str, Pin], *others: Mapping[str, Pin]) -> dict[str, Pin]:
    """`pins` with the hashes that `others` know of the same versions."""
    return {
        name: Pin(
            pin.version,
            pin.hashes.union(*(o[name].hashes for o in others if name in o and o[name].version == pin.version)),
        )
        for name, pin in pins.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="make lock ARGS=...", description=__doc__)
    parser.add_argument("--upgrade", nargs="*", metavar="NAME", help="take the newest of these, of all without a name")
    upgrade = parser.parse_args(arguments).upgrade
    before = {**read(RUN), **read(TEST)}
    renewed = set(before) if upgrade == [] else {canonical(name) for name in upgrade or ()}
    kept = {name: pin for name, pin in before.items() if name not in renewed}
    for_run, for_tests = wanted(tomllib.loads((ROOT / "pyproject.toml").read_text()))
    everything = resolved([*for_run, *for_tests], kept)
    run = resolved(for_run, everything)
    pins = together(everything, before, *(wheels_for(platform, everything) for platform in PLATFORMS))
    RUN.write_text(written(RUN, {name: pin for name, pin in pins.items() if name in run}))
    TEST.write_text(written(TEST, {name: pin for name, pin in pins.items() if name not in run}))


if __name__ == "__main__":
    main()
