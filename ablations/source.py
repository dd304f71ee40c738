"""A YAML file that remembers its lines, so that an error can say where.

Reads YAML with the booleans of YAML 1.2 (`true`, `false`): `vfi: off` stays the word "off". A key that appears twice is
an error, not a silent overwrite. Does not know grids.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from magicvideo.errors import InputError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]

BOOL_TAG = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """Safe YAML whose only booleans are `true` and `false`."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own attribute)
        first: [pair for pair in pairs if pair[0] != BOOL_TAG]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(BOOL_TAG, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


class Strict(BaseModel):
    """A frozen model whose unknown fields are errors that suggest the right name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, data: Any) -> Any:
        known = list(cls.model_fields)
        odd = next((k for k in data if k not in known), None) if isinstance(data, dict) else None
        if odd is not None:
            message = "unknown field{hint}"
            raise PydanticCustomError("unknown_field", message, {"name": str(odd), "hint": suggestion(str(odd), known)})
        return data


@dataclass(frozen=True)
class Source:
    """Plain data of a YAML file and the tree it came from."""

    path: Path
    data: Any
    root: yaml.Node | None

    def where(self, *location: str | int) -> str:
        """`FILE, line N: field` of a location such as `("arms", 0, "set")`; parts that lead nowhere are left out."""
        line_of, found = self._follow(location)
        line = f", line {line_of.start_mark.line + 1}" if line_of else ""
        return f"{self.path}{line}" + (f": {_dotted(found)}" if found else "")

    def error(self, message: object, *location: str | int) -> InputError:
        return InputError(f"{self.where(*location)}: {message}")

    def refuse_repeats(self, field: str, values: list[Any]) -> None:
        """An `InputError` where a list has a value twice."""
        for n, value in enumerate(values):
            if value in values[:n]:
                raise self.error(f"{value!r} appears twice", field, n)

    def parse(self, model: type[Model]) -> Model:
        """Validate against a model; the `InputError` names file, line and field of every problem."""
        if not isinstance(self.data, dict):
            raise self.error(f"must hold `field: value` lines; known fields: {', '.join(model.model_fields)}")
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            raise InputError("\n".join(self._problem(p) for p in error.errors())) from None

    def _problem(self, problem: Any) -> str:
        location: Location = problem["loc"]
        if problem["type"] == "missing":
            return f"{self.where(*location[:-1])}: the field {location[-1]!r} is missing"
        if problem["type"] == "unknown_field":
            return f"{self.where(*location, problem['ctx']['name'])}: {problem['msg']}"
        got = f" (got {problem['input']!r})" if isinstance(problem["input"], str | int | float | bool) else ""
        return f"{self.where(*location)}: {problem['msg']}{got}"

    def _follow(self, location: Location) -> tuple[yaml.Node | None, list[str | int]]:
        """The node whose line to name, and the parts that led there (a union's own tags lead nowhere)."""
        node = line_of = self.root
        found = list[str | int]()
        for part in location:
            step = _child(node, part)
            if step is not None:
                line_of, node = step
                found.append(part)
        return line_of, found


def read_source(path: Path) -> Source:
    """Read a YAML file. Raises `InputError` for a missing or malformed file or a repeated key, naming the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            _refuse_repeated_keys(path, root)
            data = loader.construct_document(root) if root is not None else None
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{line}: not YAML: {getattr(error, 'problem', None) or error}") from None
    return Source(path, data, root)


def suggestion(name: str, known: list[str]) -> str:
    """`: did you mean 'x'? known: ...`, to stand behind an unknown name."""
    near = get_close_matches(name, known, n=1)
    return (f": did you mean {near[0]!r}?" if near else ";") + f" known: {', '.join(known)}"


def _child(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """(the node whose line counts, the value): a field's line is its key's."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _refuse_repeated_keys(path: Path, node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        seen = set[str]()
        for key, value in node.value:
            if str(key.value) in seen:
                raise InputError(f"{path}, line {key.start_mark.line + 1}: the field {key.value!r} appears twice")
            seen.add(str(key.value))
            _refuse_repeated_keys(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_repeated_keys(path, value)


def _dotted(parts: list[str | int]) -> str:
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts)
    return text.removeprefix(".")
