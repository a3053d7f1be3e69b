"""Conversations about a picture, as other trainers keep them: the first answer is its caption.

What was asked before it is the question that travels with the caption, and so do the system prompt
and the turns after it, see dialogues.py.

LLaVA            {"image": …, "conversations": [{"from": "human", "value": …}, {"from": "gpt", …}]}
LLaMA-Factory    {"images": […], "conversations": […]}, {"images": […], "messages": […]}
OpenAI           {"messages": [{"role": "user", "content": [{"type": "image_url", …}, …]}, …]}
Qwen2-VL, TRL    {"images": […], "messages": […]}, {"images": […], "prompt": […], "completion": […]}
preferences      {"images": […], "chosen": […], "rejected": […]}, with or without the turns before
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from oneseed.dataset.code_texts import IMAGE_PLACE
from oneseed.dataset.jsonl import Row
from oneseed.sources.captions import (
    named_images,
    one_caption,
    one_image,
    text_of_key,
    whole_text,
)
from oneseed.sources.columns import IMAGE_KEYS, QUESTION_KEYS, TURN_KEYS
from oneseed.sources.dialogues import (
    ANSWERING,
    Dialogue,
    Turn,
    as_paragraphs,
    dialogue_of,
    with_places,
)

# a picture's name within a text, as Qwen-VL writes it
NAMED_IN_TEXT = re.compile(r"<img>(.*?)</img>", re.DOTALL)
PART_IMAGE_KEYS = ("image", "image_url", "url", "path", "file")


class RowSays(NamedTuple):
    """What a row says."""

    # the path of its picture, or the picture's bytes
    image: str | bytes
    # letter by letter; none where there are none
    captions: list[str]
    # what was asked of the picture, "" for nothing
    question: str = ""
    # pictures that the row names beside the first, whatever they are
    further_images: Sequence[Any] = ()
    # what else travels with the caption: see Dialogue.labels
    labels: Mapping[str, Any] = MappingProxyType({})
    # turns of which no use is made
    unused_turns: int = 0


def turns_of(row: Row, keys: tuple[str, ...]) -> Iterator[Turn]:
    """The turns under the first filled one of `keys`, and what answers them where they do not.

    ValueError where they are no list of turns.
    """
    key = next((key for key in keys if row.get(key) not in (None, "")), keys[0])
    turns = row.get(key)
    if key == "prompt":
        turns = as_list(turns)
    if isinstance(turns, list):
        turns = with_answer(turns, row.get("completion") or row.get("chosen"))
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise ValueError(f"{key} is no list of turns")
    for turn in turns:
        said = turn.get("value", turn.get("content"))
        if not isinstance(said, str | list | None):
            raise ValueError("the caption is no text")
        yield turn_of(role_of(turn), said if isinstance(said, list) else [said])


def role_of(turn: Any) -> str:
    """Who says a turn of a row, in small letters, "" where it is not said."""
    who = turn.get("from", turn.get("role")) if isinstance(turn, dict) else None
    return who.lower() if isinstance(who, str) else ""


def with_answer(turns: list[Any], answer: Any) -> list[Any]:
    """Turns, and the answer that stands apart from them where they do not end in one.

    answer: of a completion, or the preferred one: a turn, several, or a text. It may hold the turns
    before it, too.
    """
    if turns and role_of(turns[-1]) in ANSWERING:
        return turns
    if isinstance(answer, str):
        answer = {"role": "assistant", "content": answer}
    given = [answer] if isinstance(answer, dict) else as_list(answer)
    return [*turns, *(turn for turn in given if turn not in turns)]


def as_list(value: Any) -> list[Any]:
    """A list itself; anything else is none."""
    return value if isinstance(value, list) else []


def turn_of(role: str, parts: list[Any]) -> Turn:
    """The parts of a turn's content, texts and pictures -> Turn."""
    images = []
    texts = []
    marked = ""
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else part
        is_image = isinstance(part, dict) and is_image_part(part)
        if is_image:
            images += [part[key] for key in PART_IMAGE_KEYS if part.get(key)][:1]
            marked += IMAGE_PLACE
        if isinstance(text, str) and (text or not is_image):
            images += NAMED_IN_TEXT.findall(text) if isinstance(part, str) else []
            # parts are paragraphs: in a text of code a blank would join two lines
            ends_in_words = bool(texts) and not marked.endswith(IMAGE_PLACE)
            marked += "\n" * ends_in_words + with_places(text)
            texts.append(text)
    return Turn(role, "\n".join(texts), images, marked)


def is_image_part(part: Row) -> bool:
    """Whether a part of a turn stands for a picture: it says so, or names one."""
    return part.get("type") == "image" or any(part.get(key) for key in PART_IMAGE_KEYS)


def dialogue_in(row: Row, keys: tuple[str, ...]) -> Dialogue:
    """The conversation of a row of one picture. ValueError where there is none."""
    return dialogue_of(turns_of(row, keys), system=whole_text(row.get("system")))


def read_conversation(row: Row, keys: tuple[str, ...]) -> RowSays:
    """A row -> its first picture, the first answer, and what travels with it.

    ValueError where there is none.
    """
    turns = list(turns_of(row, keys))
    images = images_of(row, turns)
    image = one_image({"image": images})
    dialogue = dialogue_of(turns, system=whole_text(row.get("system")), pictures=len(images))
    return says_in(dialogue, image, images[1:])


def images_of(row: Row, turns: Iterable[Turn]) -> list[Any]:
    """What a conversation names as its pictures, each once: in the row, else in its turns."""
    named_in_turns = [image for turn in turns for image in turn.images]
    named = next((row[key] for key in IMAGE_KEYS if row.get(key)), None)
    only_id = named is not None and named in (row.get("id"), row.get("key"), row.get("name"))
    if named_in_turns and (named is None or only_id):
        named = named_in_turns
    return [image for image in named_images({"image": named}) if image]


def read_instruction(row: Row, image_keys: tuple[str, ...]) -> RowSays:
    """A row of instruction and output, as Alpaca has them -> what it says.

    Its input belongs to the instruction, and its history are questions and answers before that.
    ValueError as of read_conversation.
    """
    turns = []
    for exchange in as_list(row.get("history")):
        if isinstance(exchange, list) and len(exchange) == 2:
            turns += [turn_of("user", exchange[:1]), turn_of("assistant", exchange[1:])]
    asked = as_paragraphs([text_of_key(row, QUESTION_KEYS), whole_text(row.get("input"))])
    answer = one_caption(row, ("output", "response"))
    turns += [turn_of("user", [asked]), turn_of("assistant", [answer])]
    images = named_images(row, image_keys)
    dialogue = dialogue_of(turns, system=whole_text(row.get("system")), pictures=len(images))
    return says_in(dialogue, one_image(row, image_keys), images[1:])


def says_in(dialogue: Dialogue, image: str | bytes, further_images: Sequence[Any]) -> RowSays:
    """A conversation about a picture, as what its row says."""
    return RowSays(
        image,
        list(dialogue.answers[:1]),
        dialogue.question,
        further_images,
        dialogue.labels(),
        dialogue.unused,
    )


def is_conversation(row: Row) -> bool:
    """True for a row whose turns can be read."""
    turns = [turn for key in TURN_KEYS for turn in as_list(row.get(key))]
    return any(isinstance(turn, dict) for turn in turns)
