"""What chat models say around a caption: greetings, labels, offers of more help, refusals."""

import re
from dataclasses import dataclass

from oneseed.captioning.marks import QUOTES

CAPTION_NAMES = (
    r"captions?|descriptions?|sentences?|answer|response|output|result|alt[- ]?text|summary"
)
# the same in other languages, of which a label alone is known
FOREIGN_NAMES = (
    r"(?:图片|图像|圖片|圖像|画像の?)?(?:描述|答案|回答|说明|說明|キャプション)|설명|캡션"
    r"|(?:bild)?beschreibung|bildunterschrift|antwort|légende|réponse|descripción|respuesta"
    r"|descrizione|risposta|descrição|resposta|описание(?: изображения)?|подпись|ответ"
)
LABEL_WORDS = (
    r"(?:(?:the|my|a|an|one|your|final|short|brief|concise|detailed|suggested|possible|proposed|"
    r"image|picture|photo|generated|revised|single|one[- ]sentence|alt|english|new|full|best)\s+)*"
)
LABEL_NUMBER = r"(?:\s*(?:#|no\.?)?\s*(?:\d{1,2}|[A-C]))?(?:\s*\([^()\n]{0,40}\))?"


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern for words in any case, with straight or curly apostrophes."""
    return re.compile(pattern.replace("'", "['’]"), re.IGNORECASE | re.DOTALL)


# "Caption:", "Final answer (English):", "Option 2:", "ASSISTANT:"
LABEL = compiled(
    rf"{LABEL_WORDS}(?:(?P<name>{CAPTION_NAMES}|{FOREIGN_NAMES})"
    rf"|(?P<other>option|version|title|assistant|final)){LABEL_NUMBER}(?:\s*[:：]|\s+[-–—](?=\s))\s*"
)
# the same as a heading
LABEL_ALONE = compiled(rf"{LABEL_WORDS}(?:{CAPTION_NAMES}|{FOREIGN_NAMES}){LABEL_NUMBER}\s*")
# what a model plans or weighs beside its answer
OTHER_LABEL = compiled(
    r"(?:thoughts?|thinking|reasoning|analysis|draft|plan|steps?(?: \d+)?|explanation|note|notes|"
    r"rationale|keywords|tags|medium|style|mood|user|question|observations?)\s*[:：]"
)
GREETING = compiled(
    r"(?:(?:sure(?: thing)?|certainly|of course|absolutely|definitely|okay|ok|alright|all right|"
    r"great(?: question)?|got it|no problem|yes|understood|here you go|here it is|"
    r"(?:i(?:'d| would) be )?(?:happy|glad) to(?: help)?|i can (?:certainly )?help"
    r"(?: (?:you )?with that)?|thank(?:s| you)[^.!\n]{0,40})\s*[!.]+"
    r"|(?:sure(?: thing)?|certainly|of course|okay|ok|alright)\s*,)\s*"
)
# "Here is a caption for the image:", "I would describe it as follows:"
INTRODUCTION = compiled(
    r"(?:(?:here(?:'s| is| are)|below is|the following is|i(?:'d| would| will|'ll)|based on|"
    r"as requested|looking at|(?:but|and) here)\b"
    rf"[^:\n]{{0,120}}?\b(?:{CAPTION_NAMES}|describe|text|image|picture|engraving|json|one|it|"
    r"follows|option|version)\b"
    # "The caption for this picture:", not "The tower with an answer:"
    r"|(?:the|my|a|one|this|that)(?:\s+(?!of\b|with\b|showing\b|depicting\b)[\w\x27’-]+){0,5}?"
    rf"\s+(?:{CAPTION_NAMES})\b|(?:in|as) one sentence\b)[^:\n]{{0,80}}:(?=\s|\Z)\s*"
)
INTRODUCTION_ALONE = compiled(rf"here(?:'s| is| are)\b.*\b(?:{CAPTION_NAMES})\b.*[.:!]?")
CLOSING_WORDS = (
    r"(?:please )?let me know\b|(?:i )?hope (?:this|that|it)\b|would you like\b"
    r"|do you (?:want|need)\b|(?:please )?feel free\b|is there anything\b"
    r"|if you(?:'d| would)? (?:like|need|want|have)\b"
    r"|this (?:caption|sentence|description|answer)\b|(?:please )?note(?: that|:)"
    r"|\(?(?:word|token|character) count\b|i (?:chose|used|kept|have|aimed|tried)\b|i've\b"
    r"|(?:explanation|reasoning|rationale|keywords|tags)\s*:|the (?:caption|sentence|description) "
    r"(?:above|captures|describes|begins|highlights)\b"
)
CLOSING_LINE = compiled(CLOSING_WORDS)
# the first sentence of an ending that is no caption, and all behind it
CLOSING = compiled(rf"(?<=[.!?。！？)\"”’\x27])\s+(?:{CLOSING_WORDS}).*")
COUNT_OF_WORDS = compiled(
    r"\s*[(\[](?:approx(?:\.|imately)?|about|~)?\s*\d+\s+(?:words?|tokens?|characters?)[)\]]\s*$"
)
# how a model begins to think where no mark says so
THINKING_ALOUD = compiled(
    r"(?:(?:okay|ok|alright|hmm|well|so|got it|right|first),?\s+)*(?:let's|let me|let us|i need to|"
    r"i should|i have to|i will|i'll|we need|we should|the user|the task|the question|"
    r"the instruction|user wants)\b|(?:hmm|wait)\s*[,.…]"
)
REFUSAL = compiled(
    r"(?:(?:i'm|i am|we're|we are)\s+(?:(?:very|really|so|terribly|just|currently)\s+)?"
    r"(?:sorry|afraid|unable|not able|not allowed|not permitted|not comfortable|just an? )"
    r"|sorry\s*(?:[,.!]|\Z)|sorry (?:but|i|we|for)\b|(?:our )?apologies\b"
    r"|(?:unfortunately|regrettably|my apologies)\W+(?:i|we|but|the image|the picture|there|no)\b"
    r"|(?:i|we) (?:sincerely )?apologi[sz]e"
    r"|(?:i|we)\s+(?:can't|can not|cannot|could not|couldn't|won't|will not|don't|do not|didn't|"
    r"must decline|have to decline|need to decline|decline|refuse)\b"
    r"|(?:unable to|not able to|cannot|can't|could not|couldn't)\s"
    r"|no (?:caption|description)s? (?:is |was |can )?(?:be )?(?:available|provided|possible|given)"
    r"|as an? (?:ai\b|artificial intelligence|large language|language model|virtual assistant)"
    # a picture that did not arrive or cannot be read
    r"|(?:there is|there's|there was|i see) no (?:image|picture|attachment)s?\s*"
    r"(?:[.,!]|\Z|attached|provided|visible|here|included|to\b|in (?:your|the|this) )"
    r"|no (?:image|picture)s?\s+(?:was|were|is|has|provided|attached|found|available|detected|"
    r"given|received|uploaded)\b"
    r"|(?:it|there) (?:seems|appears|looks like)[^.]{0,60}(?:no (?:image|picture|attach)|"
    r"(?:issue|problem|error) with|you (?:haven't|didn't|forgot)|"
    r"(?:image|picture)[^.]{0,30}(?:n't|\bnot\b|missing|fail|blank))"
    r"|please (?:provide|upload|attach|share|send|try)\b"
    r"|(?:the |this )?(?:image|picture)s?(?: you \w+)? (?:could not|couldn't|cannot|can't|was not|"
    r"wasn't|failed|did not|didn't|is too \w+(?: \w+){0,3} to\b|"
    r"(?:is|are) not (?:visible|provided|attached|available|supported))"
    # what servers say in an answer's place
    r"|(?:this|the|your) (?:request|content|prompt|response)\b[^.]{0,40}"
    r"(?:block|flag|violat|filter|refus|denied)"
    r"|(?:request|content|response|prompt) (?:was |has been )?(?:blocked|filtered|flagged|refused)"
    r"|\[?(?:internal |server |fatal )*error\b\s*[:\](\d]"
    r"|lo siento|je suis désolé|désolé,|es tut mir leid|mi dispiace|desculpe|извините|к сожалению"
    r"|抱歉|很抱歉|非常抱歉|对不起|對不起|申し訳|すみません|죄송)"
)
# how quotations begin -> how they end
CLOSING_QUOTES = {
    '"': '"',
    "'": "'",
    "“": "”",
    "‘": "’",
    "«": "»",
    "„": "“",
    "「": "」",
    "『": "』",
}


@dataclass(frozen=True)
class Line:
    """A line of an answer, with what was found at its beginning."""

    # without its label
    text: str
    # 0: "Final answer:", 1: "Caption:", 2: "Title:"; 3: none
    rank: int = 3


def caption_in(text: str, prompt: str) -> str:
    """An answer without marks -> the caption alone, in one line.

    prompt: how the caption was asked to begin, which tells it from what stands around it.
    """
    lines = [read_line(line) for line in text.splitlines()]
    begin = first_line_of_caption(lines, prompt)
    if begin is None:
        kept = [line.text for line in lines if not is_closing(line.text)]
        found = quoted_caption(" ".join(kept), prompt) or " ".join(kept)
    else:
        found = paragraph_from(lines, begin, prompt)
    found = COUNT_OF_WORDS.sub("", CLOSING.sub("", " ".join(found.split())))
    return without_quotes(found)


def read_line(line: str) -> Line:
    """Takes greetings, introductions and labels off the beginning of a line."""
    line = line.strip()
    rank = 3
    while True:
        # "**Caption**: …" has lost its marks, '"Caption: …"' has not
        bare = line.lstrip(QUOTES)
        label = LABEL.match(bare)
        if label:
            rank = min(rank, rank_of(label))
            line = bare[label.end() :]
            continue
        chatter = GREETING.match(line) or INTRODUCTION.match(line)
        if not chatter:
            break
        line = line[chatter.end() :]
    if LABEL_ALONE.fullmatch(line):
        return Line("", 1)
    return Line("" if INTRODUCTION_ALONE.fullmatch(line) else line, rank)


def rank_of(label: re.Match[str]) -> int:
    """How surely a caption stands behind a label, the lowest number most."""
    if "final" in label[0].lower():
        return 0
    return 1 if label["name"] else 2


def first_line_of_caption(lines: list[Line], prompt: str) -> int | None:
    """The number of the line that a label or the asked beginning tells; None: nothing tells it."""
    for rank in (0, 1):
        labelled = [number for number, line in enumerate(lines) if line.rank == rank]
        if labelled:
            return labelled[0]
    asked = [number for number, line in enumerate(lines) if begins_as_asked(line.text, prompt)]
    return asked[0] if asked else None


def begins_as_asked(text: str, prompt: str) -> bool:
    """Whether a text begins with the prompt, in any case and quotation marks."""
    return text.lstrip(QUOTES).lower().startswith(prompt.lower())


def paragraph_from(lines: list[Line], begin: int, prompt: str) -> str:
    """The first words from a line on, until an empty line or one that begins something else."""
    kept: list[str] = []
    for line in lines[begin:]:
        is_new = line.rank < 3 or begins_as_asked(line.text, prompt)
        if kept and (not line.text or is_new or is_closing(line.text)):
            break
        if line.text:
            kept.append(line.text)
    return " ".join(kept)


def is_closing(line: str) -> bool:
    """Whether a line offers help or explains the answer, and is none."""
    return bool(CLOSING_LINE.match(line) or OTHER_LABEL.match(line))


def quoted_caption(text: str, prompt: str) -> str:
    """What begins as asked behind a colon or quotation mark, of a text that begins otherwise."""
    if begins_as_asked(text, prompt):
        return ""
    # A refusal may quote what it refuses.
    mark = "[:：]" if REFUSAL.match(text) else rf"[:：]|[{QUOTES}]"
    if THINKING_ALOUD.match(text):
        mark += r"|[.!?]"
    asked = rf"({mark})\s*[{QUOTES}]?({re.escape(prompt)}\b.*)"
    found = re.search(asked, text, re.IGNORECASE | re.DOTALL)
    if not found:
        return ""
    if found[1] not in QUOTES:
        return found[2]
    closing = CLOSING_QUOTES.get(found[1], found[1])
    return re.split(rf"{closing}(?!\w)", found[2], maxsplit=1)[0]


def without_quotes(text: str) -> str:
    """A text without the quotation marks that enclose the whole of it, or open it in vain."""
    text = text.strip()
    for opening, closing in [*CLOSING_QUOTES.items(), ("„", "”")]:
        bare = text.rstrip(".") if text.endswith(f"{closing}.") else text
        # the end of a quotation whose beginning went with a label
        if bare.endswith(closing) and not {opening, closing} & set(bare[:-1]):
            return bare[:-1]
        if not bare.startswith(opening):
            continue
        inner = bare[1:-1] if bare.endswith(closing) else bare[1:]
        is_enclosed = bare.endswith(closing) and not closes_within(inner, opening, closing)
        # an opening mark whose end was cut off
        is_open = not bare.endswith(closing) and closing not in bare[1:]
        if is_enclosed or is_open:
            return without_quotes(inner)
    return text


def closes_within(text: str, opening: str, closing: str) -> bool:
    """Whether a quotation that began before a text ends within it: '"Hope" and "Faith"'."""
    first = text.find(closing)
    if first < 0:
        return False
    if opening != closing:
        return opening not in text[:first]
    # A mark behind a letter closes, one before a letter opens.
    before = text[:first][-1:]
    is_apostrophe = closing == "'" and text[first + 1 : first + 2].isalpha()
    return bool(before.strip()) and before not in "([{" and not is_apostrophe
