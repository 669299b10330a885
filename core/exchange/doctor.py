"""What stands between this machine and trading on an exchange, in plain words, and a verdict."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from core.clock import ExchangeClock
from core.control.arming import account_of, labelled
from core.domain.errors import BadInputError, QuarterdeckError, SettingsError, VenueBusyError, VenueRejectedError
from core.domain.finding import Finding, worst
from core.exchange.account.setup import LEAST_BALANCE_USDT
from core.exchange.account.trading_right import MEND, ask_trading_right
from core.exchange.connection.client import build_client
from core.exchange.connection.flags import Flag, Stops
from core.exchange.connection.health import Health
from core.exchange.connection.keys import Keys, keys_mend
from core.exchange.connection.limiter import utc
from core.exchange.connection.requests import Requests
from core.exchange.connection.wire import Dialect, Wire
from core.exchange.markets.contracts import Contract, load_contracts
from core.exchange.markets.status import status_problem
from core.settings.schema import Settings


@dataclass(frozen=True, slots=True)
class _Check:
    finding: Finding
    stops: Stops = Stops.NOTHING


_SILENCE = "the exchange did not say"


async def diagnose(
    settings: Settings, keys: Keys | None, clock: ExchangeClock, dialect: Dialect, symbols: Sequence[str]
) -> list[Finding]:
    """Ask the exchange of `settings` everything that paper and live trading need; nothing is changed there.

    The last finding is the verdict: the worst of the others. What an exchange does not tell is unknown, and said to be.
    """
    try:
        client = build_client(settings.exchange, keys, clock.now_ms, dialect)
    except SettingsError as error:
        checks = [_wrong("exchange address", str(error), "correct exchange.base_url, or leave it empty", Stops.PAPER)]
        return [*(check.finding for check in checks), _verdict(checks, settings)]
    secrets = keys.secrets() if keys is not None else ()
    wire = Requests(client, dialect, clock, Health(), settings.exchange, secrets, random.Random(0).random)  # noqa: S311
    try:
        checks = await _checks(wire, settings, keys, symbols)
    finally:
        await wire.close()
    return [*(check.finding for check in checks), _verdict(checks, settings)]


async def _checks(wire: Requests, settings: Settings, keys: Keys | None, symbols: Sequence[str]) -> list[_Check]:
    checks = [_says(f"{wire.dialect.id} limits", sentence) for sentence in wire.dialect.lacks]
    checks += [
        _wrong(f"{wire.dialect.id} live", sentence, "trade it on paper, or choose another exchange", Stops.LIVE)
        for sentence in wire.dialect.live_blockers
    ]
    reach = await _reach(wire, settings)
    checks += reach
    if any(check.stops for check in reach):
        return checks
    contracts, traded = await _contracts(wire, symbols)
    checks += contracts
    testnet = settings.exchange.testnet
    account = await _account(wire, keys, is_live=settings.mode == "live" or testnet, testnet=testnet)
    checks += account
    readable = keys is not None and not any(check.stops for check in account)
    if readable:
        # The test hosts have no such endpoint, and nothing that could be withdrawn.
        checks += [] if testnet else await _permissions(wire)
        checks += await _modes(wire, settings, traded)
        checks += [await _trading(wire, symbol) for symbol in traded[:1]]
    return checks + await _filters(wire, settings, traded, with_account=readable)


async def _trading(wire: Wire, symbol: str) -> _Check:
    right = await ask_trading_right(wire, symbol)
    if right.granted is None:
        return _unknown("trading right", right.detail)
    if right.granted:
        return _says("trading right", right.detail)
    return _wrong("trading right", right.detail, MEND, Stops.LIVE)


async def _reach(wire: Requests, settings: Settings) -> list[_Check]:
    where = settings.exchange.base_url or f"the address of {wire.dialect.id}"
    if settings.exchange.testnet:
        where = f"TESTNET, {settings.exchange.base_url or f'the test hosts of {wire.dialect.id}'}"
    try:
        offset = await wire.time.measure()
    except VenueBusyError as error:
        mend = f"ask again after {utc(error.retry_ms)}: the exchange was reached, and wants no request before"
        return [_wrong("exchange reachable", f"{where}: {error}", mend, Stops.PAPER)]
    except QuarterdeckError as error:
        mend = "check this machine's network, and exchange.id and exchange.base_url in the settings"
        return [_wrong("exchange reachable", f"{where}: {error}", mend, Stops.PAPER)]
    told = f"this machine is {-offset.offset_ms:+d} ms from the exchange, within {offset.uncertainty_ms} ms"
    checks = [_says("exchange reachable", f"{where} answers")]
    if abs(offset.offset_ms) > settings.exchange.max_clock_offset_ms:
        # Requests are signed by the exchange's time, so that this stops nothing.
        checks.append(_wrong("clock", told, "set this machine's clock by NTP (chrony or systemd-timesyncd)"))
    else:
        checks.append(_says("clock", told))
    return checks


async def _contracts(wire: Requests, symbols: Sequence[str]) -> tuple[list[_Check], list[str]]:
    """And the symbols that the exchange trades."""
    checks: list[_Check] = []
    traded: list[str] = []
    for symbol in symbols:
        try:
            traded += await wire.load_symbols([symbol])
        except BadInputError as error:
            checks.append(_wrong(f"contract {symbol}", str(error), "correct exchange.symbols", Stops.PAPER))
        except QuarterdeckError as error:
            checks.append(_wrong(f"contract {symbol}", str(error), "try again later", Stops.PAPER))
    return checks, traded


async def _account(wire: Wire, keys: Keys | None, *, is_live: bool, testnet: bool) -> list[_Check]:
    if keys is None and not is_live:
        return [_Check(Finding("API key", True, "none; paper needs none, live does"), Stops.LIVE)]
    if keys is None:
        return [_wrong("API key", "none", keys_mend(testnet=testnet), Stops.LIVE)]
    found = _says("API key", f"present, tag {keys.tag}")
    try:
        balance = await wire.read("fetch_balance")
    except VenueRejectedError as error:
        mend = "check the key, its secret and its permission for futures, and that its IP list holds this machine"
        return [found, _wrong("account", str(error), mend, Stops.LIVE)]
    except QuarterdeckError as error:
        return [found, _wrong("account", str(error), "try again later", Stops.LIVE)]
    wallet = (balance.get("total") or {}).get("USDT")
    told = "readable, holds no USDT" if not wallet else f"readable, {wallet:,.2f} USDT"
    return [found, _says("account", told), *_balance(wallet or 0.0)]


def _balance(wallet_usdt: float) -> list[_Check]:
    if wallet_usdt >= LEAST_BALANCE_USDT:
        return []
    detail = f"{wallet_usdt:,.2f} USDT, under {LEAST_BALANCE_USDT:.0f}: the least orders may be more than sizing allows"
    return [_wrong("balance", detail, "transfer USDT to the futures account")]


async def _permissions(wire: Wire) -> list[_Check]:
    asked = wire.dialect.key_rights
    if asked is None:
        return [_unknown("key permissions", "this exchange does not tell them")]
    rights = await _asked(wire, asked.method)
    if not isinstance(rights, dict):
        return [_unknown("key permissions", rights), _unknown("key IP list", rights)]
    return [_flag(rights, flag) for flag in asked.flags]


async def _modes(wire: Wire, settings: Settings, symbols: Sequence[str]) -> list[_Check]:
    checks = [await _position_mode(wire)]
    checks += await _leverages(wire, settings, symbols)
    for asked in wire.dialect.account_flags:
        answer = await _asked(wire, asked.method)
        checks += [_flag(answer, flag) for flag in asked.flags]
    return checks


async def _position_mode(wire: Wire) -> _Check:
    answer = await _asked(wire, "fetch_position_mode")
    hedged = answer.get("hedged") if isinstance(answer, dict) else None
    if hedged is None:
        return _unknown("position mode", answer if isinstance(answer, str) else _SILENCE)
    if hedged:
        mend = "close all positions and orders there; a live start then sets one-way mode"
        return _wrong("position mode", "hedge mode", mend, Stops.LIVE)
    return _says("position mode", "one-way")


async def _leverages(wire: Wire, settings: Settings, symbols: Sequence[str]) -> list[_Check]:
    wanted = f"{settings.exchange.margin_mode}, {settings.account.leverage}x"
    rows = await _leverage_rows(wire, symbols)
    checks: list[_Check] = []
    for symbol in symbols:
        row = rows.get(symbol) if isinstance(rows, dict) else None
        if not row:
            why = rows if isinstance(rows, str) else _SILENCE
            checks.append(_unknown(f"leverage {symbol}", why))
            continue
        if not row.get("marginMode") or not row.get("longLeverage"):
            checks.append(
                _unknown(f"leverage {symbol}", f"margin mode {row.get('marginMode')}, {row.get('longLeverage')}x")
            )
            continue
        told = f"{row['marginMode']}, {row['longLeverage']}x"
        later = "" if told == wanted else f"; a live start sets {wanted}"
        checks.append(_says(f"leverage {symbol}", f"{told}{later}"))
    return checks


async def _leverage_rows(wire: Wire, symbols: Sequence[str]) -> dict[str, Any] | str:
    if wire.client.has.get("fetchLeverages") is True:
        answer = await _asked(wire, "fetch_leverages", [wire.unified(symbol) for symbol in symbols])
        if isinstance(answer, dict):
            return {wire.symbol(unified): row for unified, row in answer.items()}
        return answer
    if wire.client.has.get("fetchLeverage") is True:
        rows = {symbol: await _asked(wire, "fetch_leverage", wire.unified(symbol)) for symbol in symbols}
        return {symbol: row for symbol, row in rows.items() if isinstance(row, dict)}
    return "this exchange does not tell it"


async def _filters(wire: Wire, settings: Settings, symbols: Sequence[str], *, with_account: bool) -> list[_Check]:
    checks: list[_Check] = []
    for symbol in symbols:
        try:
            found = await load_contracts(wire, settings, [symbol], with_account=with_account)
        except QuarterdeckError as error:
            checks.append(_wrong(f"contract {symbol}", str(error), "take it out of exchange.symbols", Stops.PAPER))
            continue
        checks.append(_contract(found[symbol], settings, with_account=with_account))
        problem = status_problem(wire.client.markets[wire.unified(symbol)], wire.clock.now_ms(), wire.dialect)
        if problem:
            checks.append(_wrong(f"status {symbol}", problem, "until then it is not entered; trade another contract"))
    return checks


def _contract(contract: Contract, settings: Settings, *, with_account: bool) -> _Check:
    """Without an account terms are assumed, which is all that paper has; with one they should have been told."""
    instrument = contract.instrument
    name = f"contract {instrument.symbol}"
    if not with_account:
        assumed = "assumed without an account: "
    else:
        assumed = f"not told and assumed {' and '.join(contract.assumed)}: " if contract.assumed else ""
    told = (
        f"tick {instrument.tick_size:f} USDT, lot {instrument.qty(1):f} {instrument.base}, "
        f"at least {instrument.min_notional_usdt:f} USDT, {assumed}up to {instrument.max_leverage}x, "
        f"fees {instrument.maker_fee_bps:f} (maker) and {instrument.taker_fee_bps:f} bps"
    )
    if settings.account.leverage > instrument.max_leverage:
        return _wrong(name, told, f"lower account.leverage to {instrument.max_leverage} or less", Stops.LIVE)
    if instrument.min_notional_usdt > Decimal(repr(settings.limits.max_order_notional_usdt)):
        return _wrong(name, told, "raise limits.max_order_notional_usdt above the least order", Stops.PAPER)
    return _Check(Finding(name, None, told)) if with_account and assumed else _says(name, told)


async def _asked(wire: Wire, method: str, *args: Any) -> dict[str, Any] | str:
    """The answer, or in words why there is none."""
    try:
        answer = await wire.read(method, *args)
    except QuarterdeckError as error:
        return str(error)
    return answer if isinstance(answer, dict) else _SILENCE


def _flag(answer: dict[str, Any] | str, flag: Flag) -> _Check:
    value = answer.get(flag.key) if isinstance(answer, dict) else None
    if value is None:
        return _unknown(flag.name, answer if isinstance(answer, str) else _SILENCE)
    is_set = value is True or str(value).lower() == "true"
    if is_set is flag.ok_when:
        return _says(flag.name, flag.well)
    return _wrong(flag.name, flag.wrong, flag.way_out, flag.stops)


def _says(name: str, detail: str) -> _Check:
    return _Check(Finding(name, True, detail))


def _unknown(name: str, why: str, mend: str = "") -> _Check:
    return _Check(Finding(name, None, f"unknown: {why}", mend))


def _wrong(name: str, detail: str, mend: str, stops: Stops = Stops.NOTHING) -> _Check:
    return _Check(Finding(name, False, detail, mend), stops)


def _verdict(checks: Sequence[_Check], settings: Settings) -> Finding:
    verdict = _verdict_of(checks, can_be_paper=not settings.exchange.testnet)
    return replace(verdict, detail=labelled(account_of(settings, "live"), verdict.detail))


def _verdict_of(checks: Sequence[_Check], *, can_be_paper: bool) -> Finding:
    def named(least: Stops) -> str:
        return ", ".join(dict.fromkeys(check.finding.name for check in checks if check.stops >= least))

    no_live = named(Stops.LIVE)
    no_paper = named(Stops.PAPER) if can_be_paper else no_live
    ok = worst([check.finding for check in checks])
    if no_paper:
        return Finding("exchange verdict", False, f"not ready: {no_paper}", "mend what is named above")
    if no_live:
        told = f"ready for paper; not for live: {no_live}"
        return Finding("exchange verdict", ok, told, "" if ok else "mend what is named above")
    if ok is None:
        untold = ", ".join(dict.fromkeys(check.finding.name for check in checks if check.finding.ok is None))
        mend = "ask again later, or look at the exchange's own page"
        return Finding("exchange verdict", None, f"ready for live as far as is known; not known: {untold}", mend)
    if ok:
        return Finding("exchange verdict", True, "ready for live")
    warned = ", ".join(dict.fromkeys(check.finding.name for check in checks if not check.finding.ok))
    return Finding("exchange verdict", False, f"live starts, but look at: {warned}", "mend what is marked NOT above")
