"""What an object needs stands in its constructor: nothing is tied by assigning to objects after they were made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef

CCXT = frozenset({"client", "connection"})
"""By these names `core/exchange` and `core/market/live` know ccxt's own objects, which are put right as they stand."""

FOREIGN = {
    ("core/arithmetic/compiler.py", "linalg.ensure_blas"): "numba looks for a library that no function here calls",
    ("core/arithmetic/compiler.py", "context.refresh"): "numba would look for it whenever it reads its definitions",
}


def functions_in(tree: ast.AST) -> Iterator[FUNCTIONS]:
    return (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS))


def own_nodes(function: FUNCTIONS) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions inside of it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, FUNCTIONS | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def pairs(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Each target of an assignment with its value, as far as that stands beside it."""
    if isinstance(target, ast.Tuple | ast.List):
        values = value.elts if isinstance(value, ast.Tuple | ast.List) else [None] * len(target.elts)
        for one, its in zip(target.elts, values, strict=False):
            yield from pairs(one, its)
    else:
        yield target, value


def assignments(function: FUNCTIONS) -> Iterator[tuple[ast.Attribute, ast.expr | None]]:
    """What a function assigns to attributes of objects that are neither its own nor made in it."""
    told: list[tuple[ast.expr, ast.expr | None]] = []
    for node in own_nodes(function):
        if isinstance(node, ast.Assign):
            told += [pair for target in node.targets for pair in pairs(target, node.value)]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            told.append((node.target, node.value))
    made = {
        target.id
        for target, value in told
        if isinstance(target, ast.Name)
        and isinstance(value, ast.Call)
        and ast.unparse(value.func).strip("_")[:1].isupper()
    }
    for target, value in told:
        if isinstance(target, ast.Attribute):
            owner = target.value
            if not (isinstance(owner, ast.Name) and owner.id in {"self", "cls", *made}):
                yield target, value


def methods_in(trees: dict[str, ast.Module]) -> set[str]:
    """The names of functions and methods that name nothing else: no value, no property, no field."""
    called: set[str] = set()
    held: set[str] = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    is_read = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
                    (held if is_read else called).add(node.name)
                case ast.AnnAssign(ast.Name(name)) | ast.arg(name) | ast.Name(name, ast.Store()):
                    held.add(name)
                case ast.Attribute(ast.Name("self"), name, ast.Store()):
                    held.add(name)
    return called - held


def is_callable(value: ast.expr | None, methods: set[str]) -> bool:
    match value:
        case ast.Lambda():
            return True
        case ast.Name(name) | ast.Attribute(_, name):
            return name in methods
        case _:
            return False


def record_fields(trees: dict[str, ast.Module]) -> set[str]:
    """The fields of dataclasses that are not frozen: rows that their keeper writes to."""
    found: set[str] = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ClassDef):
                continue
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            if any("dataclass" in text and "frozen" not in text for text in decorators):
                found |= {field.target.id for field in node.body if isinstance(field, ast.AnnAssign)}
    return found


def is_allowed(path: str, target: ast.Attribute) -> bool:
    owner = target.value
    of_ccxt = path.startswith(("core/exchange/", "core/market/live/"))
    if of_ccxt and isinstance(owner, ast.Name) and owner.id in CCXT:
        return True
    return (path, ast.unparse(target)) in FOREIGN


def tied(trees: dict[str, ast.Module]) -> list[str]:
    """Where a method or another callable is assigned to an object that is there already."""
    methods = methods_in(trees)
    return [
        f"{path}:{target.lineno}: {ast.unparse(target)}"
        for path, tree in trees.items()
        for function in functions_in(tree)
        for target, value in assignments(function)
        if is_callable(value, methods) and not is_allowed(path, target)
    ]


def written_from_outside(trees: dict[str, ast.Module]) -> list[str]:
    """Where anything at all is assigned to an attribute of another object than a record."""
    fields = record_fields(trees)
    return [
        f"{path}:{target.lineno}: {ast.unparse(target)}"
        for path, tree in trees.items()
        for function in functions_in(tree)
        for target, _ in assignments(function)
        if not is_allowed(path, target) and not (isinstance(target.value, ast.Name) and target.attr in fields)
    ]


def trees_under(*rooms: str) -> dict[str, ast.Module]:
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
    }


def test_no_method_is_assigned_to_an_object_that_was_made_already() -> None:
    assert tied(trees_under("core")) == []


def test_at_an_exchange_no_object_writes_to_the_attributes_of_another() -> None:
    assert written_from_outside(trees_under("core/exchange")) == []


@pytest.mark.parametrize(
    ("line", "is_tie"),
    [
        ("books.on_fill = self.expect", True),
        ("self.books.on_fill = self.stream.expect", True),
        ("a.on_fill, b.on_fill = self.expect, 1", True),
        ("books.on_fill = lambda fill: None", True),
        ("books.count = 3", False),
        ("self.on_fill = self.expect", False),
        ("fresh = Books(); fresh.on_fill = self.expect", False),
    ],
)
def test_a_tie_is_found(line: str, is_tie: bool) -> None:
    source = f"class Desk:\n    def expect(self, fill): ...\n    def tie(self, books, a, b):\n        {line}\n"
    assert bool(tied({"core/x.py": ast.parse(source)})) is is_tie


@pytest.mark.parametrize(
    ("line", "is_written"),
    [
        ("self.books.agreed_ms = 3", True),
        ("books.agreed_ms += 3", True),
        ("row.asked = 1", False),
        ("self.row.asked = 1", True),
        ("client.fetch = 1", False),
        ("self.agreed_ms = 1", False),
    ],
)
def test_a_write_from_outside_is_found(line: str, is_written: bool) -> None:
    source = f"@dataclass(slots=True)\nclass Row:\n    asked: int\n\ndef work(self, books, row, client):\n    {line}\n"
    assert bool(written_from_outside({"core/exchange/x.py": ast.parse(source)})) is is_written
