"""Filters by relevance: an LLM annotates a sample, a fastText classifier learns from it and judges the rest."""
