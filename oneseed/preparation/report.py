"""What preparing found: as JSON, and in words for a terminal."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oneseed.config.preparation import PrepareConfig
from oneseed.console.output import printable
from oneseed.dataset.jsonl import Row
from oneseed.preparation.duplicates import MergedTwins
from oneseed.sources import rejections
from oneseed.sources.gather import source_names
from oneseed.sources.survey import Survey
from oneseed.sources.tables import PICTURE_SUFFIXES

# files of captions, and rejected rows of them, that are shown; the report has all
MAX_SHOWN = 5
# shown also where it is 0
ALWAYS_PREPARED = ("found", "rejected", "duplicates")
# formats without a file of captions that is worth a line
SILENT_FORMATS = ("imagefolder", "sidecar")


@dataclass(frozen=True)
class Findings:
    """What a run found in its sources, once every picture was examined and twins were merged."""

    # names of the sources, as records have them
    sources: list[str]
    # the sources as the user knows them, for a sentence
    place: str
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
    # rows of path and reason, in the order of their paths
    rejected: list[Row]

    @classmethod
    def of(cls, survey: Survey, merged: MergedTwins, beyond_max_samples: int) -> "Findings":
        """What the survey counted and what examining its originals gave."""
        return cls(
            sources=[source.name for source in survey.sources],
            place=source_names(survey.sources),
            folder=survey.folder,
            found=count_found(survey),
            other_styles=survey.other_styles,
            beyond_max_samples=beyond_max_samples,
            formats=survey.formats,
            kept=merged.kept,
            duplicates=merged.duplicates,
            rejected=sorted(merged.rejected + survey.lost, key=lambda row: row["path"]),
        )


def count_found(survey: Survey) -> int:
    """Pictures of a source, usable or not."""
    return len(survey.originals) + survey.other_styles.total() + len(survey.lost)


def picture_suffixes() -> str:
    """The suffixes of pictures, for a sentence."""
    return " ".join(sorted(suffix[1:] for suffix in PICTURE_SUFFIXES))


def count_reasons(rejected: list[Row]) -> dict[str, int]:
    """{reason: count} of the rejected, the commonest first."""
    return dict(Counter(row["reason"] for row in rejected).most_common())


def prepare_report(config: PrepareConfig, findings: Findings, records: list[Row]) -> Row:
    """The report of a prepared collection, as JSON's own types."""
    return {
        "style": config.style,
        "source": ", ".join(findings.sources),
        "size": config.image_size,
        "smallest": config.smallest,
        "found": findings.found,
        "prepared": len(records),
        "rejected": len(findings.rejected),
        "duplicates": len(findings.duplicates),
        "other_style": findings.other_styles.total(),
        "beyond_max_samples": findings.beyond_max_samples,
        "grey": sum(record["grey"] for record in records),
        "with_caption": sum(bool(record["caption"]) for record in records),
        "look_alikes": len(records) - len({record["group"] for record in records}),
        "original_sizes": original_sizes(records),
        "rejected_by_reason": count_reasons(findings.rejected),
        "other_styles": dict(findings.other_styles.most_common()),
        "formats": findings.formats,
        "rejected_files": findings.rejected,
        "duplicate_files": findings.duplicates,
    }


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


def counts_of(report: Row) -> list[CountLine]:
    """The numbers of a report."""
    prepared = report["prepared"]
    kinds = f"{report['grey']:,} grey, {prepared - report['grey']:,} colour"
    return [
        CountLine("found", report["found"]),
        CountLine("other style", report["other_style"], join_counts(report["other_styles"])),
        CountLine("beyond --max-samples", report["beyond_max_samples"]),
        CountLine("rejected", report["rejected"], join_counts(report["rejected_by_reason"])),
        CountLine("duplicates", report["duplicates"]),
        CountLine("prepared", prepared, f"{kinds}; {report['with_caption']:,} with a caption"),
    ]


def report_lines(report: Row, path: Path) -> Iterator[str]:
    """A report in words. path: where the report lies."""
    for line in counts_of(report):
        if line.count or line.label in ALWAYS_PREPARED:
            yield str(line)
    yield from format_lines(report["formats"])
    # Rows that a file of captions names; pictures that are bad are only counted.
    named = [row for row in report["rejected_files"] if "file" in row]
    for row in named[:MAX_SHOWN]:
        yield f"  {rejections.describe_rejection(row)}"
    if len(named) > MAX_SHOWN:
        yield f"  … and {len(named) - MAX_SHOWN:,} more in {path}"


def format_lines(formats: list[Row]) -> Iterator[str]:
    """The first annotation files that were read, in words."""
    shown = [known for known in formats if known["format"] not in SILENT_FORMATS]
    for known in shown[:MAX_SHOWN]:
        yield (
            f"  {printable(known['file'])}: {known['format']} "
            f"(confidence {known['confidence']:.2f}), {known['rows']:,} rows"
        )
