"""Texts of code with all that a reader of sentences would lose."""

SIXTY_LINES = "".join(f"    row({number}, 'x') \n" for number in range(60))
NASTY = (
    '<h1>Log In</h1>\n<p class="a b">It\'s  two blanks</p>\n',
    "def  f(a):\n\treturn a  # tab, and trailing blanks  \n\n\n",
    "Print: a(b)\n  \"quoted\", 'single', `back`, “curled”",
    'CREATE TABLE Ships (\n    Name TEXT NOT NULL,\n    "order" INTEGER\n);',
    "\n\n  begins with empty lines",
    "print('🚢 Żółć 山 \u200d')\n",
    "=SUM(A1:A9)\n-1\n@x\t+y",
    SIXTY_LINES,
    "A Form With Capitals And <br/> &amp; &lt;entities&gt; ${x} {{y}}",
    'a,b;c|d\t"e"\n1.png\n',
)
