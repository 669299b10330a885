import json

import pytest
from msgspec.structs import replace

from core.control.protocol import SILENT, ExternalOrderView, SignalView
from core.home.folder import EngineLock, Home
from tests.core.control.control_samples import SNAPSHOT, STATUS, T0_MS
from tests.tui.cli.fakes import SIGNAL, FakeRuntime, Quarterdeck, RunningEngine
from tui.cli.output import show
from tui.cli.reading import POSITION_COLUMNS

STATUS_KEYS = {
    "mode",
    "state",
    "running",
    "as_of_ms",
    "balance_usdt",
    "equity_usdt",
    "day_pnl_usdt",
    "drawdown_pct",
    "exposure_pct",
    "open_positions",
    "open_orders",
    "feed_age_ms",
    "loop_lag_ms",
    "halts",
}


def test_status_of_a_running_engine_is_its_own(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    row = json.loads(quarterdeck("status", "--json").stdout)
    assert row.keys() >= STATUS_KEYS
    assert (row["running"], row["state"], row["equity_usdt"]) == (True, "running", 10_012.5)


@pytest.mark.usefixtures("kept")
def test_status_without_an_engine_is_the_record(quarterdeck: Quarterdeck) -> None:
    row = json.loads(quarterdeck("status", "--json").stdout)
    assert row.keys() >= STATUS_KEYS
    assert (row["running"], row["state"], row["equity_usdt"]) == (False, "stopped", 9_990.0)


def test_status_of_an_empty_home_has_the_same_keys(quarterdeck: Quarterdeck) -> None:
    row = json.loads(quarterdeck("status", "--json").stdout)
    assert row.keys() >= STATUS_KEYS
    assert (row["running"], row["equity_usdt"], row["halts"]) == (False, None, [])


@pytest.mark.usefixtures("engine")
def test_status_for_people(quarterdeck: Quarterdeck) -> None:
    lines = quarterdeck("status").stdout.splitlines()
    assert "mode       demo (recorded)" in lines
    assert "as of      2025-06-04 01:20:00 UTC" in lines
    assert "equity     10,012.50 USDT" in lines
    assert "day        +12.50 USDT" in lines
    assert "loop lag   -" in lines
    assert "engine     BLOCKED, by day loss" in lines
    assert "halts      day loss" in lines


def test_an_engine_that_does_not_answer_is_not_replaced_by_the_record(quarterdeck: Quarterdeck, kept: Home) -> None:
    with EngineLock(kept):
        result = quarterdeck("status", "--json")
    assert result.exit_code == 3
    assert result.stdout == ""


@pytest.mark.usefixtures("engine")
def test_positions_of_a_running_engine(quarterdeck: Quarterdeck) -> None:
    (row,) = json.loads(quarterdeck("positions", "--json").stdout)
    assert (row["symbol"], row["unrealised_usdt"]) == ("BTCUSDT", 24.0)


@pytest.mark.usefixtures("kept")
def test_no_open_position_is_said(quarterdeck: Quarterdeck) -> None:
    result = quarterdeck("positions")
    assert (result.stdout, result.stderr) == ("", "no position is open\n")


@pytest.mark.usefixtures("kept")
def test_orders_are_the_open_ones_unless_all_are_asked_for(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    assert "--all shows closed ones" in quarterdeck("orders").stderr
    assert "filled" in quarterdeck("orders", "--all").stdout
    assert runtime.stored.asked == [True, False]


@pytest.mark.usefixtures("kept")
def test_tables_are_aligned(quarterdeck: Quarterdeck) -> None:
    assert quarterdeck("trades", "--limit", "5").stdout.splitlines() == [
        "         closed UTC  symbol   side  qty  entry     exit  net USDT  reason",
        "2025-06-04 01:20:00  ETHUSDT  sell    1  2,600  2,590.5     -7.40  stop",
    ]


@pytest.mark.usefixtures("kept")
def test_signals_name_the_way(quarterdeck: Quarterdeck) -> None:
    assert "short" in quarterdeck("signals").stdout


@pytest.mark.usefixtures("kept")
def test_an_exit_wants_nothing_any_more_whatever_its_order_does(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    runtime.stored.signals = lambda limit: [{**SIGNAL, "action": "exit"}]  # type: ignore[method-assign]
    _, row = quarterdeck("signals").stdout.splitlines()
    assert row.split()[3] == "flat"
    assert "short" not in row


@pytest.mark.usefixtures("kept")
def test_what_is_not_a_number_is_null_in_json_and_a_dash_for_people(quarterdeck: Quarterdeck) -> None:
    assert json.loads(quarterdeck("stats", "--json").stdout)["totals"]["win_rate_pct"] is None
    head, day, total = quarterdeck("stats").stdout.splitlines()
    assert head.split()[:5] == ["day", "UTC", "trades", "won", "lost"]
    assert day.split() == ["2025-06-04", "1", "0", "1", "-", "-", "-", "-", "-7.40", "-"]
    assert total.split()[0] == "all"


@pytest.mark.usefixtures("kept")
def test_rows_of_unknown_shape_show_times_as_times_and_leave_nested_values_to_json(quarterdeck: Quarterdeck) -> None:
    header, row = quarterdeck("models").stdout.splitlines()
    assert header == "version           trained ms  horizon ms"
    assert row == "v3       2025-06-04 01:20:00     600,000"
    assert json.loads(quarterdeck("models", "--json").stdout)[0]["metrics"] == {"rmse": 1.0}


@pytest.mark.usefixtures("kept")
def test_a_flag_is_yes_or_no(quarterdeck: Quarterdeck) -> None:
    assert quarterdeck("limits").stdout.splitlines()[1] == "day loss  2025-06-04 01:20:00    yes"


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("verb", ["status", "positions", "orders", "trades", "signals", "stats", "models", "limits"])
def test_every_reading_verb_takes_an_account(quarterdeck: Quarterdeck, runtime: FakeRuntime, verb: str) -> None:
    assert quarterdeck(verb, "--account", "paper").exit_code == 0
    assert quarterdeck(verb).exit_code == 0
    assert runtime.accounts == ["paper", None]
    assert quarterdeck(verb, "--account", "backtest").exit_code == 2


def silent_engine(engine: RunningEngine) -> None:
    why = "funding is missing since 2025-06-04 08:10 UTC"
    silent = SignalView(T0_MS + 60_000, "ETHUSDT", 0, None, SILENT, why, "v3")
    engine.control.current = replace(SNAPSHOT, signals=(silent, *SNAPSHOT.signals))


def test_signals_of_a_running_engine_say_what_is_not_forecast_and_why(
    quarterdeck: Quarterdeck, engine: RunningEngine
) -> None:
    silent_engine(engine)
    answer = quarterdeck("signals")
    assert answer.exit_code == 0, answer.output
    last = answer.stdout.splitlines()[-1]
    assert "ETHUSDT  -" in last
    assert "silent  funding is missing since 2025-06-04 08:10 UTC" in last
    stored, silent = json.loads(quarterdeck("signals", "--json").stdout)
    assert (silent["symbol"], silent["action"], silent["confidence"]) == ("ETHUSDT", "silent", None)
    assert silent.keys() >= stored.keys() - {"reasons"}
    assert len(json.loads(quarterdeck("signals", "--json", "--account", "paper").stdout)) == 1


def test_signals_of_an_engine_that_does_not_answer_say_what_is_not_known(quarterdeck: Quarterdeck, kept: Home) -> None:
    with EngineLock(kept):
        result = quarterdeck("signals")
    assert result.exit_code == 0
    assert "short" in result.stdout
    assert "what is not forecast now is not known" in result.stderr


@pytest.mark.usefixtures("engine")
def test_beside_an_engine_the_record_is_that_of_its_account(quarterdeck: Quarterdeck, runtime: FakeRuntime) -> None:
    assert quarterdeck("trades").exit_code == 0
    assert runtime.accounts == ["demo"]


@pytest.mark.usefixtures("engine")
def test_of_another_account_than_the_engine_s_the_record_is_read(
    quarterdeck: Quarterdeck, runtime: FakeRuntime
) -> None:
    row = json.loads(quarterdeck("status", "--json", "--account", "paper").stdout)
    assert (row["running"], row["equity_usdt"]) == (False, 9_990.0)
    assert json.loads(quarterdeck("positions", "--json", "--account", "paper").stdout) == []
    assert runtime.accounts == ["paper", "paper"]
    assert json.loads(quarterdeck("status", "--json", "--account", "demo").stdout)["running"]


def live_engine(engine: RunningEngine, **changes: object) -> None:
    external = ExternalOrderView("ETHUSDT", "sell", "limit", 0.5, 2_700.0, "accepted", "web_1")
    status = replace(STATUS, mode="live", source="Binance USD-M", exchange="binanceusdm", **changes)
    engine.control.current = replace(SNAPSHOT, status=status, external=(external,))


def test_what_a_start_does_not_know_yet_is_no_figure(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    status = replace(STATUS, state="recovering", open_positions=0, halts=())
    engine.control.current = replace(SNAPSHOT, status=status, positions=())
    row = json.loads(quarterdeck("status", "--json").stdout)
    assert {row[key] for key in ("equity_usdt", "balance_usdt", "day_pnl_usdt", "open_positions", "open_orders")} == {
        None
    }
    assert row["state"] == "recovering"
    assert "positions  -" in quarterdeck("status").stdout.splitlines()
    for arguments in (("positions",), ("positions", "--json")):
        answer = quarterdeck(*arguments)
        assert answer.exit_code == 3
        assert "recovering: what the account holds is not known yet; ask again in a moment" in answer.stderr
        assert answer.stdout == ""


def test_live_is_said_in_capitals_with_what_it_is(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    live_engine(engine, clock_offset_ms=-12.4)
    lines = quarterdeck("status").stdout.splitlines()
    assert lines[0] == "mode           LIVE  real money (Binance USD-M)"
    assert "exchange      binanceusdm" in lines
    assert "connection    well" in lines
    assert "clock offset  -12 ms" in lines


def test_testnet_is_said_with_every_verb_that_reads(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    live_engine(engine, clock_offset_ms=-12.4)
    status = replace(engine.control.current.status, mode="testnet", source="binanceusdm test account")
    engine.control.current = replace(engine.control.current, status=status)
    lines = quarterdeck("status").stdout.splitlines()
    assert lines[0] == "mode           TESTNET  no real money (binanceusdm test account)"
    assert quarterdeck("positions").stderr == "TESTNET: the exchange's test hosts, no real money\n"


@pytest.mark.parametrize("verb", ["positions", "orders", "trades", "signals", "stats", "models", "limits"])
def test_testnet_is_said_of_what_is_stored(
    quarterdeck: Quarterdeck, runtime: FakeRuntime, home: Home, verb: str
) -> None:
    home.database.touch()
    runtime.stored.account = "testnet"
    result = quarterdeck(verb, "--account", "testnet")
    assert result.exit_code == 0
    assert "TESTNET: the exchange's test hosts, no real money" in result.stderr
    runtime.stored.account = "live"
    assert "TESTNET" not in quarterdeck(verb, "--account", "live").stderr


def test_a_bad_connection_is_said_in_the_exchange_s_lines(quarterdeck: Quarterdeck, engine: RunningEngine) -> None:
    live_engine(engine, connection="market stream: silent for 12 s")
    lines = quarterdeck("status").stdout.splitlines()
    assert "connection    market stream: silent for 12 s" in lines
    assert "clock offset  -" in lines


def test_what_others_placed_stands_among_the_orders_and_is_marked(
    quarterdeck: Quarterdeck, engine: RunningEngine
) -> None:
    live_engine(engine)
    (row,) = json.loads(quarterdeck("orders", "--json").stdout)
    assert (row["role"], row["symbol"], row["client_order_id"]) == ("external", "ETHUSDT", "web_1")
    assert "external" in quarterdeck("orders").stdout
    assert json.loads(quarterdeck("orders", "--json", "--account", "paper").stdout) == []


def test_an_engine_that_does_not_answer_leaves_the_orders_and_says_what_is_not_known(
    quarterdeck: Quarterdeck, kept: Home
) -> None:
    with EngineLock(kept):
        result = quarterdeck("orders", "--all")
    assert result.exit_code == 0
    assert "filled" in result.stdout
    assert "what others placed is not known" in result.stderr


def test_a_position_without_a_stop_says_so_in_a_column_of_its_own(
    quarterdeck: Quarterdeck, engine: RunningEngine
) -> None:
    assert "NO STOP" not in quarterdeck("positions").stdout
    naked = replace(SNAPSHOT.positions[0], protected=False, unprotected_ms=3_400)
    engine.control.current = replace(SNAPSHOT, positions=(naked,))
    head, row = quarterdeck("positions").stdout.splitlines()
    assert head.endswith("NO STOP for")
    assert row.endswith("3,400 ms")


def test_positions_tell_the_nearest_target_and_how_many_lie_behind_it() -> None:
    column = next(column for column in POSITION_COLUMNS if column.title == "target")
    told = [show(prices, column.format) for prices in ([], [60_600.0], [60_600.0, 61_200.5, 61_800.0])]
    assert told == ["-", "60,600", "60,600 +2"]
