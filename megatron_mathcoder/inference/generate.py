"""``mathcoder generate``: an exported model continues a prompt.

Decides: that generation runs on the Hugging Face folder itself, by ``transformers``, so that what is seen here is what every
other user of the folder gets; and how a prompt begins: with BOS where the tokenizer has one, as each document did.
Does not: run code the model writes, or serve.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from data_tools.tokens.tokenizer import Tokenizer, load_tokenizer
from megatron_mathcoder.config.errors import CheckpointError, ConfigError, PlatformError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def run(argv: list[str]) -> int:
    """Run ``mathcoder generate``."""
    parser = argparse.ArgumentParser(prog="mathcoder generate", description="Let an exported model continue a prompt.")
    parser.add_argument("hf_dir", type=Path, help="a folder from mathcoder export-hf, or any Llama-family folder")
    parser.add_argument("--prompt", help="text to continue (default: standard input)")
    parser.add_argument("--max-new-tokens", type=int, default=128, metavar="N", help="default: 128")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T", help="0 = the likeliest token each time (default)")
    parser.add_argument("--seed", type=int, default=3407, help="of the draws when the temperature is not 0")
    arguments = parser.parse_args(argv)
    if arguments.max_new_tokens < 1:
        raise ConfigError(f"--max-new-tokens {arguments.max_new_tokens}: at least 1 token is needed")
    if arguments.temperature < 0:
        raise ConfigError(f"--temperature {arguments.temperature}: it must be 0 or more")
    prompt = arguments.prompt if arguments.prompt is not None else sys.stdin.read()
    if not (arguments.hf_dir / "config.json").is_file():
        raise CheckpointError(
            f"{arguments.hf_dir}: no config.json is in it; make the folder with mathcoder export-hf CKPT HF_DIR"
        )
    tokenizer = load_tokenizer(str(arguments.hf_dir))
    model = load_model(arguments.hf_dir)
    _check_vocabulary(tokenizer, model)
    continuation = generate(model, tokenizer, prompt, arguments.max_new_tokens, arguments.temperature, arguments.seed)
    print(f"{prompt}{continuation}")
    return 0


def load_model(folder: Path) -> "PreTrainedModel":
    """Load the folder's model, in its own dtype.

    Raises:
        PlatformError: transformers is not installed.
        CheckpointError: transformers cannot load the folder.
    """
    try:
        import transformers
    except ImportError:
        raise PlatformError(
            "mathcoder generate needs transformers; install it with pip install 'megatron-mathcoder[eval]'"
        ) from None
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto", local_files_only=True)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CheckpointError(f"{folder}: transformers cannot load it: {reason}; export it again") from error


def generate(
    model: "PreTrainedModel", tokenizer: Tokenizer, prompt: str, max_new_tokens: int, temperature: float = 0.0, seed: int = 0
) -> str:
    """Return the text that continues ``prompt``: at most ``max_new_tokens`` tokens, ended by the end of a document."""
    import torch

    start = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
    ids = torch.tensor([[*start, *tokenizer.encode_batch([prompt])[0]]])
    torch.manual_seed(seed)
    sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
    with torch.inference_mode():
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_new_tokens,
            eos_token_id=tokenizer.eod_id,
            pad_token_id=tokenizer.eod_id,
            **sampling,
        )
    # The prompt is decoded with its continuation and cut off, since a tokenizer may treat the first piece of a text apart.
    written = output[0, len(start) :].tolist()
    return tokenizer.decode(written)[len(tokenizer.decode(ids[0, len(start) :].tolist())) :]


def _check_vocabulary(tokenizer: Tokenizer, model: "PreTrainedModel") -> None:
    rows = int(model.config.vocab_size)
    if tokenizer.vocab_size > rows:
        raise CheckpointError(
            f"{tokenizer.path}: it has {tokenizer.vocab_size} pieces, the model {rows} rows; use the model's own tokenizer"
        )
