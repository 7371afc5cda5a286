"""Small data recipes for tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def recipe_text(data: Path, corpora: str | Path, components: Sequence[str], tokenizers: Sequence[str]) -> str:
    """Return a recipe over ``corpora`` that makes ``out``, without SVAMP, with Mistral's tokenizers (``v1``, ``v3``)."""
    return (
        f'[data]\nfolder = "out"\ncorpora = "{corpora}"\nmax_reject_fraction = 0.05\n'
        f'[decontaminate]\nbenchmarks = ["{data}/benchmarks/svamp.json"]\n'
        + "".join(components)
        + "".join(table("tokenizers", name=name, path=f"{data}/tokenizers/mistral_{name}.model") for name in tokenizers)
    )


def component(name: str, source: str, inputs: Sequence[str], **keys: object) -> str:
    """Return the table of a component."""
    return table("components", name=name, source=source, inputs=inputs, **keys)


def table(section: str, **keys: object) -> str:
    """Return one table of an array; JSON's spelling of strings, lists and numbers is TOML's too."""
    fields: Mapping[str, object] = keys
    return f"[[{section}]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items())
