"""Stock megatron-core GPTModels on CPU: the judge of what the converter reads and writes.

Run as ``python stock_megatron.py``: it imports megatron-core once, then reads the path of a job from each line of its input,
forks the job's ranks, and answers ``ok`` or ``failed`` (``rank-N.log`` beside the job says why). Nothing of the project is
imported here on purpose: only public megatron-core, with the CUDA calls it makes on CPU answered by a few stand-ins.

JOB.json: model (a [model] table), tp, pp, vpp, store (rendezvous file), tokens (.npy, batch × length), logits (.npy to write),
load (a torch_dist or legacy folder, "" = none), save (a torch_dist folder, "" = none), steps (SGD steps on the tokens before
logits and save), losses (.json to write), prefix and spelling (of the saved keys).
"""

# torch is imported in functions only: megatron-core's save starts a process that imports this file again.
import json
import os
import sys
import traceback
import warnings
from datetime import timedelta
from pathlib import Path


def answer_cuda_calls_on_cpu() -> None:
    import torch
    from torch.overrides import TorchFunctionMode

    class CudaMeansCpu(TorchFunctionMode):
        """``device="cuda"`` in a factory call or a ``.to`` makes a CPU tensor."""

        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = dict(kwargs or {})
            if "cuda" in str(kwargs.get("device")):
                kwargs["device"] = "cpu"
            return function(*args, **kwargs)

    torch.cuda.current_device = lambda: "cpu"
    torch.cuda.synchronize = lambda *_: None
    torch.Tensor.cuda = lambda tensor, *_, **__: tensor
    CudaMeansCpu().__enter__()


def transformer_config(model: dict, job: dict):
    import torch
    from megatron.core.transformer.transformer_config import TransformerConfig

    window = (model["sliding_window"] - 1, 0) if model["sliding_window"] else None
    return TransformerConfig(
        num_layers=model["num_layers"],
        hidden_size=model["hidden_size"],
        ffn_hidden_size=model["ffn_hidden_size"],
        num_attention_heads=model["num_attention_heads"],
        num_query_groups=model["num_query_groups"],
        kv_channels=model["kv_channels"],
        layernorm_epsilon=model["layernorm_epsilon"],
        init_method_std=model["init_method_std"],
        add_qkv_bias=model["add_qkv_bias"],
        window_size=window,
        normalization="RMSNorm",
        gated_linear_unit=True,
        activation_func=torch.nn.functional.silu,
        add_bias_linear=False,
        attention_dropout=0.0,
        hidden_dropout=0.0,
        bias_activation_fusion=False,
        masked_softmax_fusion=False,
        persist_layer_norm=False,
        use_cpu_initialization=True,
        params_dtype=torch.float32,
        pipeline_dtype=torch.float32,
        tensor_model_parallel_size=job["tp"],
        pipeline_model_parallel_size=job["pp"],
        virtual_pipeline_model_parallel_size=job["vpp"] if job["vpp"] > 1 else None,
        deallocate_pipeline_outputs=False,
    )


def build(job: dict) -> list:
    import torch
    from megatron.core import parallel_state
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
    from megatron.core.models.gpt.gpt_model import GPTModel

    model, multiple = job["model"], job["model"]["make_vocab_size_divisible_by"] * job["tp"]
    config, chunks = transformer_config(model, job), []
    for chunk in range(job["vpp"]):
        pre = parallel_state.is_pipeline_first_stage(ignore_virtual=job["vpp"] == 1, vp_stage=chunk)
        post = parallel_state.is_pipeline_last_stage(ignore_virtual=job["vpp"] == 1, vp_stage=chunk)
        chunks.append(
            GPTModel(
                config,
                get_gpt_layer_local_spec(normalization="RMSNorm"),
                vocab_size=-(-model["vocab_size"] // multiple) * multiple,
                max_sequence_length=model["max_position_embeddings"],
                pre_process=pre,
                post_process=post,
                parallel_output=False,
                share_embeddings_and_output_weights=model["share_embeddings_and_output_weights"],
                position_embedding_type="rope",
                rotary_base=model["rotary_base"],
                rope_scaling=bool(model["rope_scaling_factor"]),
                rope_scaling_factor=model["rope_scaling_factor"] or 8.0,
                vp_stage=chunk if job["vpp"] > 1 else None,
            )
        )
    for module in chunks:  # random norms and biases too: an exchange of two of them must show
        for name, parameter in sorted(module.named_parameters()):
            if parameter.ndim == 1:
                generator = torch.Generator().manual_seed(job.get("seed", 0) + len(name))
                with torch.no_grad():
                    parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return chunks


def sharded_state(chunks: list, prefix: str = "", spelling: str = "") -> dict:
    """``spelling`` is a switch of megatron-core's that changes the keys; ``prefix`` is what wrappers put before them."""
    state: dict = {}
    for index, module in enumerate(chunks):
        state[f"model{index}"] = module.sharded_state_dict(prefix=prefix, metadata={spelling: True} if spelling else None)
    return state


def load(chunks: list, folder: str, job: dict) -> None:
    import torch
    from megatron.core import dist_checkpointing, parallel_state

    if Path(folder, "release").is_dir():
        ranks = parallel_state.get_tensor_model_parallel_rank(), parallel_state.get_pipeline_model_parallel_rank()
        name = f"mp_rank_{ranks[0]:02d}" + (f"_{ranks[1]:03d}" if job["pp"] > 1 else "")
        content = torch.load(f"{folder}/release/{name}/model_optim_rng.pt", weights_only=True)
        for index, module in enumerate(chunks):
            module.load_state_dict(content["model" if len(chunks) == 1 else f"model{index}"], strict=True)
        return
    state = dist_checkpointing.load(sharded_state(chunks), folder)
    for index, module in enumerate(chunks):
        module.load_state_dict(state[f"model{index}"])


def forward(chunks: list, job: dict, tokens, backward: bool):
    """Run the pipeline schedule on one microbatch; returns (logits, loss) on the last stage, else (None, None)."""
    import torch
    from megatron.core import parallel_state
    from megatron.core.pipeline_parallel import get_forward_backward_func
    from megatron.core.tensor_parallel import vocab_parallel_cross_entropy
    from megatron.core.tensor_parallel.mappings import gather_from_tensor_model_parallel_region as gather

    kept = []
    positions = torch.arange(tokens.shape[1])[None].expand_as(tokens)

    def loss_of(logits):
        kept.append(gather(logits.detach()).float())
        first_padding = job["model"]["vocab_size"] - logits.shape[-1] * parallel_state.get_tensor_model_parallel_rank()
        logits[..., max(0, first_padding) :] = float("-inf")  # else the loss depends on the padding, which grows with TP
        losses = vocab_parallel_cross_entropy(logits[:, :-1].transpose(0, 1).contiguous(), tokens[:, 1:].t().contiguous())
        return losses.mean(), {"loss": losses.mean().detach()}

    def step(batches, module):
        next(batches)
        return module(tokens, positions, None), loss_of

    count = job["pp"] if job["vpp"] > 1 else 1
    reduced = get_forward_backward_func()(
        forward_step_func=step,
        data_iterator=[iter(range(count)) for _ in chunks] if len(chunks) > 1 else iter(range(count)),
        model=chunks if len(chunks) > 1 else chunks[0],
        num_microbatches=count,
        seq_length=tokens.shape[1],
        micro_batch_size=tokens.shape[0],
        forward_only=not backward,
    )
    return (kept[0], float(reduced[0]["loss"])) if kept else (None, None)


def train(chunks: list, job: dict, tokens) -> list[float]:
    """Plain SGD on the whole model; embedding and norm gradients are shared as megatron-core's finalize_model_grads does."""
    import torch
    import torch.distributed as dist
    from megatron.core import parallel_state

    losses = []
    for _ in range(job["steps"]):
        _, loss = forward(chunks, job, tokens, backward=True)
        losses.append(loss)
        shared = [m.shared_embedding_or_output_weight() for m in chunks if m.share_embeddings_and_output_weights]
        for weight in (w for w in shared if w is not None and parallel_state.is_rank_in_embedding_group() and job["pp"] > 1):
            dist.all_reduce(weight.grad, group=parallel_state.get_embedding_group())
        with torch.no_grad():
            for parameter in (p for module in chunks for p in module.parameters() if p.grad is not None):
                parameter -= 0.05 * parameter.grad
                parameter.grad = None
    return losses


def run_rank(job: dict, rank: int) -> None:
    import numpy as np
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    answer_cuda_calls_on_cpu()
    from megatron.core import dist_checkpointing, parallel_state
    from megatron.core.tensor_parallel.random import initialize_rng_tracker

    from megatron_mathcoder.platforms.checkpoint_writer import keep_results_in_process

    world = job["tp"] * job["pp"]
    store = dist.FileStore(job["store"], world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world, timeout=timedelta(seconds=120))
    parallel_state.initialize_model_parallel(
        job["tp"], job["pp"], virtual_pipeline_model_parallel_size=job["vpp"] if job["vpp"] > 1 else None
    )
    initialize_rng_tracker(inference_rng_tracker=True, force_reset=True)
    torch.manual_seed(job.get("seed", 0))
    chunks = build(job)
    for module in chunks:
        module.config.finalize_model_grads_func = None
    if job["load"]:
        load(chunks, job["load"], job)
    tokens = torch.from_numpy(np.load(job["tokens"]))
    losses = train(chunks, job, tokens) if job["steps"] else []
    if losses and losses[0] is not None and parallel_state.get_tensor_model_parallel_rank() == 0:
        Path(job["losses"]).write_text(json.dumps(losses))
    if job["logits"]:
        with torch.no_grad():
            logits, _ = forward(chunks, job, tokens, backward=False)
        if logits is not None and parallel_state.get_tensor_model_parallel_rank() == 0:
            np.save(job["logits"], logits[..., : job["model"]["vocab_size"]].numpy())
    if job["save"]:
        keep_results_in_process()  # os._exit leaves a manager process behind
        dist_checkpointing.save(sharded_state(chunks, job["prefix"], job["spelling"]), job["save"])
    dist.barrier()


def fork_rank(path: Path, job: dict, rank: int) -> int:
    """Start one rank; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    with path.with_name(f"rank-{rank}.log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            run_rank(job, rank)
            os._exit(0)
        except BaseException:  # CheckpointException of torch is no Exception
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)


def serve() -> None:
    warnings.simplefilter("ignore")
    import megatron.core.dist_checkpointing
    import megatron.core.models.gpt  # noqa: F401

    for line in sys.stdin:
        path = Path(line.strip())
        job = json.loads(path.read_text())
        pids = [fork_rank(path, job, rank) for rank in range(job["tp"] * job["pp"])]
        statuses = [os.waitpid(pid, 0)[1] for pid in pids]
        print("failed" if any(statuses) else "ok", flush=True)


if __name__ == "__main__":
    serve()
