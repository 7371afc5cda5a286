"""The special tokens of MathCoder's LCE format: natural Language, Code, Execution (Wang et al. 2023, arXiv 2310.03731).

Decides: their spelling, and so their order in a vocabulary they are added to. Does not: say how a message is made of them
(``data_tools/lce.py``).
"""

ROLES = {"system": "<|system|>", "user": "<|user|>", "assistant": "<|assistant|>"}
BLOCKS = {"text": "<|text|>", "code": "<|code|>", "execution": "<|execution|>"}
END_OF_BLOCK = "<|endofblock|>"
END_OF_MESSAGE = "<|endofmessage|>"
LCE_TOKENS = (*ROLES.values(), *BLOCKS.values(), END_OF_BLOCK, END_OF_MESSAGE)
