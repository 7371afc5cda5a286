"""StarCoder's training data (bigcode/starcoderdata): parquet of Python files, of notebooks as scripts, and of structured
notebooks.

Decides: which of the three a row is, by its columns and marks; the marks become text (a structured notebook is rendered like an
``.ipynb``) and the repository named in a prefix becomes metadata; a program is kept only when it is chosen
(``program_text/choice.py``), for which only code cells are looked at.
Does not: read another language: scripts with ``lang`` other than python are dropped.

Source of the layout: the dataset's card and the published selection (mathllm/MathCoder2).
"""

import argparse
import re
from dataclasses import dataclass
from typing import Any

from data_tools.document import Document
from data_tools.program_text import choice
from data_tools.program_text.choice import CHOICES, ProgramChoice
from data_tools.sources.record_files import RecordFiles, add_row_arguments

NAME = "starcoder"
OTHER_LANGUAGE = "not Python"

_PREFIX = re.compile(r"\A(?:<(?:reponame|filename|gh_stars)>[^<\n]*)+\n?")
_PREFIX_FIELD = re.compile(r"<(reponame|filename|gh_stars)>([^<\n]*)")
_CELL = re.compile(r"<(?:jupyter_(start|text|code|output|script)|empty_(output))>")


@dataclass(frozen=True, slots=True)
class StarcoderRule:
    """Turns a row's content into text and chooses."""

    wanted: ProgramChoice

    def __call__(self, document: Document) -> Document | str:
        """Return the document to keep, or the reason why it is dropped."""
        language = str(document.metadata.get("lang") or "python").lower()
        if language not in ("python", "jupyter notebook"):
            return f"{OTHER_LANGUAGE}: {language}"
        text, prefix = _without_prefix(document.text)
        kind = "code"
        code = text
        if "<jupyter_" in text[:200]:
            text, code = notebook_text(text)
            kind = "notebook"
        if not text.strip():
            return "empty text"
        judged = self.wanted.judge(code)
        if isinstance(judged, str):
            return judged
        return Document(document.id, text, {"kind": kind, **_known(document, prefix), **judged})


def _known(document: Document, prefix: dict[str, str]) -> dict[str, Any]:
    """Return the row's own columns, with the repository and path in the provenance under one name."""
    metadata = dict(document.metadata)
    repository = metadata.get("max_stars_repo_name") or metadata.get("repo_name") or prefix.get("reponame")
    path = metadata.get("max_stars_repo_path") or metadata.get("path") or prefix.get("filename")
    found = {"repository": repository, "path": path}
    metadata["provenance"] = metadata["provenance"] | {key: value for key, value in found.items() if value}
    return metadata


def _without_prefix(content: str) -> tuple[str, dict[str, str]]:
    match = _PREFIX.match(content)
    return (content[match.end() :], dict(_PREFIX_FIELD.findall(match[0]))) if match else (content, {})


def notebook_text(content: str) -> tuple[str, str]:
    """Return a structured notebook as text like an ``.ipynb``'s, and its code alone."""
    pieces = _CELL.split(content)
    texts: list[str] = []
    codes: list[str] = []
    # split gives: text before the first mark, then (mark, None, text) or (None, mark, text) for each.
    for mark, _, body in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        body = body.strip("\n")
        if not body.strip():
            continue
        if mark in ("code", "script"):
            codes.append(body)
            texts.append(f"```python\n{body}\n```")
        elif mark == "output":
            texts.append(f"```output\n{body}\n```")
        else:
            texts.append(body)
    return "\n\n".join(texts), "\n\n".join(codes)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add INPUT, ``--files`` and the options of the choice."""
    add_row_arguments(parser)
    choice.add_arguments(parser)


def from_options(options: argparse.Namespace) -> RecordFiles:
    """Make the source."""
    wanted = choice.from_options(options)
    return RecordFiles(
        options.inputs,
        "content",
        "id",
        options.workers,
        source=NAME,
        pattern=options.files,
        rule=StarcoderRule(wanted),
        rule_settings=wanted.settings(),
        choices=CHOICES | {OTHER_LANGUAGE},
    )
