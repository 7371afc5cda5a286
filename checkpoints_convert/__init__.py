"""The bridge between megatron-core checkpoints and Hugging Face folders; standard library only at import, no torch."""
