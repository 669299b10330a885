"""What is wrong with settings, in one line that names the key and the mend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ValidationError


def known_keys(model: type[BaseModel], section: Sequence[str] = ()) -> list[str]:
    """The keys of a section of a settings model; none where there is no such section."""
    for name in section:
        field = model.model_fields.get(name)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return list(model.model_fields)


def first_problem(
    error: ValidationError, model: type[BaseModel], above: tuple[str, ...] = (), also: Iterable[str] = ()
) -> str:
    """`above` are the keys under which `model` stands, `also` what may stand beside its own keys."""
    problem = error.errors(include_url=False)[0]
    loc = [str(part) for part in problem["loc"]]
    key = ".".join((*above, *loc))
    if problem["type"] == "extra_forbidden":
        known = known_keys(model, loc[:-1])
        near = difflib.get_close_matches(loc[-1], [*known, *(also if len(loc) == 1 else ())], n=1)
        return f"{key}: unknown key; " + (f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}")
    # A choice between members of an enum is told by how Python writes them: their values are what a file has.
    message = re.sub(r"<\w+\.\w+: ('[^']*')>", r"\1", str(problem["msg"]).removeprefix("Value error, "))
    return f"{key}: {message}, got {problem['input']!r}" if key and not isinstance(problem["input"], dict) else message
