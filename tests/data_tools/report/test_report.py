import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from data_tools.annotation.main import run as annotate
from data_tools.filters.fasttext_filter import run as run_filter
from data_tools.filters.train_filter import run as train_filter
from data_tools.prepare import run as prepare
from data_tools.report.main import run
from data_tools.report.published import PUBLISHED_TOKENS
from megatron_mathcoder.config.errors import DataError

PROSE = (
    "The published pipeline keeps a document when a language model says that a part of it is about mathematics. Ours stores a "
    "score beside the text, so that a limit can be moved later without reading everything again. What was dropped stays on disk "
    "with its reason, and the counts of every stage must agree with each other before the next one may begin."
)
ROWS = [
    {"text": PROSE, "url": "https://a.org/x", "license": "CC BY 4.0"},
    {
        "text": "Il est facile de voir que la somme de deux nombres pairs est paire. " * 9,
        "url": "https://a.org/y",
        "language": "fr",
    },
    {
        "text": "<script>alert('no')</script> and $x^2$ are words of this text, which is in English.",
        "url": "http://[no address/",
        "language": "en",
    },
    {"text": ""},
]


class Balanced(HTMLParser):
    """Fails on a tag that is closed before it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe's folder with one component of two stages and its tokens."""
    root = tmp_path_factory.mktemp("recipe")
    (root / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    first = root / "prepare/synthetic"
    assert prepare([str(root / "in.jsonl"), "--output", str(first), "--max-reject-fraction", "0.5"]) == 0
    assert prepare([str(first), "--output", str(root / "dedup/synthetic")]) == 0
    manifest = root / "dedup/synthetic/manifest.json"
    changed = json.loads(manifest.read_text()) | {"stage": "dedup", "dropped": 2, "dropped_by_reason": {"near duplicate": 2}}
    manifest.write_text(json.dumps(changed))
    (root / "tokens/mistral").mkdir(parents=True)
    (root / "tokens/mistral/synthetic.manifest.json").write_text('{"tokens": 1234}')
    return root


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    assert run([str(folder), "--output", str(folder / "report.html"), "--workers", "1"]) == 0
    return (folder / "report.html").read_text()


def visible(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_what_is_counted_is_shown(page: str) -> None:
    text = visible(page)
    assert "synthetic 3" in text
    for shown in ("1,234", "en 2 (66.7%)", "fr 1 (33.3%)", "CC BY 4.0 1 (33.3%)", "not stated 2 (66.7%)", "a.org 2 (100.0%)"):
        assert shown in text, shown
    assert "prepare: 1 dropped: empty text" in text
    assert "reason=empty text" in text
    assert "2 duplicates dropped" in text


def test_the_published_composition_is_beside_ours(page: str) -> None:
    text = visible(page)
    assert sum(PUBLISHED_TOKENS.values()) == 19_184_073_343
    assert "synthetic 2,193,189,314 11.4% 1,234 100.0%" in text
    assert "total 19,184,073,343 100.0% 1,234 100.0%" in text


def test_the_page_stands_alone_and_escapes_what_documents_say(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;alert" in page
    assert not re.search(r"src=|href=(?!['\"]#)|url\(|@import", page)
    assert page.count("<svg") >= 4
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []


def test_a_sample_of_labels_is_no_stage_and_a_round_shows_its_evaluation(tmp_path: Path) -> None:
    """The component is what the last stage left, not the annotated sample beside it."""
    rows = [{"id": f"d{n}", "text": f"{PROSE} {n} {'sum' if n % 2 else 'tool'}"} for n in range(12)]
    (tmp_path / "even.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[::2]))
    (tmp_path / "odd.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[1::2]))
    root = tmp_path / "recipe"
    (root / "models").mkdir(parents=True)
    inputs = [str(tmp_path / "even.jsonl"), str(tmp_path / "odd.jsonl")]
    assert prepare([*inputs, "--output", str(root / "prepare/web")]) == 0
    given = ["--annotator", "given", "--given", "*odd*=theory", "--given", "*even*=tool_usage", "--sample", "10"]
    assert annotate([str(root / "prepare/web"), *given, "--output", str(root / "annotate-1/web")]) == 0
    model = root / "models/web_round_1.bin"
    learned = ["--annotated", str(root / "annotate-1/web"), "--output", str(model), "--bucket", "20000", "--dim", "10"]
    assert train_filter(learned) == 0
    kept = ["--model", str(model), "--threshold", "0", "--output", str(root / "filter-1/web")]
    assert run_filter([str(root / "prepare/web"), *kept]) == 0
    before = [path.stat().st_mtime_ns for path in sorted(root.rglob("*"))]
    for name in ("a.html", "b.html"):
        assert run([str(root), "--output", str(tmp_path / name), "--workers", "1"]) == 0
    text = visible((tmp_path / "a.html").read_text())
    assert "12 documents" in text
    evaluation = json.loads(model.with_suffix(".json").read_bytes())
    labels = json.loads((root / "annotate-1/web/manifest.json").read_bytes())["labels"]
    shown = ", ".join(f"{count} {label}" for label, count in labels.items())
    assert f"Labels by a person, by source: {shown} ({labels['theory']} related)" in text
    assert f"Learned from {evaluation['training']} documents" in text
    assert f"{evaluation['evaluation']['chosen']['precision']:.4f}" in text
    assert "filter-1: scores of what is kept at the end" in text
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert before == [path.stat().st_mtime_ns for path in sorted(root.rglob("*"))]


def test_folders_of_documents_are_components_too(folder: Path) -> None:
    assert run([str(folder / "prepare/synthetic"), "--output", str(folder / "b.html"), "--workers", "1"]) == 0
    assert "not tokenized" in (folder / "b.html").read_text()


def test_inputs_with_components_of_one_name_are_told_apart(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = str(folder / "prepare/synthetic"), str(folder / "dedup/synthetic")
    assert run([first, second, "--output", str(tmp_path / "stages.html"), "--workers", "1"]) == 0
    assert "1 components, 3 documents" in capsys.readouterr().out
    assert prepare([str(folder / "in.jsonl"), "--output", str(tmp_path / "synthetic"), "--max-reject-fraction", "0.5"]) == 0
    monkeypatch.chdir(tmp_path / "synthetic")
    assert run([first, ".", "--output", str(tmp_path / "two.html"), "--workers", "1"]) == 0
    assert "2 components, 6 documents" in capsys.readouterr().out
    assert "synthetic (.)" in visible((tmp_path / "two.html").read_text())


def test_documents_that_have_gone_are_said(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "prepare/synthetic", tmp_path / "in")
    (part,) = (tmp_path / "in/documents").iterdir()
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"documents that can be read, but 3 by its manifest; make it again with --overwrite"):
        run([str(tmp_path / "in"), "--output", str(tmp_path / "r.html"), "--workers", "1"])


def test_what_a_person_gets_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for given, message in [
        (
            [str(tmp_path / "gone"), "--output", str(tmp_path / "r.html")],
            "is not a folder; name what mathcoder prepare",
        ),
        ([str(tmp_path / "empty"), "--output", str(tmp_path / "r.html")], "holds no folder with documents/ and manifest.json"),
        ([str(tmp_path), "--output", str(tmp_path / "empty")], "is a folder; name a file, such as"),
    ]:
        with pytest.raises(DataError) as error:
            run(given)
        assert message in str(error.value)
        assert "\n" not in str(error.value)
