"""Verbs that look: the running engine for what changes by the second, the durable record for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from core.control.client import request
from core.domain.errors import UnavailableError
from core.domain.operator import FULL_IN_USE
from core.domain.rows import Row
from core.home.folder import Home, engine_pid
from tui.cli.echo import echo
from tui.cli.options import account_option, home_option, json_option, limit_option
from tui.cli.output import (
    Column,
    any_value,
    emit_json,
    emit_rows,
    milliseconds,
    moment,
    money,
    number,
    pairs,
    percent,
    show,
    signed_money,
    table,
)

if TYPE_CHECKING:
    from core.control.requests import Reader
    from tui.cli.runtime import Runtime

TIMEOUT_S = 3.0
EXTERNAL = "external"
_OF_ACCOUNT = (
    "balance_usdt",
    "equity_usdt",
    "day_pnl_usdt",
    "drawdown_pct",
    "exposure_pct",
    "open_positions",
    "open_orders",
)
NOTHING_YET = "nothing is recorded in {home} yet; start with `quarterdeck run`"


@click.command()
@home_option
@account_option
@json_option
@click.pass_obj
def status(runtime: Runtime, home: Home, account: str | None, as_json: bool) -> None:
    """Show account, risk and health on one page."""
    live = _live(home, "status", {})
    if live is not None and not _is_of(live, account):
        live = None
    row: Row = {**live, "running": True} if live is not None else _stored_status(runtime, home, account)
    if as_json:
        emit_json(_known(row))
    else:
        echo(pairs(_status_lines(row)), badge=f" {row['mode'].upper()} " if row["mode"] in _BADGES else "")
    if row["as_of_ms"] is None:
        echo(NOTHING_YET.format(home=home.root), err=True)


@click.command()
@home_option
@account_option
@json_option
@click.pass_obj
def positions(runtime: Runtime, home: Home, account: str | None, as_json: bool) -> None:
    """Show the open positions."""
    live = _live(home, "snapshot", {"parts": ["positions", "status"]})
    if live is not None and not _is_of(live["status"], account):
        live = None
    if live is not None:
        _say_testnet(str(live["status"]["mode"]))
        if _begins(live["status"]) and not live["positions"]:
            raise UnavailableError(
                f"{live['status']['state']}: what the account holds is not known yet; ask again in a moment"
            )
    reader = None if live else _reader(runtime, home, account)
    rows = live["positions"] if live else reader.positions() if reader else []
    empty = "no position is open" if live or reader else NOTHING_YET.format(home=home.root)
    if reader and rows and not as_json:
        echo("no engine runs: marks are those of the last bars that it took in, as old as they say", err=True)
    naked = any(row.get("protected") is False for row in rows)
    emit_rows(rows, [*POSITION_COLUMNS, NAKED] if naked else POSITION_COLUMNS, as_json, empty)


@click.command()
@click.option("--all", "everything", is_flag=True, help="Closed orders too.")
@home_option
@account_option
@json_option
@click.pass_obj
def orders(runtime: Runtime, home: Home, account: str | None, everything: bool, as_json: bool) -> None:
    """Show the open orders."""
    reader = _reader(runtime, home, account)
    rows = reader.orders(open_only=not everything) if reader else []
    rows += _external(home, account)
    _emit(rows, ORDER_COLUMNS, as_json, reader, home, "no order is open; --all shows closed ones")


@click.command()
@limit_option
@home_option
@account_option
@json_option
@click.pass_obj
def trades(runtime: Runtime, home: Home, account: str | None, limit: int | None, as_json: bool) -> None:
    """Show closed trades, the newest last."""
    reader = _reader(runtime, home, account)
    rows = reader.trades(limit) if reader else []
    _emit(rows, TRADE_COLUMNS, as_json, reader, home, "no trade is closed yet")


@click.command()
@limit_option
@home_option
@account_option
@json_option
@click.pass_obj
def signals(runtime: Runtime, home: Home, account: str | None, limit: int | None, as_json: bool) -> None:
    """Show what the strategy wanted and what became of it, the newest last; of a running engine also which symbols are
    not forecast now, and why."""
    reader = _reader(runtime, home, account)
    rows = reader.signals(limit) if reader else []
    rows += _silent(home, account)
    if not as_json:
        rows = [{**row, "wants": _wanted(row)} for row in rows]
    _emit(rows, SIGNAL_COLUMNS, as_json, reader, home, "no signal yet: no forecast has asked for anything")


@click.command()
@home_option
@account_option
@json_option
@click.pass_obj
def stats(runtime: Runtime, home: Home, account: str | None, as_json: bool) -> None:
    """Show figures over all closed trades, with their source."""
    reader = _reader(runtime, home, account)
    row = reader.stats() if reader else {}
    if as_json:
        emit_json(row)
    elif row:
        echo(table([*row["daily"], {"day": "all", **row["totals"]}], STATS_COLUMNS))
    if not row:
        echo(NOTHING_YET.format(home=home.root), err=True)


@click.command()
@home_option
@account_option
@json_option
@click.pass_obj
def models(runtime: Runtime, home: Home, account: str | None, as_json: bool) -> None:
    """Show the trained model versions."""
    reader = _reader(runtime, home, account)
    rows = reader.models() if reader else []
    _emit(rows, _columns_of(rows), as_json, reader, home, "no model is trained yet")


@click.command()
@home_option
@account_option
@json_option
@click.pass_obj
def limits(runtime: Runtime, home: Home, account: str | None, as_json: bool) -> None:
    """Show when limits fired and cleared, the newest last."""
    reader = _reader(runtime, home, account)
    rows = reader.limit_events() if reader else []
    _emit(rows, _columns_of(rows), as_json, reader, home, "no limit has fired")


def _live(home: Home, method: str, params: dict[str, Any]) -> Any:
    """What the running engine answers, None when none runs here.

    Raises UnavailableError when one runs and does not answer: old figures from the record must not pass for its own.
    """
    try:
        return request(home, method, params, TIMEOUT_S)
    except UnavailableError:
        if engine_pid(home) is None:
            return None
        raise


def _is_of(status: Row, account: str | None) -> bool:
    return account is None or status["mode"] == account


def _external(home: Home, account: str | None) -> list[Row]:
    """What others placed, as rows of orders. Only a running engine knows; of one that does not answer that is said."""
    try:
        live = _live(home, "snapshot", {"parts": ["external", "status"]})
    except UnavailableError as error:
        echo(f"what others placed is not known: {error}", err=True)
        return []
    if live is None or not _is_of(live["status"], account):
        return []
    return [{**row, "role": EXTERNAL} for row in live["external"]]


def _wanted(row: Row) -> str:
    """The way of an exit is that of its order, against what was held."""
    if row["action"] == "exit":
        return "flat"
    return {1: "long", -1: "short"}.get(row["direction"], "-")


def _silent(home: Home, account: str | None) -> list[Row]:
    """What is not forecast now, as rows of signals. Only a running engine knows; of one that does not answer that is
    said."""
    import msgspec

    from core.control.protocol import SILENT, SignalView

    try:
        live = _live(home, "snapshot", {"parts": ["signals", "status"]})
    except UnavailableError as error:
        echo(f"what is not forecast now is not known: {error}", err=True)
        return []
    if live is None or not _is_of(live["status"], account):
        return []
    nothing: Row = {"direction": 0, "confidence": None, "because": [], "compared": "", "contributions": []}
    rows = [
        {
            **nothing,
            **{name: getattr(one, name) for name in ("time_ms", "symbol", "action", "reason")},
            "version": one.model_version,
        }
        for one in msgspec.convert(live["signals"], list[SignalView])
        if one.action == SILENT
    ]
    return sorted(rows, key=lambda row: (row["time_ms"], row["symbol"]))


def _reader(runtime: Runtime, home: Home, account: str | None) -> Reader | None:
    """Of the account named, else of the running engine's, else of the one written last; None in an empty home."""
    if not home.database.exists():
        return None
    reader = runtime.reader(home.root, account or _running_account(home))
    _say_testnet(reader.account)
    return reader


def _say_testnet(account: str) -> None:
    """No figure of test money stands alone; on stderr, so that a table or JSON stays what it is."""
    if account == "testnet":
        echo("TESTNET: the exchange's test hosts, no real money", err=True)


def _running_account(home: Home) -> str | None:
    try:
        return str(request(home, "status", {}, TIMEOUT_S)["mode"])
    except UnavailableError:
        return None


def _stored_status(runtime: Runtime, home: Home, account: str | None) -> Row:
    from core.control.protocol import StatusView

    row: Row = dict.fromkeys(StatusView.__struct_fields__)
    row |= {"state": "stopped", "halts": []}
    reader = _reader(runtime, home, account)
    return row | (reader.status() if reader else {}) | {"running": False}


def _emit(rows: list[Row], columns: list[Column], as_json: bool, reader: Reader | None, home: Home, empty: str) -> None:
    emit_rows(rows, columns, as_json, empty if reader else NOTHING_YET.format(home=home.root))


def _status_lines(row: Row) -> list[tuple[str, str]]:
    known = _known(row)

    def get(key: str, form: Any = str, unit: str = "") -> str:
        return show(known.get(key), form) + (unit if known.get(key) is not None else "")

    source = f" ({row['source']})" if row.get("source") else ""
    lines = [
        ("mode", _BADGES.get(row["mode"], get("mode")) + source),
        ("engine", _engine_line(row) if row["running"] else f"{get('state')}, not running"),
        ("as of", get("as_of_ms", moment, " UTC")),
        ("equity", get("equity_usdt", money, " USDT")),
        ("balance", get("balance_usdt", money, " USDT")),
        ("day", get("day_pnl_usdt", signed_money, " USDT")),
        ("drawdown", get("drawdown_pct", percent)),
        ("exposure", get("exposure_pct", percent)),
        ("positions", get("open_positions")),
        ("orders", get("open_orders")),
        *_exchange_lines(row),
        ("feed age", get("feed_age_ms", milliseconds)),
        ("loop lag", get("loop_lag_ms", milliseconds)),
        ("halts", ", ".join(halt for halt in row.get("halts") or () if halt not in FULL_IN_USE) or "none"),
    ]
    return lines + ([("note", row["note"])] if row.get("note") else [])


def _known(row: Row) -> Row:
    """A status without the figures that a start does not know before the books are compared."""
    return row | dict.fromkeys(_OF_ACCOUNT) if _begins(row) else row


def _begins(status: Row) -> bool:
    from core.control.readiness import BEGINNING

    return status["state"] in BEGINNING


def _engine_line(row: Row) -> str:
    """The state, and of an engine that may open nothing by what and until when."""
    from core.control.codec import decode
    from core.control.protocol import StatusView
    from core.control.readiness import standing

    stands = standing(decode(StatusView, row))
    blocks = "; ".join(f"{block.what} {block.until}".rstrip() for block in stands.blocks)
    word = str(row["state"]) if stands.word != "BLOCKED" else stands.word
    return f"{word}, {'by ' if stands.word == 'BLOCKED' else 'limits: '}{blocks}" if blocks else word


def _exchange_lines(row: Row) -> list[tuple[str, str]]:
    """Only an engine on an exchange has anything to say here."""
    if not row.get("exchange"):
        return []
    offset = show(row.get("clock_offset_ms"), lambda value: f"{float(value):+,.0f} ms")
    return [("exchange", row["exchange"]), ("connection", row.get("connection") or "well"), ("clock offset", offset)]


def _title(key: str) -> str:
    return key.replace("_", " ")


def _columns_of(rows: list[Row]) -> list[Column]:
    """A column for each plain value of the rows, in the record's own order."""
    plain = [key for key in (rows[0] if rows else {}) if not isinstance(rows[0][key], dict | list)]
    return [Column(key, _title(key), any_value(key), not isinstance(rows[0][key], str)) for key in plain]


_BADGES = {
    "live": " LIVE  real money",
    "testnet": " TESTNET  no real money",
}
STATS_COLUMNS = [
    Column("day", "day UTC", right=False),
    Column("trades", "trades"),
    Column("won", "won"),
    Column("lost", "lost"),
    Column("win_rate_pct", "win rate", percent),
    Column("gross_pnl_usdt", "gross USDT", signed_money),
    Column("fees_usdt", "fees", money),
    Column("funding_usdt", "funding", signed_money),
    Column("net_pnl_usdt", "net USDT", signed_money),
    Column("balance_usdt", "balance USDT", money),
]


def _targets(prices: Sequence[float]) -> str:
    """The nearest, and how many lie behind it."""
    if not prices:
        return "-"
    return number(prices[0]) + (f" +{len(prices) - 1}" if len(prices) > 1 else "")


POSITION_COLUMNS = [
    Column("symbol", "symbol", right=False),
    Column("side", "side", right=False),
    Column("qty", "qty", number),
    Column("entry_price", "entry", number),
    Column("mark_price", "mark", number),
    Column("mark_ms", "marked UTC", moment),
    Column("stop_price", "stop", number),
    Column("target_prices", "target", _targets),
    Column("unrealised_usdt", "unrealised USDT", signed_money),
    Column("opened_ms", "opened UTC", moment),
]
NAKED = Column("unprotected_ms", "NO STOP for", milliseconds)
"""Only where it is so: a position whose stop is not known to rest at the venue."""
ORDER_COLUMNS = [
    Column("created_ms", "created UTC", moment),
    Column("symbol", "symbol", right=False),
    Column("side", "side", right=False),
    Column("type", "type", right=False),
    Column("role", "role", right=False),
    Column("qty", "qty", number),
    Column("filled_qty", "filled", number),
    Column("price", "price", number),
    Column("state", "state", right=False),
    Column("client_order_id", "id", right=False),
]
TRADE_COLUMNS = [
    Column("exit_time_ms", "closed UTC", moment),
    Column("symbol", "symbol", right=False),
    Column("side", "side", right=False),
    Column("qty", "qty", number),
    Column("entry_price", "entry", number),
    Column("exit_price", "exit", number),
    Column("net_pnl_usdt", "net USDT", signed_money),
    Column("exit_reason", "reason", right=False),
]
SIGNAL_COLUMNS = [
    Column("time_ms", "time UTC", moment),
    Column("symbol", "symbol", right=False),
    Column("wants", "wants", right=False),
    Column("confidence", "confidence", money),
    Column("action", "action", right=False),
    Column("reason", "reason", right=False),
    Column("compared", "compared", right=False),
    Column("version", "model", right=False),
]
