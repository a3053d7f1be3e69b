"""Conversations about one picture, as other trainers keep them: the first answer is its caption.

LLaVA            {"image": …, "conversations": [{"from": "human", "value": …}, {"from": "gpt", …}]}
LLaMA-Factory    {"images": […], "conversations": […]}, {"images": […], "messages": […]}
OpenAI           {"messages": [{"role": "user", "content": [{"type": "image_url", …}, …]}, …]}
Qwen2-VL, TRL    {"images": […], "messages": […]}, {"images": […], "prompt": […], "completion": […]}
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from oneseed.dataset.jsonl import Row
from oneseed.sources.captions import one_image, require_utf8
from oneseed.sources.columns import IMAGE_KEYS, TURN_KEYS

ANSWERING = {"gpt", "assistant", "model", "chatgpt", "bot", "bing", "bard", "ai"}
# a picture's name within a text, as Qwen-VL writes it
NAMED_IN_TEXT = re.compile(r"<img>(.*?)</img>", re.DOTALL)
PART_IMAGE_KEYS = ("image", "image_url", "url", "path", "file")


class Turn(NamedTuple):
    """One turn: whether it answers, its text, and the pictures that it names."""

    is_answer: bool
    text: str
    images: list[Any]


def turns_of(row: Row, keys: tuple[str, ...]) -> Iterator[Turn]:
    """The turns under the first filled one of `keys`, and those of a completion after a prompt.

    ValueError where they are no list of turns.
    """
    key = next((key for key in keys if row.get(key) not in (None, "")), keys[0])
    turns = row.get(key)
    if key == "prompt":
        turns = [*as_list(turns), *as_list(row.get("completion") or row.get("chosen"))]
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise ValueError(f"{key} is no list of turns")
    for turn in turns:
        who = turn.get("from", turn.get("role"))
        said = turn.get("value", turn.get("content"))
        if not isinstance(said, str | list | None):
            raise ValueError("the caption is no text")
        images, texts = read_parts(said if isinstance(said, list) else [said])
        is_answer = isinstance(who, str) and who.lower() in ANSWERING
        yield Turn(is_answer, " ".join(texts), images)


def as_list(value: Any) -> list[Any]:
    """A list itself; anything else is none."""
    return value if isinstance(value, list) else []


def read_parts(parts: list[Any]) -> tuple[list[Any], list[str]]:
    """Parts of a turn's content -> pictures that they name, texts."""
    images = []
    texts = []
    for part in parts:
        if isinstance(part, str):
            images += NAMED_IN_TEXT.findall(part)
            texts.append(part)
        elif isinstance(part, dict):
            images += [part[key] for key in PART_IMAGE_KEYS if part.get(key)][:1]
            text = part.get("text")
            if isinstance(text, str):
                texts.append(text)
    return images, texts


def read_conversation(row: Row, keys: tuple[str, ...]) -> tuple[str | bytes, list[str]]:
    """A row -> its picture, and the answers. ValueError where the picture is not one."""
    turns = list(turns_of(row, keys))
    named_in_turns = [image for turn in turns for image in turn.images]
    named = next((row[key] for key in IMAGE_KEYS if row.get(key)), None)
    only_id = named is not None and named in (row.get("id"), row.get("key"), row.get("name"))
    if named_in_turns and (named is None or only_id):
        named = named_in_turns
    image = one_image({"image": named})
    answers = [turn.text for turn in turns if turn.is_answer and turn.text.strip()]
    return image, [require_utf8(answer) for answer in answers]


def is_conversation(row: Row) -> bool:
    """True for a row whose turns can be read."""
    turns = [turn for key in TURN_KEYS for turn in as_list(row.get(key))]
    return any(isinstance(turn, dict) for turn in turns)
