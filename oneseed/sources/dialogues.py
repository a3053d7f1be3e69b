"""What a conversation says beside its first answer: system prompt, further turns, picture marks.

    dialogue = dialogue_of(turns, row)
    dialogue.question            # of the first answer, without marks: "What is this?"
    dialogue.marked_question     # with them: "Is <image> like <image>?"; "" where all stand first
    dialogue.turns               # [{"role": "user", "content": …}, {"role": "assistant", …}]

A picture's place is written <image>, whichever mark the row has for it.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from oneseed.dataset.code_texts import IMAGE_PLACE, is_turns
from oneseed.dataset.jsonl import Row
from oneseed.sources.captions import require_utf8, whole_text

# who asks, who says how to answer, and who answers
ASKING = {"human", "user", "question"}
INSTRUCTING = {"system", "developer"}
ANSWERING = {"gpt", "assistant", "model", "chatgpt", "bot", "bing", "bard", "ai"}
# what stands in a text for one picture
IMAGE_MARK = re.compile(
    r"(?:Picture \d+: )?<img>.*?</img>"
    r"|<\|vision_start\|>(?:<\|image_pad\|>)*<\|vision_end\|>"
    r"|<image>|<start_of_image>|<\|image(?:_pad|_\d+)?\|>",
    re.DOTALL,
)
# of a text where marks stand before all words
MARKS_FIRST = re.compile(rf"(?:\s*{IMAGE_PLACE})*\s*")


class Turn(NamedTuple):
    """One turn: who says it, its text, and the pictures that it names."""

    # in small letters, "" where it is not said
    role: str
    # texts of several parts are lines
    text: str
    images: list[Any]
    # the text with IMAGE_PLACE where pictures stand
    marked: str = ""

    @property
    def is_answer(self) -> bool:
        """Whether the model says it."""
        return self.role in ANSWERING


@dataclass(frozen=True)
class Dialogue:
    """A conversation in the parts that a row of a collection keeps."""

    # of the first answer, "" for none, without marks of pictures
    question: str = ""
    # the same with marks, "" where these all stand before its words
    marked_question: str = ""
    system: str = ""
    # what answers, in their order; none where nothing does
    answers: tuple[str, ...] = ()
    # after the first answer: user and assistant, letter by letter
    turns: tuple[Row, ...] = ()
    # turns of tools and of others, and questions without an answer: no use is made of them
    unused: int = 0

    def labels(self) -> Row:
        """What travels with the caption beside its question."""
        labels = {
            "marked_question": self.marked_question,
            "system": self.system,
            "turns": list(self.turns),
        }
        return {key: value for key, value in labels.items() if value}


def dialogue_of(turns: Iterable[Turn], *, system: str = "", pictures: int = 1) -> Dialogue:
    """Turns, in their order -> Dialogue.

    system: what the row says beside its turns. pictures: that the row names; marks beyond them
    stand for none. Turns of one side that follow each other are one, and an answer without a letter
    goes with its question. Behind a turn of a tool nothing is read: what follows depends on it.
    ValueError where an answer's letters are lost.
    """
    instructions = [system] if system else []
    asked: list[str] = []
    exchanges: list[tuple[str, str]] = []
    listed = list(turns)
    used = 0
    for number, turn in enumerate(listed, 1):
        if turn.role in INSTRUCTING:
            instructions.append(whole_text(turn.text))
        elif turn.role in ASKING:
            asked.append(turn.marked)
        elif turn.is_answer and turn.text.strip():
            exchanges.append(("\n".join(filter(None, asked)), require_utf8(turn.text)))
            asked = []
            used = number
        elif turn.is_answer:
            asked = []
        elif exchanges:
            break
    if not exchanges:
        return Dialogue(
            question=without_marks("\n".join(asked)), system=as_paragraphs(instructions)
        )
    exchanges = with_so_many_marks(exchanges, pictures)
    question, marked_question = asked_of(whole_text(exchanges[0][0]), pictures)
    return Dialogue(
        question=question,
        marked_question=marked_question,
        system=as_paragraphs(instructions),
        answers=tuple(answer for _, answer in exchanges),
        turns=tuple(turns_after(exchanges[1:])),
        unused=len(listed) - used,
    )


def asked_of(text: str, pictures: int = 1) -> tuple[str, str]:
    """A question -> its text without marks, and its marked text, "" where marks stand first.

    pictures: as in dialogue_of.
    """
    ((marked, _),) = with_so_many_marks([(with_places(text), "")], pictures)
    return without_marks(marked), "" if are_marks_first(marked) else marked.strip()


def with_so_many_marks(exchanges: list[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    """Questions and answers, of whose questions the first `most` marks are left."""
    left = most
    kept = []
    for question, answer in exchanges:
        first, *others = question.split(IMAGE_PLACE)
        for text in others:
            first += (IMAGE_PLACE if left else "") + text
            left = max(left - 1, 0)
        kept.append((first, answer))
    return kept


def turns_after(exchanges: Sequence[tuple[str, str]]) -> list[Row]:
    """Questions and answers -> turns of user and assistant; a question that is "" is none."""
    turns = []
    for question, answer in exchanges:
        if question.strip():
            turns.append({"role": "user", "content": require_utf8(question).strip()})
        turns.append({"role": "assistant", "content": answer})
    return turns


def as_paragraphs(texts: Iterable[str]) -> str:
    """The texts that say something, as paragraphs."""
    return "\n".join(filter(str.strip, texts))


def with_places(text: str) -> str:
    """A text whose marks of pictures are all IMAGE_PLACE."""
    return IMAGE_MARK.sub(IMAGE_PLACE, text)


def without_marks(text: str) -> str:
    """A text without marks of pictures, "" where letters of it are lost."""
    return whole_text(text.replace(IMAGE_PLACE, "").strip())


def are_marks_first(marked: str) -> bool:
    """Whether all pictures stand before the words of a text, or none does."""
    found = MARKS_FIRST.match(marked)
    assert found, "the pattern matches nothing at all, too"
    return IMAGE_PLACE not in marked[found.end() :]


def labels_in(row: Row) -> Row:
    """The system prompt, the turns and the marked question under a row's own keys.

    Turns may be a list, or its JSON in a cell; what is no such list says nothing.
    """
    turns = row.get("turns")
    if isinstance(turns, str):
        try:
            turns = json.loads(turns)
        except (ValueError, RecursionError):
            turns = None
    labels = {key: whole_text(row.get(key)) for key in ("marked_question", "system")}
    found: Row = {key: value for key, value in labels.items() if value}
    if turns and is_turns(turns):
        found["turns"] = turns
    return found
