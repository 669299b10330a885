import json
from pathlib import Path

import pytest

from core.control.requests import DeleteWish, ImportWish
from core.domain.errors import DataError
from core.domain.finding import Finding
from core.home.folder import EngineLock, Home
from tests.core.control.control_samples import T0_MS
from tests.tui.cli.fakes import FakeRuntime, Quarterdeck, RunningEngine


def test_import_passes_on_what_the_files_do_not_say(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home, tmp_path: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x")
    result = quarterdeck("data", "import", str(file), "--symbol", "BTCUSDT", "--interval", "1m", "--synthetic")
    assert result.exit_code == 0, result.output
    assert runtime.imported == [(home.root, ["a.csv"], ImportWish("BTCUSDT", "1m", synthetic=True))]
    assert "abababababab\n" in result.stdout


def test_import_passes_on_all_that_is_said(quarterdeck: Quarterdeck, runtime: FakeRuntime, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x")
    result = quarterdeck("data", "import", str(file), "--kind", "mark", "--sort", "--replace")
    assert runtime.imported[0][2] == ImportWish(kind="mark", sort=True, replace=True)
    assert result.stderr.splitlines()[-1] == "a.csv: every volume is zero"
    assert quarterdeck("data", "import", str(file), "--kind", "trades").exit_code == 2


def test_delete_passes_on_what_goes(quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home) -> None:
    words = ("--from", "2025-01-01", "--to", "2025-01-02", "--interval", "1h", "--kind", "candles")
    result = quarterdeck("data", "delete", "BTCUSDT", *words)
    assert result.exit_code == 0, result.output
    day_ms = 86_400_000
    first = 1_735_689_600_000
    assert runtime.deleted == [(home.root, DeleteWish("BTCUSDT", first, first + day_ms, "1h", "candles"))]
    assert quarterdeck("data", "delete", "BTCUSDT", "--from", "2025-01-02", "--to", "2025-01-02").exit_code == 2
    assert quarterdeck("data", "delete", "BTCUSDT", "--interval", "7m").exit_code == 2


def test_a_file_that_is_not_there_is_bad_usage(quarterdeck: Quarterdeck) -> None:
    assert quarterdeck("data", "import", "/nowhere.csv").exit_code == 2


def test_a_bad_file_is_one_line(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise DataError("a.csv: row 3: high is below low; correct the file")

    monkeypatch.setattr(runtime, "import_files", refuse)
    (tmp_path / "a.csv").write_text("x")
    result = quarterdeck("data", "import", str(tmp_path / "a.csv"))
    assert result.exit_code == 2
    assert result.stderr == "quarterdeck: a.csv: row 3: high is below low; correct the file\n"


@pytest.mark.usefixtures("kept")
def test_data_list(quarterdeck: Quarterdeck) -> None:
    assert "14,400" in quarterdeck("data", "list").stdout
    assert json.loads(quarterdeck("data", "list", "--json").stdout)[0]["is_synthetic"] is False


@pytest.mark.usefixtures("kept")
def test_data_check_ends_with_1_on_a_problem(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    whole = quarterdeck("data", "check")
    assert (whole.exit_code, whole.stderr) == (0, "no problem found\n")
    runtime.problems = [{"symbol": "BTCUSDT", "problem": "gap", "from_ms": T0_MS}]
    broken = quarterdeck("data", "check", "--json")
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)[0]["problem"] == "gap"


@pytest.mark.parametrize("verb", ["list", "check"])
def test_no_data_says_where_data_comes_from(quarterdeck: Quarterdeck, verb: str) -> None:
    assert "`data import` your own" in quarterdeck("data", verb).stderr


def test_doctor_is_content(quarterdeck: Quarterdeck) -> None:
    result = quarterdeck("doctor", "--json", "--workers")
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert result.exit_code == 0, result.output
    assert findings.keys() >= {"python", "terminal", "home", "disk", "settings", "engine", "database", "workers"}
    assert all(finding["ok"] for finding in findings.values())


def test_doctor_names_what_is_wrong_and_its_mend(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.findings = [Finding("candles", False, "none stored", "run `quarterdeck data import FILE`")]
    result = quarterdeck("doctor")
    assert result.exit_code == 1
    assert "NOT  candles   none stored" in result.stdout
    assert "mend: run `quarterdeck data import FILE`" in result.stdout


def test_doctor_asks_the_exchange_only_when_told_to(quarterdeck: Quarterdeck) -> None:
    assert "binanceusdm answers" not in quarterdeck("doctor").stdout
    result = quarterdeck("doctor", "--exchange")
    assert result.exit_code == 0
    assert "ok   exchange reachable  binanceusdm answers" in result.stdout
    assert result.stdout.splitlines()[-1] == "ok   exchange verdict    ready for live"


def test_what_is_wrong_at_the_exchange_ends_with_1_and_a_mend(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.exchange_findings = [Finding("exchange verdict", False, "not ready: clock", "mend what is named above")]
    result = quarterdeck("doctor", "--exchange")
    assert result.exit_code == 1
    assert "NOT  exchange verdict  not ready: clock" in result.stdout
    assert "mend: mend what is named above" in result.stdout


def test_what_is_not_known_is_never_printed_as_ok(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    unknown = Finding("exchange verdict", None, "ready for live as far as is known; not known: trading right", "ask")
    runtime.exchange_findings = [Finding("trading right", None, "unknown: no test"), unknown]
    result = quarterdeck("doctor", "--exchange")
    assert result.exit_code == 3
    assert "?    trading right     unknown: no test" in result.stdout
    assert "mend: ask" in result.stdout
    as_json = {row["name"]: row for row in json.loads(quarterdeck("doctor", "--exchange", "--json").stdout)}
    assert (as_json["trading right"]["ok"], as_json["trading right"]["verdict"]) == (None, "unknown")
    assert as_json["database"]["verdict"] == "ok"
    runtime.findings = [Finding("candles", False, "none stored", "run `quarterdeck data import FILE`")]
    assert quarterdeck("doctor", "--exchange").exit_code == 1


def test_doctor_sees_an_open_home_and_bad_settings(quarterdeck: Quarterdeck, home: Home) -> None:
    home.root.chmod(0o755)
    home.settings.write_text("speed = 1\n")
    findings = {finding["name"]: finding for finding in json.loads(quarterdeck("doctor", "--json").stdout)}
    assert (findings["home"]["ok"], findings["home"]["mend"]) == (False, f"chmod 700 {home.root}")
    assert "unknown key" in findings["settings"]["detail"]


def test_doctor_beside_an_engine(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    assert "runs here, running; a second one is refused" in quarterdeck("doctor").stdout


def test_doctor_has_a_word_about_keys_in_the_environment_and_tells_none(
    quarterdeck: Quarterdeck, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "keys" not in {row["name"] for row in json.loads(quarterdeck("doctor", "--json").stdout)}
    monkeypatch.setenv("QUARTERDECK_API_KEY", "a-key-of-some-length")
    (said,) = [row for row in json.loads(quarterdeck("doctor", "--json").stdout) if row["name"] == "keys"]
    assert said["ok"] is True
    assert said["detail"].startswith("QUARTERDECK_API_KEY come from the environment")
    assert "keys.toml with mode 0600 is the better place" in said["detail"]
    assert "a-key-of-some-length" not in said["detail"]


def test_doctor_sees_an_engine_that_does_not_answer(quarterdeck: Quarterdeck, home: Home) -> None:
    with EngineLock(home):
        result = quarterdeck("doctor")
    assert result.exit_code == 1
    assert "or end process" in result.stdout


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("term", ["", "dumb", "unknown"])
def test_doctor_looks_at_the_terminal(quarterdeck: Quarterdeck, monkeypatch: pytest.MonkeyPatch, term: str) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.setenv("TERM", term)
    findings = {finding["name"]: finding for finding in json.loads(quarterdeck("doctor", "--json").stdout)}
    assert findings["terminal size"]["mend"] == "make it at least 80x24"
    assert findings["terminal kind"]["mend"] == "set TERM=xterm-256color"


def test_backup(quarterdeck: Quarterdeck, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    assert quarterdeck("backup", str(target)).exit_code == 0
    assert target.read_bytes() == b"copy"
