"""A row of a collection as the conversation that a captioner is taught and asked.

    messages_of(row)                        # system, user, assistant, … as chat templates take them
    asked_before_answers(messages_of(row))  # one list for each answer: what is read before it
    place_pictures(messages, pictures)       # the same with the pictures in their places

A user's content is a list of parts, with {"type": "image"} where a picture stands. All pictures
stand before the words where the row does not say another place for each.
"""

from collections.abc import Sequence
from typing import Any

from oneseed.dataset.code_texts import IMAGE_PLACE
from oneseed.dataset.jsonl import Row

Message = dict[str, Any]
# what a captioner reads beside a picture: a text, or the messages before its answer
Asked = str | Sequence[Message]


def messages_of(
    row: Row, question: str = "", *, pictures: int = 1, turns: bool = True
) -> list[Message]:
    """A row of a picture and its caption -> messages.

    question: what is asked where the row says no question. pictures: that are shown; marks of
    another number count as none. turns: with what was said after the caption.
    """
    asked = [row.get("marked_question") or row.get("question") or question]
    answers = [row.get("caption") or ""]
    for turn in row.get("turns", ()) if turns else ():
        if turn["role"] == "user" and len(asked) > len(answers):
            # a second one before an answer, as a person may have written it
            asked[-1] += "\n" + turn["content"]
        elif turn["role"] == "user":
            asked.append(turn["content"])
        else:
            # an answer that nobody asked for follows its forerunner
            asked += [""] * (len(answers) + 1 - len(asked))
            answers.append(turn["content"])
    if sum(text.count(IMAGE_PLACE) for text in asked) != pictures:
        plain = [row.get("question") or question, *asked[1:]]
        asked = [text.replace(IMAGE_PLACE, "").strip() for text in plain]
        asked[0] = IMAGE_PLACE * pictures + asked[0]
    messages: list[Message] = []
    if row.get("system"):
        messages.append({"role": "system", "content": [text_part(row["system"])]})
    for text, answer in zip(asked, answers):
        if text:
            messages.append({"role": "user", "content": question_parts(text)})
        messages.append({"role": "assistant", "content": [text_part(answer)]})
    return messages


def says_more(row: Row) -> bool:
    """Whether a row is asked in other words than its question alone."""
    return bool(row.get("system") or row.get("marked_question"))


def asked_before_answers(messages: Sequence[Message]) -> list[list[Message]]:
    """Messages up to where each answer begins, in the order of the answers."""
    places = [place for place, one in enumerate(messages) if one["role"] == "assistant"]
    return [list(messages[:place]) for place in places]


def question_message(question: str) -> Message:
    """A turn that asks of one picture, which stands first."""
    return {"role": "user", "content": [{"type": "image"}, text_part(question)]}


def place_pictures(messages: Sequence[Message], pictures: Sequence[Any]) -> list[Message]:
    """Messages about some pictures, each put into its place; there are as many places."""
    left = iter(pictures)
    shown = []
    for message in messages:
        parts = [
            {**part, "image": next(left)} if part["type"] == "image" else part
            for part in message["content"]
        ]
        shown.append({**message, "content": parts})
    assert next(left, None) is None, "a picture without a place"
    return shown


def text_part(text: str) -> Row:
    """A text as a part of a message."""
    return {"type": "text", "text": text}


def question_parts(question: str) -> list[Row]:
    """A question as parts of a message: texts, and a picture at each IMAGE_PLACE."""
    first, *others = question.split(IMAGE_PLACE)
    parts = [text_part(first)] if first.strip() else []
    for text in others:
        parts.append({"type": "image"})
        # the line between a picture and the words after it
        text = text.removeprefix("\n")
        parts += [text_part(text)] if text.strip() else []
    return parts
