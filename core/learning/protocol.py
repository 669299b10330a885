"""What a strategy's model is to the learning side.

A factory is a module with `create_learner(options: dict) -> Learner`; it is imported in worker processes only, so that
a model may need any library without the engine loading it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.domain.forecast import Contribution
from core.ports import BarColumns


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A trained model as bytes by file name, and the numbers that turn its raw answer into the part's outputs."""

    files: Mapping[str, bytes]
    calibration: Mapping[str, float]


class TrainedModel(Protocol):
    def predict(self, window: BarColumns) -> Sequence[float] | None:
        """The part's outputs in declared order, NaN for one that says nothing, from the last bars of `window`; None
        where a bar that is needed is missing or impossible."""
        ...

    def explain(self, window: BarColumns, top: int) -> tuple[Contribution, ...]:
        """The `top` features that moved the first output most, strongest first; empty where `predict` is None."""
        ...

    def save(self) -> SavedModel: ...


@dataclass(frozen=True, slots=True)
class Fit:
    """What came of one training. `model` is None when the window holds too little; `note` says why it did not pass."""

    model: TrainedModel | None
    passed: bool
    note: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Learner(Protocol):
    @property
    def feature_names(self) -> tuple[str, ...]: ...

    def fit(self, window: BarColumns, seed: int) -> Fit:
        """A pure function of its arguments: the same bars and seed give the same model to the byte."""
        ...

    def load(self, saved: SavedModel) -> TrainedModel:
        """Raises ModelError when the bytes are not such a model."""
        ...

    def warm_up(self) -> None:
        """Import and compile what the first call would otherwise wait for."""
        ...
