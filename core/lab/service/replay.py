"""An account of a home replayed from its journal."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.domain.errors import UnavailableError
from core.domain.market import MINUTE_MS
from core.domain.rows import Row
from core.engine.assembly.account import EXCHANGE, MARKET
from core.home.folder import Home, check_begun
from core.market.shipped import INSTRUMENTS

if TYPE_CHECKING:
    from core.engine.assembly.stores import CandleDatabase
    from core.lab.service.stores import HomeStores


async def verify_account(home: Home, stores: HomeStores, settings_path: Path | None) -> Row:
    """Replay the account written last, each stretch of its journal by the rules that its start kept."""
    from core.engine.starts import Rules, Start, changes, read_starts
    from core.exchange.markets.symbols import with_exchange_symbols
    from core.lab.replay.verify import verify
    from core.market.contracts.instruments import chosen, load_instruments
    from core.settings.of_home import settings_of
    from core.strategy.code_version import code_version
    from core.strategy.loading import load_strategy
    from core.trader.account import Opening
    from core.trader.ids import form_in
    from core.trader.trader import Trader

    check_begun(home)
    accounts = stores.accounts()
    settings = settings_of(home, settings_path)
    with accounts.written() as journal:
        meta = journal.meta()
        if "opening" not in meta:
            raise UnavailableError(f"{home.root}: its first start did not come as far as a record; start it again")
        opening = Opening.from_json(meta["opening"])
        settings = settings.with_initial_balance(opening.initial_balance_usdt)
        exchange, stored_market = meta.get(EXCHANGE), meta.get(MARKET, "recorded")
        if exchange is None and stored_market == "recorded":
            known = load_instruments(INSTRUMENTS, settings.costs)
            today = Rules(settings, chosen(known, settings.market.symbols))
        else:
            today = Rules(with_exchange_symbols(settings), journal.instruments())
        starts = read_starts(meta)
        if starts and starts[0].seq == 0:
            notes = [f"changed since the last start: {change}" for change in changes(starts[-1].rules, today)]
            code = code_version(settings.strategy)
            if starts[-1].code not in ("", code):
                notes.append(f"changed since the last start: the code was {starts[-1].code}, is {code}")
        else:
            until = starts[0].seq if starts else journal.last_seq
            notes = [f"the settings of the first {until:,} records were not kept: replayed with those of today"]
            form = form_in(record for _, record in journal.records(1, until))
            starts.insert(0, Start(0, replace(today, id_form=form)))
        if exchange is not None:
            market: CandleDatabase = stores.exchange_market(exchange)
        else:
            market = stores.recorded_as_it_lies() if stored_market == "recorded" else stores.imported()
        candles = await market.candles(opening.interval_minutes * MINUTE_MS, read_only=True)
        try:
            found = await verify(
                journal,
                candles,
                starts,
                opening.start_ms,
                lambda rules: Trader(
                    journal.account,
                    load_strategy(rules.settings.strategy, rules.settings),
                    rules.settings,
                    rules.instruments,
                    rules.retired,
                    rules.id_form,
                ),
            )
        finally:
            await candles.close()
    return {"account": journal.account, "equal": found.first_difference is None, **asdict(found), "notes": notes}
