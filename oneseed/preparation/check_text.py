"""A check in words, for the terminal."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from oneseed.console.output import printable
from oneseed.dataset.colour import colour_line
from oneseed.dataset.jsonl import Row
from oneseed.preparation.check_measures import QUANTILES
from oneseed.preparation.report import (
    CountLine,
    colour_kinds,
    format_lines,
    join_counts,
)
from oneseed.sources import rejections

# rejected files that are shown; the report has more
MAX_REJECTED = 25
# characters of the longest bar of a histogram
BAR_LENGTH = 30
# shown also where it is 0
ALWAYS_CHECKED = (
    "found",
    "rejected",
    "exact duplicates",
    "distinct",
    "near duplicates",
    "captions",
    "in both splits",
)


def rejection_line(row: Row) -> str:
    """A rejected row in words, with file and line where captions named it."""
    return rejections.describe_rejection({"file": row["path"], "line": 0, **row})


def overview(report: Row) -> list[CountLine]:
    """The numbers of a report that are worth a line, for terminal and page."""
    lines = source_counts(report)
    if report["distinct"]:
        lines += picture_counts(report)
    if report["collection"]:
        lines += collection_counts(report["collection"])
    return [line for line in lines if line.count or line.label in ALWAYS_CHECKED]


def source_counts(report: Row) -> list[CountLine]:
    """How many pictures there are, and how many of them can be used."""
    exact = report["exact_duplicates"]
    near = report["near_duplicates"]
    near_note = twins_note(near)
    if near_note:
        near_note += f"; in {near['groups']:,} groups"
    distinct = report["distinct"]
    kinds = colour_kinds(report, distinct)
    return [
        CountLine("found", report["found"]),
        CountLine("other style", report["other_style"], join_counts(report["other_styles"])),
        CountLine("beyond --max-samples", report["beyond_max_samples"], "not looked at"),
        CountLine("rejected", report["rejected"], join_counts(report["rejected_by_reason"])),
        CountLine(
            "passed over",
            report["passed_over"],
            "files or lines that were not used; no picture is lost",
        ),
        CountLine("valid", report["valid"]),
        CountLine("exact duplicates", exact["count"], twins_note(exact)),
        CountLine("distinct", distinct, kinds),
        CountLine("near duplicates", near["count"], near_note),
    ]


def twins_note(twins: Row) -> str:
    """Where twins lie from each other."""
    note = join_counts(twins["where"])
    if twins["across_styles"]:
        note += f"; {twins['across_styles']:,} of another style"
    return note


def picture_counts(report: Row) -> list[CountLine]:
    """What is doubtful about pictures and captions."""
    captions = report["captions"]
    words = captions["words"]
    lengths = ""
    if words:
        lengths = (
            f"{words['least']:.0f} to {words['most']:.0f} words, median {words['median']:.0f}; "
            f"{captions['vocabulary']:,} different words"
        )
    repeated = ""
    if captions["repeated"]:
        repeated = f"on {captions['repeated_on']:,} pictures"
    below = f"whose long side is below {report['size']} px"
    return [
        CountLine("enlarged", report["sizes"]["enlarged"], below),
        CountLine("nearly black", report["luminance"]["nearly_black"]),
        CountLine("nearly white", report["luminance"]["nearly_white"]),
        CountLine("captions", captions["count"], lengths),
        CountLine("without a caption", captions["missing"]),
        CountLine("repeated captions", captions["repeated"], repeated),
    ]


def collection_counts(earlier: Row) -> list[CountLine]:
    """The source beside the prepared collection."""
    leaks = len(earlier["leaks"])
    note = "groups of look-alikes with members in train and val" if leaks else ""
    same = join_counts(earlier["in_it_by_split"])
    similar = join_counts(earlier["look_alikes_by_split"])
    return [
        CountLine("prepared before", earlier["pictures"]),
        CountLine("already in it", earlier["in_it"], same),
        CountLine("look like one in it", earlier["look_alikes"], similar),
        CountLine("new to it", earlier["new"]),
        CountLine("in both splits", leaks, note),
    ]


class Measure(NamedTuple):
    """One thing that was measured of every picture."""

    title: str
    # its unit or meaning
    note: str
    # {name: value}, see check_measures.quantiles
    quantiles: dict[str, float]
    # [[label, count]], see check_measures.histogram
    histogram: list[list]


def measures_of(report: Row) -> list[Measure]:
    """Everything measured, for terminal and page; nothing where there is no picture."""
    if not report["distinct"]:
        return []
    sizes = report["sizes"]
    aspects = report["aspect_ratio"]
    light = report["luminance"]
    sharpness = report["sharpness"]
    blur = f"{sharpness['is']}; low is blurred, enlarged or empty"
    return [
        Measure("Short side", "pixels", sizes["short_side"], sizes["histogram"]),
        Measure("Width to height", "", aspects, aspects["histogram"]),
        Measure("Mean luminance", "0 is black, 1 is white", light, light["histogram"]),
        Measure("Sharpness", blur, sharpness, sharpness["histogram"]),
    ]


def check_text(report: Row, path: Path) -> Iterator[str]:
    """A report as lines for a terminal. path: where the report lies."""
    yield from map(str, overview(report))
    if report["distinct"]:
        yield f"  {colour_line(report['colour'], report['distinct'], report['preset'])}"
    yield from format_lines(report["formats"])
    yield from rejected_lines(report, path)
    for measure in measures_of(report):
        yield from measure_lines(measure)
    blurriest = [
        f"{printable(name)} ({value:g})" for name, value in report["sharpness"]["blurriest"]
    ]
    if blurriest:
        yield "blurriest: " + ", ".join(blurriest)


def rejected_lines(report: Row, path: Path) -> Iterator[str]:
    """The first rejected files."""
    rejected = report["rejected_files"]
    if rejected:
        yield "rejected"
    shown = rejected[:MAX_REJECTED]
    for row in shown:
        yield f"  {rejection_line(row)}"
    more = rejections.how_many(rejected) - rejections.how_many(shown)
    if more:
        yield f"  … and {more:,} more in {path}"


def measure_lines(measure: Measure) -> Iterator[str]:
    """Quantiles, and a histogram of bars."""
    note = f" ({measure.note})" if measure.note else ""
    yield measure.title.lower() + note
    yield "  " + "   ".join(f"{name} {measure.quantiles[name]:g}" for name in QUANTILES)
    highest = max(count for _, count in measure.histogram)
    for label, count in measure.histogram:
        bar = "█" * math.ceil(BAR_LENGTH * count / highest)
        yield f"  {label:<16}{count:>7,}  {bar}"
