from pathlib import Path

from data_tools.sources.web_page import read_page

WORDS = "A sentence of the main text of this page, which is here to be kept by every clean-up. " * 4


def test_what_a_page_says_of_itself_is_kept() -> None:
    head = (
        "<title> On\n sums </title><link rel='canonical' href='https://a.org/sums'><meta property='article:published_time' "
        "content='2020-05-06'><link rel='license' href='https://creativecommons.org/licenses/by-sa/3.0/'>"
    )
    page = read_page(f"<html lang='en-GB'><head>{head}</head><body><p>{WORDS}</p></body></html>".encode())
    assert page.origin == {"url": "https://a.org/sums", "date": "2020-05-06", "licence": "CC BY-SA 3.0"}
    assert (page.metadata["title"], page.metadata["language"]) == ("On sums", "en")


def test_encodings_are_found() -> None:
    for encoding, declared in (("utf-8", None), ("utf-16", None), ("latin-1", "iso-8859-1")):
        assert "Möbius" in read_page(f"<p>Möbius {WORDS}</p>".encode(encoding), declared).text
    latin = f"<html><head><meta charset='iso-8859-1'></head><body><p>Möbius {WORDS}".encode("latin-1")
    assert "Möbius" in read_page(latin).text


def test_menus_marks_and_doubled_bullets_go() -> None:
    body = (
        "<div class='header'><p>Next: <a>a</a>, Up: <a>b</a></p></div><h1>Title<a class='headerlink' href='#t'>#</a></h1>"
        f"<p>{WORDS}</p><ul><li><span class='ltx_tag ltx_tag_itemize'>•</span><p>An item of the text.</p></li></ul><p>{WORDS}</p>"
        "<p><span class='ltx_tag'>(a)</span> kept</p>"
    )
    text = read_page(f"<body><article>{body}</article></body>".encode()).text
    assert "Next:" not in text
    assert "#" not in text
    assert text.count("•") == 1
    assert "(a) kept" in text


def test_real_manual_pages_keep_prose_code_and_every_image_formula(shared_data: Path) -> None:
    page = read_page((shared_data / "html/python-sympy-doc/examples.html").read_bytes())
    assert "where $m, a$ and $F$ are the mass, the acceleration and the force respectively." in page.text
    assert "$$m a = F$$" in page.text
    assert ">>> F = mass*acceleration\n>>> F\nDimension(acceleration*mass)" in page.text
    assert page.origin["url"].startswith("https://docs.sympy.org/")


def test_lists_of_prose_stay_and_menus_go() -> None:
    prose = "<ul><li>An item of the text.</li><li>Another <a href='#'>item</a> of the text.</li></ul>"
    menu = "<ul><li><a href='/'>Home</a></li><li><a href='/c'>Contact us</a></li></ul>"
    text = read_page(f"<body><div>{menu}<p>{WORDS}</p>{prose}<p>{WORDS}</p></div></body>".encode()).text
    assert "An item of the text." in text
    assert "Another item of the text." in text
    assert "Contact us" not in text


def test_footnotes_and_topics_stay_and_other_asides_go() -> None:
    prose = "".join(f"<p>A paragraph of some length that says what number {number} is about.</p>" for number in range(8))
    notes = (
        '<aside class="footnote-list brackets"><aside class="footnote brackets" role="note"><span>[1]</span>'
        r"<p>It is <b>hermitian</b>: \(D^H=D\).</p></aside></aside>"
        '<aside class="topic"><p class="topic-title">A topic</p><p>Its text.</p></aside>'
    )
    others = '<aside class="topic contents"><p>On this page</p></aside><aside><p>Subscribe now</p></aside>'
    page = read_page(f"<html><body><main>{prose}{notes}{others}</main></body></html>".encode())
    for kept in ("[1]", "It is hermitian: $D^H=D$.", "A topic", "Its text."):
        assert kept in page.text
    for gone in ("On this page", "Subscribe now"):
        assert gone not in page.text
    assert (page.metadata["formulas"], page.metadata["formulas_kept"]) == (1, 1)
