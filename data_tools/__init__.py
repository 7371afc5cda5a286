"""The data tools: raw corpora to token ids on CPU, one document at a time, with no torch."""
