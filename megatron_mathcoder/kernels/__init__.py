"""Fused operations of the decoder, each with a plain torch definition of what is right."""
