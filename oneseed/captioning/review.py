"""A page that shows pictures beside their captions, doubtful ones first.

# one file that asks nothing of any other host
write_review("sheet.html", rows, flags, numbers=numbers, resized=resized)
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneseed.captioning.quality import WARNING_MARK, Flags, quality_lines
from oneseed.console.html import data_url, html_page, safe_lines, safe_text
from oneseed.dataset.curation import caption_author
from oneseed.dataset.jsonl import Row
from oneseed.dataset.prepared import DamagedPreparedError, load_prepared
from oneseed.files import write_text

# pictures on the page
MAX_REVIEW_PAIRS = 300
# pixels
MAX_IMAGE_SIDE = 224
JPEG_QUALITY = 80
SPLIT_NAMES = {"train": "training", "val": "validation"}

REVIEW_STYLE = """
:root { --paper: #fdfcf9; --ink: #191612; --faded: #665f55; --rule: #cfc8bb; --plate: #fff;
  --alarm: #8c1c13; color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --paper: #161412; --ink: #ece6da; --faded: #a59d90;
  --rule: #453f37; --alarm: #f0978d } }
body { font: 17px/1.5 Georgia, 'Times New Roman', Times, serif; max-width: 58rem; margin: 0 auto;
  padding: 3rem 1.5rem; color: var(--ink); background: var(--paper) }
header { border-bottom: 5px double var(--ink); padding-bottom: 1.4rem }
h1 { font-size: clamp(1.8rem, 5vw, 2.8rem); font-weight: 400; line-height: 1.15;
  margin: 0 0 .8rem }
header p { margin: 0 0 .2rem; color: var(--faded) }
header .warning { color: var(--alarm); margin-top: .6rem }
h2 { font-weight: 400; font-size: 1.5rem; margin: 2.2rem 0 .8rem }
h2 small { color: var(--faded); font-style: italic; font-size: 1rem }
article { display: grid; grid-template-columns: 11rem 1fr; gap: 1.6rem; padding: 1.3rem 0;
  border-top: 1px solid var(--rule); break-inside: avoid }
.plate { background: var(--plate); border: 1px solid var(--ink); padding: .4rem;
  align-self: start; color: #665f55; font-size: .85rem }
img { display: block; width: 100%; height: auto }
.caption { font-size: 1.2rem; line-height: 1.4; margin: 0 0 .5rem; overflow-wrap: anywhere;
  white-space: pre-wrap }
.about { margin: 0; color: var(--faded); font-size: .92rem; overflow-wrap: anywhere }
.flag { color: var(--alarm); font-style: italic }
@media (max-width: 34rem) { article { grid-template-columns: 6.5rem 1fr; gap: 1rem }
  .caption { font-size: 1.05rem } }
"""


def write_review(
    path: str | Path, rows: Sequence[Row], flags: Flags, *, numbers: dict[str, Any], resized: Path
) -> None:
    """Writes one HTML file, pictures inside, without any script.

    rows: pairs, at least one; flags: what to look at in each; numbers: of quality_numbers;
    resized: the folder of the prepared pictures.
    """
    styles = {row["style"] for row in rows}
    style = rows[0]["style"] if len(styles) == 1 else "all styles"
    shown = rows_to_show(rows, flags)
    doubtful = [row for row in shown if flags[row["id"]]]
    others = [row for row in shown if not flags[row["id"]]]
    doubtful_count = len([found for found in flags.values() if found])
    body = [
        *header(f"{len(rows):,} captions, {safe_text(style)}", numbers),
        "<main>",
        *section("To look at", doubtful, doubtful_count, flags=flags, resized=resized),
        *section(
            "A sample of the others",
            others,
            len(flags) - doubtful_count,
            flags=flags,
            resized=resized,
        ),
        "</main>",
    ]
    write_text(path, html_page(f"Captions, {style}", REVIEW_STYLE, body))


def rows_to_show(rows: Sequence[Row], flags: Flags) -> list[Row]:
    """The rows that the page shows: flagged ones first, MAX_REVIEW_PAIRS at most.

    Each kind stands in the order of a hash, so that the same collection gives the same page.
    """

    def order(row: Row) -> tuple[bool, bytes]:
        digest = hashlib.sha256(f"review {row['id']}".encode()).digest()
        return not flags[row["id"]], digest

    return sorted(rows, key=order)[:MAX_REVIEW_PAIRS]


def header(title: str, numbers: dict[str, Any]) -> list[str]:
    """The head of the page. title: HTML; numbers: of quality_numbers."""
    lines = [line for line in quality_lines(numbers) if not line.startswith(WARNING_MARK)]
    # what to do about it is for the terminal
    warnings = [warning.partition(";")[0] for warning in numbers["warnings"]]
    return [
        f"<header><h1>{title}</h1>",
        *(f"<p>{safe_text(line)}</p>" for line in lines),
        *(f'<p class="warning">{safe_text(warning)}</p>' for warning in warnings),
        "</header>",
    ]


def section(
    title: str, rows: Sequence[Row], count: int, *, flags: Flags, resized: Path
) -> list[str]:
    """The articles of some rows below a title; nothing without rows. count: rows there are."""
    if not rows:
        return []
    heading = f"<h2>{title} <small>{len(rows):,} of {count:,}</small></h2>"
    return [heading, *(article(row, flags[row["id"]], resized) for row in rows)]


def article(row: Row, row_flags: Sequence[str], resized: Path) -> str:
    """A picture beside its caption, and where both come from."""
    about = [
        safe_text(caption_author(row)),
        SPLIT_NAMES[row["split"]],
        safe_text(row["filename"]),
        *(f'<span class="flag">{flag}</span>' for flag in row_flags),
    ]
    return (
        f'<article><div class="plate">{image_tag(resized / row["filename"])}</div>'
        f'<div><p class="caption">{safe_lines(row["caption"])}</p>'
        f'<p class="about">{" · ".join(about)}</p></div></article>'
    )


def image_tag(path: Path) -> str:
    """Prepared picture -> its <img>, a small JPEG inside; words where it is missing or broken."""
    try:
        small = load_prepared(path)
    except DamagedPreparedError:
        return "no picture here"
    small.thumbnail((MAX_IMAGE_SIDE, MAX_IMAGE_SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=JPEG_QUALITY)
    url = data_url(file.getvalue(), "jpeg")
    return f'<img alt="" width="{small.width}" height="{small.height}" src="{url}">'
