"""What models put around their answers: thoughts, channels, boxes, tokens of their own, markdown.

Each function takes a text and gives it back without one kind of these. A mark in quotation marks
belongs to the text: 'a sign that says "<think>"'.
"""

import re

QUOTES = "\"'“”‘’«»„`「」『』"
NOT_QUOTED = rf"(?!(?<=(?<!\w)[{QUOTES}])(?:<[^<>\n]*>|\[[^\[\]\n]*\])[{QUOTES}])"
THOUGHT_NAMES = r"(?:\w+[:_])?(?:think(?:ing)?|thoughts?|reasoning|reflection|analysis|scratchpad)"
# how thoughts begin and end: most models; Mistral; Kimi; OpenThinker, Cohere; Gemma
THOUGHTS_BEGIN = (
    rf"{NOT_QUOTED}(?:<{THOUGHT_NAMES}\s*>|\[THINK\]|◁think▷"
    r"|<\|(?:begin_of_thought|start_thinking|think)\|>|<unused94>|<\|channel>thought)"
)
THOUGHTS_END = (
    rf"{NOT_QUOTED}(?:</{THOUGHT_NAMES}\s*>|\[/THINK\]|◁/think▷"
    r"|<\|(?:end_of_thought|end_thinking|/think)\|>|<unused95>|<channel\|>)"
)
THOUGHT_MARK = re.compile(rf"(?P<begin>{THOUGHTS_BEGIN})|(?P<end>{THOUGHTS_END})", re.IGNORECASE)

# a text in several channels, of which "final" is the answer
CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>")
CHANNEL_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
# the same where a server took the marks away
BARE_CHANNELS = re.compile(r"\A\s*(?:analysis|commentary).*assistant\s*final", re.DOTALL)

# what encloses an answer
ANSWER_TAGS = (
    r"answer|response|response_text|final_answer|final|output|caption|result|description|sentence"
)
# of a tag: <caption lang="en">
TAG_ATTRIBUTES = r"(?:\s[^<>=]*=[^<>]*)?"
# by a model's own tokens
TOKEN_BOXES = [
    re.compile(rf"{begin}(?P<inside>.*?)(?:{end}|\Z)", re.DOTALL | re.IGNORECASE)
    for begin, end in (
        (r"<\|begin_of_box\|>", r"<\|end_of_box\|>"),
        (r"<\|begin_of_solution\|>", r"<\|end_of_solution\|>"),
        (r"<\|start_response\|>", r"<\|end_response\|>"),
    )
]
BOXES = [
    *TOKEN_BOXES,
    *(
        re.compile(pattern, re.DOTALL | re.IGNORECASE)
        for pattern in (
            r"\\boxed\{(?:\\text\{)?(?P<inside>[^{}]*)",
            rf"<(?P<tag>{ANSWER_TAGS}){TAG_ATTRIBUTES}>"
            r"(?P<inside>(?:(?!<(?P=tag)[\s>]).)*?)</(?P=tag)>",
            # cut off within
            rf"\A\s*<(?:{ANSWER_TAGS}){TAG_ATTRIBUTES}>(?P<inside>.*)",
            # begun in the prompt
            rf"\A(?P<inside>[^<]*)</(?:{ANSWER_TAGS})>\s*\Z",
            # around the whole: within a caption it may mark what a sign says
            rf"\A\s*<text{TAG_ATTRIBUTES}>(?P<inside>[^<]*)(?:</text>)?\s*\Z",
        )
    ),
]
# boxes within each other that are opened
DEEPEST_BOX = 4
FENCE = re.compile(
    r"(?:\A|(?<=\n))[ \t]*(?:```|~~~)[^\n`]*\n(.*?)(?:\n?[ \t]*(?:```|~~~)|\Z)", re.DOTALL
)

# where a turn of the conversation begins or ends
TURN_TOKEN = (
    r"<[|｜](?:im_start|im_end|start|end|start_header_id|eot_id|eom_id|endoftext"
    r"|end_of_text|return|eos|eot|user|end[▁_]of[▁_]sentence)[|｜]>"
    r"|<start_of_turn>|<end_of_turn>|<end_of_utterance>"
)
TURN = re.compile(rf"{NOT_QUOTED}(?:{TURN_TOKEN}|</s>|<eos>|\[INST\])", re.IGNORECASE)
SPECIAL_TOKEN = re.compile(
    rf"{NOT_QUOTED}(?:<[|｜][^<>|｜\n]{{1,40}}[|｜]>|<s>|<(?:pad|bos|unk|image)>|\[/INST\]"
    r"|<0x[0-9A-F]{2}>|<unused\d+>)"
)
ROLE = re.compile(r"\A\s*(?:assistant|model)(?:\s*:|\s*\n|<\|end_header_id\|>|<\|im_middle\|>)")
# what a caption speaks of and where that lies: Qwen, InternVL; Kosmos; Florence, PaliGemma
PLACE_MARK = re.compile(
    rf"{NOT_QUOTED}(?:</?(?:ref|grounding|phrase|object|delimiter_of_multi_objects/)>"
    r"|<(?P<tag>box|quad)>[^<>]{0,400}(?:</(?P=tag)>|\Z)"
    r"|<\|box_start\|>[^<>]{0,400}(?:<\|box_end\|>|\Z)"
    r"|<loc_?\d+>|<patch_index_\d+>)"
)

EMPHASIS = re.compile(r"(\*\*\*|\*\*|__|~~)(?=\S)(.+?)(?<=\S)\1", re.DOTALL)
ITALICS = re.compile(
    r"(?<![\w*])\*(?=[^\s*])([^*]+?)(?<=\S)\*(?![\w*])|(?<!\w)_(?=[^\s_])([^_]+?)(?<=\S)_(?!\w)"
)
CODE = re.compile(r"(`+)([^`\n]+)\1")
LINK = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\s]+\)")
ESCAPED = re.compile(r"\\([\\*_#`>\[\]~-])")
BLOCK_TAG = re.compile(
    rf"</?(?:p|br|div|h[1-6]|blockquote|ul|ol|li|pre|figure|figcaption){TAG_ATTRIBUTES}\s*/?>",
    re.IGNORECASE,
)
INLINE_TAG = re.compile(rf"</?(?:b|i|u|em|strong|span|code){TAG_ATTRIBUTES}\s*/?>", re.IGNORECASE)
# headings, quotes, bullets and numbers of lists
LINE_MARK = re.compile(r"\s*(?:#{1,6}\s+|>\s*|[-*+•‣]\s+|\(?\d{1,2}[.)]\s+)")
RULE = re.compile(r"\s*(?:[-*_=]\s*){3,}")


def is_mark(token: str) -> bool:
    """Whether a model's own token parts its answer from thoughts, channels or what encloses it."""
    marks = (
        rf"{THOUGHTS_BEGIN}|{THOUGHTS_END}"
        r"|<\|(?:channel|message|start|end|constrain|\w+_of_(?:box|solution)|\w+_response)\|>"
    )
    return bool(re.fullmatch(marks, token, re.IGNORECASE))


def opens_thoughts(prompt: str) -> bool:
    """Whether a prompt ends where the model is to begin thinking."""
    return bool(re.search(rf"(?:{THOUGHTS_BEGIN})\s*\Z", prompt, re.IGNORECASE))


def without_thoughts(text: str) -> str:
    """What stands behind the thoughts; "" where the text ends within them."""
    text = final_channel(text)
    kept: list[str] = []
    opened: re.Match[str] | None = None
    position = 0
    for mark in THOUGHT_MARK.finditer(text):
        if mark["begin"]:
            if opened is None:
                kept.append(text[position : mark.start()])
                opened = mark
            continue
        if opened is None:
            # These thoughts began in the prompt.
            kept.clear()
        opened = None
        position = mark.end()
    if opened is None:
        kept.append(text[position:])
    elif text[: opened.start()].rpartition("\n")[2].strip():
        # Thoughts that never end begin a line: this is a word of the caption.
        kept.append(text[opened.start() :])
    return "".join(kept)


def final_channel(text: str) -> str:
    """The answer of a text in channels; "" where it has only others; else the text as it is."""
    channels = list(CHANNEL.finditer(text))
    if not channels:
        return BARE_CHANNELS.sub("", text, count=1)
    finals = [channel for channel in channels if channel[1] == "final"]
    if not finals:
        return ""
    return CHANNEL_END.split(text[finals[-1].end() :])[0]


def inside_box(text: str) -> str:
    """What the last box, answer tag or block of code holds; the text where there is none.

    Of boxes within each other the innermost counts.
    """
    for _box in range(DEEPEST_BOX):
        inside = last_box(text, BOXES)
        fences = [fence[1] for fence in FENCE.finditer(inside) if fence[1].strip()]
        inside = fences[0] if fences else inside
        if inside == text:
            break
        text = inside
    return text


def last_box(text: str, patterns: list[re.Pattern[str]]) -> str:
    """What the last box of each pattern holds, one after the other; the text without any."""
    for pattern in patterns:
        boxes = [found["inside"] for found in pattern.finditer(text)]
        text = next((box for box in reversed(boxes) if re.search(r"\w", box)), text)
    return text


def without_tokens(text: str) -> str:
    """The first turn that says something, without the special tokens of any model."""
    turns = [ROLE.sub("", turn) for turn in TURN.split(PLACE_MARK.sub("", text))]
    spoken = [turn for turn in turns if re.search(r"\w", SPECIAL_TOKEN.sub("", turn))]
    return SPECIAL_TOKEN.sub("", spoken[0]) if spoken else ""


def without_markdown(text: str) -> str:
    """The text without emphasis, headings, bullets, quotes, links and formatting tags."""
    text = INLINE_TAG.sub("", BLOCK_TAG.sub("\n", text))
    lines = ["" if RULE.fullmatch(line) else line for line in text.splitlines()]
    text = "\n".join(without_line_marks(line) for line in lines)
    text = LINK.sub(r"\1", EMPHASIS.sub(r"\2", text))
    text = ITALICS.sub(lambda found: found[1] or found[2], text)
    return ESCAPED.sub(r"\1", CODE.sub(r"\2", text))


def without_line_marks(line: str) -> str:
    """A line without what makes it a heading, a quote or an entry of a list."""
    while found := LINE_MARK.match(line):
        line = line[found.end() :]
    return line.strip()
