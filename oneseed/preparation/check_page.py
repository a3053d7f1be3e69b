"""A check as one HTML page: the numbers, and a contact sheet."""

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

from oneseed.console.html import data_url, html_page, safe_text
from oneseed.console.output import printable
from oneseed.dataset.jsonl import Row
from oneseed.preparation.check_measures import QUANTILES
from oneseed.preparation.check_style import CHECK_STYLE
from oneseed.preparation.check_text import (
    MAX_REJECTED,
    Measure,
    measures_of,
    overview,
    rejection_line,
)
from oneseed.sources.rejections import how_many

# pictures of the contact sheet
MAX_PLATES = 60
# pictures of each kind of doubt
MAX_EMPTY = 6
MAX_DUPLICATES = 8
MAX_GROUPS = 12
MAX_OF_GROUP = 5
# pairs of folders that share twins, leaks, and members of a leak, that are named
MAX_FOLDERS = 10
MAX_LEAKS = 25
MAX_OF_LEAK = 8
# letters that are shown of a text
NAME_LENGTH = 80
CAPTION_LENGTH = 160
REPEATED_LENGTH = 200
DOUBTS = {
    "rejected",
    "exact duplicates",
    "near duplicates",
    "nearly black",
    "nearly white",
    "repeated captions",
    "in both splits",
}
# what an <img> shows that has no picture
NO_PICTURE = "data:,"


@dataclass(frozen=True)
class Shown:
    """Paths of the pictures that the page shows."""

    # the contact sheet: a fair sample, in the order of path
    sheet: list[str]
    # the sheet and the doubtful ones, each once
    paths: list[str]


def pictures_to_show(report: Row, kept: list[Row]) -> Shown:
    """Chooses the pictures of the page. kept: rows of original and finding."""
    sample = sorted(kept, key=lambda row: row["sha256"])[:MAX_PLATES]
    sheet = sorted(row["path"] for row in sample)
    doubtful = [path for path, _ in report["sharpness"]["blurriest"]]
    doubtful += report["luminance"]["nearly_black_files"][:MAX_EMPTY]
    doubtful += report["luminance"]["nearly_white_files"][:MAX_EMPTY]
    doubtful += [row["same_as"] for row in report["duplicate_files"][:MAX_DUPLICATES]]
    for group in report["look_alike_files"][:MAX_GROUPS]:
        doubtful += group[:MAX_OF_GROUP]
    return Shown(sheet, list(dict.fromkeys(sheet + doubtful)))


@dataclass(frozen=True)
class Plates:
    """The pictures of the page, with what is known of each."""

    # rows of original and finding, by path
    rows: dict[str, Row]
    # JPEG files by path, None where a picture is gone
    jpegs: dict[str, bytes | None]

    def figure(self, path: str, note: str = "") -> str:
        """One picture with caption, name, size and note."""
        jpeg = self.jpegs.get(path)
        source = data_url(jpeg, "jpeg") if jpeg else NO_PICTURE
        row = self.rows.get(path)
        caption = shortened(row.get("caption", ""), CAPTION_LENGTH) if row else ""
        facts = [f"{row['width']:,} × {row['height']:,}"] if row else []
        if note:
            facts.append(breakable(note))
        return (
            f'<figure><div class="mount"><img alt="" src="{source}"></div><figcaption>'
            f"{safe_text(caption)}<small>{breakable(shortened(path, NAME_LENGTH))}</small>"
            f"<small>{' · '.join(facts)}</small></figcaption></figure>"
        )

    def gallery(
        self, title: str, paths: list[str], notes: dict[str, str] | None = None
    ) -> list[str]:
        """A titled sheet of pictures, nothing where there are none. notes: by path."""
        if not paths:
            return []
        notes = notes or {}
        return [heading(title), *sheet_of(self.figure(path, notes.get(path, "")) for path in paths)]


def check_page(report: Row, plates: Plates, sheet: list[str]) -> str:
    """A report as one HTML page that asks nothing of any other host.

    sheet: paths of the contact sheet.
    """
    sheet_title = "Contact sheet"
    if len(sheet) < report["distinct"]:
        sheet_title += f": {len(sheet)} of {report['distinct']:,}"
    body = [
        *facts_table(report),
        *rejected(report),
        *measures(report),
        *exact_duplicates(report, plates),
        *near_duplicates(report, plates),
        *leaks(report),
        *doubtful_pictures(report, plates),
        *repeated_captions(report),
        *plates.gallery(sheet_title, sheet),
    ]
    return html_page(f"{report['style']}: what the source holds", CHECK_STYLE, body)


def shortened(text: str, length: int) -> str:
    """The text, cut to a number of letters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def breakable(name: str) -> str:
    """The name of a file as text of a page, where a long one may break after / and _."""
    return f"<bdi>{re.sub('(?<=[/_])', '<wbr>', html.escape(printable(name)))}</bdi>"


def heading(title: str) -> str:
    """The title of a section."""
    return f"<h2>{html.escape(title)}</h2>"


def sheet_of(figures: Iterable[str]) -> list[str]:
    """Pictures in columns."""
    return ['<div class="sheet">', *figures, "</div>"]


def row_of_cells(cells: Iterable[object], tag: str = "td") -> str:
    """A row of a table. cells: HTML, escaped already; tag: td or th."""
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def facts_table(report: Row) -> list[str]:
    """What was looked at, and the numbers; doubtful ones stand out."""
    rows = []
    for label, count, note in overview(report):
        kind = " class=doubt" if count and label in DOUBTS else ""
        rows.append(
            f'<tr{kind}><td>{label}</td><td class="number">{count:,}</td>'
            f"<td>{safe_text(note)}</td></tr>"
        )
    return [
        f"<h1>{safe_text(report['style'])}: {report['distinct']:,} pictures</h1>",
        f'<p class="quiet">{safe_text(report["source"])}. Looked at as they would be prepared at '
        f"{report['size']} px; nothing was prepared.</p>",
        f'<table class="facts">{"".join(rows)}</table>',
    ]


def rejected(report: Row) -> list[str]:
    """The first rejected files and why."""
    rows = report["rejected_files"]
    if not rows:
        return []
    lines = [f"<li>{safe_text(rejection_line(row))}</li>" for row in rows[:MAX_REJECTED]]
    section = [heading("Rejected"), "<ol>", *lines, "</ol>"]
    if len(rows) > MAX_REJECTED:
        section.append(f'<p class="quiet">The first {MAX_REJECTED} of {how_many(rows):,}.</p>')
    return section


def measures(report: Row) -> list[str]:
    """A histogram and quantiles of each measure."""
    found = measures_of(report)
    if not found:
        return []
    return [heading("Measures"), '<div class="measures">', *map(measure_section, found), "</div>"]


def measure_section(measure: Measure) -> str:
    """One measure as bars and a row of quantiles."""
    highest = max(count for _, count in measure.histogram)
    bars = [
        f'<tr><td>{label}</td><td class="number">{count:,}</td>'
        f'<td class="bar"><span style="width:{100 * count / highest:.1f}%"></span></td></tr>'
        for label, count in measure.histogram
    ]
    values = [f"{measure.quantiles[name]:,g}" for name in QUANTILES]
    quantiles = row_of_cells(QUANTILES, "th") + row_of_cells(values)
    return (
        f'<section><h3>{measure.title} <span class="quiet">{html.escape(measure.note)}</span></h3>'
        f"<table>{''.join(bars)}</table>\n"
        f'<table class="quantiles">{quantiles}</table></section>'
    )


def shared_folders(twins: Row) -> list[str]:
    """Which folders share most twins."""
    return [
        f"<p>{count:,} between {safe_text(one)} and {safe_text(other)}</p>"
        for one, other, count in twins["folders"][:MAX_FOLDERS]
    ]


def exact_duplicates(report: Row, plates: Plates) -> list[str]:
    """Pictures that are there twice."""
    twins = report["exact_duplicates"]
    if not twins["count"]:
        return []
    figures = [
        plates.figure(row["same_as"], f"again: {shortened(row['path'], NAME_LENGTH)}")
        for row in report["duplicate_files"][:MAX_DUPLICATES]
    ]
    return [heading("Exact duplicates"), *shared_folders(twins), *sheet_of(figures)]


def near_duplicates(report: Row, plates: Plates) -> list[str]:
    """Groups of pictures that look alike."""
    twins = report["near_duplicates"]
    if not twins["count"]:
        return []
    section = [heading("Near duplicates"), *shared_folders(twins)]
    for group in report["look_alike_files"][:MAX_GROUPS]:
        figures = "".join(plates.figure(path) for path in group[:MAX_OF_GROUP])
        section.append(f'<div class="twins">{figures}</div>')
    return section


def leaks(report: Row) -> list[str]:
    """Look-alikes of the prepared collection that stand in both splits."""
    earlier = report["collection"]
    if not earlier or not earlier["leaks"]:
        return []
    section = [
        heading("In both splits"),
        "<p>A model that saw one of these in training is not tested by the other.</p>",
        "<ol>",
    ]
    for group in earlier["leaks"][:MAX_LEAKS]:
        members = [
            f"{safe_text(row['original'])} ({row['split'] or 'no split'})"
            for row in group[:MAX_OF_LEAK]
        ]
        section.append(f"<li>{', '.join(members)}</li>")
    return [*section, "</ol>"]


def doubtful_pictures(report: Row, plates: Plates) -> list[str]:
    """The blurriest, the nearly black and the nearly white pictures."""
    light = report["luminance"]
    sharpness = dict(report["sharpness"]["blurriest"])
    notes = {path: f"sharpness {value:g}" for path, value in sharpness.items()}
    return [
        *plates.gallery("Blurriest", list(sharpness), notes),
        *plates.gallery("Nearly black", light["nearly_black_files"][:MAX_EMPTY]),
        *plates.gallery("Nearly white", light["nearly_white_files"][:MAX_EMPTY]),
    ]


def repeated_captions(report: Row) -> list[str]:
    """Captions that several pictures have."""
    repeated = report["captions"]["most_repeated"]
    if not repeated:
        return []
    rows = [
        f'<tr><td class="number">{count:,}</td>'
        f"<td>{safe_text(shortened(caption, REPEATED_LENGTH))}</td></tr>"
        for caption, count in repeated
    ]
    return [heading("Repeated captions"), "<table>", *rows, "</table>"]
