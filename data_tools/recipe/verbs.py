"""Which module does a recipe's verb.

Decides: the modules, imported only when they are asked for. Each has ``run(argv)``; those in ``WITH_ARGUMENTS`` have
``parse(argv)`` too.
Does not: say in which order (``commands.py``).
"""

VERBS = {
    "prepare": "data_tools.prepare",
    "annotate": "data_tools.annotation.main",
    "train-filter": "data_tools.filters.train_filter",
    "filter": "data_tools.filters.fasttext_filter",
    "translate": "data_tools.translate.main",
    "execute": "data_tools.translate.execute",
    "decontaminate": "data_tools.decontamination.decontaminate",
    "dedup": "data_tools.dedup.dedup",
    "tokenize": "data_tools.tokens.tokenize",
    "report": "data_tools.report.main",
}

WITH_ARGUMENTS = ("prepare", "annotate", "train-filter", "translate", "execute")
"""Verbs that a recipe may give arguments of its own."""
