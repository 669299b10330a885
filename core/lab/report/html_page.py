"""The report as one HTML file that needs nothing else: plotly.js inside, nothing loaded from anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from core.domain.errors import UnavailableError
from core.lab.report.data import Report, Rows, all_figures, all_tables, notes, provenance_pairs
from core.lab.statistics.figures import cell_text, column_title, grouped

SECURITY_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""The browser itself refuses whatever a script would load from the network."""

_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --warn: #fff1c2; --warn-text: #5c2c00; }
@media (prefers-color-scheme: dark) { :root { --page: #11151a; --text: #e6e9ec; --soft: #9aa4af; --line: #343c45;
  --warn: #5a3a00; --warn-text: #ffe3a3; } }
body { background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; margin: 0 auto;
  max-width: 76rem; padding: 0 1.25rem 3rem; }
.labels { background: var(--warn); color: var(--warn-text); border: 3px solid currentColor; font-size: 1.15rem;
  font-weight: 700; margin: 0 0 1rem; padding: .5rem 1rem; position: sticky; top: 0; z-index: 10; }
h1 { font-size: 1.5rem; margin: 1rem 0 .5rem; }
h2 { border-bottom: 1px solid var(--line); font-size: 1.1rem; margin: 2rem 0 .5rem; }
h3 { font-size: .95rem; margin: 0 0 .25rem; }
.note { color: var(--soft); font-size: .85rem; margin: .25rem 0; }
.columns { display: grid; gap: 1rem 2.5rem; grid-template-columns: repeat(auto-fit, minmax(21rem, 1fr)); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.columns table { width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .15rem .75rem .15rem 0; text-align: left; }
.number { text-align: right; white-space: nowrap; }
pre { overflow-x: auto; white-space: pre-wrap; }
"""

_THEME_SCRIPT = """
(function () {
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  function paint() {
    var style = getComputedStyle(document.documentElement);
    var text = style.getPropertyValue("--text").trim(), line = style.getPropertyValue("--line").trim();
    document.querySelectorAll(".js-plotly-plot").forEach(function (plot) {
      var change = {"font.color": text};
      Object.keys(plot.layout).forEach(function (key) {
        if (/^[xy]axis/.test(key)) {
          change[key + ".gridcolor"] = line;
          change[key + ".zerolinecolor"] = line;
        }
      });
      Plotly.relayout(plot, change);
    });
  }
  dark.addEventListener("change", paint);
  paint();
})();
"""


def html_report(report: Report) -> str:
    """The whole page, about 5 MB, most of it plotly.js. Raises UnavailableError where Plotly is not installed."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise UnavailableError("the HTML report needs Plotly; install quarterdeck with its extra: lab") from error
    from core.lab.report.html_charts import charts

    title = escape(" ".join((*(f"[{label}]" for label in report.short_labels()), report.title())))
    sections = [_banner(report.labels()), f"<h1>{escape(report.title())}</h1>"]
    sections += [f"<p><strong>{escape(report.verdict())}</strong></p>", _figures(report)]
    for chart in charts(report):
        note = f'<p class="note">{escape(chart.note)}</p>' if chart.note else ""
        sections.append(f"<h2>{escape(chart.title)}</h2>{note}{chart.html}")
    sections += [_table(name, rows) for name, rows in all_tables(report).items()]
    sections.append(_provenance(report))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{SECURITY_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body>{''.join(sections)}<script>{_THEME_SCRIPT}</script></body></html>"
    )


def _banner(labels: Sequence[str]) -> str:
    lines = "".join(f"<div>{escape(label)}</div>" for label in labels)
    return f'<div class="labels" role="alert">{lines}</div>' if labels else ""


def _figures(report: Report) -> str:
    groups = []
    for title, items in grouped(all_figures(report)):
        rows = "".join(
            f'<tr><td>{escape(item.label)}</td><td class="number">{escape(item.text)}</td></tr>' for item in items
        )
        groups.append(f"<div><h3>{escape(title)}</h3><table>{rows}</table></div>")
    told = "".join(f'<p class="note">{escape(note)}</p>' for note in notes(report))
    return f'<h2>Figures</h2>{told}<div class="columns">{"".join(groups)}</div>'


def _table(name: str, rows: Rows) -> str:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    numeric = {key for key in keys if not any(isinstance(row.get(key), str) for row in rows)}

    def cells(tag: str, texts: Sequence[str]) -> str:
        marks = (' class="number"' if key in numeric else "" for key in keys)
        return "".join(f"<{tag}{mark}>{escape(text)}</{tag}>" for mark, text in zip(marks, texts, strict=True))

    head = cells("th", [column_title(key) for key in keys])
    body = "".join(f"<tr>{cells('td', [cell_text(key, row.get(key)) for key in keys])}</tr>" for row in rows)
    heading = escape(name[:1].upper() + name[1:])
    return f'<h2>{heading}</h2><div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _provenance(report: Report) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in provenance_pairs(report)
    )
    settings = escape(_indented(report.provenance.settings_json))
    return (
        f'<h2>Where this comes from</h2><div class="wide"><table>{rows}</table></div>'
        f"<details><summary>Settings</summary><pre>{settings}</pre></details>"
    )


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text
