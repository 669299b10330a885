"""The page's charts: equity with its references and drawdown, monthly returns, trades."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.lab.report.data import Report
from core.lab.statistics.series import drawdown_pct, month_returns, thin_indices

MOST_POINTS = 4_000
"""Points drawn of one line: two for each pixel column of a wide screen."""

MOST_TRADES = 5_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_RUN, _LOSS, _REFERENCES = "#2f81f7", "#d9730d", ("#8c8c8c", "#2da44e", "#a371f7", "#bf8700")
_DASHES = ("dash", "dot", "dashdot", "longdash")


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as an HTML fragment that needs plotly.js on its page; `note` says what is not drawn."""

    title: str
    note: str
    html: str


def charts(report: Report) -> tuple[Chart, ...]:
    """The charts that the run has something for."""
    found = []
    if len(report.result.curve):
        found += [_equity(report), _months(report)]
    if len(report.result.trades):
        found.append(_trades(report))
    return tuple(found)


def _equity(report: Report) -> Chart:
    from plotly.subplots import make_subplots

    curve, initial = report.result.curve, report.result.initial_usdt
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.05)
    lines = {"this run": curve, **report.references}
    for index, (name, line) in enumerate(lines.items()):
        kept = thin_indices(line.equity_usdt, MOST_POINTS)
        style = (
            {"color": _REFERENCES[(index - 1) % len(_REFERENCES)], "dash": _DASHES[(index - 1) % len(_DASHES)]}
            if index
            else {"color": _RUN}
        )
        figure.add_scatter(
            x=_dates(line.time_ms[kept]), y=line.equity_usdt[kept], name=escape(name), mode="lines",
            line={"width": 1.5, **style}, row=1, col=1,
        )  # fmt: skip
    depth = drawdown_pct(curve.equity_usdt, initial)
    kept = thin_indices(depth, MOST_POINTS)
    figure.add_scatter(
        x=_dates(curve.time_ms[kept]), y=depth[kept], name="drawdown", mode="lines", fill="tozeroy",
        line={"width": 1, "color": _LOSS}, row=2, col=1,
    )  # fmt: skip
    figure.update_yaxes(title_text="equity, USDT", row=1, col=1)
    figure.update_yaxes(title_text="drawdown, %", row=2, col=1)
    longest = max(len(line) for line in lines.values())
    note = (
        f"Drawn from {longest:,} closes: the lowest and the highest of every {-(-longest // (MOST_POINTS // 2 - 1)):,} "
        "are kept, so no extreme is lost."
        if longest > MOST_POINTS
        else ""
    )
    return Chart("Equity and drawdown", note, _fragment(report, figure, "equity", 600))


def _months(report: Report) -> Chart:
    from plotly import graph_objects as go

    months, returns = month_returns(report.result)
    index = months.astype(np.int64)  # months since 1970-01
    first_year, last_year = 1970 + int(index[0]) // 12, 1970 + int(index[-1]) // 12
    grid = np.full((last_year - first_year + 1, 12), np.nan)
    grid[index // 12 + 1970 - first_year, index % 12] = returns * 100
    texts = [[f"{value:+.2f}" if np.isfinite(value) else "" for value in row] for row in grid]
    heat = go.Heatmap(
        z=grid, x=_MONTHS, y=[str(year) for year in range(first_year, last_year + 1)], text=texts,
        texttemplate="%{text}", hovertemplate="%{y} %{x}: %{text} %<extra></extra>", colorscale="PuOr",
        zmid=0, xgap=2, ygap=2, colorbar={"title": {"text": "%"}},
    )  # fmt: skip
    figure = go.Figure(heat)
    figure.update_yaxes(autorange="reversed", type="category")
    note = "Percent of the month's opening equity; the first and the last month may not be whole."
    return Chart("Monthly returns", note, _fragment(report, figure, "months", 170 + 40 * len(grid)))


def _trades(report: Report) -> Chart:
    from plotly import graph_objects as go

    trades = report.result.trades
    kept = thin_indices(trades.net_usdt, MOST_TRADES)
    figure = go.Figure()
    for side, name, mark, color in ((1, "long", "triangle-up", _RUN), (-1, "short", "triangle-down", _LOSS)):
        chosen = kept[trades.side[kept] == side]
        figure.add_scatter(
            x=_dates(trades.exit_time_ms[chosen]), y=trades.net_usdt[chosen], name=name, mode="markers",
            marker={"symbol": mark, "color": color, "size": 7, "opacity": 0.7},
            customdata=[
                [escape(str(trades.symbol[i])), escape(str(trades.exit_reason[i])), held]
                for i, held in zip(chosen, _minutes(trades.exit_time_ms - trades.entry_time_ms, chosen), strict=True)
            ],
            hovertemplate="%{customdata[0]}, %{customdata[1]}, held %{customdata[2]} min: %{y:+.2f} USDT<br>%{x}",
        )  # fmt: skip
    figure.update_yaxes(title_text="net, USDT")
    note = (
        f"{len(kept):,} of {len(trades):,} trades are drawn: the best and the worst of every run of neighbours."
        if len(kept) < len(trades)
        else ""
    )
    return Chart("Trades at their exits", note, _fragment(report, figure, "trades", 420))


def _fragment(report: Report, figure: Any, name: str, height_px: int) -> str:
    """The labels are drawn into the chart too: a chart is copied without its page."""
    figure.update_layout(
        height=height_px, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font={"color": "#767676"},
        margin={"l": 70, "r": 20, "t": 70, "b": 40}, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        hovermode="closest", modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#767676"},
    )  # fmt: skip
    if labels := report.short_labels():
        figure.add_annotation(
            text=f"<b>{escape(' | '.join(labels))}</b>", xref="paper", yref="paper", x=1, y=1, xanchor="right",
            yanchor="bottom", showarrow=False, font={"color": _LOSS, "size": 14},
        )  # fmt: skip
    # Plotly's bar has a button that uploads the chart; a page of somebody's trades must not.
    config = {"displaylogo": False, "responsive": True, "showSendToCloud": False}
    return str(figure.to_html(config=config, include_plotlyjs=False, full_html=False, div_id=name))


def _dates(time_ms: NDArray[np.int64]) -> list[str]:
    return np.datetime_as_string(time_ms.astype("datetime64[ms]"), unit="s").tolist()  # type: ignore[no-any-return]


def _minutes(held_ms: NDArray[np.int64], chosen: NDArray[np.int64]) -> list[int]:
    return (held_ms[chosen] // 60_000).tolist()  # type: ignore[no-any-return]
