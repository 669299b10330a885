from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from core.lab.report.data import Report
from core.lab.report.html_charts import MOST_POINTS, MOST_TRADES, charts
from core.lab.report.html_page import SECURITY_POLICY, html_report
from tests.core.lab.sample_report import LABELLED, STATISTICS, curve_of, sample_report, walk

EVIL = '<script>alert("x")</script><img src=http://evil.example/a.png onerror=alert(1)>&'


class Page(HTMLParser):
    """Tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.title = ""
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "title":
            self.title += data
        elif self._open not in ("script", "style"):
            self.text.append(data)


@pytest.fixture(scope="module")
def labelled_page() -> str:
    return html_report(sample_report(**LABELLED))


def own_part(page: str) -> str:
    return page.replace(get_plotlyjs(), "")


def plots(report: Report) -> dict[str, tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]]:
    """What each chart hands to plotly.js: traces, layout, config."""
    found = {}
    decode = json.JSONDecoder().raw_decode
    for chart in charts(report):
        call = chart.html[chart.html.index("Plotly.newPlot(") :]
        name, values, at = re.findall(r'"(\w+)"', call)[0], [], call.index(",") + 1
        for _ in range(3):
            at += len(call[at:]) - len(call[at:].lstrip(" \n,"))
            value, length = decode(call[at:])
            values.append(value)
            at += length
        found[name] = (values[0], values[1], values[2])
    return found


def test_the_page_loads_nothing(labelled_page: str) -> None:
    page = Page(labelled_page)
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base", "a", "form"), tag
        assert not {"src", "href", "srcset", "data", "action", "poster"} & set(attributes), (tag, attributes)
    own = own_part(labelled_page)
    assert get_plotlyjs() in labelled_page
    assert not re.search(r"https?:|url\(|@import|//[a-z]+\.", own)


def test_the_browser_is_told_to_load_nothing(labelled_page: str) -> None:
    policy = next(a["content"] for t, a in Page(labelled_page).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == SECURITY_POLICY
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    # The policy must come before the first script to bind it.
    assert labelled_page.index("Content-Security-Policy") < labelled_page.index("<script")


def test_no_button_uploads_a_chart() -> None:
    for _, _, config in plots(sample_report()).values():
        assert config["showSendToCloud"] is False
        assert config["displaylogo"] is False


def test_the_labels_come_before_everything_and_stay_in_sight(labelled_page: str) -> None:
    body = labelled_page[labelled_page.index("<body>") :]
    assert body.startswith('<body><div class="labels" role="alert"><div>SYNTHETIC DATA: not performance</div>')
    assert re.search(r"\.labels \{[^}]*position: sticky", labelled_page)
    assert Page(labelled_page).title.startswith("[SYNTHETIC DATA] [IN-SAMPLE] [PARTIAL] ema_cross, 2025-01-01")
    assert all(
        layout["annotations"][0]["text"] == "<b>SYNTHETIC DATA | IN-SAMPLE | PARTIAL</b>"
        for _, layout, _ in plots(sample_report(**LABELLED)).values()
    )


def test_the_title_says_strategy_and_period() -> None:
    page = Page(html_report(sample_report()))
    assert page.title == "ema_cross, 2025-01-01 00:00 UTC to 2025-01-05 00:00 UTC"
    assert 'class="labels"' not in html_report(sample_report())


def test_figures_breakdowns_references_and_provenance_are_on_the_page() -> None:
    page = Page(html_report(sample_report()))
    text = "|".join(page.text)
    words = [
        "Sharpe|1.234", "total return|12.35 %", "overfit probability|-", "ulcer index|3.30 %",
        "its length|3 d 4 h",
        "By symbol|", "BTCUSDT|33|8.25|45.50|-", "By exit reason|", "stop|38|-91.20", "buy and hold|", "cooldown|12",
        "data hash|5f1c2ab4", "code version|200bb22", "seed|7", "trials|1,250", "recorded: a test", '"fast": 12',
    ]  # fmt: skip
    assert [word for word in words if word not in text] == []


def test_everything_from_outside_is_escaped() -> None:
    evil = sample_report(
        strategy=EVIL, source=EVIL, settings_json=EVIL, engine=EVIL, symbols=(EVIL,), data_hash=EVIL, code_version=EVIL,
        statistics=STATISTICS | {EVIL: 1.0}, breakdowns={EVIL: [{EVIL: EVIL}]}, result={"vetoes": {EVIL: 1}},
    )  # fmt: skip
    trades, references = evil.result.trades, {EVIL: curve_of(walk(5_760, seed=3))}
    object.__setattr__(trades, "symbol", np.full(len(trades), EVIL))
    object.__setattr__(trades, "exit_reason", np.full(len(trades), EVIL))
    object.__setattr__(evil, "references", references)
    clean, page = Page(html_report(sample_report())), Page(html_report(evil))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("script") == [tag for tag, _ in clean.tags].count("script")
    assert "img" not in tags
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert EVIL in page.title
    for traces, _, _ in plots(evil).values():
        assert "<script" not in json.dumps(
            [{k: v for k, v in trace.items() if k != "hovertemplate"} for trace in traces]
        )


def test_a_long_curve_is_thinned_and_says_so() -> None:
    equity = walk(50_000)
    equity[12_345], equity[34_567] = 1.0, 99_999.0
    report = sample_report(slots=50_000, trades=12_000, result={"curve": curve_of(equity), "final_usdt": 1.0})
    equity_chart, _, trades_chart = charts(report)
    drawn = plots(report)
    for trace in drawn["equity"][0]:
        assert len(trace["x"]) <= MOST_POINTS
    y = np.frombuffer(_bytes(drawn["equity"][0][0]["y"]), np.float64)
    assert (y.min(), y.max()) == (1.0, 99_999.0)
    assert "Drawn from 50,000 closes: the lowest and the highest of every 26 are kept" in equity_chart.note
    assert sum(len(trace["x"]) for trace in drawn["trades"][0]) <= MOST_TRADES
    assert re.match(r"[45],\d{3} of 12,000 trades are drawn", trades_chart.note)
    assert len(html_report(report)) - len(get_plotlyjs()) < 1_500_000


def test_a_short_run_is_drawn_whole_and_says_nothing() -> None:
    report = sample_report(slots=500, trades=40)
    assert [chart.note for chart in charts(report)][::2] == ["", ""]
    traces = plots(report)["trades"][0]
    assert sum(len(trace["x"]) for trace in traces) == 40


def test_months_stand_in_their_year_and_month() -> None:
    report = sample_report(slots=500, interval_ms=86_400_000)
    heat = plots(report)["months"][0][0]
    grid = np.frombuffer(_bytes(heat["z"]), np.float64).reshape([int(n) for n in heat["z"]["shape"].split(",")])
    assert heat["y"] == ["2025", "2026"]
    assert np.isfinite(grid).sum() == 17
    january = report.result.curve.equity_usdt[30] / report.result.initial_usdt - 1
    assert grid[0, 0] == pytest.approx(january * 100)
    assert heat["text"][0][0] == f"{january * 100:+.2f}"
    assert heat["text"][1][11] == ""


def test_a_run_without_trades_or_slots_has_a_page() -> None:
    page = Page(html_report(sample_report(slots=0, trades=0, complete=False, breakdowns={}, settings_json="not json")))
    assert "PARTIAL: stopped at 2025-01-01 00:00 UTC" in page.text
    assert "not json" in page.text


def _bytes(array: dict[str, str]) -> bytes:
    import base64

    return base64.b64decode(array["bdata"])
