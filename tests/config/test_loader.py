import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from megatron_mathcoder.config.architectures import LLAMA3_8B
from megatron_mathcoder.config.errors import ConfigError
from megatron_mathcoder.config.loader import config_from_mapping, dump_config, load_config, load_recipe
from megatron_mathcoder.config.schema import BlendPart, RunConfig
from megatron_mathcoder.evaluation.recipe import EvaluationConfig
from tests.repository import RECIPES, ROOT

Load = Callable[..., RunConfig]


def message(load: Callable[..., Any], *arguments: Any) -> str:
    """Return the one line of the error that the call raises."""
    with pytest.raises(ConfigError) as error:
        load(*arguments)
    text = str(error.value)
    assert len(text.splitlines()) == 1
    return text


def test_a_recipe_becomes_sections_with_defaults_for_what_it_leaves_out(load: Load) -> None:
    config = load()
    assert config.run.folder == "runs/a"
    assert config.optimizer.lr == 1e-3
    assert config.dataset.blend[1] == BlendPart(name="code", prefix="tokens/code", epochs=1.0, weight=0.0)
    assert config.parallel.tensor_model_parallel_size == 1


def test_a_whole_number_is_a_number_and_becomes_one(load: Load) -> None:
    epochs = load("training.steps=0", "training.epochs=3").training.epochs
    assert epochs == 3.0
    assert type(epochs) is float


def test_an_architecture_brings_its_numbers_and_keys_beside_it_win(load: Load) -> None:
    model = load("model.architecture=llama3_8b", "model.num_layers=2").model
    assert model.num_layers == 2
    assert model.hidden_size == LLAMA3_8B.hidden_size


def test_overrides_are_toml_and_bare_words_are_strings(load: Load) -> None:
    config = load(
        "run.folder=/data/a=b/c",
        'dataset.tokenizer="x y.model"',
        "optimizer.lr = 4e-5",
        "parallel.use_distributed_optimizer=true",
        "training.precision=fp32",
    )
    assert config.run.folder == "/data/a=b/c"
    assert config.dataset.tokenizer == "x y.model"
    assert config.optimizer.lr == 4e-5
    assert config.parallel.use_distributed_optimizer is True
    assert config.training.precision == "fp32"


def test_a_later_override_wins(load: Load) -> None:
    assert load("run.seed=1", "run.seed=2").run.seed == 2


def test_nothing_after_the_equals_sign_is_the_empty_string(load: Load) -> None:
    assert load("dataset.tokenizer=x", "dataset.tokenizer=").dataset.tokenizer == ""


def test_an_element_of_an_array_is_overridden_by_its_index(load: Load) -> None:
    blend = load("dataset.blend.1.prefix=other/code", "dataset.blend.1.epochs=2").dataset.blend
    assert (blend[0].prefix, blend[1].prefix, blend[1].epochs) == ("tokens/books", "other/code", 2.0)


def test_a_whole_array_is_overridden_by_inline_tables(load: Load) -> None:
    blend = load('dataset.blend=[{name="a", prefix="b"}]').dataset.blend
    assert blend == (BlendPart(name="a", prefix="b"),)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        # Unknown keys: near in the section, elsewhere, nowhere.
        (["optimizer.lrr=1"], "optimizer.lrr = 1: no such key; did you mean optimizer.lr?"),
        (["dataset.blend.0.prefx=a"], 'dataset.blend.0.prefx = "a": no such key; did you mean dataset.blend.0.prefix?'),
        (["training.lr=1e-4"], "training.lr = 0.0001: no such key; did you mean optimizer.lr?"),
        (["seq_length=512"], "seq_length = 512: no such key; did you mean dataset.seq_length?"),
        (["optimiser.lr=1e-4"], "optimiser: no such key; did you mean optimizer?"),
        (["dataset.weight=1"], "dataset.weight = 1: no such key; did you mean dataset.blend.N.weight?"),
        (["run.zzz=1"], "run.zzz = 1: no such key; [run] has folder, seed"),
        (
            ["zzz=1"],
            (
                "zzz = 1: no such key; a recipe has run, model, dataset, training, optimizer, platform, parallel, validation, "
                "checkpoint, guard, logging"
            ),
        ),
        # Wrong types, with what was probably meant.
        (["training.steps=1e3"], "training.steps = 1000.0: must be a whole number; write 1000"),
        (["training.steps=1.5"], "training.steps = 1.5: must be a whole number"),
        (["training.steps=true"], "training.steps = true: must be a whole number"),
        (['training.steps="7"'], 'training.steps = "7": must be a whole number; write 7, without quotes'),
        (["training.steps=many"], 'training.steps = "many": must be a whole number'),
        (["optimizer.lr=true"], "optimizer.lr = true: must be a number"),
        (['optimizer.lr="4e-5"'], 'optimizer.lr = "4e-5": must be a number; write 4e-05, without quotes'),
        (["optimizer.lr=nan"], "optimizer.lr = nan: must be finite; write a number"),
        (["optimizer.lr=inf"], "optimizer.lr = inf: must be finite; write a number"),
        ([f"optimizer.lr=1{'0' * 400}"], "optimizer.lr = inf: must be finite; write a number"),
        (["logging.tensorboard=1"], "logging.tensorboard = 1: must be true or false"),
        (["logging.tensorboard=True"], 'logging.tensorboard = "True": must be true or false; write true'),
        (["run.folder=2024"], 'run.folder = 2024: must be a string, in quotes; write "2024", with the quotes'),
        (["run.folder=2024-01-31"], "run.folder = 2024-01-31: must be a string, in quotes"),
        (["run.folder=[1, 2]"], "run.folder = […]: must be a string, in quotes"),
        (["run=3"], "run = 3: must be a table, written [run]"),
        (["dataset.blend=x"], 'dataset.blend = "x": must be an array of tables, each written [[dataset.blend]]'),
        (["dataset.blend=[1]"], "dataset.blend.0 = 1: must be a table, written [dataset.blend.0]"),
        # Choices.
        (["training.precision=fp16"], 'training.precision = "fp16": must be one of fp32, bf16; did you mean bf16?'),
        (["platform.name=tpu"], 'platform.name = "tpu": must be one of auto, cpu, cuda; did you mean cpu?'),
        (["training.recompute=1"], "training.recompute = 1: must be one of none, selective, full"),
        # Architectures.
        (["model.architecture=llama3-8b"], 'model.architecture = "llama3-8b": no such architecture; did you mean llama3_8b?'),
        (
            ["model.architecture=x"],
            (
                'model.architecture = "x": no such architecture; known are tiny_llama, llama2_7b, llama3_8b, llama3_1_8b, '
                "deepseek_math_7b, mistral_7b, code_llama_7b, qwen2_5_math_7b, qwen2_5_math_1_5b"
            ),
        ),
        (["model.architecture=7"], 'model.architecture = 7: must be a string, in quotes; write "7", with the quotes'),
        (["model=7"], "model = 7: must be a table, written [model]"),
        # A long value is cut.
        ([f"training.precision={'x' * 200}"], f'training.precision = "{"x" * 76}…: must be one of fp32, bf16'),
    ],
)
def test_a_wrong_key_or_value_is_named_with_its_path_and_a_remedy(
    load: Load, recipe: Path, overrides: list[str], expected: str
) -> None:
    assert message(load, *overrides) == f"{recipe}: {expected}"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("optimizer.lr", "must be key.path=value, for example --set optimizer.lr=4e-5"),
        ("=3", "must be key.path=value, for example --set optimizer.lr=4e-5"),
        ("optimizer..lr=3", "must be key.path=value, for example --set optimizer.lr=4e-5"),
        ("dataset.blend.2.name=x", "2 is no element of dataset.blend; its elements are 0 to 1"),
        ("dataset.blend.-1.name=x", "-1 is no element of dataset.blend; its elements are 0 to 1"),
        ("dataset.blend.books.name=x", "books is no element of dataset.blend; its elements are 0 to 1"),
        ("dataset.blend.²=x", "² is no element of dataset.blend; its elements are 0 to 1"),
        ("run.folder.name=x", 'run.folder = "runs/a" holds no keys; set run.folder itself'),
        ("run.seed=1\nrun.folder='x'", "has a line break; give one key.path=value to each --set"),
        ("run.folder=a\udcff", "is not UTF-8; use a name that is"),
    ],
)
def test_an_override_that_cannot_be_applied_is_quoted(load: Load, override: str, expected: str) -> None:
    assert message(load, override) == f"--set {override!r}: {expected}"


@pytest.mark.parametrize("value", ['"open', "[1, 2", "{a = 1", "'it's'"])
def test_an_override_that_opens_what_it_does_not_close_is_refused(load: Load, value: str) -> None:
    text = message(load, f"run.folder={value}")
    assert text.startswith(f"--set {f'run.folder={value}'!r}: the value is not TOML: ")
    assert text.endswith("; close what it opens")


@pytest.mark.parametrize(("recipe", "verb"), [("mathcoder2_data.toml", "data"), ("evaluate_demo.toml", "evaluate")])
def test_a_recipe_of_another_verb(recipe: str, verb: str) -> None:
    with pytest.raises(ConfigError, match=rf"no such key; this is a recipe of mathcoder {verb}$"):
        load_config(RECIPES / recipe)


@pytest.mark.parametrize(
    ("key", "remedy"),
    [("benchmarks.0.tokenizr", r"\[benchmarks.0\] has name, path, "), ("models.0.folder", "did you mean evaluation.folder?")],
)
def test_a_key_of_another_kind_of_recipe_is_not_suggested(key: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=rf"{key} = 5: no such key; {remedy}"):
        load_recipe(EvaluationConfig, RECIPES / "evaluate_demo.toml", [f"{key}=5"])


def test_an_element_of_an_empty_array_does_not_exist(load: Load) -> None:
    text = message(load, "dataset.blend=[]", "dataset.blend.0.name=x")
    assert text.endswith("0 is no element of dataset.blend; its elements are none, it is empty")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("run", "folder"), "run.folder: missing; add folder = a string, in quotes"),
        (("optimizer",), "optimizer: missing; add the table [optimizer]"),
        (("dataset", "blend"), "dataset.blend: missing; add an array of tables, each written [[dataset.blend]]"),
        (("dataset", "blend", 1, "prefix"), "dataset.blend.1.prefix: missing; add prefix = a string, in quotes"),
        (("model",), "model: missing; add the table [model]"),
        (
            ("model", "architecture"),
            (
                "model.architecture: missing; add one of tiny_llama, llama2_7b, llama3_8b, llama3_1_8b, deepseek_math_7b, "
                "mistral_7b, code_llama_7b, qwen2_5_math_7b, qwen2_5_math_1_5b"
            ),
        ),
    ],
)
def test_a_missing_key_is_named(mapping: dict[str, Any], path: tuple[Any, ...], expected: str) -> None:
    table: Any = mapping
    for name in path[:-1]:
        table = table[name]
    del table[path[-1]]
    assert message(config_from_mapping, mapping) == expected


def test_a_mapping_is_left_as_it_was(mapping: dict[str, Any]) -> None:
    config_from_mapping(mapping)
    assert mapping["model"] == {"architecture": "tiny_llama"}


def test_a_key_with_a_line_break_is_still_one_line(recipe: Path) -> None:
    recipe.write_text('"a\\nb" = 1\n' + recipe.read_text())
    assert message(load_config, recipe).startswith(f'{recipe}: "a\\nb" = 1: no such key; ')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[run]\nfolder = runs/a\n", "Invalid value (at line 2, column 10)"),
        ("[run\n", "Expected ']' at the end of a table declaration (at line 1, column 5)"),
        ("[run]\nseed = 1\nseed = 2\n", "Cannot overwrite a value (at line 3, column 9)"),
        ("[logging]\ntensorboard = True\n", "Invalid value (at line 2, column 15)"),
    ],
)
def test_text_that_is_not_toml_is_refused_with_its_line(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    remedy = "strings need quotes, true and false are lower case, no key comes twice"
    assert message(load_config, path) == f"{path}: not TOML: {expected}; {remedy}"


def test_a_missing_file_is_named_with_the_nearest(recipe: Path, tmp_path: Path) -> None:
    assert message(load_config, tmp_path / "recip.toml") == f"{tmp_path}/recip.toml: no such file; did you mean {recipe}?"
    (tmp_path / "pyproject.toml").touch()
    assert "give the path of a recipe" in message(load_config, tmp_path / "nope.toml")
    lost = tmp_path / "no_folder" / "x.toml"
    assert message(load_config, lost) == f"{lost}: no such file; give the path of a recipe; launch/recipes/ has some"


def test_a_folder_is_refused_and_a_run_folder_named_by_its_recipe(recipe: Path, tmp_path: Path) -> None:
    assert message(load_config, tmp_path) == f"{tmp_path}: is a folder; give a TOML file"
    recipe.rename(tmp_path / "run.toml")
    assert message(load_config, tmp_path) == f"{tmp_path}: is a folder; did you mean {tmp_path}/run.toml?"


def test_a_file_taken_for_a_folder_is_refused(recipe: Path) -> None:
    assert message(load_config, recipe / "x.toml") == f"{recipe}/x.toml: cannot be read: Not a directory"


def test_a_file_that_is_not_utf8_is_refused(recipe: Path) -> None:
    recipe.write_bytes(b'[run]\nfolder = "caf\xe9"\n')
    assert message(load_config, recipe) == f"{recipe}: byte 19 is not UTF-8; a recipe is a TOML file, which is UTF-8 text"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(recipe: Path) -> None:
    expected = load_config(recipe)
    recipe.write_bytes(b"\xef\xbb\xbf" + recipe.read_bytes().replace(b"\n", b"\r\n"))
    assert load_config(recipe) == expected


def test_the_dump_of_a_run_loads_as_the_same_run(load: Load, tmp_path: Path) -> None:
    config = load("optimizer.lr=1e-3", "dataset.tokenizer=a b\\c.model", "model.num_layers=8")
    path = tmp_path / "run.toml"
    path.write_text(dump_config(config))
    assert load_config(path) == config


def test_loading_a_recipe_imports_nothing_beyond_the_standard_library(recipe: Path) -> None:
    code = (
        "import sys; from megatron_mathcoder.config.loader import load_config; load_config(sys.argv[1]); "
        "own = {name.partition('.')[0] for name, module in sys.modules.items() if getattr(module, '__file__', None)}; "
        "print(*sorted(own - set(sys.stdlib_module_names)))"
    )
    command = [sys.executable, "-S", "-c", code, str(recipe)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["megatron_mathcoder"]
