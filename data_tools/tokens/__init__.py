"""Documents to token ids: train a tokenizer, read any tokenizer, write Megatron's ``.bin/.idx``."""
