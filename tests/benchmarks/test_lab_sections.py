"""The sections of the backtest lab at tiny sizes: they run, and their figures fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__ as entry
from benchmarks import bring, command, event, kernel, search, walkday
from benchmarks.peers import NUMBA_LOOP, ONE_SYMBOL, TEN_SYMBOLS, ratios
from benchmarks.plain_loops import KNOWN, reference
from benchmarks.report import Figure, Section
from benchmarks.timing import timed
from benchmarks.workload import MANY_BARS, one_symbol

BARS = 6_000


def value(section: Section, what: str, unit: str | None = None) -> float:
    """Of the one figure that is called so or, where there is none, has it in its name."""
    fitting = [figure for figure in section.figures if what in figure.what and unit in (None, figure.unit)]
    found = [figure.value for figure in fitting if figure.what == what] or [figure.value for figure in fitting]
    assert len(found) == 1, f"{what}: {len(found)} figures"
    return found[0]


def test_the_plain_loops_give_what_is_known_of_the_year() -> None:
    """Reference raises where they do not, or where the compiled one differs."""
    history = one_symbol()
    told = {exit_mode: reference(history, exit_mode) for exit_mode in KNOWN}
    assert (told["bracket"].trades, told["reverse"].trades) == (754, 18_547)


@pytest.mark.parametrize(("trades", "off_usdt"), [(1, 0.0), (0, 0.02)])
def test_an_engine_that_trades_otherwise_is_refused(trades: int, off_usdt: float) -> None:
    plain = reference(one_symbol(BARS), "reverse")
    plain.check("right", plain.trades, plain.equity_usdt)
    with pytest.raises(RuntimeError, match="wrong gives"):
        plain.check("wrong", plain.trades + trades, plain.equity_usdt + off_usdt)


def test_kernel_beside_both_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "start_figures", list)
    section = kernel.run(BARS, rounds=2, decisions=0)
    for exit_mode in KNOWN:
        loop, python = (value(section, f"{exit_mode}: reference: plain {name} loop") for name in ("numba", "Python"))
        assert value(section, f"{exit_mode}: plain Python loop") == pytest.approx(loop / python)
        assert value(section, f"{exit_mode}: sweep", "M bars/s") > python
    assert value(section, "reverse: trades closed") > value(section, "bracket: trades closed") > 0


def test_the_costly_set_pays_for_all_that_the_free_one_does_not() -> None:
    history = one_symbol(BARS)
    assert len(kernel.funded(history).funding) == (BARS - 1) // 480
    free = kernel.swept(
        history, kernel.settings_of("reverse", kernel.free_settings()), kernel.fine_instruments(history.symbols)
    ).sweep()
    costly = kernel.costly(history, "reverse").sweep()
    assert costly.fees_usdt / costly.trades > free.fees_usdt / free.trades
    assert costly.net_usdt / costly.trades < free.net_usdt / free.trades
    assert costly.trades <= free.trades


def test_event_tells_of_a_quarter_a_half_and_the_whole() -> None:
    section = event.run(BARS, rounds=1)
    seconds = [figure.value for figure in section.figures if figure.what.startswith("reverse, ") and figure.unit == "s"]
    assert len(seconds) == len(event.PARTS) + 1
    assert value(section, "reverse against bracket") > 0
    assert value(section, "bracket: the whole", "x the numba loop") > 0


def test_bring_takes_every_form_in() -> None:
    section = bring.run(300)
    told = [figure.what for figure in section.figures]
    assert [form for form in bring.FORMS if f"{form}: greatest resident memory" in told] == list(bring.FORMS)
    assert value(section, "reference: SQLite alone") > 0


def test_command_runs_as_an_operator_types_it() -> None:
    section = command.run(BARS, rounds=1, warm=False)
    assert value(section, "bracket: fastest") <= value(section, "bracket: median")
    assert value(section, "bracket: greatest resident memory") > 50
    assert value(section, "reference: importing") > 0


def test_search_labels_what_it_did_not_measure() -> None:
    section = search.run(bars=BARS, axes=search.Axes(2, 1, 2, 2), warm=False)
    each_s, small_s = value(section, "each beyond the first 4") / 1e3, value(section, "4 sets: the command's own")
    assert value(section, "EXTRAPOLATED to 10,000 sets, not measured") == pytest.approx(small_s + 9_996 * each_s)
    assert any("--full" in note for note in section.notes)


def test_the_full_search_is_all_it_says() -> None:
    assert search.FULL.sets == search.WHOLE_SETS
    assert search.FULL.options()[0] == "--grid=fast_bars=4,6,8,10,12,14,16,18,20,22"


def test_walkday_counts_every_call_of_lightgbm() -> None:
    section = walkday.run(hours=1, schemes={"tiny": ("max_trees=3",)}, warm=False)
    assert value(section, "tiny, QUICK FORM 1 h: trainings") >= 1
    whole, rest = value(section, "the whole command"), value(section, "all else")
    share = value(section, "share of LightGBM, training and predictions")
    assert share == pytest.approx(100.0 * (whole - rest) / whole)
    assert not any(figure.at_least for figure in section.figures)


def test_a_walk_without_trainings_is_refused(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.write_text("predict 0.25 0.125\n")
    with pytest.raises(RuntimeError, match="no training of LightGBM was seen"):
        walkday.seconds_of(calls)
    calls.write_text("predict 0.25 0.125\ntrain 2.0 1.0\npredict 0.25 0.125\n")
    assert walkday.seconds_of(calls)["predict"] == walkday.Spent(2, 0.5, 0.25)


def test_timing_takes_turns() -> None:
    order: list[str] = []
    took = timed({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 3
    assert took["a"].best_s <= took["a"].median_s


@pytest.mark.parametrize("peers", [*ONE_SYMBOL.values(), TEN_SYMBOLS])
def test_peers_stand_beside_the_loop_of_their_session(peers: tuple) -> None:  # type: ignore[type-arg]
    assert peers[0].name == NUMBA_LOOP
    told = ratios("x", peers)
    assert len(told) == len(peers) - 1
    assert all(figure.value > 10.0 for figure in told)


def test_right_trades_of_ten_symbols_are_those_of_most_peers() -> None:
    counts = [peer.trades for peer in TEN_SYMBOLS]
    assert max(set(counts), key=counts.count) == 1_489
    assert MANY_BARS == 100_000


@pytest.mark.parametrize(("told", "verdict"), [(100.0, "met"), (99.9, "MISSED"), (70.0, "MISSED")])
def test_a_rate_has_a_least_target(told: float, verdict: str) -> None:
    assert Figure("x", told, "bars/s", at_least=100.0).verdict == verdict


def test_a_section_that_fails_is_one_line_and_the_next_still_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(name: str, full: bool) -> Section:
        if name == "kernel":
            raise RuntimeError("the sweep gives\nother trades")
        return Section(name, "title", (Figure("x", 1.0, "s"),))

    monkeypatch.setattr(entry, "run_section", run)
    assert entry.main(["kernel", "event"]) == 1
    out, err = capsys.readouterr()
    assert err == "kernel: FAILED: the sweep gives other trades\n"
    assert "event: title" in out
