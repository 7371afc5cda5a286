"""From what a person names to a language model: a folder, a server, or vLLM in this process.

Decides: the form of the name: a path is a Hugging Face folder for ``transformers``; ``http://host:8000/v1#MODEL`` an
OpenAI-compatible server; ``vllm:FOLDER`` the same folder through vLLM.
Does not: export a checkpoint (``evaluation`` may).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_tools.llm.interface import LanguageModel
from megatron_mathcoder.config.errors import CheckpointError, ConfigError
from megatron_mathcoder.inference.transformers_model import DEFAULT_BATCH, TransformersModel

SERVERS = ("http://", "https://")
VLLM = "vllm:"
FORMS = "a folder from mathcoder export-hf, http://host:8000/v1#MODEL, or vllm:FOLDER"
"""What a person may name, for help and errors."""


def check_name(name: str) -> None:
    """Raise ConfigError or CheckpointError for a name that can be no model: found out before anything is loaded."""
    if name.startswith(SERVERS):
        if not name.partition("#")[2]:
            raise ConfigError(f"model {name!r}: it does not say which model of the server; write {name}#MODEL")
    elif not name.startswith(VLLM) and not Path(name).is_dir():
        raise CheckpointError(f"{name}: there is no such folder; make the folder with mathcoder export-hf CKPT HF_DIR")


@contextmanager
def open_model(name: str, batch_size: int = DEFAULT_BATCH) -> Iterator[LanguageModel]:
    """Open the model a person named, and close it after.

    Raises ConfigError, CheckpointError or PlatformError: the name has no model, nothing is there, or a package is missing.
    """
    check_name(name)
    if name.startswith(SERVERS):
        yield from _server(name)
    elif name.startswith(VLLM):
        yield from _vllm(name.removeprefix(VLLM))
    else:
        yield TransformersModel(Path(name), batch_size)


def _server(name: str) -> Iterator[LanguageModel]:
    from data_tools.llm.connection import Server
    from data_tools.llm.openai_client import OpenAIClient

    address, _, model = name.partition("#")
    with OpenAIClient(Server(base_url=address, model=model)) as client:
        yield client


def _vllm(folder: str) -> Iterator[LanguageModel]:
    from data_tools.llm.vllm_offline import VllmOffline

    yield VllmOffline(folder)
