"""One cleaner for the answers of all captioners: the caption alone, or why there is none.

said = Said("Sure! **Caption:** An engraving of a castle.", ended_by="stop")
read_answer(job, said)  # -> Caption(job.row, "An engraving of a castle.", is_cut=False)
read_answer(job, Said(None, ended_by="content_filter"))  # -> NoCaption(job.row, "…")
"""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from oneseed.captioning.chatter import REFUSAL, THINKING_ALOUD, caption_in
from oneseed.captioning.code_answers import code_in, may_be_words
from oneseed.captioning.jobs import Caption, CaptionJob, NoCaption, quote_answer
from oneseed.captioning.marks import (
    QUOTES,
    inside_box,
    without_markdown,
    without_thoughts,
    without_tokens,
)
from oneseed.dataset.code_texts import is_code
from oneseed.dataset.wording import clean_caption, worded

# what servers call the end by the length limit
LIMIT_ENDS = ("length", "max_tokens", "max_output_tokens", "model_length")
# parts of the names of ends by a filter
FILTER_ENDS = re.compile(r"filter|safety|refus|prohibited|blocklist|recitation|sensitive")
# names of a caption in an answer of JSON, the best first
ANSWER_KEYS = (
    "caption",
    "captions",
    "description",
    "final_answer",
    "answer",
    "sentence",
    "text",
    "content",
    "response",
    "output",
    "result",
    "title",
)
# answers that are words for nothing, without what stands between their letters
NOTHING = re.compile(
    r"none|null|na|unknown|nil|no(?:caption|description)?|undefined|nan|true|false|yes|ok",
    re.IGNORECASE,
)
LOOSE_CAPTION = re.compile(
    rf"""[{{,]\s*(["'])(?:{"|".join(ANSWER_KEYS)})\1\s*:\s*\[?\s*"""
    r"""(["'])(?P<caption>.*?)(?<!\\)(?:\2\s*[,}\]]|\Z)""",
    re.DOTALL | re.IGNORECASE,
)
# of a caption; a captioner that cannot end writes on
MAX_CAPTION_LETTERS = 5_000
# types of the parts of an answer that are its text
TEXT_PARTS = ("text", "output_text")
MORE_TOKENS = "let it write more with --max-new-tokens 1000"
OTHER_MODEL = "let another model write, with --captioner or --captioner-model"


@dataclass(frozen=True)
class Said:
    """What a captioner said, as it said it."""

    # a text, a list of parts, JSON, or None
    content: Any
    # as servers name it: "stop", "length", "content_filter"
    ended_by: str = "stop"
    # whether it also thought, where its thoughts stand apart
    has_thoughts: bool = False
    # its refusal, where that stands apart
    refusal: str = ""


def read_answer(job: CaptionJob, said: Said) -> Caption | NoCaption:
    """An answer -> the caption in it, or the reason why it holds none."""
    ended_by = said.ended_by.lower()
    met_limit = ended_by in LIMIT_ENDS
    raw = text_of(said.content)
    if FILTER_ENDS.search(ended_by):
        return refused(job, "withheld by the content filter", said.ended_by)
    if said.refusal:
        return refused(job, "refused", said.refusal)
    answer = without_thoughts(raw)
    has_thoughts = said.has_thoughts or answer != raw
    text = clean_answer(answer, job.prompt)
    if met_limit and THINKING_ALOUD.match(text):
        return empty(job, has_thoughts=True, met_limit=True, ended_by=ended_by)
    if is_refusal(text, job.prompt):
        return refused(job, "refused", text)
    if is_code(job.row):
        code = code_in(answer)
        if code and not (may_be_words(code) and NOTHING.fullmatch(letters(code))):
            return Caption(job.row, code, met_limit)
        return empty(job, has_thoughts=has_thoughts, met_limit=met_limit, ended_by=ended_by)
    if not letters(text) or NOTHING.fullmatch(letters(text)):
        return empty(job, has_thoughts=has_thoughts, met_limit=met_limit, ended_by=ended_by)
    if len(text) > MAX_CAPTION_LETTERS:
        return refused(job, "an answer of many thousand letters, which is no caption", text)
    if not worded(text, job.row["style"]):
        return refused(job, "says nothing of what is shown", text)
    # The limit may have met what stands behind the caption.
    is_cut = met_limit and letters(raw).endswith(letters(text)[-20:])
    return Caption(job.row, text, is_cut)


def refused(job: CaptionJob, reason: str, words: str = "") -> NoCaption:
    """No caption, because the captioner has nothing to say of this picture. words: its own."""
    return NoCaption(
        job.row, reason, OTHER_MODEL, quote_answer(words), is_about_picture=True, is_answer=True
    )


def empty(job: CaptionJob, *, has_thoughts: bool, met_limit: bool, ended_by: str) -> NoCaption:
    """No caption, because the answer has no words of its own."""
    if not met_limit and not has_thoughts:
        return refused(job, "empty answer", "" if ended_by == "stop" else ended_by)
    reason = "only thoughts, no text of an answer"
    if met_limit:
        what = "its thoughts before an answer" if has_thoughts else "the answer before any words"
        reason = f"the length limit ended {what}"
    return NoCaption(job.row, reason, MORE_TOKENS, is_answer=True, is_cut=met_limit)


def text_of(content: Any) -> str:
    """A text, a list of texts or parts, or None -> the text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(text_of(part) for part in content if is_text_part(part))
    if isinstance(content, dict):
        found = content.get("text", content.get("content"))
        # {"type": "text", "text": {"value": "…"}}
        return text_of(found.get("value") if isinstance(found, dict) else found)
    return ""


def is_text_part(part: Any) -> bool:
    """Whether one part of an answer is text: no thoughts, picture or call of a tool."""
    return not isinstance(part, dict) or part.get("type", "text") in TEXT_PARTS


def clean_answer(text: str, prompt: str) -> str:
    """An answer without thoughts -> the caption in it, one line; "" where there is none.

    prompt: how the caption was asked to begin.
    """
    text = html.unescape(without_tokens(inside_box(text)).strip())
    found = caption_of_json(text)
    if found is not None:
        text = found
    caption = caption_in(without_markdown(text), prompt)
    # emphasis whose end was cut off
    return clean_caption(caption.strip("*`~ "))


def is_refusal(text: str, prompt: str) -> bool:
    """Whether a captioner says that it will not or cannot describe the picture."""
    if text.lower().startswith(prompt.lower()):
        text = text[len(prompt) :].lstrip(f" .…,:;-{QUOTES}")
    return bool(REFUSAL.match(text))


def letters(text: str) -> str:
    """The letters and digits of a text alone, to compare what marks may part."""
    return "".join(re.findall(r"[^\W_]", text))


# Answers in JSON


def caption_of_json(text: str) -> str | None:
    """The caption of an answer in JSON, also behind other words or cut off.

    "" where all is JSON without a caption, None where it is no JSON.
    """
    for begin in json_begins(text):
        try:
            value, end = json.JSONDecoder(strict=False).raw_decode(text, begin)
            caption = caption_of_value(value)
        except ValueError:
            continue
        except RecursionError:
            # thousands of values within each other say nothing
            break
        is_all = begin == 0 and not text[end:].strip()
        if is_all or (caption and not isinstance(value, str)):
            return caption
    # cut off, or written as Python writes it
    loose = LOOSE_CAPTION.search(text)
    return re.sub(r"\\(.)", r"\1", loose["caption"]) if loose else None


def json_begins(text: str) -> Iterator[int]:
    """Where JSON may begin: at the beginning, or at an object within."""
    if text.startswith(("{", "[", '"')):
        yield 0
    for found in re.finditer(r"(?:\[\s*)?\{\s*\"", text):
        yield found.start()


def caption_of_value(value: Any) -> str:
    """The caption in a value of JSON; "" where it has none."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        named = {str(key).lower(): item for key, item in value.items()}
        inner = [named[key] for key in ANSWER_KEYS if key in named] or list(named.values())
    elif isinstance(value, list):
        # parts of a text, or captions to choose from
        if any(isinstance(part, dict) and part.get("type") in TEXT_PARTS for part in value):
            return text_of(value)
        inner = value
    else:
        return ""
    return next(filter(None, map(caption_of_value, inner)), "")
