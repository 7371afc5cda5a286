"""Answers in many spellings, by theme: which mean the same as their gold, and which only look like it."""

SAME: dict[str, list[tuple[str, str]]] = {
    "units": [
        ("5 cm", "5cm"), ("5", r"5 \text{ cm}"), ("5", r"$5\mathrm{~cm}$"), ("12", "12 square units"),
        (r"100\text{ m}", "0.1 km"), ("3 hours", "180 minutes"), ("60", "60 mph"), ("45", r"45\ \text{km/h}"),
        ("10", "10 ft.^2"), (r"36\pi", r"36\pi \text{ cm}^3"), ("90 seconds", "1.5 minutes"), ("5", "5 m/s"), ("5", "5m/s"),
        ("9.8", "9.8 m/s^2"), ("9.8", r"9.8\ \mathrm{m/s^2}"), ("4.5e33", r"$4.5 \times 10^{33} \mathrm{erg} / \mathrm{s}$"),
        ("8", "8 eggs/day"), ("8", "8{eggs}"), ("15", "15/hour"), ("18", "18 dollars per day"), ("0.5", "1/2 hour"),
        (r"4\sqrt{3}\text{ square units}", r"4\sqrt3"), ("150", "150 lbs"), ("6in", "6 inches"), (r"2\pi r h", r"2\pi hr"),
        ("36 km/h", "10 m/s"), ("12 men", "12"), ("5000", "5 thousand"), ("2500000", "2.5 million"),
        ("5 million", "5,000,000"), ("60", "5 dozen"), ("2.5 million dollars", r"\$2,500,000"),
    ],
    "mixed numbers": [
        (r"1\frac{1}{2}", "1.5"), ("1 1/2", "3/2"), ("2 3/4", "11/4"), (r"-1\frac12", "-1.5"), (r"\frac{10}{3}", "3 1/3"),
        (r"3\frac{1}{2}\text{ cups}", "3.5 cups"), ("5.75", "5 and 3/4"), (r"5\frac34", "5 and 3/4"), ("8.5", "8½"),
        (r"\frac{1}{3}", "⅓"),
    ],
    "percent": [
        (r"25\%", "25%"), ("25", "25%"), (r"12.5\%", "12.5 percent"), ("12.5", r"12.5 \text{ percent}"),
        (r"33\frac{1}{3}\%", "100/3%"),
    ],
    "intervals": [
        ("(2,5]", r"2 < x \le 5"), (r"(-\infty,3)", "x<3"), (r"(-\infty,3)", "(-oo, 3)"), (r"[2,\infty)", r"[2,+\infty)"),
        (r"(-\infty,-2)\cup(2,\infty)", r"(2,\infty)\cup(-\infty,-2)"),
        (r"(-\infty,-2)\cup(2,\infty)", r"x<-2 \text{ or } x>2"), (r"x<-1 \text{ or } x>1", r"(-\infty,-1)\cup(1,\infty)"),
        (r"x\in[0,1)", "[0,1)"), (r"x\ge 2", r"2 \le x"), ("2x > 4", "x > 2"), ("-x<3", "x>-3"), (r"\{x \mid x>3\}", "x>3"),
        (r"\{x : 0<x<1\}", "(0,1)"), (r"\mathbb{R}", r"(-\infty,\infty)"), (r"\text{all real numbers}", r"\mathbb{R}"),
        ("(2, ∞)", r"(2,\infty)"),
    ],
    "matrices": [
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\left[\begin{matrix}1 & 2\\3 & 4\end{matrix}\right]"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\left(\begin{array}{c}1\\2\end{array}\right)"), ("8", "Matrix([[8]])"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "(1,2)"),
        (r"\begin{pmatrix} 1/2 & 0 \\ 0 & 1 \end{pmatrix}", "[[0.5, 0], [0, 1]]"),
        (r"\begin{pmatrix} \frac{1}{\sqrt{2}} \\ 2 \end{pmatrix}", r"\begin{bmatrix} \frac{\sqrt{2}}{2} \\ 2 \end{bmatrix}"),
    ],
    "words": [
        (r"\text{Evelyn}", "Evelyn"), (r"\text{even}", "Even"), (r"\text{no solution}", "No solution."),
        (r"\text{ellipse}", "an ellipse"), (r"\text{10:30 a.m.}", "10:30 AM"), (r"\text{Tuesday}", r"\textbf{Tuesday}"),
        ("six", "6"), ("6", "Six."), ("20", "twenty"), (r"\text{six}", "6"), (r"\emptyset", r"\varnothing"),
        (r"\emptyset", "∅"), (r"\emptyset", r"\{\}"), (r"\emptyset", "EmptySet"), ("Yes", "yes!"),
    ],
    "options": [
        (r"\text{(A)}", r"\text{A}"), (r"\textbf{(C)}", "C"), (r"\text{C}", r"\textbf{(C) }12"), ("B", "B."), ("B", "B) 12"),
        ("A", "A: 12"), ("B", r"\textbf{(B)}\ 12"), ("B", "Option B"), ("A", "choice (A)"), ("12", "(B) 12"),
        ("12", r"\text{(B) }12"), ("D", r"\boxed{\text{D}}"),
    ],
    "thousands and money": [
        ("1000000", r"1\,000\,000"), ("1000000", "1{,}000{,}000"), ("12,345.67", "12345.67"), (r"\$5", "5 dollars"),
        (r"\$5.50", "$5.50"), (r"\$1,000", "1000"), (r"\$0.50", "50 cents"), (r"50\text{ cents}", "$0.50"),
        (r"\$1.50", "150 cents"), ("50", "50 cents"), ("20", "€20"), ("20", "20 USD"), ("20", "₹20"), ("15", "$15 per hour"),
        ("18", r"\$18.00"), ("18", "$18.00."),
    ],
    "degrees": [
        (r"45^\circ", "45"), ("45", "45°"), ("45", "45 degrees"), ("100", r"100^\circ\text{F}"), ("-10", "-10°C"),
        ("-10", r"-10^\circ C"), (r"\cos 60^\circ", "1/2"), (r"\tan 30^\circ", r"\frac{\sqrt{3}}{3}"),
    ],
    "bases": [
        ("1011_2", "1011_{2}"), ("1011_2", "1011"), ("1011_2", r"1011_{\text{two}}"), ("1011_2", "1011 base 2"),
        ("1011_2", "01011_2"), ("2B_{16}", "2b_{16}"), ("1011_2", r"1011\text{ in base two}"),
    ],
    "two signs": [
        (r"\pm 3", "3, -3"), (r"1\pm\sqrt{2}", r"1+\sqrt2, 1-\sqrt2"), (r"x=\pm 3", r"x=3 \text{ or } x=-3"),
        ("2,-2", r"x = \pm 2"), (r"\frac{-1\pm\sqrt{5}}{2}", r"\frac{-1+\sqrt{5}}{2}, \frac{-1-\sqrt{5}}{2}"),
    ],
    "several values": [
        ("1,2,3", "3, 2 and 1"), ("1,2,3", r"\{1,2,3\}"), (r"\{1,2,3\}", "{3, 2, 1}"), ("1,2", "x=1 or x=2"),
        ("x=1,2", "1, 2"), ("(1,2),(3,4)", "(3,4),(1,2)"), ("(0,1),(1,0)", "[(0, 1), (1, 0)]"), ("-2, 3", "x_1 = -2, x_2 = 3"),
        ("(3,4)", "x = 3, y = 4"), ("(3,4)", "{x: 3, y: 4}"), ("(3,4)", "[(3, 4)]"), ("(2,3)", "(x,y)=(2,3)"),
        ("(x,y)=(2,3)", "(2,3)"), ("8", "{'x': 8}"), ("(3,4)", r"\langle 3,4\rangle"), ("x=3,y=4", "y=4, x=3"),
        (r"\frac{10}{3}", r"\frac{10}{3}\text{ or }3\frac13"), ("0.5", "1/2 or 0.5"),
    ],
    "equations": [
        ("y=2x+1", "2x-y+1=0"), ("x^2+y^2=4", "y^2+x^2-4=0"), ("x=5", "5"), ("5", "x = 5.0"), ("x^2", "f(x) = x^2"),
        ("f(x)=x^2", "x^2"), ("12", r"3 \times 4 = 12"), ("12", "4+8=12"), ("12", r"x = 4 \cdot 3 = 12"), ("8", "8 = 8"),
        (r"\frac{10}{3}", r"10/3 \approx 3.33"), ("x-1", "f^{-1}(x) = x-1"), (r"A=\pi r^2", r"\pi r^2"), ("5", "f(2) = 5"),
        ("y=2x+1", "f(x)=2x+1"), ("1/4", "P(A) = 0.25"), (r"\frac{x^2}{4}+\frac{y^2}{9}=1", "9x^2+4y^2=36"),
    ],
    "roots and powers": [
        (r"2\sqrt{3}", r"\sqrt{12}"), (r"2\sqrt{3}", "2√3"), (r"2\sqrt{3}", "2*3**0.5"), (r"\sqrt[3]{2}", "cbrt(2)"),
        (r"\sqrt{2}", "2^{0.5}"), (r"2+\sqrt{3}", r"\sqrt{7+4\sqrt{3}}"), ("2^{10}", "1024"), ("10^{-3}", "1e-3"),
        (r"3\times10^5", "3x10^5"), ("6.02e23", "6.02 x 10^23"), ("x^{-1}", "1/x"), ("100!", r"99!\cdot 100"),
        ("-96u", "-96*u"), ("(a+5)(b+2)", "ab+2a+5b+10"), (r"\frac1x", "1/x"),
    ],
    "decimals": [
        (r"0.\overline{6}", "2/3"), (r"0.333\ldots", "1/3"), (r"\frac13", "0.333..."), (r"\frac13", r"0.\bar{3}"),
        ("0.1666...", "1/6"), ("2", "1.999..."), ("3/4", ".75"), ("8", "7.999999999999999"), ("8.33", "25/3"), ("8.3", "8.33"),
    ],
    "initial values and whole parts": [
        (r"I(0) e^{-\frac{t}{R C}}", r"I(0)\exp(-t/(RC))"),
        (r"\lfloor n/2 \rfloor + 1", r"1 + \left\lfloor \frac{n}{2} \right\rfloor"),
    ],
    "ratios": [
        ("3:2", "3 : 2"), ("3:2", "6:4"), ("1:2", "1/2"), (r"\frac12", "1:2"),
    ],
    "what Python prints": [
        ("8", "np.float64(8.0)"), ("8", "Rational(8, 1)"), ("8", "Eq(x, 8)"), ("8", "FiniteSet(8)"), ("8", "[{x: 8}]"),
        ("3+4i", "(3+4j)"), ("0.5", "Decimal('0.5')"), (r"\frac{\pi}{2}", "pi/2"), (r"[0,\infty)", "Interval(0, oo)"),
        ("8", "8.000000000000002"),
    ],
    "dress": [
        ("17", "**17**"), ("17", r"\(\boxed{17}\)"), ("17", "Therefore, 17"), ("17", "approximately 17"),
        ("17", r"x \approx 17"), ("17", r"\underline{17}"), ("17", r"\color{red}17"), ("17", r"17\text{.}"), ("17", "[17]"),
        ("17", "17。"), ("5", "*5*"), ("5", r"\large 5"), ("5", r"\Large{5}"), ("5", r"\bf 5"), ("5", r"\bm{5}"), ("5", "≈5"),
        ("5", r"\approx 5"), ("5", "=5"), (r"\{1,2,3\}", r"\lbrace 1,2,3 \rbrace"), ("7/2", r"\nicefrac{7}{2}"),
    ],
    "Chinese": [
        ("5", "5厘米"), ("12", "12 元"), ("12", "12个"), ("5", "5平方米"), ("5", "5米/秒"), ("12", "12只兔子"),
        ("12", "答案是12"), ("12", "答：12"), ("12", "答案：12元。"), ("12", "所以答案是 12。"),
        ("(1,2)", "（1，2）"), ("1,2", "1、2"), ("5 cm", "5厘米"),
    ],
    "characters": [
        ("75", "75％"), ("3", "x＝3"), ("-3", "－3"), ("1.5", "１.５"), ("5", "5．"), ("5", "5㎝"), ("20", "20 ℃"),
        ("5", "5\u200b"), ("5", "\ufeff5"), ("5/6", "⅚"), ("x^4", "x⁴"), ("x^{-1}", "x⁻¹"), ("x_1", "x₁"),
        (r"6.02\times10^{23}", "6.02 × 10²³"),
        ("1234", "1\u2009234"), ("1234567", "1 234 567"), ("1 234", "1234"), (r"x \ge 2", "x ⩾ 2"),
    ],
    "what repeats": [
        ("1/3", "0.(3)"), ("7/6", "1.1(6)"), ("1/7", "0.142857142857..."), ("1/3", r".333\ldots"), ("41/333", "0.123123..."),
    ],
    "what is measured": [
        ("5", r"\text{5 cm}"), ("60", "60 km per hour"), ("25", "25 yrs"), ("5", "5 (cm)"), ("5", "5 [cm]"), ("5", "|AB| = 5"),
        ("5", r"\overline{AB}=5"), ("60", r"\angle ABC = 60^\circ"), ("60", r"m\angle A=60"), ("12", "[ABC] = 12"),
        ("21", "twenty-one"), ("100", "one hundred"), ("3:4", "3 to 4"), ("1011_2", "(1011)_2"),
    ],
    "other notations": [
        ("[2,5)", "[2;5["), ("(2,5)", "]2,5["), (r"(-\infty,0)\cup(0,\infty)", r"x\neq 0"), (r"\sqrt[3]{x}", "x^{1/3}"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "[[1 2]\n [3 4]]"), ("6", r"{4 \choose 2}"), ("0", r"\sin\pi"),
        (r"8 + 8i\sqrt{3}", "16*(-1)**(1/3)"),
        ("0", r"\cos\frac{\pi}{2}"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "Matrix([\n[1, 2],\n[3, 4]])"),
    ],
}  # fmt: skip

OTHER: dict[str, list[tuple[str, str]]] = {
    "variables are no units": [
        ("12ab", "12xy"), ("12ab", "12"), ("12", "12ab"), ("2xy", "2xz"), ("5", "5xy"), ("5", "5 x"), ("5", "5b"),
        ("2 ab", "2 cd"), ("x^2+2xy", "x^2+2"), ("x^2+2xy", "x^2+2ab"), (r"\frac{1}{2}bh", r"\frac12"), (r"2\pi rh", r"2\pi"),
        ("(x+1)yz", "(x+1)"), (r"\sqrt{2}ab", r"\sqrt{2}"), (r"\frac{3}{4}xy", r"\frac{3}{4}"), ("3/xy", "3"), ("1/x", "1"),
        ("3/abc", "3"), ("3n", "3"), ("ab/2", "ab"), ("3x+4yz", "3x+4"), (r"5\pi", "5"), ("5", "5i"), ("5", "5 sqrt 2"),
    ],
    "units": [
        ("1 m", "1 cm"), ("5 kg", "5 g"), ("3 minutes", "3 hours"), (r"\$30", "30 cents"), ("60 mph", "60 km/h"),
        (r"100^\circ C", r"100^\circ F"), ("5", "5 squared"), ("5", "5 halves"), ("5", "5 plus x"), ("3", "3 is wrong"),
        ("5", "5 to 7"), ("5", "5 out of 7"), (r"5 \pmod 7", r"5 \pmod 8"), ("3", "more than 3"), ("5", "5 feet 3 inches"),
    ],
    "mixed numbers": [
        (r"-1\frac12", "-0.5"), (r"2\frac{1}{3}", "2/3"), ("1-1/2", "1 1/2"), (r"\frac{10}{3}", "31/3"), ("5, 3/4", "5.75"),
    ],
    "percent": [
        (r"25\%", r"2.5\%"), (r"25\%", r"52\%"), ("62", "0.62"), ("17", "0.17"),
    ],
    "intervals": [
        ("(2,5]", "[2,5]"), ("(2,5]", "(2,5)"), (r"(3,\infty)", r"x \ge 3"), ("(1,2)", "(2,1)"), ("-x<3", "x<-3"),
        (r"(-\infty,-2)\cup(2,\infty)", r"(-\infty,-2]\cup[2,\infty)"), (r"(-\infty,-1)\cup(1,\infty)", "x>-1 or x<1"),
        (r"\{x \mid x>3\}", "x>4"), (r"\infty", r"-\infty"), (r"\mathbb{R}", r"(0,\infty)"),
    ],
    "matrices": [
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix}"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 & 2 \end{pmatrix}"), ("8", "Matrix([[8, 1]])"),
    ],
    "words and options": [
        (r"\text{even}", "odd"), ("6", "sixteen"), ("B", "(C)"), ("A", "A and B"), ("A", "AB"), ("12", "(B)"),
        ("A", "B (not A)"), ("4:30", "4.5"), ("4:30", "2:15"), (r"\text{June 5}", "June 6"),
        (r"\text{10:30 a.m.}", "10:30 PM"), ("3:2", "2:3"), (r"\emptyset", "0"),
    ],
    "numbers": [
        ("1,234", "1,235"), ("1234", "1.234"), ("17", "170"), ("17", "17 or 18"), ("17", "17, 18"), ("5", "5,000"),
        ("5", "5 5"), ("8", "7.9999"), ("8", "8!"), ("n", "n!"), ("8", "8-"), ("12", "4+9=12"), ("13", r"3 \times 4 = 13"),
        ("100", "99.99"), ("0.1", "0.12"), ("0", "1e-20"), ("1011_2", "11"), ("1011_2", "1011_3"), ("1011_2", "1011 base 3"),
        ("5", "five hundred"), (r"\pm 3", "3"), (r"1\pm\sqrt{2}", r"1+\sqrt{2}"), (r"0.\overline{6}", "0.6"),
        ("1/3", "0.3343..."), (r"\sin 30^\circ", r"\sin 30"), (r"45^\circ", r"54^\circ"), (r"3\times10^5", r"3\times10^6"),
        ("2^{10000}", "2^{10001}"), ("3+4i", "3-4i"), ("17", "True"), ("17", "nan"), ("12", "1 2"), ("1234", "1 2 3 4"),
        ("3 1/2", "31/2"), ("12", "12...13"), ("0", r"\sin(10^{-47})"),
        ("1 2 3", "123"), ("100 200 300", "100200301"), ("21", "twenty"), ("-2", "(-8)^{2/3}"), ("4", "x⁴"), ("1.6", "1.(6)"),
        ("5 m", "5厘米"), ("12", "12元13"), ("60", r"\angle ABC = 61"), ("(2,5)", "[2,5["), (r"(0,\infty)", r"x\neq 0"),
    ],
    "several values": [
        ("(1,2),(3,4)", "(1,2), (4,3)"), ("x=3,y=4", "x=4,y=3"), ("(3,4)", "{x: 4, y: 3}"), (r"\{1,2,3\}", r"\{1,2\}"),
        ("(0,1),(1,0)", "(0,1)"), ("-2,3", "2,-3"), ("0.5", "1/2 or 0.6"), ("(2,3)", "(x,y)=(3,2)"), ("[1,2,3]", "[3,2,1]"),
    ],
    "equations": [
        (r"I(0) e^{-\frac{t}{R C}}", "0"), (r"\lceil n / 2\rceil+1", r"\lceil q / 2\rceil+1"),
        (r"\lfloor\sqrt{n-1}\rfloor", r"\lfloor\sqrt{n}\rfloor"), ("y=2x+1", "y=2x-1"), ("x^2+y^2=4", "x^2+y^2=5"),
        ("5", "x=6"), ("x=5", "y=5"), ("f(x)=2x", "g(x)=2x"), ("x-1", "f^{-1}(x) = x+1"),
        (r"y=\frac{1}{2}x+3", "x - 2y - 6 = 0"), ("ab", "a+b"), (r"\frac{1}{x+1}", "1/x+1"),
        (r"\frac{n(n+1)}{2}", r"\frac{n(n-1)}{2}"),
    ],
}  # fmt: skip

UNDECIDED = [
    ("0.25", r"25\%"), (r"25\%", r"\frac14"), ("0.05", "5 percent"), ("5", "5 million"), ("2.5", "2.5 million dollars"),
    ("5", "5 dozen"),
]  # fmt: skip
"""The scale that was asked for is not known."""
