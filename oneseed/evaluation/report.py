"""The report as text and as one page, and what moved since another."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from oneseed.console.command import UserError
from oneseed.console.html import data_url, html_page, safe_lines, safe_text
from oneseed.console.input_files import why_no_file
from oneseed.media.png import encode_png
from oneseed.model.caption_source import DECODER, NEAREST, NONE

# heading -> how the names of its numbers begin; the last takes the rest
SECTIONS = {
    "Pairs of seeds": ("joint_", "pair_retrieval", "style_in_captions", "people_"),
    "Prompts as people type them": ("typed",),
    "Prompts, captions and retrieval": (
        "caption_to",
        "prompt",
        "partial",
        "picture_to",
        "retrieval",
    ),
    "Texts of code": ("texts_", "read_"),
    "Styles": ("style", "transfer", "judged"),
    "Walks and variations": ("interpolation", "variation"),
    "Variety": ("distinct", "fallback", "memorised", "near_one", "largest_share", "distance"),
    "Pictures": ("frechet", "kernel", "tone"),
    "Latent and cost": ("",),
}
COLUMNS = ("value", "floor", "ceiling", "wanted")
REPORT_STYLE = """
body { font: 16px/1.5 Georgia, serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
body { color: #222; background: #fdfcf8 }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd }
th, td { vertical-align: top }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1.2rem }
figure { margin: 0; font-size: .85rem }
.small { display: grid; grid-template-columns: repeat(6, 1fr); gap: .4rem }
img { width: 100%; border: 1px solid #bbb }
.caption { white-space: pre-wrap }
.wrong { color: #a3190b; font-weight: bold }
.warning { background: #fbe9e4; padding: .5rem .8rem }
"""
FLOOR_AND_CEILING = (
    "Floor: captions shuffled among the pairs, or one pair repeated. "
    "Ceiling: held-out pictures sent through the model, and real pairs."
)
INTERVALS = (
    "In brackets: where a mean over pairs or prompts lies in 95 % of 1,000 resamples of them."
)
# who wrote the captions -> what figures about them mean
CAPTION_MEANINGS = {
    DECODER: "Captions are the model's own (caption_source: decoder).",
    NEAREST: (
        "Captions are those of the nearest training pictures (caption_source: nearest). That they "
        "read well, are whole and name a style is no merit of the model; figures on whether they "
        "fit the pictures are."
    ),
    NONE: (
        "There are no captions (caption_source: none), since the model was trained on pictures "
        "alone. Figures that need captions or prompts are left out."
    ),
}
# keys of figures that mean nothing where there are no captions
CAPTION_FIGURES = ("fallback", "distinct_caption_texts", "style_in_captions")


def caption_meaning(report: dict[str, Any]) -> str:
    """Who wrote the captions of report.json, and what its figures about them mean.

    Reports that do not say who are of models that write their own.
    """
    return CAPTION_MEANINGS[report.get("caption_source", DECODER)]


def with_meaning(numbers: dict[str, dict[str, Any]], source: str) -> dict[str, dict[str, Any]]:
    """The numbers of report.json that mean something. source: who wrote the captions."""
    if source != NONE:
        return numbers
    return {name: number for name, number in numbers.items() if name not in CAPTION_FIGURES}


def format_value(value: float | dict[str, Any] | None) -> str:
    """A number, several with names, or None -> text."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {format_value(one)}" for name, one in value.items())
    return f"{value:.3f}" if math.isfinite(value) else str(value)


def value_with_interval(number: dict[str, Any]) -> str:
    """The value of a number of report.json, and its interval in brackets, where it has one.

    Reports of before have none.
    """
    value = format_value(number["value"])
    interval = number.get("interval")
    if not interval:
        return value
    low, high = interval
    return f"{value} [{format_value(low)}, {format_value(high)}]"


def sections(numbers: dict[str, dict[str, Any]]) -> dict[str, list[tuple[str, ...]]]:
    """The numbers of report.json, as text, below the headings of SECTIONS.

    Each row is (title, value, floor, ceiling, wanted); headings without numbers are left out.
    """
    rows: dict[str, list[tuple[str, ...]]] = {heading: [] for heading in SECTIONS}
    for name, number in numbers.items():
        figures = [format_value(number[key]) for key in ("floor", "ceiling")]
        row = (number["title"], value_with_interval(number), *figures, number["wanted"])
        rows[heading_of(name)].append(row)
    return {heading: some for heading, some in rows.items() if some}


def heading_of(name: str) -> str:
    """The heading that a number stands below. name: its key in report.json."""
    return next(heading for heading, starts in SECTIONS.items() if name.startswith(starts))


def text_report(report: dict[str, Any]) -> str:
    """report.json as lines for a terminal: a table in columns, notes, warnings."""
    rows: list[tuple[str, ...]] = [("", *COLUMNS)]
    for heading, some in sections(report["numbers"]).items():
        rows += [("", "", "", "", ""), (heading.upper(), "", "", "", ""), *some]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, "", INTERVALS, *report["notes"], *report["warnings"]])


def moved(report: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """Two reports -> a line for every number that moved: difference, before, now; largest first."""
    changes = []
    for name, number in report["numbers"].items():
        before = old["numbers"].get(name, {}).get("value")
        after = number["value"]
        if isinstance(before, int | float) and isinstance(after, int | float):
            changes.append((number["title"], before, after))
    changes.sort(key=lambda change: -abs(change[2] - change[1]))
    return [
        f"{after - before:+.3f}  {before:.3f} -> {after:.3f}  {title}"
        for title, before, after in changes
        if f"{after - before:+.3f}" not in ("+0.000", "-0.000")
    ]


def read_report(path: str | Path, flag: str = "--compare") -> dict[str, Any] | None:
    """A report.json; None where its numbers have another form. UserError if it is no report.

    flag: that names it.
    """
    if fault := why_no_file(path):
        raise UserError(
            f"{flag} {path} cannot be read ({fault}); name the report.json of another run"
        )
    try:
        report = json.loads(Path(path).read_text("utf-8"))
        numbers = report["numbers"]
        is_known = isinstance(numbers, dict) and all(isinstance(n, dict) for n in numbers.values())
        return report if is_known else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{flag} {path} is no report of this program ({type(error).__name__}); "
            "name the report.json of another run"
        ) from error


def ablation(path: str | Path) -> list[str]:
    """A table of what `python -m benchmarks.samplers` found, in lines; [] if it was never run.

    One line that says so where the file is damaged: a report is not lost for it.
    """
    if not Path(path).exists():
        return []
    try:
        if fault := why_no_file(path):
            raise ValueError(fault)
        return sampler_lines(json.loads(Path(path).read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return [f"{path} is damaged; remove it, or make it again: python -m benchmarks.samplers"]


def sampler_lines(found: dict[str, Any]) -> list[str]:
    """The file of `python -m benchmarks.samplers` -> its table, a line for each sampler."""
    lines = [f"{found['seeds']} seeds, {found['steps']} steps"]
    for row in found["rows"]:
        auc = "    -" if row["auc"] is None else f"{row['auc']:.3f}"
        lines.append(
            f"{row['sampler']:<16} strict {row['strict']:.3f}  mean {row['mean']:.3f}  "
            f"distinct {row['distinct']:4d}  AUC {auc}  "
            f"{row['seconds']:6.1f} s  {row['checkpoint']}"
        )
    return lines


def report_page(
    report: dict[str, Any],
    examples: Iterable[dict[str, Any]],
    gallery: dict[str, list[Image.Image]] | None = None,
    *,
    changes: Sequence[str] = (),
    samplers: Sequence[str] = (),
) -> str:
    """The report as one HTML page, pictures inside.

    examples: the pairs shown, each with seed, image, caption and verdict;
    gallery: further pictures by their headings; changes: lines of moved(); samplers: of ablation().
    """
    title = f"{report['style']}: {report['seeds']} seeds from {report['first_seed']}"
    body = [f"<h1>{safe_text(title)}</h1>", f"<p>{safe_text(report['checkpoint'])}</p>"]
    body += [f'<p class="warning">{safe_text(warning)}</p>' for warning in report["warnings"]]
    body.append(numbers_table(report["numbers"]))
    body.append(f"<p>{FLOOR_AND_CEILING} {INTERVALS}</p>")
    body += [f"<p>{safe_text(note)}</p>" for note in report["notes"]]
    body += preformatted("What moved", changes)
    body += preformatted("Samplers on the same models", samplers)
    body.append('<h2>Pairs</h2><div class="pairs">')
    body += [figure_of_pair(example) for example in examples]
    body.append("</div>")
    for heading, images in (gallery or {}).items():
        pictures = [f'<img alt="" src="{inline(image)}">' for image in images]
        body.append(f'<h2>{safe_text(heading)}</h2><div class="small">{"".join(pictures)}</div>')
    return html_page(title, REPORT_STYLE, body)


def numbers_table(numbers: dict[str, dict[str, Any]]) -> str:
    """All numbers of report.json as one HTML table, a line of headings above each section."""
    lines = []
    for heading, rows in sections(numbers).items():
        lines.append(table_row("th", (heading, *COLUMNS)))
        lines += [table_row("td", row) for row in rows]
    return f"<table>{''.join(lines)}</table>"


def table_row(tag: str, cells: Iterable[str]) -> str:
    """One row of an HTML table. tag: "th" or "td"."""
    inside = [f"<{tag}>{safe_text(cell)}</{tag}>" for cell in cells]
    return f"<tr>{''.join(inside)}</tr>"


def preformatted(title: str, lines: Sequence[str]) -> list[str]:
    """Lines below a title, in columns as they are; [] without lines."""
    if not lines:
        return []
    text = "\n".join(safe_text(line) for line in lines)
    return [f"<h2>{title}</h2><pre>{text}</pre>"]


def figure_of_pair(example: dict[str, Any]) -> str:
    """One pair with its caption, and what its picture shows; what the caption denies is marked."""
    verdict = []
    for name, seen, said in example["verdict"]:
        if seen == said:
            verdict.append(safe_text(f"{name}: {seen}"))
        else:
            line = safe_text(f"{name}: seen {seen}, told {said}")
            verdict.append(f'<span class="wrong">{line}</span>')
    seed = example["seed"]
    return (
        f'<figure><img alt="seed {seed:d}" src="{inline(example["image"])}">'
        f"<figcaption><b>{seed:d}</b> "
        f'<span class="caption">{safe_lines(example["caption"])}</span><br>'
        f"{'<br>'.join(verdict)}</figcaption></figure>"
    )


def inline(image: Image.Image) -> str:
    """A picture as an address that holds it."""
    return data_url(encode_png(image))
