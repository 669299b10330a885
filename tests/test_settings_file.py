"""settings.toml is the reference of all keys: it must say the defaults, all of them, each with a comment."""

import os
import re
from decimal import Decimal
from pathlib import Path

import pytest
import tomli
from pydantic import BaseModel

from core.domain.errors import SettingsError
from core.settings.schema import Settings, load_exchange, load_settings, parse_settings
from core.settings.strategies import BUILT_IN
from strategies.ema_cross.settings import EmaCrossSettings
from strategies.scalper.settings import ScalperSettings

PATH = Path(__file__).parents[1] / "settings.toml"
COMMENTED = re.compile(r"^(?P<key>\w+) = .+  # \S")


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= keys(inner, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def test_it_says_the_defaults() -> None:
    assert load_settings(PATH) == parse_settings({"ema_cross": {}}, "the test")


def test_it_says_every_key() -> None:
    data = tomli.loads(PATH.read_text())
    said = {
        f"{section}.{key}" if isinstance(value, dict) and value else section
        for section, value in data.items()
        for key in (value if isinstance(value, dict) and value else [section])
    }
    own = {"scalper": ScalperSettings, "ema_cross": EmaCrossSettings}
    assert own.keys() == BUILT_IN.keys()
    tables = set().union(*(keys(model, f"{name}.") for name, model in own.items()))
    assert said == (keys(Settings) - {"tables"}) | tables


@pytest.mark.parametrize("line", [line for line in PATH.read_text().splitlines() if " = " in line.partition("#")[0]])
def test_every_key_has_its_comment_on_one_line(line: str) -> None:
    assert COMMENTED.match(line)
    assert len(line) <= 120


def test_what_the_comment_says_the_day_loss_may_do_is_what_it_may() -> None:
    (line,) = (line for line in PATH.read_text().splitlines() if line.startswith("day_loss_effect"))
    named = set(re.findall(r"[a-z]+(?:_[a-z]+)*", line.partition("# ")[2].partition(";")[0])) - {"or"}
    assert named == {"no_new_entries", "flatten"}
    for effect in named:
        assert parse_settings({"limits": {"day_loss_effect": effect}}, "the test").limits.day_loss_effect == effect
    with pytest.raises(
        SettingsError, match=r"limits\.day_loss_effect: Input should be 'no_new_entries' or 'flatten', got"
    ):
        parse_settings({"limits": {"day_loss_effect": "halt"}}, "the test")


def test_a_maker_may_be_paid() -> None:
    assert parse_settings({"costs": {"maker_fee_bps": "-0.5"}}, "the test").costs.maker_fee_bps == Decimal("-0.5")


def test_a_byte_order_mark_is_no_part_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b"\xef\xbb\xbf" + PATH.read_bytes())
    assert load_settings(path) == load_settings(PATH)


def test_which_account_is_meant_is_read_out_of_an_exchange_table_that_is_wrong_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('mode = 3\n[exchange]\nid = "apex"\ntestnet = true\nleverage_cap = "many"\nno_such_key = 1\n')
    found = load_exchange(path).exchange
    assert (found.id, found.testnet) == ("apex", True)


def test_an_account_that_cannot_be_told_is_no_other_account(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[exchange]\ntestnet = 7\n")
    with pytest.raises(SettingsError, match=r"exchange\.testnet"):
        load_exchange(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#" * (1 << 20) + "\n", "is larger than 1 MiB; name a file of settings"),
        ("a = " + 50_000 * "[", "nests too deep; name a file of settings"),
    ],
)
def test_a_file_that_is_no_settings_is_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    for load in (load_settings, load_exchange):
        with pytest.raises(SettingsError) as told:
            load(path)
        assert str(told.value) == f"{path}: {said}"


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("archive.example", "is an address without a query"),
        ("ftp://archive.example", "is an address without a query"),
        ("https://user:word@archive.example", "is an address without a query"),
        ("https://archive.example/a?b=c", "is an address without a query"),
        ("https://archive.example:99999", "is an address without a query"),
        ("https://[/a", "is an address without a query"),
        ("https://archive.example/a\x1b[2J", "is an address without a query"),
        ("http://archive.example/futures", "must begin with https://"),
    ],
)
def test_an_archive_is_an_address_that_can_be_trusted(url: str, mend: str) -> None:
    with pytest.raises(SettingsError, match=f"data.archive_url: .*{mend}"):
        parse_settings({"data": {"archive_url": url}}, "settings.toml")


@pytest.mark.parametrize("url", ["", "https://archive.example/data/futures/um/", "http://127.0.0.1:8080"])
def test_an_archive_may_be_none_or_on_this_machine(url: str) -> None:
    assert parse_settings({"data": {"archive_url": url}}, "settings.toml").data.archive_url == url.rstrip("/")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "settings.toml")
    with pytest.raises(SettingsError, match=r"settings\.toml: is no plain file; name a file of settings"):
        load_settings(tmp_path / "settings.toml")


def test_a_strategys_table_is_whole_and_dumped_as_it_stands_in_a_file() -> None:
    given = {"strategy": "ema_cross", "ema_cross": {"fast_bars": 5}, "scalper": {"stop_pct": 2}}
    settings = parse_settings(given, "it")
    assert settings.tables["ema_cross"] == EmaCrossSettings(fast_bars=5).model_dump(mode="json")
    assert settings.tables["scalper"] == ScalperSettings(stop_pct=2).model_dump(mode="json")
    dumped = settings.model_dump(mode="json")
    assert "tables" not in dumped
    assert dumped["ema_cross"]["fast_bars"] == 5
    assert parse_settings(dumped, "it") == settings
    assert parse_settings(tomli.loads("[ema_cross]\nfast_bars = 5\n[strategy_options]\n"), "it").tables.keys() == {
        "scalper",
        "ema_cross",
    }


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"ema_cros": {"fast_bars": 5}}, "it: ema_cros: unknown key; did you mean ema_cross?"),
        ({"ema_cross": 5}, "it: ema_cross: unknown key"),
        ({"ema_cross": {"fast_bar": 5}}, "it: ema_cross.fast_bar: unknown key; did you mean fast_bars?"),
        ({"scalper": {"stop_pct": "wide"}}, "it: scalper.stop_pct: Input should be a valid number"),
        ({"ema_cross": {"fast_bars": 30}}, "it: ema_cross.fast_bars must be below ema_cross.slow_bars"),
        ({"tables": {"scalper": {}}}, "it: tables: unknown key"),
        ({"strategy": ["scalper"]}, "it: strategy: Input should be a valid string"),
        ({"strategy_options": {"mine": 5}}, "it: strategy_options"),
    ],
)
def test_a_wrong_table_of_a_strategy_is_told(data: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(data, "it")
    assert str(caught.value).startswith(said)
