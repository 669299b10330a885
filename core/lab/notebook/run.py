"""One stored run as a notebook has it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.lab.notebook.frames import frame
from core.lab.requests import Lab

if TYPE_CHECKING:
    import pandas as pd

    from core.lab.report.data import Report


class StoredRun:
    """A backtest or walk-forward of a home. `detail` is the row that `quarterdeck runs show --json` tells."""

    def __init__(self, lab: Lab, detail: Mapping[str, Any]) -> None:
        self._lab = lab
        self.detail = detail

    def __repr__(self) -> str:
        told = self.detail
        return f"{self.id} {told['strategy']} {', '.join(told['symbols'])}: {self.verdict}"

    @property
    def id(self) -> str:
        return str(self.detail["run_id"])

    @property
    def verdict(self) -> str:
        """What it comes to, in one sentence."""
        return str(self.detail["verdict"])

    @property
    def labels(self) -> tuple[str, ...]:
        """Warnings that belong beside every figure: that its market is made up, that it was stopped, and the like."""
        return tuple(self.detail["labels"])

    @property
    def figures(self) -> dict[str, float | None]:
        """Every statistic by its name with unit; None for one that does not exist."""
        return dict(self.detail["figures"])

    def trades(self) -> pd.DataFrame:
        """One row a closed trade, in order of the exits: symbol, side (+1 long, -1 short), entry_time, exit_time (UTC),
        qty (base units), entry_price, exit_price, gross_usdt, fees_usdt, funding_usdt, net_usdt, exit_reason, and what
        was planned of it; NaN for what is not known."""
        return frame(self._lab.trades(self.id), self._about)

    def equity(self) -> pd.DataFrame:
        """The account at every close, by time (UTC): equity_usdt with open positions, gross_usdt and net_usdt, their
        notional, and drawdown_pct, 0 or below."""
        from core.lab.statistics.series import drawdown_pct

        result = self._report.result
        curve = result.curve
        columns = {
            "time_ms": curve.time_ms,
            "equity_usdt": curve.equity_usdt,
            "gross_usdt": curve.gross_usdt,
            "net_usdt": curve.net_usdt,
            "drawdown_pct": drawdown_pct(curve.equity_usdt, result.initial_usdt),
        }
        return frame(columns, self._about, "time_ms")

    @cached_property
    def _report(self) -> Report:
        return self._lab.report(self.id)

    @property
    def _about(self) -> dict[str, Any]:
        return {name: self.detail[name] for name in ("run_id", "source", "is_synthetic", "data_hash", "labels")}
