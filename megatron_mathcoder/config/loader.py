"""From a TOML file and ``--set key=value`` to a checked ``RunConfig``, and back to TOML.

Decides: what is read, in which order it wins (architecture, recipe, overrides), and what is said when it cannot be read.
Does not: judge a value. ``binding`` checks types, ``rules`` keys against each other; ``architectures`` holds models' numbers.

A table, an array's element and a key are named by one dotted path everywhere, in overrides and in errors:
``dataset.blend.0.prefix`` is the prefix of the first part of the blend.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from megatron_mathcoder.config import rules
from megatron_mathcoder.config.architectures import ARCHITECTURES
from megatron_mathcoder.config.binding import build, nearest
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.schema import RunConfig
from megatron_mathcoder.config.toml_text import shown, table_lines

Recipe = TypeVar("Recipe")


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a recipe, put ``key.path=value`` overrides over it, and return the run it describes, checked.

    An override's value is read as TOML; what is not TOML is a string, so ``run.folder=runs/a`` needs no quotes.
    Later overrides win over earlier ones.

    Raises:
        ConfigError: the file cannot be read or is not TOML, an override is not ``key.path=value``, a key is unknown, missing
            or of the wrong type, or a rule that needs no world size is broken. The message is one line.
    """
    path = Path(path)
    tree = _read_toml(path)
    for override in overrides:
        _apply_override(tree, override)
    try:
        config = config_from_mapping(tree)
        rules.check(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return config


def load_recipe(cls: type[Recipe], path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe of another kind than a training run into the dataclass ``cls``, with overrides as ``load_config`` takes them.

    Raises:
        ConfigError: as ``load_config``; only types are checked here.
    """
    path = Path(path)
    tree = _read_toml(path)
    for override in overrides:
        _apply_override(tree, override)
    try:
        return build(cls, tree, "")
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def config_from_mapping(mapping: Mapping[str, Any]) -> RunConfig:
    """Return the run that nested tables describe, its architecture filled in, its types checked, its rules not.

    Raises:
        ConfigError: a key is unknown, missing or of the wrong type, or the architecture is unknown.
    """
    return build(RunConfig, _with_architecture(mapping), "")


def load_run_file(path: Path) -> RunConfig:
    """Return the run that a ``run.toml`` of ours describes. Its rules are not checked: they were when it was written.

    Raises:
        ConfigError: the file cannot be read, or this version no longer has one of its keys.
    """
    try:
        return config_from_mapping(_read_toml(path))
    except ConfigError as error:
        raise error if str(error).startswith(f"{path}: ") else ConfigError(f"{path}: {error}") from error


def dump_config(config: RunConfig) -> str:
    """Return the run as TOML with every key written out; ``load_config`` reads an equal run from it."""
    lines: list[str] = []
    for section in dataclasses.fields(config):
        lines += [f"[{section.name}]", *table_lines(getattr(config, section.name), section.name), ""]
    return "\n".join(lines)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = nearest(path.stem, [file.stem for file in path.parent.glob("*.toml")])
        remedy = f"did you mean {path.parent / near}.toml?" if near else "give the path of a recipe; launch/recipes/ has some"
        raise ConfigError(f"{path}: no such file; {remedy}") from None
    except IsADirectoryError:
        inside = path / "run.toml"
        remedy = f"did you mean {inside}?" if inside.is_file() else "give a TOML file"
        raise ConfigError(f"{path}: is a folder; {remedy}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; a recipe is a TOML file, which is UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path}: not TOML: {error}; strings need quotes, true and false are lower case, no key comes twice"
        ) from error


def _apply_override(tree: dict[str, Any], override: str) -> None:
    """Put one ``key.path=value`` into ``tree``, making the tables on the way."""
    key, equals, text = override.partition("=")
    names = [name.strip() for name in key.split(".")]
    if not equals or not all(names):
        raise ConfigError(f"--set {override!r}: must be key.path=value, for example --set optimizer.lr=4e-5")
    node: Any = tree
    for depth, name in enumerate(names):
        here = ".".join(names[:depth])
        if isinstance(node, list):
            if not (name.isdecimal() and int(name) < len(node)):
                known = f"0 to {len(node) - 1}" if node else "none, it is empty"
                raise ConfigError(f"--set {override!r}: {name} is no element of {here}; its elements are {known}")
            slot: Any = int(name)
        elif isinstance(node, dict):
            slot = name
        else:
            raise ConfigError(f"--set {override!r}: {here} = {shown(node)} holds no keys; set {here} itself")
        if depth == len(names) - 1:
            node[slot] = _override_value(override, text.strip())
        else:
            node = node[slot] if isinstance(node, list) else node.setdefault(slot, {})


def _override_value(override: str, text: str) -> Any:
    try:
        # A line break would let one override write several keys, and a lone surrogate (from a file name that is
        # not UTF-8) could be loaded but never written to run.toml.
        if text.splitlines()[1:]:
            raise ConfigError(f"--set {override!r}: has a line break; give one key.path=value to each --set")
        text.encode()
        return tomllib.loads(f"value = {text}")["value"]
    except UnicodeEncodeError:
        raise ConfigError(f"--set {override!r}: is not UTF-8; use a name that is") from None
    except tomllib.TOMLDecodeError as error:
        if text[:1] in ('"', "'", "[", "{"):
            raise ConfigError(f"--set {override!r}: the value is not TOML: {error}; close what it opens") from error
        return text


def _with_architecture(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables with the fields of ``model.architecture`` put under the keys given beside it."""
    tree = dict(mapping)
    given = tree.get("model")
    if isinstance(given, dict) and isinstance(name := given.get("architecture"), str):
        if name not in ARCHITECTURES:
            near = nearest(name, ARCHITECTURES)
            remedy = f"did you mean {near}?" if near else f"known are {', '.join(ARCHITECTURES)}"
            raise ConfigError(f"model.architecture = {shown(name)}: no such architecture; {remedy}")
        tree["model"] = dataclasses.asdict(ARCHITECTURES[name]) | given
    elif isinstance(given, dict) and "architecture" not in given:
        raise ConfigError(f"model.architecture: missing; add one of {', '.join(ARCHITECTURES)}")
    return tree
