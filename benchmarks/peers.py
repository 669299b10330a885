"""What other programs took for the common workload.

Measured on another day on the same kind of machine (2 cores, 24 GB, Python 3.11), so their seconds are not comparable
with ours: what counts are ratios to the plain numba loop that was measured in the same session as they were.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.report import Figure

NOTE = (
    "peers: measured on another day on the same kind of machine; compare their ratio to the numba loop of their own "
    "session with ours to that of this run"
)


@dataclass(frozen=True, slots=True)
class Peer:
    """Medians of three runs of the backtest proper, without import and data load; `process_s` and `peak_mb` are of the
    whole process. `trades` and `final_usdt` differ where a program has rules of its own."""

    name: str
    run_s: float
    process_s: float
    peak_mb: float
    trades: int
    final_usdt: float


NUMBA_LOOP = "numba loop"

ONE_SYMBOL = {
    "bracket": (
        Peer(NUMBA_LOOP, 0.0014, 2.0, 337, 755, 9_903.50),
        Peer("vectorbt 1.2.0", 0.092, 8.2, 569, 749, 9_909.80),
        Peer("hftbacktest 2.4.4", 1.34, 6.9, 1_088, 755, 9_837.16),
        Peer("backtesting.py 0.6.6", 2.92, 4.5, 342, 755, 9_903.54),
        Peer("nautilus_trader 1.221", 6.47, 9.9, 530, 755, 9_903.50),
        Peer("jesse 3.5.3, step", 7.59, 11.1, 436, 755, 9_903.50),
        Peer("jesse 3.5.3, fast", 8.34, 10.9, 436, 755, 9_903.50),
        Peer("freqtrade 2026.9", 22.1, 33.1, 907, 760, 9_940.03),
    ),
    "reverse": (
        Peer(NUMBA_LOOP, 0.0014, 2.1, 336, 18_548, 6_483.97),
        Peer("vectorbt 1.2.0", 0.12, 10.2, 588, 18_526, 6_484.19),
        Peer("hftbacktest 2.4.4", 1.61, 8.3, 1_088, 18_548, 6_486.38),
        Peer("backtesting.py 0.6.6", 3.59, 5.1, 359, 18_548, 6_483.93),
        Peer("jesse 3.5.3, step", 19.6, 23.3, 672, 18_548, 6_483.97),
        Peer("jesse 3.5.3, fast", 20.8, 24.1, 673, 18_548, 6_483.97),
        Peer("freqtrade 2026.9", 43.1, 56.9, 989, 18_548, 6_482.99),
        Peer("nautilus_trader 1.221", 106.3, 114.0, 943, 18_548, 6_483.98),
    ),
}
"""525,600 bars of one symbol, by exit mode."""

TEN_SYMBOLS = (
    Peer(NUMBA_LOOP, 0.0028, 1.9, 336, 1_489, 9_609.38),
    Peer("vectorbt 1.2.0", 0.32, 8.5, 617, 1_481, 9_611.87),
    Peer("hftbacktest 2.4.4, one after another", 1.94, 7.9, 1_055, 1_489, 9_477.45),
    Peer("backtesting.py 0.6.6, one after another", 5.70, 7.4, 299, 1_489, 9_608.84),
    Peer("nautilus_trader 1.221", 12.5, 18.0, 690, 1_493, 9_596.66),
    Peer("jesse 3.5.3, step", 15.3, 18.2, 484, 1_489, 9_609.38),
    Peer("jesse 3.5.3, fast", 16.3, 19.0, 488, 1_489, 9_609.38),
    Peer("freqtrade 2026.9", 33.1, 49.2, 1_128, 1_496, 9_654.12),
)
"""10 symbols of 100,000 bars on one account, bracket."""


def ratios(what: str, peers: tuple[Peer, ...]) -> list[Figure]:
    """The time of each as a multiple of the numba loop's of its session."""
    loop_s = next(peer.run_s for peer in peers if peer.name == NUMBA_LOOP)
    return [
        Figure(f"{what}: peer {peer.name}", peer.run_s / loop_s, "x its numba loop")
        for peer in peers
        if peer.name != NUMBA_LOOP
    ]
