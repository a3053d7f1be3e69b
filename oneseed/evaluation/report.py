"""The report as text and as one page."""

import base64
import html
import io
import json
import math
from pathlib import Path

from oneseed.console.command import UserError

# heading -> how the names of its numbers begin; the last takes the rest
SECTIONS = {
    "Pairs of seeds": ("joint_", "pair_retrieval", "style_in_captions"),
    "Prompts, captions and retrieval": (
        "caption_to",
        "prompt",
        "partial",
        "picture_to",
        "retrieval",
    ),
    "Styles": ("style", "transfer", "judged"),
    "Walks and variations": ("interpolation", "variation"),
    "Variety": ("distinct", "fallback", "memorised", "distance"),
    "Pictures": ("frechet", "kernel", "tone"),
    "Latent and cost": ("",),
}


def format_value(value):
    """A number, several with names, or None -> text."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {format_value(one)}" for name, one in value.items())
    return f"{value:.3f}" if math.isfinite(value) else str(value)


def sections(numbers):
    """Numbers in the order of SECTIONS -> (heading, row of strings) each; the heading is "" where it goes on."""
    before = None
    place = {
        name: next(i for i, prefixes in enumerate(SECTIONS.values()) if name.startswith(prefixes))
        for name in numbers
    }
    for name in sorted(numbers, key=place.get):
        heading = list(SECTIONS)[place[name]]
        one = numbers[name]
        yield (
            "" if heading == before else heading,
            (
                one["title"],
                *(format_value(one[key]) for key in ("value", "floor", "ceiling")),
                one["wanted"],
            ),
        )
        before = heading


def text_report(report):
    rows = [("", "value", "floor", "ceiling", "wanted")]
    for heading, row in sections(report["numbers"]):
        rows += [
            *([("", "", "", "", ""), (heading.upper(), "", "", "", "")] if heading else []),
            row,
        ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]
    return "\n".join([*table, "", *report["notes"], *report["warnings"]])


REPORT_STYLE = """body { font: 16px/1.5 Georgia, serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fdfcf8 }
table { border-collapse: collapse; width: 100%; font-size: .9rem } th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1.2rem } figure { margin: 0; font-size: .85rem } .small { display: grid; grid-template-columns: repeat(6, 1fr); gap: .4rem }
img { width: 100%; border: 1px solid #bbb } .wrong { color: #a3190b; font-weight: bold } .warning { background: #fbe9e4; padding: .5rem .8rem }"""


def moved(report, old):
    """Two reports -> lines on every number that both have: before, now, difference, the largest first."""
    pairs = {
        one["title"]: (old["numbers"][name]["value"], one["value"])
        for name, one in report["numbers"].items()
        if name in old["numbers"]
    }
    plain = {
        title: values
        for title, values in pairs.items()
        if all(isinstance(value, (int, float)) for value in values)
    }
    return [
        f"{after - before:+.3f}  {before:.3f} -> {after:.3f}  {title}"
        for title, (before, after) in sorted(
            plain.items(), key=lambda item: -abs(item[1][1] - item[1][0])
        )
        if f"{after - before:+.3f}" not in ("+0.000", "-0.000")
    ]


def read_report(path):
    try:
        report = json.loads(Path(path).read_text("utf-8"))
        return report if isinstance(report["numbers"], dict) else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"--compare {path} is no report of this program ({type(error).__name__}); name the report.json of another run"
        ) from error


def ablation(path):
    """outputs/samplers.json of `python -m benchmarks.samplers` -> lines of a table, none where it was never run."""
    if not Path(path).exists():
        return []
    found = json.loads(Path(path).read_text("utf-8"))
    return [f"{found['seeds']} seeds, {found['steps']} steps"] + [
        f"{row['sampler']:<16} strict {row['strict']:.3f}  mean {row['mean']:.3f}  distinct {row['distinct']:4d}  AUC {'    -' if row['auc'] is None else format(row['auc'], '.3f')}  "
        f"{row['seconds']:6.1f} s  {row['checkpoint']}"
        for row in found["rows"]
    ]


def inline(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def report_page(report, examples, gallery={}, changes=(), samplers=()):
    """Report, examples, further pictures and what moved -> one HTML page, pictures inline; all text escaped."""

    def text(value):
        return html.escape(str(value))

    def line(tag, values):
        return "<tr>" + "".join(f"<{tag}>{text(value)}</{tag}>" for value in values) + "</tr>"

    table = []
    for heading, row in sections(report["numbers"]):
        table += [
            *([line("th", (heading, "value", "floor", "ceiling", "wanted"))] if heading else []),
            line("td", row),
        ]
    figures = []
    for example in examples:
        verdict = "<br>".join(
            text(f"{name}: {seen}")
            if seen == told
            else f'<span class="wrong">{text(f"{name}: seen {seen}, told {told}")}</span>'
            for name, seen, told in example["verdict"]
        )
        figures.append(
            f'<figure><img alt="seed {text(example["seed"])}" src="{inline(example["image"])}">'
            f"<figcaption><b>{text(example['seed'])}</b> {text(example['caption'])}<br>{verdict}</figcaption></figure>"
        )
    title = f"{report['style']}: {report['seeds']} seeds from {report['first_seed']}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title><style>{REPORT_STYLE}</style></head><body>',
            f"<h1>{text(title)}</h1>",
            f"<p>{text(report['checkpoint'])}</p>",
            *(f'<p class="warning">{text(one)}</p>' for one in report["warnings"]),
            f"<table>{''.join(table)}</table>",
            "<p>Floor: captions shuffled among the pairs, or one pair repeated. Ceiling: held-out renders sent through the model, and real pairs.</p>",
            *(f"<p>{text(one)}</p>" for one in report["notes"]),
            *(
                part
                for title, lines in (
                    ("What moved", changes),
                    ("Samplers on the same models", samplers),
                )
                if lines
                for part in (f"<h2>{title}</h2><pre>", text("\n".join(lines)), "</pre>")
            ),
            "<h2>Pairs</h2>",
            f'<div class="pairs">{"".join(figures)}</div>',
            *(
                f'<h2>{text(title)}</h2><div class="small">{"".join(f"""<img alt="" src="{inline(image)}">""" for image in images)}</div>'
                for title, images in gallery.items()
            ),
            "</body></html>",
            "",
        ]
    )
