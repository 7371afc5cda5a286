"""Filters by relevance: a fastText classifier learns from labelled documents and judges the rest."""
