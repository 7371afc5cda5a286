"""From nested tables to frozen dataclasses, by the dataclasses' type hints alone.

Decides: which TOML value each type hint accepts, and what the error for any other says.
Does not: know a field by name, so a field added to ``schema`` needs nothing here; nor read files (``loader``).

The hints understood are ``int``, ``float`` (a whole number is one too), ``bool``, ``str``, ``Literal`` of strings,
``tuple[X, ...]`` and other dataclasses.
"""

import dataclasses
import difflib
import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.toml_text import shown

Section = TypeVar("Section")

VERB_OF_TABLE = {"run": "train", "data": "data", "evaluation": "evaluate"}
"""The table that only one kind of recipe has, and the verb that reads it."""


def build(cls: type[Section], table: Any, key: str, whole: Any = None) -> Section:
    """Return the dataclass ``cls`` filled from ``table``, which stands at ``key`` ("" for the whole recipe).

    ``whole`` is the dataclass of the recipe that it is in, whose keys an unknown one may have been meant for; None = itself.
    """
    whole = whole or cls
    if not isinstance(table, dict):
        raise ConfigError(f"{key} = {shown(table)}: must be a table, written [{key}]")
    hints = get_type_hints(cls)
    for name, value in table.items():
        if name not in hints:
            raise ConfigError(_unknown_key(key, name, value, list(hints), whole))
    values = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        path = _join(key, field.name)
        if field.name in table:
            values[field.name] = _convert(table[field.name], hints[field.name], path, whole)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{path}: missing; add {_example(hints[field.name], path)}")
    return cls(**values)


def _convert(value: Any, hint: Any, key: str, whole: Any) -> Any:
    """Return ``value`` as the type a field's hint asks for."""
    if dataclasses.is_dataclass(hint):
        return build(hint, value, key, whole)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{key} = {shown(value)}: must be {_described(hint, key)}")
        element = get_args(hint)[0]
        return tuple(_convert(each, element, f"{key}.{index}", whole) for index, each in enumerate(value))
    if get_origin(hint) is Literal:
        if value in get_args(hint) and isinstance(value, str):
            return value
        near = nearest(value, get_args(hint)) if isinstance(value, str) else ""
        remedy = f"; did you mean {near}?" if near else ""
        raise ConfigError(f"{key} = {shown(value)}: must be {_described(hint, key)}{remedy}")
    return _convert_scalar(value, hint, key)


def _convert_scalar(value: Any, hint: Any, key: str) -> Any:
    if hint is float and type(value) is int:
        value = float(value) if abs(value) < 2**1000 else math.inf
    if type(value) is not hint:
        raise ConfigError(f"{key} = {shown(value)}: must be {_described(hint, key)}{_rewritten(value, hint)}")
    if hint is float and not math.isfinite(value):
        raise ConfigError(f"{key} = {shown(value)}: must be finite; write a number")
    return value


def _rewritten(value: Any, hint: type) -> str:
    """Return what to write instead of a value of the wrong type, where it is plain what was meant."""
    if hint is int and isinstance(value, float) and value.is_integer():
        return f"; write {int(value)}"
    if hint is str and isinstance(value, (bool, int, float)):
        return f'; write "{shown(value)}", with the quotes'
    if hint is bool and str(value).lower() in ("true", "false"):
        return f"; write {str(value).lower()}"
    if hint in (int, float) and isinstance(value, str):
        try:
            return f"; write {hint(value)}, without quotes"
        except ValueError:
            return ""
    return ""


def _described(hint: Any, key: str) -> str:
    """Return what a type hint asks for, in words a recipe's writer uses."""
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(get_args(hint))
    if get_origin(hint) is tuple:
        of_tables = dataclasses.is_dataclass(get_args(hint)[0])
        return f"an array of tables, each written [[{key}]]" if of_tables else "an array"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a string, in quotes"}[hint]


def _example(hint: Any, key: str) -> str:
    """Return what to add for a key that is missing."""
    if dataclasses.is_dataclass(hint):
        return f"the table [{key}]"
    return f"{key.rpartition('.')[2]} = {_described(hint, key)}" if get_origin(hint) is not tuple else _described(hint, key)


def _unknown_key(section: str, name: str, value: Any, known: list[str], whole: Any) -> str:
    """Return the error for a key that no field has, with the nearest one of its section or of the whole recipe."""
    key = _join(section, name if name.isprintable() else shown(name))
    seen = key if isinstance(value, dict) else f"{key} = {shown(value)}"
    if not section and name in VERB_OF_TABLE:
        return f"{seen}: no such key; this is a recipe of mathcoder {VERB_OF_TABLE[name]}"
    if near := nearest(name, known):
        return f"{seen}: no such key; did you mean {_join(section, near)}?"
    by_last_name = {path.rpartition(".")[2]: path for path in reversed(list(key_paths(whole, "")))}
    if near := nearest(name, by_last_name):
        return f"{seen}: no such key; did you mean {by_last_name[near]}?"
    return f"{seen}: no such key; {f'[{section}]' if section else 'a recipe'} has {', '.join(known)}"


def key_paths(cls: Any, prefix: str) -> Iterator[str]:
    """Yield the dotted path of every key a recipe can have; ``N`` stands for an element's index."""
    for name, hint in get_type_hints(cls).items():
        path = _join(prefix, name)
        element = get_args(hint)[0] if get_origin(hint) is tuple else None
        if dataclasses.is_dataclass(hint):
            yield from key_paths(hint, path)
        elif dataclasses.is_dataclass(element):
            yield from key_paths(element, f"{path}.N")
        else:
            yield path


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that differs least from ``name``, or "" when none is near."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), "")


def _join(section: str, name: str) -> str:
    return f"{section}.{name}" if section else name
