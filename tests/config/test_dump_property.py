"""Whatever a run holds, its dump says it completely."""

import dataclasses
import tomllib
from typing import Any, cast, get_args, get_origin, get_type_hints

from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_mathcoder.config.architectures import ARCHITECTURES
from megatron_mathcoder.config.loader import config_from_mapping, dump_config
from megatron_mathcoder.config.schema import ModelConfig, RunConfig

SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    # Every character a file can hold; a surrogate alone is none.
    str: st.text(st.characters(exclude_categories=["Cs"])),
}


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    if dataclasses.is_dataclass(hint):
        fields = {name: values_of(each) for name, each in get_type_hints(hint).items()}
        if hint is ModelConfig:
            fields["architecture"] = st.sampled_from(sorted(ARCHITECTURES))
        return st.builds(cast("type[Any]", hint), **fields)
    if get_origin(hint) is tuple:
        return st.lists(values_of(get_args(hint)[0]), max_size=3).map(tuple)
    return SCALARS[hint] if hint in SCALARS else st.sampled_from(get_args(hint))


@settings(deadline=None)
@given(values_of(RunConfig))
def test_the_dump_of_any_run_loads_equal(config: RunConfig) -> None:
    text = dump_config(config)
    assert config_from_mapping(tomllib.loads(text)) == config


@settings(deadline=None)
@given(values_of(RunConfig))
def test_the_dump_of_a_loaded_dump_is_the_same_text(config: RunConfig) -> None:
    text = dump_config(config)
    assert dump_config(config_from_mapping(tomllib.loads(text))) == text
