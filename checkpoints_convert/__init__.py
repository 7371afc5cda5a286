"""The bridge between megatron-core checkpoints and Hugging Face folders; numpy only, no torch."""
