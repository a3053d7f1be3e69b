"""A row of a collection as the conversation that a captioner is taught and asked.

    messages_of(row)                # system, user, assistant, … as chat templates take them
    asked_of(messages_of(row))      # without the last answer: what a captioner is asked

A user's content is a list of parts, with {"type": "image"} where a picture stands. All pictures
stand before the words where the row does not say another place for each.
"""

from typing import Any

from oneseed.dataset.code_texts import IMAGE_PLACE
from oneseed.dataset.jsonl import Row

Message = dict[str, Any]


def messages_of(row: Row, question: str = "", *, pictures: int = 1, turns: bool = True) -> list:
    """A row of a picture and its caption -> messages.

    question: what is asked where the row says no question. pictures: that are shown; marks of
    another number count as none. turns: with what was said after the caption.
    """
    asked = [row.get("marked_question") or row.get("question") or question]
    answers = [row["caption"]]
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


def asked_of(messages: list[Message]) -> list[Message]:
    """Messages up to where the first answer begins."""
    roles = [message["role"] for message in messages]
    return messages[: roles.index("assistant")]


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
