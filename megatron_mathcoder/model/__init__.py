"""Floor 3: the decoder, built from megatron-core's modules and our layer spec."""
