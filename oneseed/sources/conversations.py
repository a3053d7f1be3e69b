"""Conversations about a picture, as other trainers keep them: the first answer is its caption.

What was asked before it is the question that travels with the caption.

LLaVA            {"image": …, "conversations": [{"from": "human", "value": …}, {"from": "gpt", …}]}
LLaMA-Factory    {"images": […], "conversations": […]}, {"images": […], "messages": […]}
OpenAI           {"messages": [{"role": "user", "content": [{"type": "image_url", …}, …]}, …]}
Qwen2-VL, TRL    {"images": […], "messages": […]}, {"images": […], "prompt": […], "completion": […]}
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from oneseed.dataset.jsonl import Row
from oneseed.sources.captions import named_images, one_image, require_utf8, whole_text
from oneseed.sources.columns import IMAGE_KEYS, TURN_KEYS

# who asks, and not who says how to answer
ASKING = {"human", "user", "question"}
ANSWERING = {"gpt", "assistant", "model", "chatgpt", "bot", "bing", "bard", "ai"}
# a picture's name within a text, as Qwen-VL writes it
NAMED_IN_TEXT = re.compile(r"<img>(.*?)</img>", re.DOTALL)
# what stands in a question for a picture
IMAGE_MARK = re.compile(
    r"(?:Picture \d+: )?<img>.*?</img>|<image>|<\|(?:image|vision_start|image_pad|vision_end)\|>",
    re.DOTALL,
)
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


class Turn(NamedTuple):
    """One turn: whether it answers, its text, and the pictures that it names."""

    is_answer: bool
    text: str
    images: list[Any]
    is_question: bool = False


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
        role = who.lower() if isinstance(who, str) else ""
        # parts are paragraphs: in a text of code a blank would join two lines
        yield Turn(role in ANSWERING, "\n".join(texts), images, role in ASKING)


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


def question_of(turns: Sequence[Turn]) -> str:
    """What was asked last before the first answer, without marks of pictures; "" for nothing."""
    asked = ""
    for turn in turns:
        if turn.is_answer:
            break
        if turn.is_question:
            asked = IMAGE_MARK.sub("", turn.text).strip()
    return whole_text(asked)


def read_conversation(row: Row, keys: tuple[str, ...]) -> RowSays:
    """A row -> its first picture, the answers, and the question. ValueError where there is none."""
    turns = list(turns_of(row, keys))
    named_in_turns = [image for turn in turns for image in turn.images]
    named = next((row[key] for key in IMAGE_KEYS if row.get(key)), None)
    only_id = named is not None and named in (row.get("id"), row.get("key"), row.get("name"))
    if named_in_turns and (named is None or only_id):
        named = named_in_turns
    image = one_image({"image": named})
    answers = [turn.text for turn in turns if turn.is_answer and turn.text.strip()]
    return RowSays(
        image,
        [require_utf8(answer) for answer in answers],
        question_of(turns),
        named_images({"image": named})[1:],
    )


def is_conversation(row: Row) -> bool:
    """True for a row whose turns can be read."""
    turns = [turn for key in TURN_KEYS for turn in as_list(row.get(key))]
    return any(isinstance(turn, dict) for turn in turns)
