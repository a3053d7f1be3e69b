"""How good a collection's captions are, in numbers, whoever wrote them.

    # {id: what to look at}, such as ["duplicate", "generic", "cut off"], mostly []
    flags = find_flags(rows, cut_ids)
    # what <style>_quality.json holds
    numbers = quality_numbers(rows, flags, known_ids)

A caption is generic where it has fewer than two content words behind "An engraving of", or where
more than 1 % of the pictures, and more than two, share it.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from statistics import median
from textwrap import shorten
from typing import Any

from oneseed.dataset.code_texts import medium_of_rows
from oneseed.dataset.jsonl import Row
from oneseed.dataset.segmentation import split_words
from oneseed.media.kinds import PICTURE

# ids -> what to look at
Flags = dict[str, list[str]]

DUPLICATE = "duplicate"
GENERIC = "generic"
CUT_OFF = "cut off"
# shares of the captions above which a warning is due
MAX_SHARE = {DUPLICATE: 0.10, GENERIC: 0.20, CUT_OFF: 0.05}
WARNINGS = {
    DUPLICATE: "{:.0%} of the captions stand at more than one {}; look with --review",
    GENERIC: "{:.0%} of the captions say little beyond the medium; look with --review",
    CUT_OFF: "{:.0%} of the captions that a captioner wrote end where --max-new-tokens cut them "
    "off; --recaption with a larger --max-new-tokens writes those anew",
}
# how those of pictures go on: no captioner hears sounds, or sees what moves
CAPTIONER_ADVICE = {
    DUPLICATE: ", or let another --captioner write with --recaption",
    GENERIC: ", or let a larger --captioner write with --recaption",
}
# begins the lines that warn
WARNING_MARK = "warning: "
# a caption with fewer of them is generic
MIN_CONTENT_WORDS = 2
# a caption that more pictures share is generic, where they are also more than one in a hundred
MAX_GENERIC_COUNT = 2
# characters of a caption in a line for a terminal
MAX_EXAMPLE_LENGTH = 90

LEAD = re.compile(r"An? \w+ (?:of|depicting|showing)\s+")
FUNCTION_WORDS = (
    "a an the of in on at by to from with without and or for into onto over under near "
    "beside behind before after between through is are was were be being been it its his "
    "her their this that these those there some very as while who which"
)
EMPTY_WORDS = frozenset(FUNCTION_WORDS.split())


def content_words(caption: str) -> list[str]:
    """What a caption says beyond the medium: "An engraving of a man with a hat" -> man, hat."""
    said = LEAD.sub("", caption, count=1)
    return [word for word in split_words(said) if word not in EMPTY_WORDS]


def find_flags(rows: Sequence[Row], cut_ids: Collection[str] = ()) -> Flags:
    """What to look at in each row's caption. cut_ids: of captions that met the length limit."""
    counts = Counter(row["caption"] for row in rows)
    max_count = max(MAX_GENERIC_COUNT, len(rows) / 100)
    flags = {}
    for row in rows:
        caption = row["caption"]
        is_generic = counts[caption] > max_count or len(content_words(caption)) < MIN_CONTENT_WORDS
        found = {
            DUPLICATE: counts[caption] > 1,
            GENERIC: is_generic,
            CUT_OFF: row["id"] in cut_ids,
        }
        flags[row["id"]] = [flag for flag, is_set in found.items() if is_set]
    return flags


def quality_numbers(
    rows: Sequence[Row], flags: Flags, known_ids: Collection[str] = ()
) -> dict[str, Any]:
    """The numbers of <style>_quality.json.

    known_ids: of captions of which it is known whether they were cut off.
    """
    flag_counts = Counter(flag for found in flags.values() for flag in found)
    totals = {DUPLICATE: len(rows), GENERIC: len(rows), CUT_OFF: len(known_ids)}
    shares = {flag: round(flag_counts[flag] / (total or 1), 4) for flag, total in totals.items()}
    most_frequent, times = Counter(row["caption"] for row in rows).most_common(1)[0]
    generic = (row["caption"] for row in rows if GENERIC in flags[row["id"]])
    lengths = [len(split_words(row["caption"])) for row in rows]
    vocabulary: set[str] = set()
    for row in rows:
        vocabulary.update(split_words(row["caption"]))
    sources = Counter(row.get("captioner", "own") for row in rows)
    return {
        "pairs": len(rows),
        "sources": dict(sources.most_common()),
        "words": {"least": min(lengths), "median": median(lengths), "most": max(lengths)},
        "vocabulary": len(vocabulary),
        "duplicate": {
            "count": flag_counts[DUPLICATE],
            "share": shares[DUPLICATE],
            "most_frequent": most_frequent if times > 1 else None,
            "times": times,
        },
        "generic": {
            "count": flag_counts[GENERIC],
            "share": shares[GENERIC],
            "example": next(generic, None),
        },
        "cut_off": {
            "count": flag_counts[CUT_OFF],
            "share": shares[CUT_OFF],
            "known": len(known_ids),
        },
        "warnings": [
            warning_of(flag, share, medium_of_rows(rows))
            for flag, share in shares.items()
            if share > MAX_SHARE[flag]
        ],
    }


def warning_of(flag: str, share: float, medium: str) -> str:
    """What is to be looked at, and what mends it. share: of the captions; medium: one of MEDIA."""
    advice = CAPTIONER_ADVICE.get(flag, "") if medium == PICTURE else ""
    return WARNINGS[flag].format(share, medium) + advice


def quality_lines(numbers: dict[str, Any]) -> Iterator[str]:
    """The numbers in lines for a terminal, the warnings last."""
    words = numbers["words"]
    yield (
        f"words per caption: {words['least']} to {words['most']}, median {words['median']:g}; "
        f"{numbers['vocabulary']:,} different words"
    )
    duplicate = numbers["duplicate"]
    line = f"captions that other pictures have too: {counted(duplicate)}"
    if duplicate["count"]:
        line += f"; {duplicate['times']:,} times {excerpt(duplicate['most_frequent'])}"
    yield line
    generic = numbers["generic"]
    line = f"captions that say little: {counted(generic)}"
    if generic["count"]:
        line += f", such as {excerpt(generic['example'])}"
    yield line
    cut_off = numbers["cut_off"]
    if cut_off["known"]:
        yield f"captions cut off: {cut_off['count']:,} of {cut_off['known']:,}"
    for warning in numbers["warnings"]:
        yield WARNING_MARK + warning


def counted(number: dict[str, Any]) -> str:
    """Count and share: "12 (1.4%)"."""
    return f"{number['count']:,} ({number['share']:.1%})"


def excerpt(caption: str) -> str:
    """The beginning of a caption in quotation marks."""
    return f"“{shorten(caption, MAX_EXAMPLE_LENGTH, placeholder=' …')}”"
