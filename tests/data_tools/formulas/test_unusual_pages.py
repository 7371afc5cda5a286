"""Pages that write their formulas in less usual ways: each is a small page of our own in the manner of one found on the web."""

import pytest

from data_tools.formulas.find import find_formulas
from data_tools.sources.web_page import WebPage, read_page

FILLER = "<p>" + "This sentence is here so that the page has a main text of some length, as every real page has. " * 4 + "</p>"
X2 = "<msup><mi>x</mi><mn>2</mn></msup>"
GLYPHS = "<mjx-math><mjx-msup><mjx-mi><mjx-c class='mjx-c1D465'></mjx-c></mjx-mi></mjx-msup></mjx-math>"
ASCIIMATH_PAGE = "<script src='https://example.org/ASCIIMathML.js'></script>"


def page(markup: str, head: str = "") -> WebPage:
    return read_page(f"<html><head>{head}</head><body><article>{FILLER}<p>Before {markup} after.</p>{FILLER}</article>".encode())


@pytest.mark.parametrize(
    ("markup", "latex", "display"),
    [
        # MathJax 3 and 4
        (
            f"<mjx-container jax='CHTML'>{GLYPHS}<mjx-assistive-mml><math>{X2}</math></mjx-assistive-mml></mjx-container>",
            "x^{2}",
            0,
        ),
        (
            "<mjx-container jax='SVG' display='true'><svg><g data-mml-node='math' data-latex='x^2'></g></svg></mjx-container>",
            "x^2",
            1,
        ),
        ("<mjx-container jax='CHTML'><mjx-math data-latex='x^2'></mjx-math></mjx-container>", "x^2", 0),
        ("<script type='math/tex; mode=display'>\\[ x^2 \\]</script>", "x^2", 1),
        ("<script type='math/tex'>% <![CDATA[\nx^2 < 3 %]]></script>", "x^2 < 3", 0),
        # KaTeX
        (
            (
                f"<span class='katex'><span class='katex-mathml'><math><mrow>{X2}</mrow></math></span>"
                "<span class='katex-html' aria-hidden='true'><span class='mord'>x</span><span>2</span></span></span>"
            ),
            "x^{2}",
            0,
        ),
        # Wikipedia, ar5iv, StackExchange
        ("<img class='mwe-math-fallback-image-inline mw-invert' alt='{\\displaystyle x^{2}}' src='a.svg'>", "x^{2}", 0),
        (
            (
                f"<math class='ltx_Math' alttext='x^{{2}}' display='inline'><semantics>{X2}"
                "<annotation-xml encoding='MathML-Content'><apply><ci>x</ci><cn>2</cn></apply></annotation-xml>"
                "<annotation encoding='application/x-tex'>x^{2}</annotation>"
                "<annotation encoding='application/x-llamapun'>italic_x</annotation></semantics></math>"
            ),
            "x^{2}",
            0,
        ),
        ("<span class='math-container'>$x^2 \\lt 3$</span>", "x^2 \\lt 3", 0),
        ("<span class='math-container'>$$x^2 &lt; 3$$</span>", "x^2 < 3", 1),
        # LaTeX for a script, without delimiters
        ("<span class='mathquill-embedded-latex'>x^2</span>", "x^2", 0),
        ("<span class='mq-math-mode' data-latex='x^2'><span>x2</span></span>", "x^2", 0),
        ("<span class='ztext-math' data-eeimg='1' data-tex='x^2'></span>", "x^2", 0),
        ("<span class='render_latex' data-math='x^2'></span>", "x^2", 0),
        ("<span class='math-tex'>\\frac{1}{2}</span>", "\\frac{1}{2}", 0),
        ("<code class='code math js-render-math' data-math-style='inline'>x^2</code>", "x^2", 0),
        ("<div class='js-render-math' data-math-style='display'>x^2</div>", "x^2", 1),
        ("<code data-math-style='inline' class='code math'>x^2</code>", "x^2", 0),
        ("<span class='math display'>x^2</span>", "x^2", 1),
        ("<code class='language-math math-inline'>x^2</code>", "x^2", 0),
        ("<pre><code class='language-math math-display'>x^2</code></pre>", "x^2", 1),
        ("<code class='reqn'>x^2</code>", "x^2", 0),
        ("<em class='math'>x^2</em>", "x^2", 0),
        ("<div class='displaymath'><em class='tex'>x^2</em></div>", "x^2", 1),
        (
            "<div class='latex-rendered' data-attrs='{&quot;persistentExpression&quot;:&quot;x^2&quot;,&quot;id&quot;:1}'></div>",
            "x^2",
            1,
        ),
        ("[mathjaxinline]x^2[/mathjaxinline]", "x^2", 0),
        ("[mathjax]x^2[/mathjax]", "x^2", 1),
        # images
        (
            "<img class='inlineformula' alt='x=(-b+/-sqrt(d))/(2a). ' src='Inline1.svg'>",
            "x=\\frac{-b\\pm\\sqrt{d}}{2a}",
            0,
        ),
        ("<img class='numberedequation' alt='x^2+1' src='a.svg'>", "x^{2}+1", 1),
        ("<img class='ql-img-inline-formula quicklatex-auto-format' alt='&#120;&#94;&#50;' src='a.png'>", "x^2", 0),
        ("<img src='https://latex.codecogs.com/svg.image?\\dpi{110}&amp;space;\\inline&amp;space;x&amp;plus;y'>", "x+y", 0),
        ("<img src='http://[latex.codecogs.com/png.latex?x' alt='$x^2$'>", "x^2", 0),
        ("<img src='https://www.zhihu.com/equation?tex=x%5E2' alt='x^2' eeimg='1'>", "x^2", 0),
        ("<img alt='\\begin{displaymath}\nx^2\n\\end{displaymath}' src='img3.png'>", "x^2", 1),
        ("<noscript><img class='latex' alt='x^2' src='a.png'></noscript>", "x^2", 0),
        (
            (
                "<img class='lazy' data-src='https://s0.wp.com/latex.php?latex=x%5E2' src='data:image/gif;base64,xx'>"
                "<noscript><img class='latex' alt='x^2' src='https://s0.wp.com/latex.php?latex=x%5E2'></noscript>"
            ),
            "x^2",
            0,
        ),
        # AsciiMath
        ("<script type='math/asciimath'>sum_(i=1)^n i = (n(n+1))/2</script>", "\\sum_{i=1}^{n}i=\\frac{n(n+1)}{2}", 0),
        ("<span class='asciimath'>sqrt(x)</span>", "\\sqrt{x}", 0),
        # MathML
        ("<math><mfenced open='[' close=')' separators=';'><mi>a</mi><mi>b</mi></mfenced></math>", "[a;b)", 0),
        (
            "<math><mmultiscripts><mi>F</mi><mn>1</mn><none/><mprescripts/><mn>2</mn><none/></mmultiscripts></math>",
            "{}_{2}F_{1}",
            0,
        ),
        (
            (
                "<math display='block'><munderover><mo>&#x2211;</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi>"
                "</munderover><mi>&alpha;</mi><mo>&le;</mo><mi>&Zopf;</mi><mo>&InvisibleTimes;</mo></math>"
            ),
            "\\sum_{i=1}^{n}\\alpha\\leq\\mathbb{Z}",
            1,
        ),
        (
            "<math><mo>[</mo><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mi>x</mi></mtd></mtr></mtable><mo>]</mo></math>",
            "\\begin{bmatrix}1 & x\\end{bmatrix}",
            0,
        ),
        (f"<math alttext='x squared plus one'><mrow>{X2}<mo>+</mo><mn>1</mn></mrow></math>", "x^{2}+1", 0),
        ("<math><maction actiontype='toggle' selection='2'><mi>x</mi><mi>y</mi></maction></math>", "y", 0),
    ],
)
def test_a_formula_of_an_unusual_page_is_found_once(markup: str, latex: str, display: int) -> None:
    found = page(markup)
    (formula,) = find_formulas(found.text)
    assert (formula.latex, formula.display) == (latex, bool(display))
    assert found.text.index("Before") < formula.start < found.text.index("after.")
    assert found.text.count("x2") == 0
    assert (found.metadata["formulas"], found.metadata["formulas_kept"]) == (1, 1)


@pytest.mark.parametrize(
    "markup",
    [
        f"<mjx-container class='MathJax' jax='CHTML'>{GLYPHS}</mjx-container>",
        "<span class='katex'><span class='katex-html' aria-hidden='true'><span class='mord'>x</span></span></span>",
        "<div class='MathJax_Display'><span class='MathJax'><nobr>x2</nobr></span></div>",
    ],
)
def test_a_formula_of_which_only_glyphs_are_left_counts_as_lost(markup: str) -> None:
    found = page(f"$y$ and {markup}")
    assert (found.metadata["formulas"], found.metadata["formulas_kept"]) == (2, 1)
    assert "x2" not in found.text


def test_backticks_are_asciimath_only_where_the_page_says_so() -> None:
    text = "The sum `sum_(i=1)^n i` is `n(n+1)//2` for all `n in NN`."
    assert "The sum $\\sum_{i=1}^{n}i$ is $n(n+1)/2$ for all $n\\in\\mathbb{N}$." in page(text, ASCIIMATH_PAGE).text
    assert text in page(text).text


@pytest.mark.parametrize(
    "markup",
    [
        "<span class='tex'>LaTeX source</span>",
        "<div class='math'>Mathematics is fun.</div>",
        "<span data-math='true'>words</span>",
        "<div data-formula='sum'>words</div>",
        "<noscript>Please enable JavaScript.</noscript> words <iframe src='https://example.org'></iframe>",
        "<code>echo $HOME and $PATH</code>",
        "<img class='latex' alt='image 3' src='logo.png'> words",
    ],
)
def test_what_only_looks_like_a_formula_is_none(markup: str) -> None:
    found = page(markup)
    assert list(find_formulas(found.text)) == []
    assert found.metadata["formulas"] == 0


@pytest.mark.parametrize(
    ("raw", "declared"),
    [
        ("Café $x^2$ – naïve".encode("cp1252"), "utf-8"),
        ("Café $x^2$ – naïve".encode("cp1252"), None),
        ("Café $x^2$ – naïve".encode(), "iso-8859-1"),
        ("Café $x^2$ – naïve".encode("utf-16"), "utf-8"),
    ],
)
def test_a_wrong_charset_changes_no_letter(raw: bytes, declared: str | None) -> None:
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else None
    body = f"<html><body><article>{FILLER}<p>@</p>{FILLER}</article></body></html>"
    whole = body.replace("@", raw.decode("utf-16")).encode("utf-16") if encoding else body.encode().replace(b"@", raw)
    assert "Café $x^2$ – naïve" in read_page(whole, declared).text


def test_a_broken_character_leaves_a_page_utf_8() -> None:
    body = f"<html><body><article>{FILLER}<p>{'é' * 40} \udcff ü</p>{FILLER}</article></body></html>"
    text = read_page(body.encode("utf-8", "surrogateescape"), "utf-8").text
    assert "é" * 40 in text
    assert "\ufffd ü" in text
