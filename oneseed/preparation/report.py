"""What preparing found: as JSON, and in words for a terminal."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oneseed.config.options import AUTO_MEDIUM
from oneseed.config.preparation import PrepareConfig
from oneseed.console.output import printable
from oneseed.dataset.code_texts import is_code, medium_of, medium_of_rows
from oneseed.dataset.colour import colour_line
from oneseed.dataset.dealing import TRAIN_PART
from oneseed.dataset.jsonl import Row
from oneseed.media.clip import FRAMES, LEARNT_SECONDS
from oneseed.media.kinds import CLIP, PICTURE, READ_KINDS, SOUND
from oneseed.media.mel import sound_seconds
from oneseed.preparation.duplicates import MergedTwins
from oneseed.sources import rejections
from oneseed.sources.survey import Survey

# files of captions, and rejected rows of them, that are shown; the report has more
MAX_SHOWN = 5
# shown also where it is 0
ALWAYS_PREPARED = ("found", "rejected", "duplicates")
# of seconds in a record, either way
SECONDS_ROUNDING = 0.005
# formats without a file of captions that is worth a line
SILENT_FORMATS = ("imagefolder", "sidecar")


@dataclass(frozen=True)
class Findings:
    """What a run found in its sources, once every picture was examined and twins were merged."""

    # names of the sources, as records have them
    sources: list[str]
    # where the paths of the originals begin
    folder: Path
    # pictures, usable or not
    found: int
    # pictures of other styles, counted by style
    other_styles: Counter[str]
    # pictures that --max-samples leaves out
    beyond_max_samples: int
    # annotation files that were read
    formats: list[Row]
    # rows of original and finding, which to_records turns into records
    kept: list[Row]
    # rows of path and same_as
    duplicates: list[Row]
    # see rejected_rows
    rejected: list[Row]

    @classmethod
    def of(cls, survey: Survey, merged: MergedTwins, beyond_max_samples: int) -> "Findings":
        """What the survey counted and what examining its originals gave."""
        return cls(
            sources=names_of(survey),
            folder=survey.folder,
            found=count_found(survey),
            other_styles=survey.other_styles,
            beyond_max_samples=beyond_max_samples,
            formats=survey.formats,
            kept=merged.kept,
            duplicates=merged.duplicates,
            rejected=rejected_rows(merged, survey),
        )


def rejected_rows(merged: MergedTwins, survey: Survey) -> list[Row]:
    """What was left out, in the order of the paths; beyond some thousand rows they are counted."""
    rows = sorted(merged.rejected + survey.lost, key=lambda row: row["path"])
    return rejections.Rejections(rows).rows


def names_of(survey: Survey) -> list[str]:
    """The names of the sources, as records have them, each once: a folder may be several."""
    return list(dict.fromkeys(source.name for source in survey.sources))


def count_found(survey: Survey) -> int:
    """Pictures of a source, usable or not."""
    lost = rejections.how_many(rejections.lost_pictures(survey.lost))
    return len(survey.originals) + survey.other_styles.total() + lost


def picture_suffixes() -> str:
    """The usual suffix of each kind of picture that is read, for a sentence."""
    return " ".join(suffixes[0][1:] for suffixes in READ_KINDS.values())


def count_reasons(rejected: list[Row]) -> dict[str, int]:
    """{reason: count} of the rejected, the commonest first."""
    counts: Counter[str] = Counter()
    for row in rejected:
        counts[row["reason"]] += row.get("count", 1)
    return dict(counts.most_common())


def prepare_report(config: PrepareConfig, findings: Findings, records: list[Row]) -> Row:
    """The report of a prepared collection, as JSON's own types."""
    lost = rejections.lost_pictures(findings.rejected)
    passed_over = rejections.lost_captions(findings.rejected)
    return {
        "style": config.style,
        "source": ", ".join(findings.sources),
        "preset": config.preset,
        "size": config.image_size,
        "smallest": config.smallest,
        "max_samples": config.max_samples,
        "found": findings.found,
        "prepared": len(records),
        "rejected": rejections.how_many(lost),
        "passed_over": rejections.how_many(passed_over),
        "duplicates": len(findings.duplicates),
        "other_style": findings.other_styles.total(),
        "beyond_max_samples": findings.beyond_max_samples,
        "grey": sum(record["grey"] for record in records),
        "colour": sum(record["colour"] for record in records),
        "medium": medium_of_rows(records),
        **({} if config.medium == AUTO_MEDIUM else {"asked_medium": config.medium}),
        **({} if config.format == PrepareConfig.format else {"asked_format": config.format}),
        "longer": sum(
            is_longer(row.get("seconds", 0), learnt_seconds(medium_of(row), config.image_size))
            for row in records
        ),
        "with_caption": sum(bool(record["caption"]) for record in records),
        "code": sum(is_code(record) and bool(record["caption"]) for record in records),
        **look_alike_counts(records),
        "original_sizes": original_sizes(records),
        "rejected_by_reason": count_reasons(lost),
        "passed_over_by_reason": count_reasons(passed_over),
        "other_styles": dict(findings.other_styles.most_common()),
        "formats": findings.formats,
        "rejected_files": findings.rejected,
        "duplicate_files": findings.duplicates,
    }


def look_alike_counts(records: list[Row]) -> Row:
    """Pictures that look like an earlier one, groups of two or more, size of the largest."""
    sizes = Counter(record["group"] for record in records).values()
    return {
        "look_alikes": len(records) - len(sizes),
        "look_alike_groups": sum(size > 1 for size in sizes),
        "largest_group": max(sizes, default=0),
    }


def look_alike_note(report: Row) -> str:
    """What look-alikes mean for the split."""
    if report["largest_group"] > TRAIN_PART * report["prepared"]:
        meaning = "more than training holds, so it is divided and validation will flatter"
    else:
        meaning = "a group trains or validates as a whole"
    return (
        f"in {report['look_alike_groups']:,} groups, the largest of "
        f"{report['largest_group']:,}: {meaning}"
    )


def original_sizes(records: list[Row]) -> Row:
    """Least, median and most of the originals' sides, in pixels."""
    sides = np.array([(record["width"], record["height"]) for record in records])  # (N, 2)
    return {
        name: {
            "least": int(lengths.min()),
            "median": int(np.median(lengths)),
            "most": int(lengths.max()),
        }
        for name, lengths in (("short_side", sides.min(axis=1)), ("long_side", sides.max(axis=1)))
    }


class CountLine(NamedTuple):
    """One line of a summary."""

    label: str
    count: int
    note: str = ""

    def __str__(self) -> str:
        line = f"  {self.label:<21}{self.count:>7,}"
        return f"{line}   {self.note}" if self.note else line


def join_counts(counts: dict[str, int]) -> str:
    """{name: count} -> "3 a, 1 b"."""
    return ", ".join(f"{count:,} {printable(name)}" for name, count in counts.items())


def colour_kinds(report: Row, total: int) -> str:
    """How many of a report's pictures are grey, toned (see colour.in_colour), or in colour."""
    toned = total - report["grey"] - report["colour"]
    middle = f", {toned:,} toned" if toned else ""
    return f"{report['grey']:,} grey{middle}, {report['colour']:,} colour"


def is_longer(seconds: float, learnt: float) -> bool:
    """Whether a sound or clip is longer than what is learnt of it; its seconds are rounded."""
    return seconds > learnt + SECONDS_ROUNDING


def learnt_seconds(medium: str, size: int) -> float:
    """How much is learnt of each sound or clip. size: of its square, in pixels."""
    return LEARNT_SECONDS if medium == CLIP else sound_seconds(size)


def learnt_line(report: Row) -> str:
    """How much of each sound or clip is learnt."""
    seconds = learnt_seconds(report["medium"], report["size"])
    line = f"the {seconds:.1f} s of each sound that hold most energy are learnt"
    if report["medium"] == CLIP:
        line = f"{FRAMES} frames of the first {seconds:.1f} s of each clip are learnt"
    return (
        f"{line}: {report['longer']:,} of {report['prepared']:,} are longer, and their captions "
        "may tell of the rest"
        if report["longer"]
        else line
    )


def counts_of(report: Row) -> list[CountLine]:
    """The numbers of a report."""
    prepared = report["prepared"]
    medium = report["medium"]
    kinds = colour_kinds(report, prepared) if medium == PICTURE else f"{medium}s"
    return [
        CountLine("found", report["found"]),
        CountLine("other style", report["other_style"], join_counts(report["other_styles"])),
        CountLine("beyond --max-samples", report["beyond_max_samples"]),
        CountLine("rejected", report["rejected"], join_counts(report["rejected_by_reason"])),
        CountLine(
            "passed over",
            report["passed_over"],
            "files or lines that were not used; no picture is lost",
        ),
        CountLine("duplicates", report["duplicates"]),
        CountLine("look-alikes", report["look_alikes"], look_alike_note(report)),
        CountLine("prepared", prepared, f"{kinds}; {report['with_caption']:,} with a caption"),
    ]


def report_lines(report: Row, path: Path) -> Iterator[str]:
    """A report in words. path: where the report lies."""
    for line in counts_of(report):
        if line.count or line.label in ALWAYS_PREPARED:
            yield str(line)
    if report["medium"] != PICTURE:
        yield f"  {learnt_line(report)}"
    if report["medium"] != SOUND:
        yield f"  {colour_line(report['colour'], report['prepared'], report['preset'])}"
    yield from format_lines(report["formats"])
    # Rows that a file of captions names; pictures that are bad are only counted.
    named = [row for row in report["rejected_files"] if "file" in row]
    for line in rejections.lines_of(named, f"in {path}"):
        yield f"  {line}"


def format_lines(formats: list[Row]) -> Iterator[str]:
    """The first annotation files that were read, in words."""
    shown = [known for known in formats if known["format"] not in SILENT_FORMATS]
    for known in shown[:MAX_SHOWN]:
        yield (
            f"  {printable(known['file'])}: {known['format']} "
            f"(confidence {known['confidence']:.2f}), {known['rows']:,} rows"
        )
    further = sum(known.get("further_captions", 0) for known in formats)
    if further:
        yield f"  {further:,} further captions of the same pictures, the first of each is used"
    pictures = sum(known.get("further_pictures", 0) for known in formats)
    if pictures:
        yield (
            f"  {pictures:,} further pictures in rows that name several lie elsewhere, or are no "
            "pictures; the rows do without them"
        )
    turns = sum(known.get("further_turns", 0) for known in formats)
    if turns:
        yield (
            f"  {turns:,} turns after the first answer, which is the caption: they stay in the "
            "rows, for fine-tuning a captioner"
        )
    unused = sum(known.get("unused_turns", 0) for known in formats)
    if unused:
        yield f"  {unused:,} turns of tools, or without an answer: no use is made of them"
