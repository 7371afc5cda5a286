"""Reads what the stages left of one component and counts it.

Decides: that the last stage's documents are the component, and what is counted: documents, tokens, lengths, languages, licences,
domains, formulas, scores, drops.
Does not: find the folders (``components.py``), draw (``page.py``), or tokenize: tokens come from the manifests of ``mathcoder
tokenize``.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from data_tools.document import reason_kind
from data_tools.inputs import whole_file
from data_tools.pool import Report, run_tasks
from data_tools.progress import Progress
from data_tools.report.components import ComponentFolders, stage_name
from data_tools.report.manifests import read_json
from data_tools.report.rounds import Round, find_rounds
from data_tools.rows import Row, RowReader
from megatron_mathcoder.config.errors import DataError

SAMPLES = 3
SAMPLE_CHARACTERS = 300
LANGUAGE_CHARACTERS = 2000
LANGUAGE_DISTANCE = 700
"""From here on the detector guesses: English prose has about 330, repeated or very short text more."""
DUPLICATE = "duplicate"
SCORE_BINS = 20
PROGRAM_KINDS = ("code", "notebook")


@dataclass(slots=True)
class Content:
    """Counts over documents; ``lengths`` by powers of two of characters, ``scores`` by name and twentieth."""

    documents: int = 0
    characters: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    domains: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    formulas: int = 0
    formulas_in_pages: int = 0
    formulas_kept: int = 0
    scores: dict[str, Counter[int]] = field(default_factory=dict)
    samples: list[str] = field(default_factory=list)

    def add(self, other: "Content") -> None:
        """Add another part's counts."""
        for name in ("lengths", "languages", "licences", "domains", "kinds"):
            getattr(self, name).update(getattr(other, name))
        for name, bins in other.scores.items():
            self.scores.setdefault(name, Counter()).update(bins)
        for name in ("documents", "characters", "formulas", "formulas_in_pages", "formulas_kept"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.samples = (self.samples + other.samples)[:SAMPLES]


@dataclass(slots=True)
class StageSurvey:
    """One stage of a component: its manifest's counts, and samples of what it dropped, by kind of reason."""

    name: str
    folder: Path
    documents_in: int
    documents: int
    dropped: int
    reasons: dict[str, int]
    samples: dict[str, list[dict[str, Any]]]
    scores: Counter[int]
    manifest: dict[str, Any]

    @property
    def score_name(self) -> str:
        """The score that a filter judged by, "" for another stage."""
        return str((self.manifest.get("settings") or {}).get("score", "")) if self.manifest.get("stage") == "filter" else ""


@dataclass(slots=True)
class ComponentSurvey:
    """A component: its stages in order, what its documents hold, and its tokens under each tokenizer."""

    name: str
    stages: list[StageSurvey]
    content: Content
    tokens: dict[str, int]
    rounds: list[Round]

    @property
    def dropped(self) -> int:
        """Documents that were dropped by any stage."""
        return sum(stage.dropped for stage in self.stages)

    @property
    def duplicates(self) -> int:
        """Documents that were dropped as copies, by any stage."""
        return sum(n for stage in self.stages for kind, n in stage.reasons.items() if DUPLICATE in kind or "copy" in kind)


def survey(component: ComponentFolders, workers: int) -> ComponentSurvey:
    """Count one component. Raises DataError when its documents are fewer, or more, than its manifest says."""
    stages = [_stage(folder) for folder in component.folders]
    parts = sorted((component.folders[-1] / "documents").glob("*.jsonl*"))
    content = Content()
    with Progress(f"report {component.title}", sum(part.stat().st_size for part in parts), "documents") as progress:
        done = dict(run_tasks(_count_part, [str(part) for part in parts], workers, progress, workers == 1))
    for index in range(len(parts)):
        content.add(done[index])
    if content.documents != stages[-1].documents:
        raise DataError(
            f"{stages[-1].folder} has {content.documents} documents that can be read, but {stages[-1].documents} by its "
            f"manifest; make it again with --overwrite"
        )
    tokens, rounds = _tokens(component.name, component.roots), find_rounds(component.name, component.roots)
    return ComponentSurvey(component.title, stages, content, tokens, rounds)


def _tokens(name: str, roots: Sequence[Path]) -> dict[str, int]:
    found: dict[str, int] = {}
    for root in roots:
        for path in sorted(root.rglob(f"{name}.manifest.json")):
            tokens = read_json(path).get("tokens")
            if isinstance(tokens, int):
                found[path.parent.name] = tokens
    return found


def _stage(folder: Path) -> StageSurvey:
    manifest = read_json(folder / "manifest.json")
    samples: dict[str, list[dict[str, Any]]] = {}
    scores: Counter[int] = Counter()
    for part in sorted((folder / "dropped").glob("*.jsonl*")):
        for row in RowReader(whole_file(part)):
            if isinstance(row, Row):
                kind = samples.setdefault(reason_kind(str(row.value.get("reason", ""))), [])
                if len(kind) < SAMPLES:
                    kind.append(row.value)
                _count_score(scores, row.value.get("score"))
    documents_in, documents, dropped = (int(manifest.get(key) or 0) for key in ("documents_in", "documents", "dropped"))
    reasons = manifest.get("dropped_by_reason") or {}
    return StageSurvey(stage_name(folder), folder, documents_in, documents, dropped, reasons, samples, scores, manifest)


def _count_part(path: str, report: Report) -> Content:
    content = Content()
    piece = whole_file(path)
    reader = RowReader(piece)
    for row in reader:
        if isinstance(row, Row) and isinstance(row.value.get("text"), str):
            _count(content, row.value["text"], row.value.get("metadata"))
            if content.documents % 64 == 0:
                report(reader.bytes_read, content.documents)
    report(piece.bytes, content.documents)
    return content


def _count(content: Content, text: str, metadata: Any) -> None:
    known: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
    origin = known.get("provenance")
    provenance: dict[str, Any] = origin if isinstance(origin, dict) else {}
    content.documents += 1
    content.characters += len(text)
    content.lengths[max(len(text), 1).bit_length()] += 1
    kind = str(known.get("kind") or provenance.get("source") or "document")
    translated = "translation" in known
    content.kinds["translated code" if translated else kind] += 1
    # A detector of languages takes Python for Latin.
    is_code = translated or kind in PROGRAM_KINDS
    content.languages["program text" if is_code else str(known.get("language") or _language(text))] += 1
    content.licences[str(provenance.get("licence") or "not stated")[:60]] += 1
    if domain := _domain(str(provenance.get("url") or "")):
        content.domains[domain] += 1
    # Of a translated document these numbers are those of the page that it was made from.
    if not translated:
        content.formulas += _number(known.get("formulas_kept", known.get("formulas")))
    if "formulas_kept" in known and not translated:
        content.formulas_in_pages += _number(known.get("formulas"))
        content.formulas_kept += _number(known["formulas_kept"])
    scores = known.get("scores")
    for name, score in scores.items() if isinstance(scores, dict) else ():
        _count_score(content.scores.setdefault(str(name), Counter()), score)
    if len(content.samples) < SAMPLES:
        content.samples.append(text[:SAMPLE_CHARACTERS])


def _count_score(bins: Counter[int], score: Any) -> None:
    if isinstance(score, int | float) and 0 <= score <= 1:
        bins[min(int(score * SCORE_BINS), SCORE_BINS - 1)] += 1


def _domain(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _language(text: str) -> str:
    """Return the language of the beginning; "unknown" where it is too short or the detector is not installed."""
    try:
        from resiliparse.parse.lang import detect_fast
    except ModuleNotFoundError:
        return "unknown"
    language, distance = detect_fast(text[:LANGUAGE_CHARACTERS])
    return str(language) if distance < LANGUAGE_DISTANCE else "unknown"
