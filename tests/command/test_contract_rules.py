"""Contract rules with a day and a source, from the file of the operator to every form of a result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.command.test_markets import command, refused, told

START_MS = 1_672_531_200_000
"""2023-01-01."""
LABEL = "RULES INFERRED: sizes of {} are read off the candles, terms are assumed"
FORMS = {"html": "a.html", "json": "a.json", "freqtrade": "a.zip", "quantstats": "a.csv"}
SOL_2023 = """
[SOLUSDT]
as_of = 2023-01-01
source = "the venue's exchangeInfo of that day"
tick_size = "0.001"
lot_size = "1"
min_qty = "1"
max_qty = "9000"
min_notional_usdt = 5
max_leverage = 50
maintenance_margin_pct = 1
liquidation_fee_bps = 100
"""


def candles(path: Path, decimals: int, price: float = 9.9, count: int = 3_000) -> Path:
    closes = price * np.exp(np.cumsum(np.random.default_rng(7).normal(0.0, 1e-3, count)))
    lines = ["open_time,open,high,low,close,volume"]
    for n, (opened, closed) in enumerate(zip([price, *closes[:-1]], closes, strict=True)):
        prices = (opened, max(opened, closed), min(opened, closed), closed)
        values = ",".join(f"{value:.{decimals}f}" for value in prices)
        lines.append(f"{START_MS + n * 60_000},{values},{50_000 + n % 7}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Nothing is assumed in the place of funding, which these markets lack."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "settings.toml").write_text("[costs]\nassumed_funding_bps = 0\n")
    return home


@pytest.fixture
def sol(home: Path, tmp_path: Path) -> Path:
    """A home with SOLUSDT of a time when its tick was finer than that of the rules that come with the program."""
    told(command(home, "data", "import", candles(tmp_path / "SOLUSDT-1m.csv", 3), "--json"))
    return home


@pytest.mark.parametrize("engine", ["event", "sweep"])
def test_prices_off_the_tick_are_refused_with_the_mend_and_the_mends_work(
    sol: Path, tmp_path: Path, engine: str
) -> None:
    run = ("backtest", "ema_cross", "--symbol", "SOLUSDT", "--engine", engine)
    line = refused(command(sol, *run))
    assert "SOLUSDT: " in line
    assert "of 3,000 candles have prices off the tick of 0.01, the first 9.9" in line
    assert "(shipped, of 2022-05-04)" in line
    assert "quarterdeck data rules import FILE" in line
    assert "quarterdeck data rules infer SOLUSDT" in line
    assert told(command(sol, "runs", "list", "--json")) == []

    (read,) = told(command(sol, "data", "rules", "infer", "SOLUSDT", "--json"))
    assert (read["tick_size"], read["lot_size"], read["kind"], read["as_of"]) == (
        "0.001",
        "1",
        "inferred",
        "2023-01-01",
    )
    inferred = told(command(sol, *run, "--json"))
    assert inferred["labels"] == [LABEL.format("SOLUSDT")]
    assert inferred["trades"] > 0

    file = tmp_path / "sol.toml"
    file.write_text(SOL_2023)
    (given,) = told(command(sol, "data", "rules", "import", file, "--json"))
    assert (given["kind"], given["source"]) == ("file", "the venue's exchangeInfo of that day")
    row = told(command(sol, *run, "--json"))
    assert row["labels"] == []
    assert row["rules"] == [given]
    assert row["trades"] > 0
    shown = " ".join(command(sol, "runs", "show", row["run_id"]).stdout.split())
    assert "SOLUSDT: file, of 2023-01-01, the venue's exchangeInfo of that day" in shown

    assert told(command(sol, "data", "rules", "delete", "SOLUSDT", "--json")) == [{"symbol": "SOLUSDT", "deleted": 2}]
    assert "off the tick of 0.01" in refused(command(sol, *run))
    assert "this home holds no such rules" in refused(command(sol, "data", "rules", "delete", "SOLUSDT"))


def test_every_verb_that_runs_refuses_prices_off_the_tick(sol: Path) -> None:
    on_sol = ("ema_cross", "--symbol", "SOLUSDT")
    for words in (
        ["sweep", *on_sol, "--grid", "fast_bars=4,8"],
        ["walkforward", *on_sol, "--train", "1d", "--test", "12h"],
        ["check", *on_sol],
    ):
        assert "off the tick of 0.01" in refused(command(sol, *words))


def test_any_symbol_can_be_run_and_inferred_rules_stand_in_every_form(home: Path, tmp_path: Path) -> None:
    told(command(home, "data", "import", candles(tmp_path / "NEVERUSDT-1m.csv", 4, price=0.9), "--json"))
    exports = [word for form, name in FORMS.items() for word in ("--export", f"{form}={tmp_path / name}")]
    on_never = ("--symbol", "NEVERUSDT")
    label = LABEL.format("NEVERUSDT")
    shown = command(home, "backtest", "ema_cross", *on_never, *exports)
    assert shown.exit_code == 0, shown.stderr
    assert "RULES INFERRED" in shown.stdout
    assert "NEVERUSDT: inferred, of 2023-01-01, read off 3,000 candles" in " ".join(shown.stdout.split())
    for form, name in FORMS.items():
        assert b"RULES INFERRED" in (tmp_path / name).read_bytes() or form == "freqtrade", form
    row = told(command(home, "runs", "show", "r1", "--json"))
    (rules,) = row["rules"]
    assert (rules["tick_size"], rules["min_notional_usdt"], rules["max_leverage"]) == ("0.0001", "100", 20)
    assert row["labels"] == [label]
    swept = told(command(home, "sweep", "ema_cross", *on_never, "--grid", "fast_bars=4,8", "--jobs", 1, "--json"))
    assert label in swept["labels"]
    assert label in command(home, "check", "ema_cross", *on_never, "--only", "costs").stdout


@pytest.mark.parametrize("symbol", ["BTCUSDC", "BTCUSD_PERP", "ETHBTC"])
def test_a_contract_in_another_coin_is_refused_in_words(home: Path, tmp_path: Path, symbol: str) -> None:
    file = candles(tmp_path / "a-1m.csv", 1, price=100.0)
    told(command(home, "data", "import", file, "--symbol", symbol, "--json"))
    line = refused(command(home, "backtest", "ema_cross", "--symbol", symbol))
    assert f"{symbol}: is quoted in {'BTC' if symbol == 'ETHBTC' else symbol[3:7].rstrip('_')}" in line
    assert "accounts are kept in USDT" in line


def test_a_file_that_is_wrong_leaves_nothing(home: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(SOL_2023)
    bad.write_text(SOL_2023.replace('"0.001"', '"-0.001"'))
    line = refused(command(home, "data", "rules", "import", good, bad))
    assert "bad.toml: [SOLUSDT] tick_size: -0.001 cannot be" in line
    kinds = {row["kind"] for row in told(command(home, "data", "rules", "list", "--json"))}
    assert kinds == {"shipped"}


def test_the_recorded_market_goes_by_the_rules_that_come_with_it(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "sol.toml"
    file.write_text(SOL_2023)
    told(command(home, "data", "rules", "import", file, "--json"))
    day = ("--from", "2025-06-06", "--to", "2025-06-07")
    row = told(command(home, "backtest", "ema_cross", "--market", "recorded", "--symbol", "SOLUSDT", *day, "--json"))
    assert [(rules["kind"], rules["as_of"]) for rules in row["rules"]] == [("shipped", "2022-05-04")]


def test_a_sweep_does_not_go_on_under_other_rules(home: Path, tmp_path: Path) -> None:
    told(command(home, "data", "import", candles(tmp_path / "SOLUSDT-1m.csv", 2, price=99.0), "--json"))
    asked = ("ema_cross", "--symbol", "SOLUSDT", "--jobs", 1, "--json")
    begun = told(command(home, "sweep", *asked, "--grid", "fast_bars=4,8"))
    resume = ("sweep", "ema_cross", "--resume", begun["run_id"], "--json")
    assert told(command(home, *resume))["trials"] == 2
    file = tmp_path / "sol.toml"
    file.write_text(SOL_2023)
    told(command(home, "data", "rules", "import", file, "--json"))
    assert "s0001: its contract rules have changed since; begin a new sweep" in refused(command(home, *resume))


def test_a_run_of_before_knows_no_rules(home: Path) -> None:
    """Its row has none, and no label says anything of them."""
    from core.lab.run.result import Provenance

    own = Provenance("s", "sweep", ("A",), 0, 1, 1, "f", "h", False, False, "{}", "v", 7)
    assert own.labels() == ()
    assert json.loads(own.rules_json) == []


def test_doctor_knows_the_rules_of_the_home(home: Path, tmp_path: Path) -> None:
    (home / "settings.toml").write_text('[market]\nsymbols = ["BTCUSDT", "AAAUSDT"]\n')
    given = tmp_path / "rules.toml"
    given.write_text(SOL_2023.replace("SOLUSDT", "AAAUSDT"))

    def finding() -> dict[str, object]:
        found = json.loads(command(home, "doctor", "--json").stdout)
        return next(item for item in found if item["name"] == "contract rules")

    before = finding()
    assert (before["ok"], "no contract rules for AAAUSDT" in str(before["detail"])) == (False, True)
    told(command(home, "data", "rules", "import", given, "--json"))
    assert (finding()["ok"], finding()["detail"]) == (True, "BTCUSDT, AAAUSDT")
