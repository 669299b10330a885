"""The checks of `doctor` that need a home's stores, a strategy, worker processes, or the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.clock import Clock, ExchangeClock
from core.domain.errors import BadInputError, QuarterdeckError
from core.domain.finding import Finding
from core.home.folder import Home

if TYPE_CHECKING:
    from core.lab.service.stores import HomeStores


def examine(home: Home, stores: HomeStores, settings_path: Path | None, *, workers: bool) -> list[Finding]:
    """The checks of `doctor` that need storage, strategies or workers; each failure is one finding."""
    findings: list[Finding] = []

    def check(name: str, mend: str, look: Callable[[], str]) -> None:
        try:
            findings.append(Finding(name, ok=True, detail=look()))
        except QuarterdeckError as error:
            findings.append(Finding(name, ok=False, detail=str(error), mend=mend))

    check("database", "restore a backup, or choose another --home", lambda: _look_at_database(home, stores))
    check(
        "contract rules",
        "give them with: quarterdeck data rules import FILE",
        lambda: _look_at_instruments(home, stores, settings_path),
    )
    check("strategy", "mend the settings named", lambda: _look_at_strategy(home, settings_path))
    if workers:
        check("workers", "see the log for the worker's own error", lambda: _try_workers(home, settings_path))
        check("compute", "mend [compute] in the settings", lambda: _try_compute(home, settings_path))
    return findings


def _look_at_database(home: Home, stores: HomeStores) -> str:
    if not home.database.exists():
        return "none yet; the first run makes it"
    return f"whole; {len(stores.imported(thorough=True).data())} series of candles, funding and streams"


def _look_at_instruments(home: Home, stores: HomeStores, settings_path: Path | None) -> str:
    """The lab goes by the rules of the home, too: imported, fetched or read off its candles."""
    from core.market.contracts.instruments import chosen
    from core.market.contracts.known import known_rules
    from core.market.contracts.rules import ACCOUNT_COIN
    from core.settings.of_home import settings_of

    settings = settings_of(home, settings_path)
    wanted = settings.market.symbols
    of_home = stores.imported().rules() if home.database.exists() else ()
    known = [rules for rules in known_rules(of_home) if rules.symbol in wanted or rules.quote == ACCOUNT_COIN]
    return ", ".join(chosen({rules.symbol: rules.instrument(settings.costs) for rules in known}, wanted))


def _look_at_strategy(home: Home, settings_path: Path | None) -> str:
    from core.market.seeing import check_parts
    from core.settings.of_home import settings_of
    from core.strategy.loading import load_strategy

    settings = settings_of(home, settings_path)
    strategy = load_strategy(settings.strategy, settings)
    check_parts(strategy, settings.market.interval_ms)
    return strategy.name


def _try_workers(home: Home, settings_path: Path | None) -> str:
    """Start the worker processes and let them import and compile what they need."""
    from core.compute.lanes import WorkerPool
    from core.learning.forecaster import WorkerForecaster
    from core.settings.of_home import settings_of
    from core.strategy.loading import load_strategy

    settings = settings_of(home, settings_path)
    strategy = load_strategy(settings.strategy, settings)
    if not strategy.models:
        return f"none needed: {strategy.name} has no model"

    async def warm_up() -> None:
        pool = WorkerPool(settings.engine.training_workers, settings.engine.worker_nice)
        try:
            for part in strategy.models:
                await WorkerForecaster(strategy, pool, home.models, settings.demo.seed, part).warm_up()
        finally:
            await pool.close()

    asyncio.run(warm_up())
    return f"1 for predictions and {settings.engine.training_workers} for training start and answer"


def _try_compute(home: Home, settings_path: Path | None) -> str:
    from core.compute.pool import compute_of, probe
    from core.settings.of_home import settings_of

    return probe(compute_of(settings_of(home, settings_path).compute))


def examine_exchange(home: Home, settings_path: Path | None, clock: Clock) -> list[Finding]:
    """What `doctor` finds at the exchange of the settings; asks and changes nothing there."""
    from core.exchange.connection.keys import load_keys
    from core.exchange.dialects import dialect_of
    from core.exchange.doctor import diagnose
    from core.exchange.markets.symbols import with_exchange_symbols
    from core.home.key_environment import key_environment
    from core.settings.of_home import settings_of

    settings = with_exchange_symbols(settings_of(home, settings_path))
    try:
        keys = load_keys(key_environment(), home.keys, testnet=settings.exchange.testnet)
    except BadInputError as error:
        return [Finding("keys", ok=False, detail=str(error), mend="mend the place named")]
    dialect = dialect_of(settings.exchange.id)
    return asyncio.run(diagnose(settings, keys, ExchangeClock(clock), dialect, settings.market.symbols))
