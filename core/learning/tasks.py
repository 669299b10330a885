"""What worker processes run: module-level functions of plain data.

Learners and loaded versions are kept between calls, bounded; they are a cache and change no answer.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as library_version
from pathlib import Path
from typing import cast

from core.domain.errors import ModelError
from core.domain.forecast import Contribution, Output, outputs_problem
from core.learning.protocol import Fit, Learner, SavedModel, TrainedModel
from core.learning.versions import Manifest, digests, load_version, prune_versions, write_version
from core.ports import BarColumns, TrainingResult
from core.strategy.declaration import ModelSpec

TOP_FEATURES = 5
_LIBRARIES = ("lightgbm", "numba", "numpy")


@dataclass(frozen=True, slots=True)
class ModelHome:
    """Where a strategy's versions are, how its models are made, and what they say."""

    root: Path
    strategy: str
    spec: ModelSpec
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one window: the outputs in order, the strongest features first."""

    values: tuple[float | None, ...]
    contributions: tuple[Contribution, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingOrder:
    """One training, whole: the same order gives the same version to the byte."""

    window: BarColumns
    requested_ms: int
    seed: int
    lookback_bars: int
    horizon_ms: int


@dataclass(frozen=True, slots=True)
class UnstoredVersion:
    """A version as bytes by file name, for `core.learning.versions.write_version`."""

    manifest: Manifest
    files: Mapping[str, bytes]


def warm_up(home: ModelHome) -> None:
    learner_of(home.spec).warm_up()


def predict_batch(home: ModelHome, requests: Sequence[tuple[BarColumns, str]]) -> list[Answer | ModelError | None]:
    """An answer for each (window, version); a version that cannot be used answers with its error."""
    return [_predict(home, window, version) for window, version in requests]


def _predict(home: ModelHome, window: BarColumns, version: str) -> Answer | ModelError | None:
    try:
        model = _model(home, window.symbol, version)
    except ModelError as error:
        return error
    said = model.predict(window)
    if said is None:
        return None
    values = tuple(None if math.isnan(value) else float(value) for value in said)
    contributions = model.explain(window, TOP_FEATURES)
    problem = outputs_problem(home.outputs, values)
    if not problem and not all(math.isfinite(number) for c in contributions for number in (c.value, c.share)):
        problem = "contributions that are no numbers"
    if not problem and all(value is None for value in values):
        problem = "nothing but NaN"
    if problem:
        # What is no number can neither be decided on nor be kept.
        return ModelError(f"{version}: answers {problem}; retrain {window.symbol}")
    return Answer(values, contributions)


def train(home: ModelHome, order: TrainingOrder) -> TrainingResult:
    """Fit and store one version. Raises ModelError when it cannot be stored."""
    result, version = fit_version(home.strategy, home.spec, order)
    if version is not None:
        write_version(home.root, version.manifest, version.files)
    return result


def fit_version(strategy: str, spec: ModelSpec, order: TrainingOrder) -> tuple[TrainingResult, UnstoredVersion | None]:
    """Fit one version and store nothing; None where no model was made."""
    fit = learner_of(spec).fit(order.window, order.seed)
    version = None if fit.model is None else _version(strategy, spec, order, fit, fit.model)
    result = TrainingResult(
        symbol=order.window.symbol,
        strategy=strategy,
        version="" if version is None else version.manifest.version,
        passed=fit.passed,
        note=fit.note,
        metrics=dict(fit.metrics),
    )
    return result, version


def prune(home: ModelHome, symbol: str, keep: int, in_use: tuple[str, ...]) -> list[str]:
    return prune_versions(home.root, home.strategy, symbol, keep, in_use)


def _version(strategy: str, spec: ModelSpec, order: TrainingOrder, fit: Fit, model: TrainedModel) -> UnstoredVersion:
    saved = model.save()
    window = order.window
    manifest = Manifest(
        strategy=strategy,
        symbol=window.symbol,
        feature_names=learner_of(spec).feature_names,
        lookback_bars=order.lookback_bars,
        horizon_ms=order.horizon_ms,
        seed=order.seed,
        settings=json.loads(spec.options),
        parameters=fit.parameters,
        window_from_ms=int(window.open_time_ms[0]),
        window_to_ms=int(window.open_time_ms[-1]) + window.interval_ms,
        data_sha256=window_sha256(window),
        calibration=saved.calibration,
        metrics=fit.metrics,
        passed=fit.passed,
        note=fit.note,
        libraries=_libraries(),
        created_ms=order.requested_ms,
        files=digests(saved.files),
    )
    return UnstoredVersion(manifest, saved.files)


def window_sha256(window: BarColumns) -> str:
    """Hash of every number of a window: times as little-endian int64, the columns as float64, one after the other; then
    what was seen beside the bars, if anything."""
    digest = hashlib.sha256(window.open_time_ms.astype("<i8").tobytes())
    for column in (window.open, window.high, window.low, window.close, window.volume):
        digest.update(column.astype("<f8").tobytes())
    if window.seen is not None:
        digest.update("|".join(window.seen.names).encode())
        digest.update(window.seen.values.astype("<f8").tobytes())
    return digest.hexdigest()


def _libraries() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = library_version(name)
        except PackageNotFoundError:
            continue
    return versions


@lru_cache(maxsize=8)
def learner_of(spec: ModelSpec) -> Learner:
    try:
        factory = importlib.import_module(spec.factory)
        return cast(Learner, factory.create_learner(json.loads(spec.options)))
    except (ImportError, AttributeError) as error:
        raise ModelError(f"{spec.factory}: is not a model factory: {error}") from error


@lru_cache(maxsize=64)
def _model(home: ModelHome, symbol: str, version: str) -> TrainedModel:
    learner = learner_of(home.spec)
    manifest, files = load_version(home.root, home.strategy, symbol, version, learner.feature_names)
    return learner.load(SavedModel(files, manifest.calibration))
