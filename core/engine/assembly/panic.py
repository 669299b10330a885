"""Closing at the exchange without an engine what the home's live journal owns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock, ExchangeClock
from core.domain.errors import RefusedError, SettingsError, UnavailableError
from core.domain.rows import Row
from core.engine.assembly.account import EXCHANGE
from core.engine.assembly.place import place_of, server_of
from core.home.folder import Home, engine_pid

if TYPE_CHECKING:
    from core.engine.assembly.stores import EngineStores
    from core.exchange.connection.keys import Keys
    from core.exchange.orders.panic import Panic
    from core.exchange.orders.panic_plan import Owned, Plan
    from core.settings.schema import Settings

    PanicAt = Callable[[], AbstractAsyncContextManager[Panic]]


def panic(
    home: Home,
    stores: EngineStores,
    clock: Clock,
    settings_path: Path | None,
    everything: bool,
    tell: Callable[[str], None],
    confirm: Callable[[str], None] | None,
) -> Row:
    """As `tui.cli.runtime.Runtime.panic` says."""
    from core.control.arming import account_of, labelled
    from core.exchange.connection.keys import keys_mend, load_keys
    from core.home.key_environment import key_environment

    settings = _account_settings(settings_path or home.settings, tell, is_named=settings_path is not None)
    testnet = settings.exchange.testnet
    keys = load_keys(key_environment(), home.keys, testnet=testnet)
    if keys is None:
        raise RefusedError(f"panic needs the API key of the account: {keys_mend(testnet=testnet)}")
    if (pid := engine_pid(home)) is not None:
        who = f"an engine{f' (process {pid})' if pid else ''}"
        tell(f"WARNING: {who} runs here: `quarterdeck flatten` is the better way; it may act against a panic")
    account = account_of(settings, "live")
    owned = stores.owned(account, EXCHANGE)
    tell(labelled(account, f"account: {settings.exchange.id}{server_of(settings)}, API key ...{keys.tag}"))
    _check_owned(owned, settings, everything, tell)
    at = partial(_panic_at, settings, keys, ExchangeClock(clock), owned, tell, everything=everything)
    if confirm is not None:
        plan = asyncio.run(_look(at, tell))
        if plan.is_done:
            tell("nothing to close and nothing to withdraw")
            left = list(plan.unknown)
            return {"flat": not left, "left": left, "exit_code": RefusedError.exit_code if left else 0}
        confirm(keys.tag)
    return asyncio.run(_act(at))


def _account_settings(path: Path, tell: Callable[[str], None], *, is_named: bool) -> Settings:
    from core.settings.schema import Settings, load_exchange, load_settings

    if not path.exists() and not is_named:
        return Settings()
    try:
        return load_settings(path)
    except SettingsError as error:
        settings = load_exchange(path)
        tell(f"of the settings only [exchange] is used: {error}")
        return settings


def _check_owned(owned: Owned, settings: Settings, everything: bool, tell: Callable[[str], None]) -> None:
    """Raises what keeps us from knowing what is ours, unless everything goes in any case."""
    from core.exchange.orders.panic_plan import doubt

    if owned.note:
        tell(owned.note)
    unknown = doubt(owned, place_of(settings))
    if unknown is None:
        return
    if not everything:
        raise type(unknown)(
            f"{unknown}; what of the account is ours is not known, and nothing was closed: "
            "`quarterdeck panic --everything` closes all"
        )
    tell(f"what of the account is ours is not known: {unknown}")


@asynccontextmanager
async def _panic_at(
    settings: Settings,
    keys: Keys,
    clock: ExchangeClock,
    owned: Owned,
    tell: Callable[[str], None],
    *,
    everything: bool,
) -> AsyncIterator[Panic]:
    from core.exchange.dialects import dialect_of
    from core.exchange.orders.panic import Panic
    from core.exchange.orders.panic_wire import open_panic_wire

    dialect = dialect_of(settings.exchange.id)
    wire = await open_panic_wire(settings, keys, clock, dialect, tell)
    try:
        yield Panic(wire, settings, owned, tell, everything=everything)
    finally:
        await wire.close()


async def _look(at: PanicAt, tell: Callable[[str], None]) -> Plan:
    async with at() as panic:
        plan = await panic.look()
    for line in plan.lines():
        tell(line)
    return plan


async def _act(at: PanicAt) -> Row:
    async with at() as panic:
        outcome = await panic.run()
    code = 0
    if not outcome.is_flat:
        code = UnavailableError.exit_code if outcome.is_out_of_reach else RefusedError.exit_code
    return {"flat": outcome.is_flat, "left": list(outcome.left), "exit_code": code}
