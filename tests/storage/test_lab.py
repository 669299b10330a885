from __future__ import annotations

import dataclasses
import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from statistics import mean, variance
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from core.domain.errors import BadInputError, StorageError
from core.lab.run.result import UNNAMED, EquityCurve, FillColumns, Provenance, RunResult, TradeColumns, forecast_columns
from core.lab.search.trials import Trial, parameter_hash
from core.lab.service.records import RunRecord, SweepRecord
from storage.blobs import from_blob, to_blob
from storage.database import migrations
from storage.lab import SCHEMA, SqliteLab, open_lab
from storage.lab_columns import put_result
from tests.declared import SURE

DAY = 86_400_000
FLOATS = st.floats(allow_nan=True, allow_infinity=True, width=64)
JSON_FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
def store(tmp_path: Path) -> SqliteLab:
    return open_lab(tmp_path / "lab.db")


def provenance(**changes: Any) -> Provenance:
    told: dict[str, Any] = {
        "strategy": "ema_cross",
        "engine": "sweep",
        "symbols": ("AUSDT", "BUSDT"),
        "from_ms": 10 * DAY,
        "to_ms": 20 * DAY,
        "interval_ms": 60_000,
        "source": "AUSDT-1m.csv",
        "data_hash": "ab",
        "is_synthetic": False,
        "in_sample": False,
        "settings_json": '{"ema_cross": {"fast": 12, "slow": 26}, "costs": {"taker_fee_bps": "5"}}',
        "code_version": "0.1.0",
        "seed": 7,
        "trials": 1,
    }
    return Provenance(**told | changes)


def curve(length: int = 3, equity: Any = None) -> EquityCurve:
    times = 10 * DAY + np.arange(1, length + 1, dtype=np.int64) * 60_000
    values = np.linspace(10_000.0, 9_900.0, length) if equity is None else equity
    return EquityCurve(times, values, np.zeros(length), np.zeros(length))


def trade_columns(count: int = 2, floats: Any = None) -> TradeColumns:
    values = np.arange(count, dtype=np.float64) if floats is None else floats
    times = np.arange(count, dtype=np.int64) * 60_000
    names = np.array(["AUSDT", "B"] * count, np.str_)[:count]
    sides = np.array([1, -1] * count, np.int8)[:count]
    return TradeColumns(names, sides, times, times + 1, *([values] * 7), names)


def fills(prices: Any) -> FillColumns:
    names, times = np.array(["AUSDT"] * len(prices)), np.arange(len(prices))
    return FillColumns(names, times.astype(np.int8), names, times > 1, times, times, prices, prices, prices)


def result(**changes: Any) -> RunResult:
    told: dict[str, Any] = {
        "trades": trade_columns(),
        "curve": curve(),
        "initial_usdt": 10_000.0,
        "final_usdt": 9_900.0,
    }
    return RunResult(**told | changes)


def record(**changes: Any) -> RunRecord:
    told: dict[str, Any] = {
        "kind": "backtest",
        "created_ms": 5,
        "status": "complete",
        "provenance": provenance(),
        "result": result(),
        "figures": {"sharpe": 1.5, "total_return_pct": -1.0, "max_drawdown_pct": 2.0, "calmar": None},
        "breakdowns": {"symbol": [{"symbol": "AUSDT", "trades": 1}]},
    }
    return RunRecord(**told | changes)


def sweep_record(**changes: Any) -> SweepRecord:
    told: dict[str, Any] = {
        "created_ms": 6,
        "provenance": provenance(in_sample=True),
        "objective": "sharpe",
        "grid": (("fast", (5, 12)), ("ema_cross.mode", ("bracket", True, 0.5))),
        "wanted": None,
    }
    return SweepRecord(**told | changes)


def trial(number: int, sharpe: float | None = 0.0, named: str | None = None, **changes: Any) -> Trial:
    figures = {
        "return_days": 10.0,
        "sharpe": sharpe,
        "sharpe_a_day": sharpe,
        "trades": 3,
        "final_usdt": 10_000.0 + number,
        "max_drawdown_pct": 1.0,
    }
    told: dict[str, Any] = {"parameters": {"fast": number}, "state": "complete", "figures": figures}
    return Trial(number, parameter_hash=named or f"p{number}", **told | changes)


def same(ours: Any, theirs: Any) -> bool:
    """Equal to the bit, through dataclasses, mappings and arrays."""
    if isinstance(ours, np.ndarray):
        return ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()
    if dataclasses.is_dataclass(ours):
        return type(ours) is type(theirs) and all(
            same(getattr(ours, item.name), getattr(theirs, item.name)) for item in dataclasses.fields(ours)
        )
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(value, theirs[key]) for key, value in ours.items())
    return type(ours) is type(theirs) and ours == theirs


@given(
    npst.arrays(
        st.sampled_from([np.dtype(name) for name in ("f8", "i8", "i1", "<U1", "<U9")]),
        st.integers(0, 50),
    )
)
def test_an_array_comes_back_to_the_bit(array: np.ndarray) -> None:
    back = from_blob(to_blob(array))
    assert back is not None
    assert same(array, back)
    assert back.flags.writeable


@pytest.mark.parametrize("name", ["noise", "steps", "walk", "a part of noise", "times", "sides"])
def test_a_large_array_comes_back_to_the_bit_and_takes_no_more_room_than_it_needs(name: str) -> None:
    rng, n = np.random.default_rng(5), 40_000
    noise = rng.integers(0, 1 << 63, n).view(np.float64)
    array, most = {
        "noise": (noise, 1.001),
        "steps": (np.repeat(rng.normal(size=40), n // 40), 0.02),
        "walk": (10_000 + np.cumsum(rng.normal(size=n)), 0.9),
        "a part of noise": (np.where(np.arange(n) < n // 2, 0.0, noise), 0.55),
        "times": (np.arange(n, dtype=np.int64) * 60_000 + 1_700_000_000_000, 0.01),
        "sides": (rng.integers(-1, 2, 3 * n).astype(np.int8), 0.5),
    }[name]
    blob = to_blob(array)
    back = from_blob(blob)
    assert back is not None
    assert same(array, back)
    assert len(blob.data) <= most * array.nbytes
    assert from_blob(dataclasses.replace(blob, data=blob.data[:-1] + bytes([blob.data[-1] ^ 1]))) is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    floats=npst.arrays(np.float64, 3, elements=FLOATS),
    figures=st.dictionaries(st.text(max_size=9), st.none() | JSON_FLOATS, max_size=4),
    final=JSON_FLOATS,
    note=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    counts=st.dictionaries(st.sampled_from(["cooldown", "day_loss"]), st.integers(0, 9)),
)
def test_a_run_comes_back_to_the_bit(
    store: SqliteLab, floats: Any, figures: dict[str, Any], final: float, note: str, counts: dict[str, int]
) -> None:
    stored = record(
        note=note,
        figures=figures,
        overrides=(("fast", 3), ("sizing.position_pct", 0.1), ("costs.x", "5"), ("b", False)),
        references={"buy and hold": curve(3, floats), "doing nothing": curve(0)},
        result=result(
            trades=trade_columns(3, floats),
            curve=curve(3, floats),
            final_usdt=final,
            open_positions=1,
            vetoes=counts,
            limits=counts,
            predictions={
                "BUSDT": forecast_columns(SURE, np.arange(3), np.column_stack([floats, floats[::-1]])),
                "A%": forecast_columns(SURE, np.arange(3), np.column_stack([floats, floats[::-1]])),
            },
            fills=fills(floats),
        ),
    )
    assert same(store.load(store.add_run(stored)), stored)


def test_a_run_without_trades_comes_back(store: SqliteLab) -> None:
    empty = result(trades=trade_columns(0), curve=curve(0), complete=False)
    stored = record(result=empty, status="partial")
    run_id = store.add_run(stored)
    assert same(store.load(run_id), stored)
    assert store.run(run_id)["labels"] == ["PARTIAL: stopped at 1970-01-11 00:00 UTC"]
    failed = store.run(store.add_run(record(result=empty, status="failed")))
    assert failed["labels"][-1] == "FAILED: ended by an error"


def test_what_the_data_lack_stands_beside_every_form(store: SqliteLab) -> None:
    from core.lab.report.html_page import html_report
    from core.lab.report.tables import comment_lines, json_text

    label = "HOLES: positions were closed before a hole in the data: AUSDT"
    told = provenance(data_labels=(label, "UNEVEN: BUSDT ends"))
    run_id = store.add_run(record(provenance=told))
    assert store.run(run_id)["labels"] == [label, "UNEVEN: BUSDT ends"]
    report = store.load(run_id).report()
    assert report.labels()[:2] == (label, "UNEVEN: BUSDT ends")
    assert report.short_labels() == ("HOLES", "UNEVEN")
    assert label in comment_lines(report)
    assert json.loads(json_text(report))["labels"][0] == label
    assert label in html_report(report)
    sweep_id = store.begin_sweep(SweepRecord(5, told, "sharpe", (("fast", (1, 2)),), None))
    assert store.run(sweep_id)["labels"][0] == label
    store.end_sweep(sweep_id, "complete", {})
    assert store.run(sweep_id)["labels"] == [label, "UNEVEN: BUSDT ends"]


def test_the_report_of_a_stored_run(store: SqliteLab) -> None:
    from core.lab.report.tables import json_text

    stored = record(references={"doing nothing": curve(2)}, result=result(complete=False), status="partial")
    report = store.load(store.add_run(stored)).report()
    assert (report.statistics, report.breakdowns, report.made_ms) == (stored.figures, stored.breakdowns, 5)
    assert json_text(report) == json_text(stored.report())
    assert report.labels()[-1].startswith("PARTIAL: stopped at 1970-01-11 00:03")


def test_a_summary_row(store: SqliteLab) -> None:
    marked = provenance(is_synthetic=True, in_sample=True, trials=4)
    run_id = store.add_run(
        record(provenance=marked, status="partial", result=result(complete=False), overrides=(("fast", 3),), note="why")
    )
    (row,) = store.runs()
    assert row == {
        "run_id": "r0001",
        "kind": "backtest",
        "strategy": "ema_cross",
        "engine": "sweep",
        "symbols": ["AUSDT", "BUSDT"],
        "from_ms": 10 * DAY,
        "to_ms": 20 * DAY,
        "interval_ms": 60_000,
        "created_ms": 5,
        "status": "partial",
        "labels": [*marked.labels(), "PARTIAL: stopped at 1970-01-11 00:03 UTC"],
        "source": "AUSDT-1m.csv",
        "is_synthetic": True,
        "in_sample": True,
        "data_hash": "ab",
        "code_version": "0.1.0",
        "seed": 7,
        "trials": 4,
        "trades": 2,
        "total_return_pct": -1.0,
        "sharpe": 1.5,
        "max_drawdown_pct": 2.0,
        "initial_usdt": 10_000.0,
        "final_usdt": 9_900.0,
        "note": "why",
        "overrides": [["fast", 3]],
    }
    detail = store.run(run_id)
    assert detail.items() >= row.items()
    assert detail["settings"]["ema_cross"] == {"fast": 12, "slow": 26}
    assert (detail["figures"]["calmar"], detail["breakdowns"]["symbol"][0]["trades"]) == (None, 1)
    assert (detail["open_positions"], detail["vetoes"], detail["limits"]) == (0, {}, {})


def test_ids_in_short(store: SqliteLab) -> None:
    ids = [store.add_run(record(created_ms=n)) for n in range(11)]
    store.begin_sweep(sweep_record())
    assert ids[-1] == "r0011"
    named = {text: store.run(text)["run_id"] for text in ("r0003", "r3", "r011", "r0010", "s", "s1")}
    assert named == {
        "r0003": "r0003",
        "r3": "r0003",
        "r011": "r0011",
        "r0010": "r0010",
        "s": "s0001",
        "s1": "s0001",
    }
    with pytest.raises(BadInputError, match="r00: is the beginning of r0001, r0002, r0003; write more"):
        store.run("r00")
    for text in ("", "r12", "x", "%"):
        with pytest.raises(BadInputError, match="no such run"):
            store.run(text)


def test_a_sweep_from_begin_to_end(store: SqliteLab) -> None:
    asked = sweep_record()
    sweep_id = store.begin_sweep(asked)
    assert store.sweep(sweep_id) == asked
    first = [trial(0, 0.5), trial(1, None, state="failed"), trial(2, float("nan"))]
    store.add_trials(sweep_id, asked.provenance, first)
    store.add_trials(sweep_id, asked.provenance, [trial(2, 9.0), trial(3, 1.5)])
    assert [(t.number, t.figures["sharpe"], t.state) for t in store.trials(sweep_id)] == [
        (0, 0.5, "complete"),
        (1, None, "failed"),
        (2, None, "complete"),
        (3, 1.5, "complete"),
    ]
    running = store.run(sweep_id)
    assert (running["status"], running["labels"][-1]) == ("partial", "PARTIAL: not everything was tried")
    assert [row["number"] for row in running["best"]] == [3, 0, 1, 2]
    store.end_sweep(sweep_id, "complete", trial(3, 1.5).figures)
    row = store.run(sweep_id)
    assert (row["status"], row["trials"], row["sharpe"], row["trades"], row["final_usdt"]) == (
        "complete",
        4,
        1.5,
        3,
        10_003.0,
    )
    assert row["labels"] == list(asked.provenance.labels())
    assert row["best"][0]["parameters"] == {"fast": 3}
    with pytest.raises(BadInputError, match="is a sweep and has no trades"):
        store.load(sweep_id)
    run_id = store.add_run(record())
    with pytest.raises(BadInputError, match="is no sweep"):
        store.sweep(run_id)


@given(daily=npst.arrays(np.float64, st.integers(0, 20), elements=FLOATS))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_daily_returns_come_back_to_the_bit(store: SqliteLab, daily: Any) -> None:
    sweep_id = store.begin_sweep(sweep_record())
    store.add_trials(sweep_id, provenance(), [trial(0, daily=daily, first_day_ms=9), trial(1)])
    with_returns, without = store.trials(sweep_id)
    assert same(with_returns.daily, daily)
    assert (with_returns.first_day_ms, without.daily, without.first_day_ms) == (9, None, None)


def test_every_parameter_set_counts_once(store: SqliteLab) -> None:
    sweep_id = store.begin_sweep(sweep_record())
    store.add_trials(sweep_id, provenance(), [trial(0, 1.0), trial(1, 2.0), trial(2, state="failed"), trial(3, None)])
    again = store.begin_sweep(sweep_record())
    store.add_trials(again, provenance(), [trial(0, 4.0, named="p0"), trial(1, 3.0, named="p9")])
    counted = store.count_trials("ema_cross", ["BUSDT", "AUSDT"], 10 * DAY, 20 * DAY, 60_000, 10)
    assert (counted.trials, counted.alike) == (4, 4)
    assert counted.mean == pytest.approx(mean([4.0, 2.0, 3.0]))
    assert counted.variance == pytest.approx(variance([4.0, 2.0, 3.0]))
    where = ("ema_cross", ["AUSDT", "BUSDT"], 10 * DAY, 20 * DAY, 60_000, 10)
    own = store.count_trials(*where, own={"p0": 5.0, "new": 7.0}, also=["p1", "elsewhere"])
    assert (own.trials, own.alike) == (6, 5)
    assert own.mean == pytest.approx(mean([5.0, 2.0, 3.0, 7.0]))


@pytest.mark.parametrize(
    ("changes", "alike"),
    [
        ({}, 3),
        ({"symbols": ("BUSDT", "AUSDT")}, 3),
        ({"symbols": ("AUSDT",)}, 2),
        ({"symbols": ("AUSDT", "BUSDT", "CUSDT")}, 2),
        ({"interval_ms": 300_000}, 2),
        ({"to_ms": 30 * DAY}, 3),
        ({"to_ms": 31 * DAY}, 2),
        ({"from_ms": 15 * DAY}, 3),
        ({"from_ms": 16 * DAY}, 2),
    ],
)
def test_a_ratio_is_deflated_over_what_was_tried_alike(store: SqliteLab, changes: dict[str, Any], alike: int) -> None:
    """Whatever market or length is tried beside it, the trials of this one stay what they are."""
    store.add_trials(store.begin_sweep(sweep_record()), provenance(), [trial(0, 1.0), trial(1, 2.0)])
    other = store.begin_sweep(sweep_record())
    store.add_trials(other, provenance(**changes), [trial(0, -90.0, named="elsewhere")])
    counted = store.count_trials("ema_cross", ["AUSDT", "BUSDT"], 10 * DAY, 20 * DAY, 60_000, 10)
    assert (counted.trials, counted.alike) == (3, alike)
    assert counted.mean == pytest.approx(mean([1.0, 2.0, -90.0][:alike]))


def test_records_that_ended_early_count_and_lend_no_ratio(store: SqliteLab) -> None:
    short = dataclasses.replace(trial(2, 50.0), figures=dict(trial(2, 50.0).figures) | {"return_days": 3.0})
    store.add_trials(store.begin_sweep(sweep_record()), provenance(), [trial(0, 1.0), trial(1, 2.0), short])
    counted = store.count_trials("ema_cross", ["AUSDT", "BUSDT"], 10 * DAY, 20 * DAY, 60_000, 10)
    assert (counted.trials, counted.alike, counted.mean) == (3, 3, 1.5)


@pytest.mark.parametrize(
    ("strategy", "symbols", "from_ms", "to_ms"),
    [
        ("scalper", ["AUSDT"], 10 * DAY, 20 * DAY),
        ("ema_cross", ["CUSDT"], 10 * DAY, 20 * DAY),
        ("ema_cross", ["AUSDT"], 20 * DAY, 30 * DAY),
        ("ema_cross", ["AUSDT"], 0, 10 * DAY),
    ],
)
def test_what_was_tried_elsewhere_does_not_count(
    store: SqliteLab, strategy: str, symbols: list[str], from_ms: int, to_ms: int
) -> None:
    store.add_run(record())
    counted = store.count_trials(strategy, symbols, from_ms, to_ms, 60_000, 10)
    assert (counted.trials, counted.alike, counted.variance) == (0, 0, None)


def test_a_run_is_a_trial_of_its_own_or_of_its_folds(store: SqliteLab) -> None:
    run_id = store.add_run(record(overrides=(("fast", 12),)))
    (own,) = store.trials(run_id)
    assert (own.parameters, own.state, own.figures["sharpe"], own.figures["trades"]) == (
        {"fast": 12},
        "complete",
        1.5,
        2,
    )
    folds = [(provenance(from_ms=n * DAY, to_ms=(n + 1) * DAY), [trial(n), trial(n + 10)]) for n in (30, 31)]
    walk = store.add_run(record(kind="walkforward"), folds)
    assert len(store.trials(walk)) == 4
    assert store.count_trials("ema_cross", ["AUSDT"], 31 * DAY, 32 * DAY, 60_000, 1).trials == 2


def test_a_deleted_run_leaves_its_trials(store: SqliteLab, tmp_path: Path) -> None:
    run_id = store.add_run(record())
    sweep_id = store.begin_sweep(sweep_record())
    store.add_trials(sweep_id, provenance(), [trial(0, daily=np.zeros(3), first_day_ms=0)])
    kept = store.add_run(record(created_ms=9))
    with pytest.raises(BadInputError, match="r9"):
        store.delete([run_id, "r9"])
    assert [row["run_id"] for row in store.delete([run_id, sweep_id, "r1"])] == [run_id, sweep_id]
    assert [row["run_id"] for row in store.runs()] == [kept]
    assert store.count_trials("ema_cross", ["AUSDT"], 0, 99 * DAY, 60_000, 10).trials == 2
    with closing(sqlite3.connect(tmp_path / "lab.db")) as connection:
        assert connection.execute("SELECT DISTINCT run_id FROM run_columns").fetchall() == [(kept,)]
        assert connection.execute("SELECT count(*) FROM trial_returns").fetchone() == (0,)
    assert store.add_run(record()) == "r0003"


def test_a_damaged_array_is_told(store: SqliteLab, tmp_path: Path) -> None:
    run_id = store.add_run(record())
    with closing(sqlite3.connect(tmp_path / "lab.db")) as connection:
        connection.execute("UPDATE run_columns SET crc32 = crc32 + 1 WHERE name = 'net_usdt'")
        connection.commit()
    with pytest.raises(StorageError, match=r"lab.db: r0001: trades net_usdt is damaged; delete the run"):
        store.load(run_id)
    with closing(sqlite3.connect(tmp_path / "lab.db")) as connection:
        connection.execute("DELETE FROM run_columns WHERE name = 'side'")
        connection.commit()
    with pytest.raises(StorageError, match="trades side is damaged"):
        store.load(run_id)


def test_the_file_is_private_and_a_damaged_one_is_told(store: SqliteLab, tmp_path: Path) -> None:
    store.add_run(record())
    path = tmp_path / "lab.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"This is no database.\n" * 400)
    with pytest.raises(StorageError, match=r"lab.db: is damaged .*restore a backup"):
        open_lab(path)


def test_a_file_that_is_damaged_within_is_told_by_what_meets_it(store: SqliteLab, tmp_path: Path) -> None:
    for _ in range(20):
        store.add_run(record())
    path = tmp_path / "lab.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    with pytest.raises(StorageError, match=r"lab\.db: is damaged"):
        open_lab(path).runs()


def by_the_first_version(path: Path) -> None:
    """A file as the first version wrote it, with the run r0001 and the sweep s0001 of two trials."""
    figures = {
        "days": 10.0, "total_return_pct": -1.0, "max_drawdown_pct": 2.0, "fees_usdt": 3.0, "sharpe": 40.7, "psr": 0.99,
        "dsr": 0.4, "calmar": 9.0, "cost_share_pct": 5.0, "random_entry_beaten_pct": 50.0, "sharpe_low": 1.0,
    }  # fmt: skip
    common = {
        "created_ms": 5, "status": "complete", "strategy": "ema_cross", "symbols_json": '["AUSDT", "BUSDT"]',
        "from_ms": 10 * DAY, "to_ms": 20 * DAY, "interval_ms": 60_000, "source": "AUSDT-1m.csv", "data_hash": "ab",
        "is_synthetic": 0, "in_sample": 0, "settings_json": "{}", "code_version": "0.1.0", "seed": 7, "trials": 1,
        "overrides_json": "[]", "note": "", "trades": 2, "initial_usdt": 10_000.0, "final_usdt": 9_900.0,
        "open_positions": 0, "figures_json": json.dumps(figures), "vetoes_json": "{}", "limits_json": "{}",
        "trainings_json": "{}", "labels_json": "[]",
    }  # fmt: skip
    folds = {"folds": [{"trades": 1, "sharpe": 40.7, "sortino": 50.0}]}
    own = {"run_id": "r0001", "kind": "backtest", "engine": "event-driven", "breakdowns_json": json.dumps(folds)}
    search = {"objective": "sharpe", "grid": [], "wanted": None}
    swept = {"run_id": "s0001", "kind": "sweep", "engine": "sweep", "breakdowns_json": "{}"}
    rows = [common | own | {"search_json": "{}"}, common | swept | {"search_json": json.dumps(search)}]
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(migrations(SCHEMA)[0][1] + "PRAGMA user_version = 1;")
        for row in rows:
            places = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO runs ({', '.join(row)}) VALUES ({places})", tuple(row.values()))
        for n, ratio in enumerate((1.0, 2.0)):
            connection.execute(
                "INSERT INTO trials (run_id, number, strategy, symbols_json, from_ms, to_ms, data_hash, "
                "parameter_hash, parameters_json, state, note, sharpe, figures_json) "
                "VALUES ('s0001', ?1, 'ema_cross', ?2, ?3, ?4, 'ab', 'p' || ?1, '{}', 'complete', '', ?5, ?6)",
                (n, common["symbols_json"], 10 * DAY, 20 * DAY, ratio, json.dumps({"sharpe": ratio, "trades": 3})),
            )
        put_result(connection, "r0001", record())
        connection.commit()


def test_what_the_first_version_kept_opens_and_no_figure_has_a_meaning_of_now(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    by_the_first_version(path)
    opened = open_lab(path)
    lasting = {"days": 10.0, "total_return_pct": -1.0, "max_drawdown_pct": 2.0, "fees_usdt": 3.0}
    row, swept = opened.run("r1"), opened.run("s1")
    assert row["figures"] == swept["figures"] == opened.load("r1").figures == lasting
    assert (row["sharpe"], row["breakdowns"]) == (None, {"folds": [{"trades": 1}]})
    assert row["verdict"] == swept["verdict"]
    assert row["verdict"].startswith("Not judged: an earlier version kept this")
    assert [(best["number"], best["sharpe"]) for best in swept["best"]] == [(1, None), (0, None)]
    with pytest.raises(BadInputError, match="was begun by another version"):
        opened.sweep("s1")
    counted = opened.count_trials("ema_cross", ["AUSDT", "BUSDT"], 10 * DAY, 20 * DAY, 60_000, 10)
    assert (counted.trials, counted.alike, counted.mean) == (2, 2, None), "they were tried, their ratios are others"


def test_a_run_over_holes_that_counted_their_days_shows_no_ratio_of_them(tmp_path: Path) -> None:
    path, steps = tmp_path / "old.db", migrations(SCHEMA)
    by_the_first_version(path)
    figures = {"days": 10.0, "total_return_pct": -1.0, "sharpe": 4.0, "return_days": 40.0}
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("".join(text for number, text in steps if 1 < number < 6) + "PRAGMA user_version = 5;")
        connection.execute("UPDATE runs SET meaning = 2, figures_json = ?", (json.dumps(figures),))
        kept = ("s0001", json.dumps(figures | {"sharpe_a_day": 0.2}))
        connection.execute(
            "UPDATE trials SET return_days = 40, sharpe_a_day = 0.2, figures_json = ?2 WHERE run_id = ?1", kept
        )
        labels = ["IN-SAMPLE: chosen here", "HOLES: positions were closed before a hole in the data: AUSDT"]
        connection.execute("UPDATE runs SET labels_json = ? WHERE run_id = 's0001'", (json.dumps(labels),))
        connection.commit()
    opened = open_lab(path)
    assert opened.run("r1")["figures"] == figures, "without holes nothing has changed"
    swept = opened.run("s1")
    assert swept["figures"] == {"days": 10.0, "total_return_pct": -1.0}
    assert swept["verdict"].startswith("Not judged: an earlier version kept this")
    assert [(best["return_days"], best["sharpe"]) for best in swept["best"]] == [(None, None), (None, None)]
    counted = opened.count_trials("ema_cross", ["AUSDT", "BUSDT"], 10 * DAY, 20 * DAY, 60_000, 40)
    assert (counted.trials, counted.alike, counted.mean) == (2, 2, None), "they were tried, their ratios are others"


def test_the_figure_that_a_run_of_before_kept_is_its_one_output(tmp_path: Path) -> None:
    path, steps = tmp_path / "old.db", migrations(SCHEMA)
    by_the_first_version(path)
    values = np.array([9.25, -1.0 / 3.0])
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("".join(text for number, text in steps if 1 < number < 7) + "PRAGMA user_version = 6;")
        for name, array in (("close_ms", np.array([60_000, 120_000])), ("value_bps", values)):
            blob = to_blob(array)
            row = ("r0001", "predictions AUSDT", name, blob.dtype, blob.crc32, blob.data)
            connection.execute("INSERT INTO run_columns VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.commit()
    (told,) = open_lab(path).load("r1").result.predictions.values()
    assert (told.names.tolist(), told.units.tolist()) == ([UNNAMED], ["bps"])
    assert told.close_ms.tolist() == [60_000, 120_000]
    np.testing.assert_array_equal(told.values, values[:, None])


def test_a_run_that_a_limit_ended_comes_back_as_one(store: SqliteLab) -> None:
    ended = record(result=result(ended_ms=15 * DAY), figures={"limit_ended_at_ms": 15.0 * DAY, "return_days": 6.0})
    run_id = store.add_run(ended)
    assert store.load(run_id).result.ended_ms == 15 * DAY
    assert [label.split(":")[0] for label in store.run(run_id)["labels"]] == ["ENDED BY A LIMIT"]
    sweep_id = store.begin_sweep(sweep_record())
    store.end_sweep(sweep_id, "complete", {"limit_ended_at_ms": 15.0 * DAY})
    assert [label.split(":")[0] for label in store.run(sweep_id)["labels"]] == ["IN-SAMPLE", "ENDED BY A LIMIT"]


SETTINGS = {"ema_cross": {"fast": 12, "mode": "bracket"}, "costs": {"fee": "5"}, "demo": {"seed": 7}, "other": {"a": 1}}


@pytest.mark.parametrize(
    "overrides",
    [
        {"fast": 12},
        {"ema_cross.fast": 12.0},
        {"fast": "12"},
        {"costs.fee": 5},
        {"costs.fee": "5.00"},
        {"demo.seed": 8},
        {"other.a": 2},
        {"mode": "bracket"},
    ],
)
def test_the_same_parameter_set_has_one_name(overrides: dict[str, Any]) -> None:
    assert parameter_hash(SETTINGS, "ema_cross", overrides) == parameter_hash(SETTINGS, "ema_cross")


def test_free_keys_of_a_strategy_from_elsewhere_count() -> None:
    options = {"mine": {"fast": 3}, "other": {"fast": 4}}
    assert parameter_hash(options, "mine", {"mine.fast": "3"}) == parameter_hash(options, "mine")
    assert parameter_hash(options, "mine", {"fast": 4}) != parameter_hash(options, "mine")


@pytest.mark.parametrize("overrides", [{"fast": 13}, {"costs.fee": 4}, {"mode": "reverse"}, {"sizing.new": 1}])
def test_another_parameter_set_has_another(overrides: dict[str, Any]) -> None:
    assert parameter_hash(SETTINGS, "ema_cross", overrides) != parameter_hash(SETTINGS, "ema_cross")
