"""`python -m benchmarks [SECTION ...] [--full] [--json FILE]`: exit code 1 when a target is missed."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.report import Section, as_json, load_average, table
from core.domain.errors import QuarterdeckError

SECTIONS = (
    "decision",
    "durable",
    "training",
    "models",
    "console",
    "replay",
    "kernel",
    "event",
    "command",
    "bring",
    "search",
    "walkday",
    "start",
    "control",
    "coverage",
    "evidence",
)
WITH_QUICK_FORM = ("search", "walkday", "start")
FAILURES = (QuarterdeckError, OSError, RuntimeError, subprocess.SubprocessError)


def run_section(name: str, *, full: bool = False) -> Section:
    before = load_average()
    module = importlib.import_module(f"benchmarks.{name}")
    section: Section = module.run(full=full) if name in WITH_QUICK_FORM else module.run()
    return replace(section, load=(before, load_average()))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all when none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    quick = ", ".join(WITH_QUICK_FORM)
    parser.add_argument("--full", action="store_true", help=f"all that {quick} stand for; quick forms without")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"unknown section {unknown[0]}; known: {', '.join(SECTIONS)}")
    found, failed = [], []
    for name in chosen.sections or SECTIONS:
        try:
            found.append(run_section(name, full=chosen.full))
        except FAILURES as error:
            failed.append(name)
            print(f"{name}: FAILED: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
            continue
        print(table(found[-1]), end="\n\n", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps([as_json(section) for section in found], indent=1) + "\n", encoding="utf-8")
    missed = [section.name for section in found if section.missed]
    if missed:
        print(f"MISSED in: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed or failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
