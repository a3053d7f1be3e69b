"""The code in a captioner's answer, letter by letter, without what models put around it.

    code_in("Here is the code:\\n\\n~~~html\\n<h1>Log in</h1>\\n~~~")  # "<h1>Log in</h1>"

A mark goes where it encloses the answer. What reads like one within the code belongs to it: HTML
has an <s> and an <object> of its own.
"""

import itertools
import json
import re

from oneseed.captioning.chatter import GREETING
from oneseed.captioning.marks import NOT_QUOTED, ROLE, TOKEN_BOXES, TURN_TOKEN, last_box
from oneseed.dataset.code_texts import ANY_LINE_END, code_text

CODE_TURN = re.compile(rf"{NOT_QUOTED}(?:{TURN_TOKEN})", re.IGNORECASE)
# F# has "f <| x |> g", with blanks
CODE_TOKEN = re.compile(rf"{NOT_QUOTED}<[|｜][\w▁]{{1,40}}[|｜]>")
FIRST_TOKENS = re.compile(r"\A(?:\s*<(?:pad|bos|unk)>)+ ?")
LAST_TOKENS = re.compile(r"(?:<(?:pad|eos|unk)>\s*)+\Z")
# at the beginning, or behind words that end so; an XML that goes on before it has one of its own
ANSWER_BEGIN = re.compile(r"(?:[^<`]*[\n:])?\s*<(?P<tag>answer|final_answer)>\n?")

SHELLS = ("bash", "sh", "shell", "zsh", "console", "powershell", "cmd")
PLAIN_TEXTS = ("text", "txt", "plain", "plaintext", "plan")
LANGUAGES = (
    r"html|xml|svg|css|javascript|js|jsx|typescript|ts|tsx|json|python|py|sql|java|cpp|c\+\+|rust|"
    rf"ruby|php|latex|tex|markdown|md|yaml|yml|toml|{'|'.join(SHELLS)}"
)
# a block as Markdown writes it, of one line or many, which may be cut off; what stands behind its
# first marks names its language, or is code already
CODE_FENCE = re.compile(
    r"(?:^(?P<indent>[ \t]*)|(?<=[:*])|(?<=[:*.!]\s))(?P<mark>`{3,}|~{3,})(?![`~])"
    r"(?:(?P<line>[^\n]+?)(?P=mark)[ \t]*$"
    r"|(?P<info>[^\n`<>();]*(?=\n))?(?P<block>.*?)"
    r"(?:\n[ \t]*(?P=mark)[^\n]*$|(?P=mark)\s*\Z|\Z))",
    re.DOTALL | re.MULTILINE,
)
FENCE_LANGUAGE = re.compile(r"[ \t{.]*(?P<name>[\w+#-]+)")
KNOWN_LANGUAGE = re.compile(rf"[ \t]*(?P<name>{LANGUAGES})(?![\w.(=:])[ \t]*")
# the whole between two small marks: `<h1>Log in</h1>`
INLINE_CODE = re.compile(r"\s*(?P<mark>`{1,2})(?P<code>[^`\n]+)(?P=mark)\s*")

CODE_NAMES = rf"(?i:code|answer|output|solution|{LANGUAGES})"
CODE_LABELS = [
    re.compile(pattern)
    for pattern in (
        # "**HTML code:**"
        rf"\s*\*\*(?:[\w+#]+ ){{0,4}}{CODE_NAMES}(?::\*\*|\*\*:)(?:\s*\n|[ \t]*)",
        # "HTML code:" alone; the key of a YAML stands before a list or an indented line
        rf"\s*(?=[A-Z])(?:[\w+#]+ ){{0,3}}{CODE_NAMES}:[ \t]*\n+(?![ \t\n-])",
        # "Here is the code:"
        r"\s*(?i:here(?:['’]s| is| are)|below is|the following is)\b[^\n:<>{}=;`]{0,160}:"
        r"(?:\s*\n|[ \t]*)",
        # "The code for this page is:"
        rf"\s*(?:The|This)\b[^\n:<>{{}}=;`]{{0,100}}\b{CODE_NAMES}\b[^\n:<>{{}}=;`]{{0,100}}:\s*\n",
    )
]
# what may stand beside the code in an answer of JSON
CODE_KEY = "code"
BESIDE_CODE = {"language", "lang", "explanation"}
# a value of JSON that is code, not one of a table: {"code": "US"}
LOOKS_LIKE_CODE = re.compile(r"[\s<>(){}\[\];=]")
NO_SPEECH = re.compile(r"[<>(){}\[\];=]")


def code_in(answer: str) -> str:
    """An answer without thoughts -> the code in it; "" where there is none."""
    text = ANY_LINE_END.sub("\n", answer)
    boxed = last_box(text, TOKEN_BOXES)
    text = first_code_turn(text if boxed == text else boxed.removeprefix("\n").removesuffix("\n"))
    text = inside_answer_tag(text)
    text = inside_code_fence(text)
    named = code_of_json(text)
    return code_text(inside_code_fence(named) if named else text)


def first_code_turn(text: str) -> str:
    """The first turn that says something, without tokens that are no code."""
    first, *others = CODE_TURN.split(text)
    turns = [first, *(ROLE.sub("", turn).lstrip("\n") for turn in others)]
    bare = [without_sentence_marks(CODE_TOKEN.sub("", turn)) for turn in turns]
    return next((turn for turn in bare if turn.strip()), "")


def without_sentence_marks(text: str) -> str:
    """The text without a tokenizer's <s> and </s> at its ends; those that strike out words stay."""
    text = LAST_TOKENS.sub("", FIRST_TOKENS.sub("", text))
    marks = re.findall(r"</?s>", text)
    # how many are open behind each mark
    depths = list(itertools.accumulate(1 if mark == "<s>" else -1 for mark in marks))
    if not depths:
        return text
    is_end = text.rstrip().endswith("</s>")
    is_open = depths[-1] > 0 or (depths[-1] == 0 and is_end)
    is_begin = text.lstrip().startswith("<s>") and is_open and min(depths[:-1], default=1) > 0
    if is_begin:
        text = text.lstrip().removeprefix("<s>").removeprefix(" ")
    if is_end and (depths[-1] < 0 or (is_begin and depths[-1] == 0)):
        text = text.rstrip().removesuffix("</s>")
    return text


def inside_answer_tag(text: str) -> str:
    """What an answer's tag holds, also one that was cut off; the text where there is none."""
    begin = ANSWER_BEGIN.match(text)
    if not begin:
        return text
    inside, end, _behind = text[begin.end() :].rpartition(f"</{begin['tag']}>")
    return inside.removesuffix("\n") if end else text[begin.end() :]


def inside_code_fence(text: str) -> str:
    """What the best fence holds; where there is none, the text without a label before it.

    The last is the best, of those that name a language where some do. Commands of a shell count
    less: they say how to run the code.
    """
    inline = INLINE_CODE.fullmatch(text)
    if inline:
        return inline["code"]
    best = max(
        (fence for fence in CODE_FENCE.finditer(text) if fenced_code(fence).strip()),
        key=lambda fence: (language_rank(fence), fence.start()),
        default=None,
    )
    return fenced_code(best) if best else without_code_label(text)


def fenced_code(fence: re.Match[str]) -> str:
    """The code within a fence, without the fence's own indentation."""
    if fence["line"]:
        return KNOWN_LANGUAGE.sub("", fence["line"], count=1).strip()
    if fence["info"] is None:
        named = KNOWN_LANGUAGE.match(fence["block"])
        return fence["block"][named.end() :] if named else fence["block"]
    lines = fence["block"].removeprefix("\n").split("\n")
    return "\n".join(line.removeprefix(fence["indent"] or "") for line in lines)


def language_rank(fence: re.Match[str]) -> int:
    """How surely a fence holds the code: 0 without a language, 1 a shell's, 2 any other's."""
    if fence["info"] is None:
        found = KNOWN_LANGUAGE.match(fence["line"] or fence["block"])
    else:
        found = FENCE_LANGUAGE.match(fence["info"])
    language = found["name"].lower() if found else ""
    if not language or language in PLAIN_TEXTS:
        return 0
    return 1 if language in SHELLS else 2


def without_code_label(text: str) -> str:
    """Code without the words that introduce it: "Sure! Here is the code:"."""
    begin = 0
    while found := code_label(text, begin):
        begin = found.end()
    return text[begin:]


def code_label(text: str, begin: int) -> re.Match[str] | None:
    """The label at a place of a text, also behind a greeting."""
    greeting = GREETING.match(text, begin)
    places = [begin, greeting.end()] if greeting else [begin]
    found = (label.match(text, place) for place in places for label in CODE_LABELS)
    return next(filter(None, found), None)


def code_of_json(text: str) -> str:
    """The code of an answer in JSON that names it; "" where it is none, or JSON is the code."""
    if not text.lstrip().startswith("{"):
        return ""
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return ""
    named = {key.lower(): item for key, item in value.items()}
    code = named.pop(CODE_KEY, None)
    if not isinstance(code, str) or named.keys() - BESIDE_CODE:
        return ""
    return code if LOOKS_LIKE_CODE.search(code.strip()) else ""


def may_be_words(code: str) -> bool:
    """Whether a text of code has none of the signs that words for nothing never have."""
    return not NO_SPEECH.search(code)
