"""Arguments of every verb that asks a language model, and the model that they name.

Decides: their names and defaults, and how a server or vLLM in this process is opened from them.
Does not: say what is asked; each verb's module has its prompt.
"""

import argparse
import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from data_tools.arguments import output_path, positive_int
from data_tools.llm.asked import AskedModel
from data_tools.llm.connection import Server
from data_tools.llm.interface import LanguageModel
from data_tools.llm.openai_client import OpenAIClient
from megatron_mathcoder.config.errors import DataError

VLLM = "vllm"


def add_model_arguments(parser: argparse.ArgumentParser, max_tokens: int, max_characters: int) -> argparse._ArgumentGroup:
    """Add what a language model needs, with the verb's own bounds as defaults; return the group, for what it adds itself."""
    group = parser.add_argument_group("for a language model")
    group.add_argument("--model", metavar="NAME", help="the served model's name; for vllm a Hugging Face folder or name")
    group.add_argument(
        "--base-url", type=_url, default="http://localhost:8000/v1", metavar="URL", help="the server's (default: %(default)s)"
    )
    group.add_argument(
        "--vllm-option",
        action="append",
        default=[],
        type=_vllm_option,
        metavar="NAME=VALUE",
        help="of vLLM in this process, such as tensor_parallel_size=4; may be given several times",
    )
    group.add_argument("--api-key-file", type=Path, metavar="FILE", help="file that holds the server's key")
    group.add_argument(
        "--requests", type=output_path, metavar="DIR", help="log of requests and replies (default: OUTPUT.requests)"
    )
    group.add_argument(
        "--max-tokens", type=positive_int, default=max_tokens, metavar="N", help="a reply's tokens (default: %(default)s)"
    )
    group.add_argument(
        "--max-characters",
        type=positive_int,
        default=max_characters,
        metavar="N",
        help="longer documents are asked about in passages (default: %(default)s)",
    )
    group.add_argument("--requests-in-flight", type=positive_int, default=64, metavar="N", help="(default: %(default)s)")
    group.add_argument("--tokens-in-flight", type=positive_int, default=400_000, metavar="N", help="(default: %(default)s)")
    group.add_argument("--token-budget", type=positive_int, default=None, metavar="N", help="stop when so many tokens are used")
    group.add_argument(
        "--attempts", type=positive_int, default=6, metavar="N", help="tries of one request (default: %(default)s)"
    )
    group.add_argument(
        "--request-seconds", type=positive_int, default=900, metavar="S", help="longest try (default: %(default)s)"
    )
    group.add_argument("--retry-dead", action="store_true", help="send again what got no reply before")
    group.add_argument("--write-batch", type=output_path, metavar="FILE", help="write open requests for vllm run-batch, and stop")
    group.add_argument("--read-batch", type=Path, metavar="FILE", help="take the replies that vllm run-batch wrote first")
    return group


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} has no http:// or https://; an address is like http://localhost:8000/v1")
    return text


def _vllm_option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as tensor_parallel_size=4")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def asked_model(flag: str, options: argparse.Namespace) -> AskedModel:
    """Return the model of ``options``, whose kind ``--FLAG`` gave. Raises DataError: it has no name."""
    kind = getattr(options, flag)
    if not options.model:
        raise DataError(f"--{flag} {kind} needs --model NAME")
    return AskedModel(
        kind=kind,
        model=options.model,
        requests=options.requests or options.output.with_name(options.output.name + ".requests"),
        max_tokens=options.max_tokens,
        max_characters=options.max_characters,
    )


def open_model(kind: str, options: argparse.Namespace) -> AbstractContextManager[LanguageModel]:
    """Return the model that ``options`` name: vLLM in this process when ``kind`` is ``vllm``, else a server.

    Raises DataError: the key's file is not there.
    """
    if kind == VLLM:
        from data_tools.llm.vllm_offline import VllmOffline

        return nullcontext(VllmOffline(options.model, dict(options.vllm_option)))
    server = Server(
        base_url=options.base_url,
        model=options.model,
        api_key=_key(options.api_key_file) if options.api_key_file else "",
        requests_in_flight=options.requests_in_flight,
        tokens_in_flight=options.tokens_in_flight,
        read_seconds=options.request_seconds,
        total_seconds=options.request_seconds,
        attempts=options.attempts,
        token_budget=options.token_budget or 0,
    )
    return OpenAIClient(server)


def _key(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"--api-key-file {str(path)!r} is no file; name the one that holds the server's key")
    return path.read_text(encoding="utf-8").strip()
