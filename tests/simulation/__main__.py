"""Many seeds, or one told as it happens, or a soak. Exit code 1 where anything was wrong."""

from __future__ import annotations

import argparse
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from tests.simulation.marks import ALL, OF_CROSSINGS, OF_LADDERS, OF_MODELS, OF_PEOPLE, OF_SEVERAL
from tests.simulation.plan import has_crossings, has_people
from tests.simulation.run import Result
from tests.simulation.seed import run_seed
from tests.simulation.thinking import has_models
from tests.simulation.trading import has_ladder, has_several

MARKS_FROM_SEEDS = 100
P99_LIMIT_MS = 2_000
PEOPLE: dict[str, Callable[[int], bool]] = {
    "none": lambda seed: False,
    "half": has_people,
    "all": lambda seed: True,
}
CROSSINGS = {**PEOPLE, "half": has_crossings}
MODELS = {**PEOPLE, "half": has_models}
LADDERS = {**PEOPLE, "half": has_ladder}
SEVERAL = {**PEOPLE, "half": has_several}
PROBLEMS_SHOWN = 3


@dataclass
class Totals:
    """What all seeds came to."""

    seeds: int = 0
    failed: list[int] = field(default_factory=list)
    gaps_ms: list[int] = field(default_factory=list)
    longest: tuple[int, int] = (0, 0)
    longest_whole_ms: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    virtual_s: float = 0.0
    wall_s: float = 0.0
    slowest_s: float = 0.0
    longest_ms: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By what lasted: how long, and in which seed."""
    had_people: bool = False
    had_crossings: bool = False
    had_models: bool = False
    had_ladder: bool = False
    had_several: bool = False

    def add(self, result: Result) -> None:
        self.seeds += 1
        if result.problems:
            self.failed.append(result.seed)
        self.gaps_ms += [gap for gap, _, _ in result.gaps_ms]
        self.longest = max(self.longest, *((gap, result.seed) for gap, _, _ in result.gaps_ms), (0, 0))
        self.longest_whole_ms = max(self.longest_whole_ms, result.longest_whole_ms)
        self.reached += result.reached
        self.faults += result.faults
        self.counts += result.counts
        self.virtual_s += result.virtual_s
        self.wall_s += result.wall_s
        self.had_people = self.had_people or result.had_people
        self.had_crossings = self.had_crossings or result.had_crossings
        self.had_models = self.had_models or result.had_models
        self.had_ladder = self.had_ladder or result.had_ladder
        self.had_several = self.had_several or result.had_several
        for what, age_ms in result.longest_ms.items():
            self.longest_ms[what] = max(self.longest_ms.get(what, (0, 0)), (age_ms, result.seed))
        self.slowest_s = max(self.slowest_s, result.converged_s or 0.0)

    def problems(self) -> list[str]:
        """What is wrong with the run as a whole."""
        found = [f"{len(self.failed)} of {self.seeds} seeds failed"] if self.failed else []
        if self.seeds >= MARKS_FROM_SEEDS:
            had = (self.had_people, self.had_crossings, self.had_models, self.had_ladder, self.had_several)
            groups = zip(had, (OF_PEOPLE, OF_CROSSINGS, OF_MODELS, OF_LADDERS, OF_SEVERAL), strict=True)
            left_out = {name for was, names in groups if not was for name in names}
            found += [f"never reached: {name}" for name in ALL if not (self.reached[name] or name in left_out)]
            if self.p99_ms() > P99_LIMIT_MS:
                found.append(f"unprotected for {self.p99_ms()} ms at p99; {P99_LIMIT_MS} is the limit")
        return found

    def p99_ms(self) -> int:
        ordered = sorted(self.gaps_ms)
        return ordered[int(len(ordered) * 0.99)] if ordered else 0


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--hours", type=float, default=1.0, help="virtual hours of each")
    parser.add_argument(
        "--people", choices=tuple(PEOPLE), default="half", help="in which seeds people act on the account, too"
    )
    parser.add_argument(
        "--crossings", choices=tuple(CROSSINGS), default="half", help="in which seeds ours cross on purpose, too"
    )
    parser.add_argument(
        "--models", choices=tuple(MODELS), default="half", help="in which seeds slow models forecast, not a rule"
    )
    parser.add_argument(
        "--ladders", choices=tuple(LADDERS), default="half", help="in which seeds a trade has several targets"
    )
    parser.add_argument("--several", choices=tuple(SEVERAL), default="half", help="in which seeds two strategies trade")
    parser.add_argument("--replay", type=int, metavar="SEED", help="run one seed and tell what happens")
    parser.add_argument("--soak", action="store_true", help="24 virtual hours with 20 symbols, and the memory measured")
    asked = parser.parse_args(None if arguments is None else list(arguments))
    if asked.soak:
        from tests.simulation.soak import soak

        return soak()
    if asked.replay is not None:
        result = run_seed(
            asked.replay,
            hours=asked.hours,
            whole_trace=True,
            told=True,
            people=PEOPLE[asked.people](asked.replay),
            crossings=CROSSINGS[asked.crossings](asked.replay),
            models=MODELS[asked.models](asked.replay),
            ladder=LADDERS[asked.ladders](asked.replay),
            several=SEVERAL[asked.several](asked.replay),
        )
        print(f"trace {result.trace}")
        print("\n".join(result.problems) or "no problems")
        return 1 if result.problems else 0
    totals = Totals()
    for result in _results(asked):
        totals.add(result)
        _tell_failure(result, asked)
    return _tell_totals(totals, asked.jobs)


def _run(seed: int, hours: float, people: str, crossings: str, models: str, ladders: str, several: str) -> Result:
    return run_seed(
        seed,
        hours=hours,
        people=PEOPLE[people](seed),
        crossings=CROSSINGS[crossings](seed),
        models=MODELS[models](seed),
        ladder=LADDERS[ladders](seed),
        several=SEVERAL[several](seed),
    )


def _results(asked: argparse.Namespace) -> Iterator[Result]:
    seeds = range(asked.first, asked.first + asked.seeds)
    chosen = {name: getattr(asked, name) for name in ("people", "crossings", "models", "ladders", "several")}
    run = partial(_run, hours=asked.hours, **chosen)
    if asked.jobs <= 1:
        yield from map(run, seeds)
        return
    with ProcessPoolExecutor(asked.jobs, initializer=gc.freeze) as pool:
        yield from pool.map(run, seeds)


def _tell_failure(result: Result, asked: argparse.Namespace) -> None:
    if not result.problems:
        return
    replay = f"python -m tests.simulation --replay {result.seed}"
    replay += f" --hours {asked.hours:g}" if asked.hours != 1.0 else ""
    replay += f" --people {asked.people} --crossings {asked.crossings}"
    replay += f" --models {asked.models} --ladders {asked.ladders} --several {asked.several}"
    print(f"seed {result.seed}: {len(result.problems)} problems; replay: {replay}", flush=True)
    for problem in result.problems[:PROBLEMS_SHOWN]:
        print(f"    {problem}", flush=True)


def _tell_totals(totals: Totals, jobs: int) -> int:
    counts, (longest_ms, longest_seed) = totals.counts, totals.longest
    print(
        f"{totals.seeds} seeds, {totals.virtual_s / 3600:.1f} virtual hours in {totals.wall_s:.0f} s of {jobs} jobs: "
        f"{totals.virtual_s / max(totals.wall_s, 1e-9):.0f} virtual s per wall s and job"
    )
    print(
        f"{counts['entry']} entries, {counts['stop']} stops, {counts['target']} targets, {counts['exit']} exits, "
        f"{counts['fills']} fills, {counts['lives']} lives, {sum(totals.faults.values())} faults"
    )
    print(
        f"unprotected {len(totals.gaps_ms)} times: p99 {totals.p99_ms()} ms, longest {longest_ms} ms "
        f"in seed {longest_seed} ({totals.longest_whole_ms} ms with the time of bans and maintenance); "
        f"books equal at most {totals.slowest_s:.0f} s after the faults"
    )
    lasted = (f"{what} {age_ms} ms in seed {seed}" for what, (age_ms, seed) in totals.longest_ms.items())
    print("longest: " + ", ".join(lasted))
    print("marks: " + ", ".join(f"{name} {totals.reached[name]}" for name in ALL))
    problems = totals.problems()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
