"""How good the captions are, and a page that shows them.

How good a collection's captions are, as numbers and as a page to look at. Both read the finished pairs, whoever wrote them.

    flags = find_flags(rows, cut)                                       # {id: ["duplicate", "generic", "cut off"], mostly []}
    numbers = quality(rows, flags, known)                               # what <style>_quality.json holds
    write_review("sheet.html", rows, flags, numbers, resized)           # one file that asks nothing of any other host

Generic: a caption with fewer than two content words after "An engraving of", or one that more than 1 % of the pictures (and more than two) share.
"""

import base64
import hashlib
import html
import io
import re
from collections import Counter
from statistics import median
from textwrap import shorten

from PIL import Image

from oneseed.files import write_text

# pictures on the page
MAX_SHOWN = 300
# shares that are worth a warning
MAX_SHARE = {"duplicate": 0.10, "generic": 0.20, "cut off": 0.05}
WARNINGS = {
    "duplicate": "{:.0%} of the captions stand at more than one picture; look with --review, or let another --captioner write with --recaption",
    "generic": "{:.0%} of the captions say little beyond the medium; look with --review, or let a larger --captioner write with --recaption",
    "cut off": "{:.0%} of the captions that a captioner wrote end where --max-new-tokens cut them off; --recaption with a larger --max-new-tokens writes those anew",
}
LEAD = re.compile(r"An? \w+ (?:of|depicting|showing)\s+")
QUALITY_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
EMPTY_WORDS = {
    "a",
    "an",
    "the",
    "of",
    "in",
    "on",
    "at",
    "by",
    "to",
    "from",
    "with",
    "without",
    "and",
    "or",
    "for",
    "into",
    "onto",
    "over",
    "under",
    "near",
    "beside",
    "behind",
    "before",
    "after",
    "between",
    "through",
    "is",
    "are",
    "was",
    "were",
    "be",
    "being",
    "been",
    "it",
    "its",
    "his",
    "her",
    "their",
    "this",
    "that",
    "these",
    "those",
    "there",
    "some",
    "very",
    "as",
    "while",
    "who",
    "which",
}


def content_words(caption):
    """What a caption says beyond the medium: "An engraving of a man with a hat" -> ["man", "hat"]."""
    return [
        word
        for word in QUALITY_WORD.findall(LEAD.sub("", caption, count=1).lower())
        if word not in EMPTY_WORDS
    ]


def find_flags(rows, cut=()):
    """Rows -> {id: what to look at}. cut: ids of captions that ran into the length limit."""
    counts = Counter(row["caption"] for row in rows)
    many = max(2, len(rows) / 100)
    generic = {
        caption
        for caption, count in counts.items()
        if count > many or len(content_words(caption)) < 2
    }
    return {
        row["id"]: [
            name
            for name, true in (
                ("duplicate", counts[row["caption"]] > 1),
                ("generic", row["caption"] in generic),
                ("cut off", row["id"] in cut),
            )
            if true
        ]
        for row in rows
    }


def quality(rows, flags, known=()):
    """Rows and their flags -> the numbers. known: ids of captions of which it is known whether they were cut off."""
    lengths = []
    vocabulary = set()
    for row in rows:
        words = QUALITY_WORD.findall(row["caption"].lower())
        lengths.append(len(words))
        vocabulary.update(words)
    often, times = Counter(row["caption"] for row in rows).most_common(1)[0]
    count = Counter(flag for found in flags.values() for flag in found)
    of = {"duplicate": len(rows), "generic": len(rows), "cut off": len(known)}
    share = {name: round(count[name] / (of[name] or 1), 4) for name in of}
    return {
        "pairs": len(rows),
        "sources": dict(Counter(row.get("captioner", "own") for row in rows).most_common()),
        "words": {"least": min(lengths), "median": median(lengths), "most": max(lengths)},
        "vocabulary": len(vocabulary),
        "duplicate": {
            "count": count["duplicate"],
            "share": share["duplicate"],
            "most_frequent": often if times > 1 else None,
            "times": times,
        },
        "generic": {
            "count": count["generic"],
            "share": share["generic"],
            "example": next(
                (row["caption"] for row in rows if "generic" in flags[row["id"]]), None
            ),
        },
        "cut_off": {"count": count["cut off"], "share": share["cut off"], "known": len(known)},
        "warnings": [
            WARNINGS[name].format(share[name]) for name in of if share[name] > MAX_SHARE[name]
        ],
    }


def quality_lines(numbers):
    """The numbers in lines for a terminal."""
    duplicate, generic, cut, words = (
        numbers[name] for name in ("duplicate", "generic", "cut_off", "words")
    )
    yield f"words per caption: {words['least']} to {words['most']}, median {words['median']:g}; {numbers['vocabulary']:,} different words"
    yield (
        f"captions that other pictures have too: {duplicate['count']:,} ({duplicate['share']:.1%})"
        + (
            f"; {duplicate['times']:,} times “{shorten(duplicate['most_frequent'], 90, placeholder=' …')}”"
            if duplicate["count"]
            else ""
        )
    )
    yield f"captions that say little: {generic['count']:,} ({generic['share']:.1%})" + (
        f", such as “{shorten(generic['example'], 90, placeholder=' …')}”"
        if generic["count"]
        else ""
    )
    if cut["known"]:
        yield f"captions cut off: {cut['count']:,} of {cut['known']:,}"
    yield from (f"warning: {warning}" for warning in numbers["warnings"])


REVIEW_STYLE = """:root { --paper: #fdfcf9; --ink: #191612; --faded: #665f55; --rule: #cfc8bb; --plate: #fff; --alarm: #8c1c13; color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --paper: #161412; --ink: #ece6da; --faded: #a59d90; --rule: #453f37; --alarm: #f0978d } }
body { font: 17px/1.5 Georgia, 'Times New Roman', Times, serif; max-width: 58rem; margin: 0 auto; padding: 3rem 1.5rem; color: var(--ink); background: var(--paper) }
header { border-bottom: 5px double var(--ink); padding-bottom: 1.4rem } h1 { font-size: clamp(1.8rem, 5vw, 2.8rem); font-weight: 400; line-height: 1.15; margin: 0 0 .8rem }
header p { margin: 0 0 .2rem; color: var(--faded) } header .warning { color: var(--alarm); margin-top: .6rem }
h2 { font-weight: 400; font-size: 1.5rem; margin: 2.2rem 0 .8rem } h2 small { color: var(--faded); font-style: italic; font-size: 1rem }
article { display: grid; grid-template-columns: 11rem 1fr; gap: 1.6rem; padding: 1.3rem 0; border-top: 1px solid var(--rule); break-inside: avoid }
.plate { background: var(--plate); border: 1px solid var(--ink); padding: .4rem; align-self: start; color: #665f55; font-size: .85rem }
img { display: block; width: 100%; height: auto } .caption { font-size: 1.2rem; line-height: 1.4; margin: 0 0 .5rem; overflow-wrap: anywhere }
.about { margin: 0; color: var(--faded); font-size: .92rem; overflow-wrap: anywhere } .flag { color: var(--alarm); font-style: italic }
@media (max-width: 34rem) { article { grid-template-columns: 6.5rem 1fr; gap: 1rem } .caption { font-size: 1.05rem } }"""


def image_tag(path):
    """Prepared picture -> its <img>, a small JPEG inside; words where the file is missing or broken."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            small = image.convert("L" if image.mode == "L" else "RGB")
        small.thumbnail((224, 224))
        file = io.BytesIO()
        small.save(file, "JPEG", quality=80)
    except (OSError, SyntaxError, ValueError):
        return "no picture here"
    return f'<img alt="" width="{small.width}" height="{small.height}" src="data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}">'


def rows_to_show(rows, flags):
    """The rows that the page shows: flagged ones first, each kind in the fixed order of a hash, so that the same collection gives the same page."""
    return sorted(
        rows,
        key=lambda row: (
            not flags[row["id"]],
            hashlib.sha256(f"review {row['id']}".encode()).digest(),
        ),
    )[:MAX_SHOWN]


def write_review(path, rows, flags, numbers, resized):
    """One HTML file, pictures inside, without any script. Captions are strangers' text: escaped, and each turns letters around at most within itself."""

    def text(value):
        return f"<bdi>{html.escape(str(value))}</bdi>"

    shown = rows_to_show(rows, flags)
    style = rows[0]["style"] if len({row["style"] for row in rows}) == 1 else "all styles"
    sections = []
    for title, mine, whole in (
        ("To look at", [row for row in shown if flags[row["id"]]], sum(map(bool, flags.values()))),
        (
            "A sample of the others",
            [row for row in shown if not flags[row["id"]]],
            sum(not found for found in flags.values()),
        ),
    ):
        if mine:
            sections.append(f"<h2>{title} <small>{len(mine):,} of {whole:,}</small></h2>")
        for row in mine:
            source = (
                f"written by {text(row['captioner'])}"
                if "captioner" in row
                else "the collection’s own caption"
            )
            about = [
                source,
                {"train": "training", "val": "validation"}[row["split"]],
                text(row["filename"]),
                *(f'<span class="flag">{flag}</span>' for flag in flags[row["id"]]),
            ]
            sections.append(
                f'<article><div class="plate">{image_tag(resized / row["filename"])}</div><div><p class="caption">{text(row["caption"])}</p>'
                f'<p class="about">{" · ".join(about)}</p></div></article>'
            )
    lines = [line for line in quality_lines(numbers) if not line.startswith("warning: ")]
    write_text(
        path,
        "\n".join(
            [
                "<!DOCTYPE html>",
                '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
                """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">""",
                f"<title>Captions, {html.escape(style)}</title><style>{REVIEW_STYLE}</style></head><body>",
                f"<header><h1>{len(rows):,} captions, {text(style)}</h1>",
                *(f"<p>{text(line)}</p>" for line in lines),
                *(
                    f'<p class="warning">{text(warning.partition(";")[0])}</p>'
                    for warning in numbers["warnings"]
                ),
                "</header><main>",
                *sections,
                "</main></body></html>",
                "",
            ]
        ),
    )
