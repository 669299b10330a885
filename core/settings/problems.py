"""What is wrong with settings, in one line that names the key and the mend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import get_args

from pydantic import BaseModel, ValidationError


def known_keys(model: type[BaseModel], section: Sequence[str] = ()) -> list[str]:
    """The keys of a section of a settings model, or of a table of a list; none where there is no such section."""
    for name in section:
        if name.isdigit():
            continue
        field = model.model_fields.get(name)
        kinds = () if field is None else (field.annotation, *get_args(field.annotation))
        tables = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if not tables:
            return []
        model = tables[0]
    return list(model.model_fields)


def first_problem(
    error: ValidationError, model: type[BaseModel], above: tuple[str, ...] = (), also: Iterable[str] = ()
) -> str:
    """`above` are the keys under which `model` stands, `also` what may stand beside its own keys."""
    problems = error.errors(include_url=False)
    # A misspelt key is missing, too.
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    loc = [str(part) for part in problem["loc"]]
    key = ".".join((*above, *loc))
    if problem["type"] == "extra_forbidden":
        known = known_keys(model, loc[:-1])
        near = difflib.get_close_matches(loc[-1], [*known, *(also if len(loc) == 1 else ())], n=1)
        return f"{key}: unknown key; " + (f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}")
    # A choice between members of an enum is told by how Python writes them: their values are what a file has.
    message = re.sub(r"<\w+\.\w+: ('[^']*')>", r"\1", str(problem["msg"]).removeprefix("Value error, "))
    if not isinstance(problem["input"], dict):
        return f"{key}: {message}, got {problem['input']!r}" if key else message
    return message if problem["type"] == "value_error" or not key else f"{key}: {message}"
