"""A LightGBM model text looked at before the library reads it, which believes what it is told: an index beyond an array
ends the process, a node that leads back to itself never answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from core.domain.errors import ModelError

MAX_TEXT_BYTES = 1 << 28
MAX_TREES = 100_000
MAX_LEAVES = 131_072
"""Of one tree; LightGBM itself makes no larger ones."""
MAX_DEPTH = 512
PARSE_MEMORY_BYTES = 1 << 30
"""How much more memory a process that reads a text may take on."""

_OF_NODES = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_OF_NODES_OR_ABSENT = ("split_gain", "internal_value", "internal_weight", "internal_count")
_OF_LEAVES_OR_ABSENT = ("leaf_weight", "leaf_count")
_OF_TREES = ("num_leaves", "num_cat", "is_linear", "shrinkage", "leaf_value")
_KNOWN = frozenset((*_OF_NODES, *_OF_NODES_OR_ABSENT, *_OF_LEAVES_OR_ABSENT, *_OF_TREES))
_PLAIN = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1", "label_index": "0"}
_END = "end of trees"
_NUMBER, _WHOLE = r"-?[0-9]{1,20}(?:\.[0-9]{1,40})?(?:e[+-]?[0-9]{1,3})?", r"-?[0-9]{1,10}"
_NUMBERS, _WHOLES = (re.compile(f"(?:{word}(?: {word})*)?") for word in (_NUMBER, _WHOLE))
_DECISIONS = frozenset(("0", "2", "4", "6", "8", "10"))
"""Whether a missing value goes left, and what counts as missing: of numbers, not of categories."""


def check_model_text(content: bytes, features: int) -> str:
    """The text of a regression over so many features, whose trees are trees. Raises ModelError."""
    if len(content) > MAX_TEXT_BYTES:
        raise ModelError(f"is larger than {MAX_TEXT_BYTES >> 20} MiB; retrain it")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise ModelError("is no text; retrain it") from error
    forest, end, _ = text.partition(f"\n{_END}\n")
    head, *trees = forest.split("\nTree=")
    if not text.startswith("tree\n") or not end:
        raise ModelError("does not begin and end as a LightGBM text does; retrain it")
    # Of the last tree, the line end before the end is its own.
    sizes = [len(f"Tree={tree}\n") for tree in trees]
    _check_head(_fields(head, "its head"), sizes, features)
    for number, tree in enumerate(trees):
        told, _, body = tree.partition("\n")
        if told != str(number):
            raise ModelError(f"names tree {number} {told[:20]!r}; retrain it")
        _check_tree(_fields(body, f"tree {number}"), f"tree {number}", features)
    return text


def _check_head(head: Mapping[str, str], sizes: Sequence[int], features: int) -> None:
    if not 0 < len(sizes) <= MAX_TREES:
        raise ModelError(f"has {len(sizes)} trees, at most {MAX_TREES:,} are read; retrain it")
    if head.get("tree_sizes", "").split() != [str(size) for size in sizes]:
        raise ModelError("tells other sizes of its trees than they have; retrain it")
    told = {"max_feature_idx": str(features - 1), **_PLAIN}
    for key, value in told.items():
        if head.get(key) != value:
            raise ModelError(f"says {key} {head.get(key, '')[:20]!r} and not {value}; retrain it")
    if len(head.get("feature_names", "").split()) != features or len(head.get("feature_infos", "").split()) != features:
        raise ModelError(f"does not name {features} features; retrain it")


def _check_tree(tree: Mapping[str, str], place: str, features: int) -> None:
    if unknown := tree.keys() - _KNOWN:
        raise ModelError(f"{place} tells {min(unknown)[:40]!r}, which is not known; retrain it")
    (leaves,) = _whole(tree, "num_leaves", place, 1)
    if not 0 < leaves <= MAX_LEAVES:
        raise ModelError(f"{place} has {leaves} leaves, at most {MAX_LEAVES:,} are read; retrain it")
    if tree.get("num_cat") != "0" or tree.get("is_linear", "0") != "0":
        raise ModelError(f"{place} has categories or linear leaves, which no model here has; retrain it")
    nodes = leaves - 1
    lengths = dict.fromkeys(_OF_NODES, nodes) | {"leaf_value": leaves}
    lengths |= {key: nodes for key in _OF_NODES_OR_ABSENT if key in tree}
    # LightGBM leaves some of the only leaf out.
    lengths |= {key: leaves for key in _OF_LEAVES_OR_ABSENT if tree.get(key) or nodes}
    lengths["shrinkage"] = 1
    for key, length in lengths.items():
        values = tree.get(key, "")
        count = values.count(" ") + bool(values)
        if count != length:
            raise ModelError(f"{place} has {count} of {key} and not {length}; retrain it")
        if not _NUMBERS.fullmatch(values.replace("inf", "0") if key == "split_gain" else values):
            raise ModelError(f"{place}: {key} holds what is no number; retrain it")
    if not _DECISIONS.issuperset(tree["decision_type"].split()):
        raise ModelError(f"{place} decides by what is not known; retrain it")
    if any(not 0 <= feature < features for feature in _whole(tree, "split_feature", place, nodes)):
        raise ModelError(f"{place} asks for a feature that is not there; retrain it")
    children = [_whole(tree, key, place, nodes) for key in ("left_child", "right_child")]
    _check_children(list(zip(*children, strict=True)), leaves, place)


def _check_children(children: list[tuple[int, int]], leaves: int, place: str) -> None:
    """Each node and each leaf has one parent, which comes before it."""
    depths, reached = [0] * (len(children) + 1), set[int]()
    for node, pair in enumerate(children):
        if depths[node] >= MAX_DEPTH:
            raise ModelError(f"{place} is more than {MAX_DEPTH} deep; retrain it")
        for child in pair:
            is_leaf = child < 0
            if child in reached or not (~child < leaves if is_leaf else node < child < len(children)):
                raise ModelError(f"{place} is no tree: node {node} leads to {child}; retrain it")
            reached.add(child)
            if not is_leaf:
                depths[child] = depths[node] + 1


def _whole(tree: Mapping[str, str], key: str, place: str, length: int) -> list[int]:
    values = tree.get(key, "")
    found = [int(word) for word in values.split(" ")] if values and _WHOLES.fullmatch(values) else []
    if len(found) != length:
        raise ModelError(f"{place}: {key} is not {length} whole numbers; retrain it")
    return found


def _fields(text: str, place: str) -> dict[str, str]:
    """Raises ModelError where one is told twice: nobody knows which counts."""
    found: dict[str, str] = {}
    for key, value in _lines(text):
        if key in found:
            raise ModelError(f"{place} tells {key[:40]!r} twice; retrain it")
        found[key] = value
    return found


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.split("\n"):
        key, equals, value = line.partition("=")
        if equals:
            yield key, value
