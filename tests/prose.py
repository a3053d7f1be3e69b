"""How long the documents are and how hard to read: words, lines, sentences, paragraphs.

    python -m tests.prose        # a table of README.md and docs/*.md

Fenced code counts as lines and not as words. A cell of a table and the words of a picture or link
count as words; addresses do not. Sentences and paragraphs are those of running text and of list
items: no headings, no tables, no lines that only show a picture.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FENCE = re.compile(r"^ *```")
LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)")
INLINE_CODE = re.compile(r"`[^`\n]+`")
LIST_ITEM = re.compile(r"^ *(?:[-*]|\d+\.) +")
LIST_CHECKBOX = re.compile(r"^\[[ x]\] +")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"')*_]*\s+(?=[\"'(*_`\[]*[A-Z0-9`])")
NO_SENTENCE_END = re.compile(r"\b(e\.g|i\.e|etc|vs|al|fig|eq)\.", re.IGNORECASE)


@dataclass(frozen=True)
class Prose:
    """What was counted in one document."""

    name: str
    lines: int
    words: int
    sentences: int
    mean_sentence: float  # words
    longest_sentence: str
    longest_paragraph: str


def documents() -> list[Path]:
    """README.md and every document of docs/, in order."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def name_of(path: Path) -> str:
    """The path as a reader of the project writes it: docs/data.md."""
    return path.relative_to(ROOT).as_posix()


def without_code_blocks(text: str) -> str:
    """The text with its fenced blocks left out."""
    kept = []
    inside = False
    for line in text.splitlines():
        if FENCE.match(line):
            inside = not inside
            # A block parts two paragraphs.
            kept.append("")
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def code_blocks(text: str) -> list[str]:
    """The contents of the fenced blocks."""
    blocks = []
    block: list[str] | None = None
    for line in text.splitlines():
        if not FENCE.match(line):
            if block is not None:
                block.append(line)
        elif block is None:
            block = []
        else:
            blocks.append("\n".join(block))
            block = None
    return blocks


def inline_code(text: str) -> list[str]:
    """What stands between single backticks, outside fenced blocks."""
    return [found.strip("`") for found in INLINE_CODE.findall(without_code_blocks(text))]


def count_words(text: str) -> int:
    """Words as a reader sees them: what holds a letter or a digit; links by their words alone."""
    shown = LINK.sub(r"\1", text)
    return sum(1 for word in shown.split() if re.search(r"\w", word))


def is_running_text(line: str) -> bool:
    """False for headings, tables, and lines that only show pictures."""
    if line.startswith(("#", "|")):
        return False
    return bool(re.search(r"\w", re.sub(r"!\[[^\]]*\]\([^)]*\)", "", line)))


def paragraphs(text: str) -> list[str]:
    """Paragraphs of running text, each on one line; every list item is one."""
    found: list[list[str]] = []
    open_paragraph = False
    for line in without_code_blocks(text).splitlines():
        if not is_running_text(line):
            open_paragraph = False
            continue
        item = LIST_ITEM.match(line)
        if item or not open_paragraph:
            found.append([])
            open_paragraph = True
        begin = item.end() if item else 0
        found[-1].append(LIST_CHECKBOX.sub("", line[begin:]).strip())
    return [" ".join(lines) for lines in found]


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph; a full stop inside code or an abbreviation ends none."""
    shown = LINK.sub(r"\1", paragraph)
    masked = INLINE_CODE.sub(lambda found: re.sub(r"\S", "c", found[0]), shown)
    masked = NO_SENTENCE_END.sub(lambda found: found[0].replace(".", "c"), masked)
    pieces = []
    begin = 0
    for end in SENTENCE_END.finditer(masked):
        pieces.append(shown[begin : end.start()])
        begin = end.end()
    pieces.append(shown[begin:])
    return [piece for piece in pieces if count_words(piece)]


def measure(path: Path) -> Prose:
    """Counts one document."""
    text = path.read_text("utf-8")
    all_paragraphs = paragraphs(text)
    all_sentences = [one for paragraph in all_paragraphs for one in sentences(paragraph)]
    words_of_sentences = sum(count_words(one) for one in all_sentences)
    return Prose(
        name=name_of(path),
        lines=len(text.splitlines()),
        words=count_words(without_code_blocks(text)),
        sentences=len(all_sentences),
        mean_sentence=words_of_sentences / max(1, len(all_sentences)),
        longest_sentence=max(all_sentences, key=count_words, default=""),
        longest_paragraph=max(all_paragraphs, key=count_words, default=""),
    )


def main() -> None:
    """Prints the table."""
    counts = f"{'words':>7}{'lines':>7}{'words a sentence':>18}{'longest':>9}{'paragraph':>11}"
    print(f"{'document':24}{counts}")
    for path in documents():
        if not path.exists():
            continue
        prose = measure(path)
        print(
            f"{prose.name:24}{prose.words:>7,}{prose.lines:>7}{prose.mean_sentence:>18.1f}"
            f"{count_words(prose.longest_sentence):>9}{count_words(prose.longest_paragraph):>11}"
        )


if __name__ == "__main__":
    main()
