"""What every request to the lab of a home stands on: its stores, its plans, what was tried, and the record of a run.

Heavy imports stand inside the functions that need them, so that a read verb answers at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from core.clock import Clock
from core.domain.errors import BadInputError
from core.home.folder import Home
from core.lab.requests import BacktestRequest, Engine
from core.lab.service.plan import Plan, make_plan, open_learners
from core.settings.values import Grid, Market

if TYPE_CHECKING:
    from core.domain.forecast import Forecast
    from core.lab.run.result import RunResult
    from core.lab.search.trials import TrialCount
    from core.lab.service.plan import Values
    from core.lab.service.records import RunRecord
    from core.lab.service.stores import HomeStores, LabStore, MarketStore

COMPILING = "getting ready; the very first time compiles for half a minute"

Kind = Literal["backtest", "walkforward"]


class Bench:
    """Of one home. Nothing is opened or made before something is asked for. `now_ms` is this machine's time."""

    def __init__(self, home: Home, stores: HomeStores, clock: Clock) -> None:
        self.home = home
        self.now_ms = clock.now_ms
        self._stores = stores
        self._markets: dict[Market, MarketStore] = {}

    @cached_property
    def store(self) -> LabStore:
        self.home.create()
        return self._stores.lab()

    def market(self, name: Market) -> MarketStore:
        """The candles of a market. One that is not the operator's own is used by its name alone."""
        if name not in self._markets:
            self.home.create()
            # Nothing of a year of candles is read but what a query asks for, and a query tells of damage.
            self._markets[name] = self._stores.recorded() if name == "recorded" else self._stores.imported()
        return self._markets[name]

    def plan(self, request: BacktestRequest, space: Grid | None = None) -> Plan:
        """See `make_plan`."""
        from core.arithmetic.compiler import ready_compiler
        from core.home.garbage import collect_garbage

        plan = make_plan(self.home, self.market, request, space, self._told)
        ready_compiler()
        collect_garbage()
        return plan

    def _told(self, strategy: str) -> Sequence[Forecast]:
        return self._stores.accounts(thorough=False).told_in_real_time(strategy)

    def fault(self, plan: Plan, predictions: str | None) -> str:
        """Why nothing of the plan can be believed, as a label; that of the run whose predictions it takes."""
        from core.lab.checks.truncation import quick_fault

        if predictions is not None:
            return self.store.load(predictions).provenance.fault
        return quick_fault(plan.strategy, plan.history, open_learners(plan.strategy), plan.seed)

    def values(self, plan: Plan, run_id: str | None) -> Values | None:
        """The predictions of a stored run over the plan's history."""
        if run_id is None:
            return None
        from core.lab.checks.run import values_of
        from core.market.intervals import interval_text

        record = self.store.load(run_id)
        lacking = [symbol for symbol in plan.history.symbols if symbol not in record.result.predictions]
        if lacking or record.provenance.strategy != plan.strategy.name:
            raise BadInputError(
                f"{run_id}: is a run of {record.provenance.strategy} on {', '.join(record.provenance.symbols)}; "
                f"name one of {plan.strategy.name} on {', '.join(plan.history.symbols)}"
            )
        theirs, ours = (interval_text(one) for one in (record.provenance.interval_ms, plan.history.interval_ms))
        if theirs != ours:
            raise BadInputError(f"{run_id}: predicted at the closes of {theirs} bars; name a run on {ours} bars")
        return values_of(record.result, plan.history, plan.strategy.outputs)

    def assessed(
        self, plan: Plan, kind: Kind, engine: Engine, result: RunResult, fault: str, also: Collection[str] = ()
    ) -> RunRecord:
        """The record of a run, with all its figures. A walk-forward chose its parameters before what it trades, from
        sets whose hashes are `also`."""
        from core.lab.data.notes import data_rows
        from core.lab.service.records import RunRecord
        from core.lab.statistics.assessment import assess
        from core.lab.validation.random_entry import random_entry

        history = plan.history
        tried = self.tried_with(plan, result, also)
        judgement = assess(result, history, plan.settings.costs, tried, plan.seed)
        figures, references = dict(judgement.figures), dict(judgement.references)
        drawn = random_entry(result, history, plan.settings, plan.strategy, plan.instruments, plan.seed)
        if drawn is not None:
            figures |= {"random_entries": float(drawn.runs), "random_entry_usdt": drawn.median_final_usdt}
            figures["random_entry_beaten_pct"] = drawn.beaten_pct
            references["random entry"] = drawn.curve
        chosen_here = kind == "backtest" and self.store.was_searched(
            plan.strategy.name, history.symbols, history.from_ms, history.to_ms, plan.own_hash()
        )
        return RunRecord(
            kind=kind,
            created_ms=self.now_ms(),
            status="complete" if result.complete else "partial",
            provenance=plan.provenance(engine, in_sample=chosen_here, trials=tried.trials, fault=fault),
            result=result,
            figures=figures,
            breakdowns={**judgement.breakdowns, **data_rows(history, plan.settings.lab.jump_volatilities)},
            overrides=plan.overrides,
            note=plan.note,
            references=references,
        )

    def tried(
        self, plan: Plan, days: int, own: Mapping[str, float | None] = MappingProxyType({}), also: Collection[str] = ()
    ) -> TrialCount:
        """How often parameters of the strategy were tried on such data; see `LabStore.count_trials`."""
        history = plan.history
        where = (plan.strategy.name, history.symbols, history.from_ms, history.to_ms, history.interval_ms)
        return self.store.count_trials(*where, days, own, also)

    def tried_with(self, plan: Plan, result: RunResult, also: Collection[str] = ()) -> TrialCount:
        """Likewise, the plan's own set with what came of it among them."""
        from core.lab.statistics.assessment import returns_of
        from core.lab.validation.luck import moments

        returns = returns_of(result, plan.history)
        shape = moments(returns)
        return self.tried(plan, len(returns), {plan.own_hash(): None if shape is None else shape.sharpe}, also)
