from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from core.domain.errors import BadInputError, RefusedError
from core.lab.report.data import Report
from core.lab.report.export import FORMS, export
from core.lab.run.result import EquityCurve
from core.lab.run.result_rows import trade_rows
from core.lab.statistics.statistics import daily_returns
from tests.core.lab.sample_report import LABELLED, STATISTICS, T0_MS, sample_report

# freqtrade 2026.9, freqtrade/data/btanalysis/bt_fileutils.py: BT_DATA_COLUMNS.
FREQTRADE_COLUMNS = (
    "pair", "stake_amount", "max_stake_amount", "amount", "open_date", "close_date", "open_rate", "close_rate",
    "fee_open", "fee_close", "trade_duration", "profit_ratio", "profit_abs", "exit_reason", "initial_stop_loss_abs",
    "initial_stop_loss_ratio", "stop_loss_abs", "stop_loss_ratio", "min_rate", "max_rate", "is_open", "enter_tag",
    "leverage", "is_short", "open_timestamp", "close_timestamp", "orders", "funding_fees",
)  # fmt: skip


@pytest.fixture(scope="module")
def report() -> Report:
    return sample_report()


def read_csv(path: Path, **options: Any) -> pd.DataFrame:
    return pd.read_csv(path, comment="#", **options)


def freqtrade_content(archive: Path) -> Any:
    """As its load_backtest_stats opens a zip: the JSON in it has the zip's name."""
    with zipfile.ZipFile(archive) as opened:
        return json.loads(opened.read(archive.with_suffix(".json").name))


def check_trades(found: pd.DataFrame, report: Report) -> None:
    trades = report.result.trades
    names = list(type(trades).__dataclass_fields__)
    entered = trade_rows(trades, report.result.plans)
    assert list(found.columns) == list(entered[0])
    for name in names:
        assert found[name].tolist() == getattr(trades, name).tolist(), name
    for name in found.columns.drop(names):
        told = [None if pd.isna(value) else value for value in found[name].tolist()]
        assert told == [row[name] for row in entered], name


def check_equity(found: pd.DataFrame, report: Report) -> None:
    for name in ("time_ms", "equity_usdt", "gross_usdt", "net_usdt"):
        assert found[name].tolist() == getattr(report.result.curve, name).tolist(), name


def check_figures(found: pd.DataFrame, report: Report) -> None:
    figures = dict(zip(found["figure"], found["value"], strict=True))
    expected = {"initial_usdt": 10_000.0, "final_usdt": report.result.final_usdt, "open_positions": 0.0} | STATISTICS
    assert list(figures) == list(expected)
    for key, value in expected.items():
        assert np.isnan(figures[key]) if value is None else figures[key] == value, key


@pytest.mark.parametrize(("form", "read"), [("csv", lambda path: read_csv(path)), ("parquet", pd.read_parquet)])
def test_tables_come_back_to_the_last_bit(
    report: Report, tmp_path: Path, form: str, read: Callable[[Path], pd.DataFrame]
) -> None:
    paths = {path.name: path for path in export(report, tmp_path / "new" / "folder", form)}
    assert set(paths) == {f"{name}.{form}" for name in ("trades", "equity", "figures")}
    check_trades(read(paths[f"trades.{form}"]), report)
    check_equity(read(paths[f"equity.{form}"]), report)
    check_figures(read(paths[f"figures.{form}"]), report)


def test_a_comment_sign_inside_a_field_is_not_a_comment(tmp_path: Path) -> None:
    odd = sample_report(trades=2)
    odd.result.trades.exit_reason[:] = "a#,b"
    trades = read_csv(export(odd, tmp_path, "csv")[0])
    assert trades["exit_reason"].tolist() == ["a#,b", "a#,b"]


def test_json_comes_back_to_the_last_bit(report: Report, tmp_path: Path) -> None:
    (path,) = export(report, tmp_path / "run.json", "json")
    content = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    check_trades(pd.DataFrame(content["trades"]), report)
    check_equity(pd.DataFrame(content["equity"]), report)
    assert content["figures"]["dsr"] == STATISTICS["dsr"]
    assert content["figures"]["pbo"] is None
    assert content["breakdowns"] == {name: list(rows) for name, rows in report.breakdowns.items()}
    assert content["references"]["doing nothing"]["equity_usdt"] == [10_000.0] * 5_760
    assert content["provenance"]["settings_json"] == report.provenance.settings_json
    assert (content["complete"], content["vetoes"], content["limits"]) == (True, {"cooldown": 12}, {"daily_loss": 1})


def test_what_is_not_finite_is_null_in_json(tmp_path: Path) -> None:
    odd = sample_report(statistics={"profit_factor": float("inf"), "sharpe": float("nan")})
    odd.result.curve.equity_usdt[3] = np.nan
    odd.result.trades.net_usdt[0] = np.nan
    (path,) = export(odd, tmp_path, "json")
    content = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert content["figures"]["profit_factor"] is None
    assert content["equity"]["equity_usdt"][3] is None
    assert content["trades"][0]["net_usdt"] is None


def test_quantstats_reads_the_daily_returns_and_gives_the_same_sharpe(report: Report, tmp_path: Path) -> None:
    import quantstats as qs

    slots = 400 * 24
    report = sample_report(slots=slots, interval_ms=3_600_000)
    (path,) = export(report, tmp_path, "quantstats")
    returns = read_csv(path, index_col=0, parse_dates=True).squeeze("columns")
    own = daily_returns(report.result.curve, report.result.initial_usdt, 3_600_000).value
    assert isinstance(returns.index, pd.DatetimeIndex)
    assert len(returns) == len(own) == 400
    assert returns.tolist() == own.tolist()
    sharpe = own.mean() / own.std(ddof=1) * np.sqrt(365)
    assert qs.stats.sharpe(returns, periods=365) == pytest.approx(sharpe, rel=1e-12)
    growth = (report.result.final_usdt / report.result.initial_usdt) - 1
    assert qs.stats.comp(returns) == pytest.approx(growth, rel=1e-9)


def daily_dates(report: Report, folder: Path) -> list[str]:
    (path,) = export(report, folder, "quantstats", overwrite=True)
    return [line.split(",")[0] for line in path.read_text().splitlines() if line[0].isdigit()]


def test_quantstats_gets_no_part_of_a_day_and_no_day_with_a_hole(tmp_path: Path) -> None:
    hour_ms, day_ms = 3_600_000, 86_400_000
    report = sample_report(slots=5 * 24 + 7, interval_ms=hour_ms)
    assert daily_dates(report, tmp_path) == [f"2025-01-0{day}" for day in (1, 2, 3, 4, 5)]
    holes = [
        {"symbol": "BTCUSDT", "what": "hole", "from_ms": T0_MS + day_ms, "to_ms": T0_MS + day_ms + hour_ms, "bars": 1},
        {"symbol": "ETHUSDT", "what": "begins later", "from_ms": T0_MS, "to_ms": T0_MS + hour_ms, "bars": 1},
    ]
    holed = sample_report(slots=5 * 24 + 7, interval_ms=hour_ms, breakdowns={"holes": holes})
    assert daily_dates(holed, tmp_path) == [f"2025-01-0{day}" for day in (1, 3, 4, 5)]


def test_quantstats_gets_no_day_that_every_symbol_lacks_bars_of(tmp_path: Path) -> None:
    whole = sample_report(slots=5 * 24, interval_ms=3_600_000).result.curve
    kept = np.delete(np.arange(5 * 24), np.arange(30, 80))
    gone = EquityCurve(*(getattr(whole, item.name)[kept] for item in fields(EquityCurve)))
    report = sample_report(slots=5 * 24, interval_ms=3_600_000, result={"curve": gone})
    assert daily_dates(report, tmp_path) == ["2025-01-01", "2025-01-05"]
    short = '{"lab": {"max_hole_minutes": 3000}}'
    allowed = replace(report, provenance=replace(report.provenance, settings_json=short))
    assert daily_dates(allowed, tmp_path) == [f"2025-01-0{day}" for day in (1, 2, 4, 5)]


def test_freqtrade_finds_its_files_and_columns(report: Report, tmp_path: Path) -> None:
    export(report, tmp_path, "freqtrade")
    latest = json.loads((tmp_path / ".last_result.json").read_text())["latest_backtest"]
    archive = tmp_path / latest
    assert archive in set(tmp_path.glob("backtest-result-*-[0-9][0-9]*.zip"))
    content = freqtrade_content(archive)
    assert list(content["strategy"]) == ["ema_cross"]
    trades = content["strategy"]["ema_cross"]["trades"]
    assert len(trades) == 60
    assert all(tuple(trade) == FREQTRADE_COLUMNS for trade in trades)
    frame = pd.DataFrame(trades)
    for name in ("open", "close"):
        stamps = pd.to_datetime(frame[f"{name}_date"], utc=True).astype("datetime64[ms, UTC]").astype("int64")
        assert stamps.tolist() == frame[f"{name}_timestamp"].tolist()
    assert frame["close_timestamp"].tolist() == report.result.trades.exit_time_ms.tolist()
    assert frame["profit_abs"].tolist() == report.result.trades.net_usdt.tolist()
    assert frame["funding_fees"].tolist() == report.result.trades.funding_usdt.tolist()
    assert set(frame["pair"]) == {"BTC/USDT:USDT", "ETH/USDT:USDT"}
    metadata = json.loads(archive.with_name(f"{archive.stem}.meta.json").read_text())
    assert {"run_id", "backtest_start_time", "notes"} <= set(metadata["ema_cross"])


def test_freqtrades_own_arithmetic_gives_our_profit(report: Report, tmp_path: Path) -> None:
    """Its Trade.calculate_profit for futures: values with fees, funding at the close, profit over the open value."""
    archive = next(path for path in export(report, tmp_path, "freqtrade") if path.suffix == ".zip")
    for trade in freqtrade_content(archive)["strategy"]["ema_cross"]["trades"]:
        sign = -1 if trade["is_short"] else 1
        opened = trade["amount"] * trade["open_rate"] * (1 + sign * trade["fee_open"])
        closed = trade["amount"] * trade["close_rate"] * (1 - sign * trade["fee_close"]) + sign * trade["funding_fees"]
        assert trade["profit_abs"] == pytest.approx(sign * (closed - opened), abs=1e-9)
        assert trade["profit_ratio"] == pytest.approx(sign * (closed / opened - 1), abs=1e-12)
        assert [order["ft_is_entry"] for order in trade["orders"]] == [True, False]
        assert [order["ft_order_side"] for order in trade["orders"]] == (
            ["sell", "buy"] if sign < 0 else ["buy", "sell"]
        )


def text_of(path: Path) -> str:
    """Everything that a reader of the file meets."""
    if path.suffix == ".parquet":
        metadata = parquet.read_schema(path).metadata
        return " ".join(value.decode() for value in metadata.values())
    if path.suffix == ".zip":
        return json.dumps(freqtrade_content(path))
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({"is_synthetic": True}, ["SYNTHETIC DATA: not performance"]),
        ({"in_sample": True}, ["IN-SAMPLE: parameters or model were chosen on this data"]),
        ({"complete": False}, ["PARTIAL: stopped at 2025-01-05 00:00 UTC"]),
        (
            LABELLED,
            ["SYNTHETIC DATA: not performance", "IN-SAMPLE: parameters", "PARTIAL: stopped at 2025-01-05 00:00 UTC"],
        ),
    ],
)
def test_every_file_of_every_form_carries_the_labels(
    tmp_path: Path, form: str, options: dict[str, Any], labels: list[str]
) -> None:
    paths = [path for path in export(sample_report(**options), tmp_path, form) if path.name != ".last_result.json"]
    assert paths
    for path in paths:
        for label in labels:
            assert label in text_of(path), path.name


@pytest.mark.parametrize("form", FORMS)
def test_an_unlabelled_run_is_not_labelled(tmp_path: Path, form: str) -> None:
    for path in export(sample_report(), tmp_path, form):
        assert not any(word in text_of(path) for word in ("SYNTHETIC", "IN-SAMPLE", "PARTIAL:"))


def test_the_short_labels_travel_with_freqtrades_trades_and_quantstats_column(tmp_path: Path) -> None:
    labelled = sample_report(**LABELLED)
    name = "ema_cross [SYNTHETIC DATA, IN-SAMPLE, PARTIAL]"
    (returns,) = export(labelled, tmp_path / "returns.csv", "quantstats")
    assert read_csv(returns, index_col=0).columns.tolist() == [name]
    archive, _ = export(labelled, tmp_path / "run.zip", "freqtrade")
    trades = freqtrade_content(archive)["strategy"][name]["trades"]
    assert {trade["enter_tag"] for trade in trades} == {"SYNTHETIC DATA, IN-SAMPLE, PARTIAL"}
    assert not (tmp_path / ".last_result.json").exists()


@pytest.mark.parametrize("form", FORMS)
def test_a_run_without_trades_or_slots_can_be_exported(tmp_path: Path, form: str) -> None:
    assert export(sample_report(slots=0, trades=0, complete=False, breakdowns={}), tmp_path, form)


@pytest.mark.parametrize("form", FORMS)
def test_an_existing_file_is_refused_and_left_as_it_was(report: Report, tmp_path: Path, form: str) -> None:
    first = next(path for path in export(report, tmp_path, form) if path.name != ".last_result.json")
    first.write_text("mine")
    with pytest.raises(RefusedError, match="is there already") as caught:
        export(report, tmp_path, form)
    assert "\n" not in str(caught.value)
    assert first.read_text() == "mine"
    assert first in export(report, tmp_path, form, overwrite=True)
    assert first.read_bytes() != b"mine"


@pytest.mark.parametrize("form", FORMS)
def test_nothing_temporary_is_left(report: Report, tmp_path: Path, form: str) -> None:
    written = export(report, tmp_path, form)
    assert sorted(tmp_path.iterdir()) == sorted(written)


def test_a_failed_write_leaves_no_file(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.lab.report.export.os.fsync", full)
    with pytest.raises(RefusedError, match=r"cannot be written to: No space left on device; name another place$"):
        export(report, tmp_path, "csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("run.csv", "csv", "run.csv: csv needs a folder"),
        ("run.htm", "html", "a file that ends in .html or a folder"),
        ("run.json", "xlsx", "xlsx: no such form; choose one of csv, parquet, json, html, freqtrade, quantstats"),
    ],
)
def test_a_wrong_place_or_form_is_told_in_one_line(
    report: Report, tmp_path: Path, name: str, form: str, words: str
) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        export(report, tmp_path / name, form)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_is_needed_is_told_in_one_line(report: Report, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(BadInputError, match="taken: csv needs a folder"):
        export(report, tmp_path / "taken", "csv")


def test_a_newline_in_the_source_cannot_leave_the_comment(tmp_path: Path) -> None:
    (path,) = export(sample_report(source="a\nDate,x\n2020-01-01,9"), tmp_path, "quantstats")
    assert len(read_csv(path)) == 4


def test_the_same_report_gives_the_same_bytes(report: Report, tmp_path: Path) -> None:
    for form in FORMS:
        first = [path.read_bytes() for path in export(report, tmp_path / "a", form)]
        assert first == [path.read_bytes() for path in export(report, tmp_path / "b", form)]
