"""What an account's journal says, for the command line: read-only, synchronous, quick to import, ready for JSON.

Times are UTC milliseconds, prices and quantities floats of the exact decimals.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, assert_never

from core.arithmetic.days import LEAST_DAYS
from core.domain.errors import StorageError, UnavailableError
from core.domain.forecast import Because, words
from core.domain.market import MINUTE_MS
from core.domain.operator import CLEARED_BY_UNLOCK, LimitEffect, Verb
from core.domain.orders import TERMINAL_STATES
from core.domain.regrid import Grid
from core.trader.account import Opening
from core.trader.state import FLAT_ID, KEPT_ID
from storage.database import check_header, check_version, connect_read_only, migrations, storage_errors
from storage.entered import with_entries
from storage.statistics import ClosedTrade, daily_statistics
from storage.units import Units

Json = dict[str, Any]

REFUSED = "refused"
"""How the result of an operator command begins that the engine did not take."""

_BLOCKING = (LimitEffect.NO_NEW_ENTRIES.value, LimitEffect.FLATTEN.value)
_TERMINAL = tuple(sorted(state.value for state in TERMINAL_STATES))
_ROLES = {"swapped": "champion", "refused": "rejected"}


class Reader:
    """One account of a database; of the accounts, the one written last unless it is named. Use as a context manager.

    Raises UnavailableError when there is no such account yet, StorageError when the file is damaged, newer or older
    than this program.
    """

    def __init__(self, path: Path, account: str | None = None) -> None:
        if not path.exists() or path.stat().st_size == 0:
            raise _no_account(path)
        check_header(path)
        self._path = path
        with storage_errors(path):
            self._connection = connect_read_only(path)
        try:
            self.account = self._choose_account(account)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def meta(self) -> dict[str, str]:
        """The facts kept of the account: mode, seed, settings and so on."""
        return {row["key"]: row["value"] for row in self._rows("SELECT key, value FROM meta WHERE account = :account")}

    def status(self) -> Json:
        """The account as it was last journalled. No engine is asked, so `state` is always "stopped"."""
        with self._one_view():
            sample = self._newest_equity()
            positions = self.positions()
            open_orders = self._rows(
                f"SELECT 1 FROM orders WHERE account = :account AND state NOT IN {_TERMINAL}"  # noqa: S608
            )
            halts = self._halts()
            mode = self.meta().get("mode", self.account)
        equity, peak = sample["equity_usdt"], sample["peak_equity_usdt"]
        exposure = sum(abs(position["notional_usdt"]) for position in positions)
        return {
            "mode": mode,
            "state": "stopped",
            "running": False,
            "as_of_ms": sample["time_ms"],
            "balance_usdt": float(sample["wallet_usdt"]),
            "equity_usdt": float(equity),
            "day_pnl_usdt": float(equity - sample["day_start_equity_usdt"]),
            "drawdown_pct": float(100 * (peak - equity) / peak) if peak > 0 else 0.0,
            "exposure_pct": 100 * exposure / float(equity) if equity > 0 else 0.0,
            "open_positions": len(positions),
            "open_orders": len(open_orders),
            "feed_age_ms": None,
            "loop_lag_ms": None,
            "halts": halts,
        }

    def positions(self) -> list[Json]:
        """Open positions by symbol, valued at the close of the last bar taken in, or at cost where none is stored."""
        rows = self._rows(
            """SELECT p.*,
                (SELECT c.close FROM candles AS c JOIN cursors AS k
                    ON k.symbol = c.symbol AND k.open_time_ms = c.open_time_ms
                    WHERE c.symbol = p.symbol AND c.interval_ms = :interval_ms
                    AND k.account = :account AND k.kind = 'bar') AS mark,
                (SELECT k.open_time_ms + :interval_ms FROM cursors AS k
                    WHERE k.symbol = p.symbol AND k.account = :account AND k.kind = 'bar') AS mark_ms,
                (SELECT o.strategy FROM orders AS o WHERE o.account = :account AND o.trade_id = p.trade_id
                    AND o.role = 'entry' LIMIT 1) AS traded_by
            FROM positions AS p WHERE p.account = :account AND p.lots <> 0 ORDER BY p.symbol, p.opened_ms""",
            interval_ms=self._interval_ms(),
        )
        units = self._units()
        return [self._position(row, units) for row in rows]

    def _interval_ms(self) -> int:
        opening = self.meta().get("opening")
        return (1 if opening is None else Opening.from_json(opening).interval_minutes) * MINUTE_MS

    def orders(self, open_only: bool = False) -> list[Json]:
        """Orders as they are now, oldest first. `price` is the limit, or the trigger of a stop or take-profit."""
        which = f"AND state NOT IN {_TERMINAL}" if open_only else ""
        rows = self._rows(
            f"SELECT * FROM orders WHERE account = :account {which} ORDER BY created_ms, client_order_id"  # noqa: S608
        )
        units = self._units()
        return [self._order(row, units) for row in rows]

    def trades(self, limit: int | None = None) -> list[Json]:
        """Closed round trips in the order of their exit; of many, the newest `limit`. With what they were entered with,
        None where the record does not say: confidence, leverage, margin_usdt at the entry, expected_profit_usdt at the
        target and expected_loss_usdt at the stop, both before costs; and whether they were closed_early."""
        rows = self._rows(
            "SELECT * FROM closed_trades WHERE account = :account "
            "ORDER BY exit_time_ms DESC, trade_id DESC LIMIT :limit",
            limit=-1 if limit is None else limit,
        )
        money = ("qty", "entry_price", "exit_price", "gross_pnl_usdt", "fees_usdt", "funding_usdt", "net_pnl_usdt")
        told = [
            {name: float(value) if name in money else value for name, value in row.items() if name not in _PLACE}
            for row in reversed(rows)
        ]
        units = self._units()
        return with_entries(self._rows, lambda row: self._order(row, units), told)

    def signals(self, limit: int | None = None) -> list[Json]:
        """Signals, oldest first; of many, the newest `limit`. `because` says what was compared with what, `compared`
        says it in words. Contributions are the strongest features first, each with its share of the first output."""
        rows = self._newest("signals", limit)
        for row in rows:
            row["contributions"] = [
                {"feature": feature, "value": _finite(value), "share": _finite(share)}
                for feature, value, share in json.loads(row["contributions"])
            ]
            because = [Because(*item) for item in json.loads(row["because"])]
            row["because"] = [asdict(one) for one in because]
            row["compared"] = words(because)
        return rows

    def limit_events(self, limit: int | None = None) -> list[Json]:
        """What limits did, oldest first; of many, the newest `limit`."""
        return [{**row, "fired": bool(row["fired"])} for row in self._newest("limit_events", limit)]

    def models(self) -> list[Json]:
        """Model versions in the order they came to be. `created_ms` is when a version was due to trade."""
        rows = self._rows(
            "SELECT * FROM training WHERE account = :account AND status IN ('swapped', 'refused') ORDER BY seq"
        )
        champion = {_whose(row): row["seq"] for row in rows if row["status"] == "swapped"}
        return [
            {
                "version": row["version"],
                "strategy": row["strategy"],
                "symbol": row["symbol"],
                "role": "retired"
                if row["status"] == "swapped" and champion[_whose(row)] != row["seq"]
                else _ROLES[row["status"]],
                "created_ms": row["due_ms"],
                "metrics": _metrics(json.loads(row["metrics"])),
            }
            for row in rows
        ]

    def stats(self) -> Json:
        """`daily`: one entry for each UTC day with a trade or an equity sample; `totals` over all of them."""
        with self._one_view():
            trades = self._rows(
                "SELECT exit_time_ms, gross_pnl_usdt, fees_usdt, funding_usdt, net_pnl_usdt FROM closed_trades "
                "WHERE account = :account ORDER BY exit_time_ms, trade_id"
            )
            # With max() in the query SQLite takes the other columns from the row of the maximum.
            balances = self._rows(
                "SELECT max(seq), time_ms, wallet_usdt FROM equity WHERE account = :account "
                "GROUP BY time_ms / 86400000 ORDER BY time_ms"
            )
        return daily_statistics(
            [ClosedTrade(row.pop("exit_time_ms"), *map(Decimal, row.values())) for row in trades],
            [(row["time_ms"], Decimal(row["wallet_usdt"])) for row in balances],
        )

    def _choose_account(self, account: str | None) -> str:
        newest = migrations()[-1][0]
        with storage_errors(self._path):
            have = check_version(self._connection, self._path, newest)
            if have == 0:
                raise _no_account(self._path)
            if have < newest:
                raise StorageError(
                    f"{self._path}: was written by an older program (schema {have}, this one needs {newest}); "
                    "bring it up to date with: quarterdeck run"
                )
            self._connection.row_factory = _as_dict
            # An account that was opened and never written to (a start that failed) does not hide those that were.
            sql = (
                "SELECT account FROM journals WHERE :account IN (account, '') "
                "ORDER BY last_seq > 0 DESC, last_commit DESC"
            )
            row = self._connection.execute(sql, {"account": account or ""}).fetchone()
        if row is None:
            raise _no_account(self._path, account or "")
        return str(row["account"])

    def _newest_equity(self) -> Json:
        rows = self._newest("equity", 1)
        if not rows:
            raise UnavailableError(f"account {self.account} has no balance yet; start it with: quarterdeck run")
        return {name: value if name == "time_ms" else Decimal(value) for name, value in rows[0].items()}

    def _halts(self) -> list[str]:
        """Limits that block new entries now, and what the operator asked for last."""
        limits = self._rows(
            """SELECT max(seq), "limit", symbol, fired, effect FROM limit_events
            WHERE account = :account GROUP BY "limit", symbol, CASE scope WHEN 'strategy' THEN strategy END
            ORDER BY "limit" """
        )
        standing = [row for row in limits if row["fired"] and row["effect"] in _BLOCKING]
        # Of a lock the symbol is all that there is to know.
        found = [f"{r['limit']}:{r['symbol']}" if r["limit"] in CLEARED_BY_UNLOCK else r["limit"] for r in standing]
        commands = self._rows(
            "SELECT command_id, verb, symbol FROM operator_commands WHERE account = :account "
            "AND result NOT LIKE :refused ORDER BY seq",
            refused=f"{REFUSED}%",
        )
        asked: dict[str, str] = {}
        for row in commands:
            if row["command_id"].endswith((FLAT_ID, KEPT_ID)):
                continue
            verb, symbol = Verb(row["verb"]), row["symbol"]
            match verb:
                case Verb.PAUSE:
                    asked[symbol] = "paused"
                case Verb.HALT:
                    asked[symbol] = "halted"
                case Verb.FLATTEN:
                    if not symbol:
                        asked.setdefault("", "paused")
                case Verb.RESUME:
                    asked = {key: what for key, what in asked.items() if symbol not in ("", key)}
                case Verb.LOCK | Verb.UNLOCK:
                    pass  # The events of the limit tell.
                case Verb.CLOSE | Verb.MOVE_STOP:
                    pass  # It bars nothing; the orders tell.
                case _:
                    assert_never(verb)
        return [
            *dict.fromkeys(found),
            *(f"{what} {symbol}".rstrip() for symbol, what in sorted(asked.items())),
        ]

    def _position(self, row: Json, units: Units) -> Json:
        grid = self._grid(units.of(row["symbol"], row["seq"]), row["symbol"])
        qty = row["lots"] * grid.lot
        cost = Decimal(row["cost_usdt"])
        mark = None if row["mark"] is None else Decimal(repr(row["mark"]))
        value = cost if mark is None else qty * mark
        resting = self._rows(
            "SELECT client_order_id, role, trigger_ticks AS ticks FROM orders "  # noqa: S608
            "WHERE account = :account AND trade_id = :trade_id AND role IN ('stop', 'target') "
            f"AND trigger_ticks IS NOT NULL AND state NOT IN {_TERMINAL} ORDER BY created_ms",
            trade_id=row["trade_id"],
        )
        prices: dict[str, list[float]] = {"stop": [], "target": []}
        for order in resting:
            written, _ = units.of_order(row["symbol"], order["client_order_id"])
            prices[order["role"]].append(float(order["ticks"] * self._grid(written, row["symbol"]).tick))
        targets = sorted(set(prices["target"]), reverse=row["lots"] < 0)
        return {
            "trade_id": row["trade_id"],
            "symbol": row["symbol"],
            "side": "long" if row["lots"] > 0 else "short",
            "qty": float(abs(qty)),
            "entry_price": float(cost / qty),
            "mark_price": None if mark is None else float(mark),
            "stop_price": prices["stop"][-1] if prices["stop"] else None,
            "target_price": targets[0] if targets else None,
            "notional_usdt": float(abs(value)),
            "unrealised_usdt": float(value - cost),
            "unrealised_pct": float(100 * (value - cost) / abs(cost)) if cost else 0.0,
            "opened_ms": row["opened_ms"],
            "strategy": row["traded_by"] or "",
            "decimals": _decimals(grid.tick),
            "protected": None,
            "unprotected_ms": None,
            "mark_ms": None if mark is None else row["mark_ms"],
            "target_prices": targets,
        }

    def _order(self, row: Json, units: Units) -> Json:
        symbol = row["symbol"]
        written, now = (self._grid(found, symbol) for found in units.of_order(symbol, row["client_order_id"]))
        ticks = row["trigger_ticks"] if row["price_ticks"] is None else row["price_ticks"]
        kept = ("client_order_id", "symbol", "side", "type", "role", "state", "created_ms", "updated_ms", "trade_id")
        return {
            **{name: row[name] for name in kept},
            "qty": float(row["qty_lots"] * written.lot),
            "filled_qty": float(row["filled_lots"] * now.lot),
            "price": None if ticks is None else float(ticks * written.tick),
            "reduce_only": bool(row["reduce_only"]),
            "venue_order_id": row["venue_order_id"],
            "reason": row["reason"],
            "strategy": row["strategy"],
            "part": row["part"],
            "version_role": row["version_role"],
            "version": row["version"],
        }

    def _grid(self, found: Grid | None, symbol: str) -> Grid:
        if found is None:
            raise StorageError(
                f"{self._path}: account {self.account} lacks the contract rules of {symbol}; "
                "write them with: quarterdeck run"
            )
        return found

    def _units(self) -> Units:
        with storage_errors(self._path):
            return Units(self._connection, self.account)

    def _newest(self, table: str, limit: int | None) -> list[Json]:
        rows = self._rows(
            f"SELECT * FROM {table} WHERE account = :account ORDER BY seq DESC LIMIT :limit",  # noqa: S608
            limit=-1 if limit is None else limit,
        )
        return [{name: _finite(value) for name, value in row.items() if name not in _PLACE} for row in reversed(rows)]

    def _rows(self, sql: str, **values: Any) -> list[Json]:
        with storage_errors(self._path):
            rows: list[Json] = self._connection.execute(sql, {"account": self.account, **values}).fetchall()
            return rows

    @contextmanager
    def _one_view(self) -> Iterator[None]:
        """All reads inside see the same commit."""
        with storage_errors(self._path):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.rollback()


_PLACE = ("account", "seq")


def _decimals(tick: Decimal) -> int:
    exponent = tick.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> Json:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}


def _whose(row: Json) -> tuple[str, str, str]:
    """What a champion is one of."""
    return row["symbol"], row["strategy"], row["part"]


def _metrics(stored: list[tuple[str, Any]]) -> Json:
    """What a version's validation came to; a Sharpe ratio that does not stand on enough whole days is not told."""
    told = {name: _finite(value) for name, value in stored}
    if "sharpe" in told and (told.get("return_days") or 0.0) < LEAST_DAYS:
        told["sharpe"] = None
    return told


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _no_account(path: Path, account: str = "") -> UnavailableError:
    name = f"account {account}" if account else "account"
    return UnavailableError(f"no {name} in {path.parent} yet; start one with: quarterdeck run")
