"""Language models: text in, text out. One protocol, an OpenAI-compatible client and offline vLLM, and a log of replies."""
