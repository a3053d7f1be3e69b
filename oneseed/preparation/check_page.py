"""A check as one HTML page."""

import base64
import html
import json
import re

from oneseed.console import output
from oneseed.files import write_text
from oneseed.preparation.check_report import QUANTILES
from oneseed.preparation.check_text import (
    ALWAYS_SHOWN,
    MAX_LISTED,
    overview,
    rejection_line,
    tables,
)

# pictures of the contact sheet; their longer side in pixels
MAX_PLATES = 60
CHECK_STYLE = """
:root { color-scheme: light; --ink: #23201c; --quiet: #6d665c; --rule: #d9d2c4; --paper: #fbf9f4; --accent: #8a2f1d }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 68rem; padding: 3rem 1.5rem 5rem; background: var(--paper); color: var(--ink); font: 17px/1.5 Georgia, "Times New Roman", serif }
h1 { font-size: 2.3rem; font-weight: normal; line-height: 1.15; margin: 0 }
h2 { font-size: 1.25rem; font-weight: normal; margin: 3.2rem 0 .9rem; padding-top: .8rem; border-top: 1px solid var(--rule) }
h3 { font-size: 1rem; font-weight: normal; margin: 0 0 .3rem } h3 .quiet { font-style: italic; margin-left: .4rem }
p, ul { margin: .4rem 0; max-width: 46rem } .quiet, figcaption small, caption { color: var(--quiet); font-size: .85rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .22rem 1rem .22rem 0; text-align: left; vertical-align: top; font-weight: normal } td.number { text-align: right; white-space: nowrap }
.facts td { border-bottom: 1px solid var(--rule) } .facts { width: 100% } .facts td:first-child { width: 13rem } .facts td.number { width: 6rem }
.doubt td, .doubt { color: var(--accent) }
.measures { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 2rem 3rem }
.measures table { width: 100%; font-size: .85rem } .measures .bar { width: 55% } .bar span { display: block; height: .8em; margin-top: .35em; background: #b9ae99 }
.measures .quantiles { table-layout: fixed; margin-top: .4rem } .quantiles td, .quantiles th { padding: .1rem .3rem; text-align: right } .quantiles th { color: var(--quiet) }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1.8rem 1.4rem }
figure { margin: 0 } .mount { display: flex; align-items: flex-end; height: 10rem } .mount img { max-width: 100%; max-height: 100%; border: 1px solid var(--rule) }
figcaption { margin-top: .5rem; font-size: .85rem; line-height: 1.35; overflow-wrap: anywhere } figcaption small { display: block; font-size: .75rem }
.twins { display: flex; flex-wrap: wrap; gap: 1.4rem; padding: .9rem 0; border-bottom: 1px solid var(--rule) } .twins figure { width: 9.5rem }
ol { margin: .4rem 0; padding-left: 1.4rem; font-size: .9rem; overflow-wrap: anywhere }
@media (max-width: 40rem) { body { padding: 1.5rem 1rem } .measures { grid-template-columns: 1fr } .sheet { grid-template-columns: repeat(2, 1fr) } h1 { font-size: 1.7rem } }
"""


def pictured_paths(found, kept):
    """Paths of the pictures that the page shows -> (of the sheet, of everything). The sheet is a fair sample, in the order of path."""
    sheet = sorted(row["path"] for row in sorted(kept, key=lambda row: row["sha256"])[:MAX_PLATES])
    doubts = [name for name, _ in found["sharpness"]["blurriest"]]
    doubts += (
        found["luminance"]["nearly_black_files"][:6] + found["luminance"]["nearly_white_files"][:6]
    )
    doubts += [row["same_as"] for row in found["duplicate_files"][:8]] + [
        name for group in found["look_alike_files"][:12] for name in group[:5]
    ]
    return sheet, list(dict.fromkeys(sheet + doubts))


def check_page(found, kept, plates, sheet):
    """Report -> one HTML page that asks nothing of any other host. plates: {path: JPEG}."""

    def safe(value):
        return f"<bdi>{html.escape(output.printable(str(value)))}</bdi>"

    # a long name breaks there
    def named(value):
        return f"<bdi>{re.sub('(?<=[/_])', '<wbr>', html.escape(output.printable(value)))}</bdi>"

    def cut(value, length):
        return value if len(value) <= length else value[: length - 1] + "…"

    rows = {row["path"]: row for row in kept}

    def figure(name, note=""):
        row = rows.get(name, {})
        said = cut(row.get("caption", ""), 160)
        source = (
            f"data:image/jpeg;base64,{base64.b64encode(plates[name]).decode()}"
            if plates.get(name)
            else "data:,"
        )
        size = f"{row['width']:,} × {row['height']:,}" if row else ""
        return (
            f'<figure><div class="mount"><img alt="" src="{source}"></div><figcaption>{safe(said)}<small>{named(cut(name, 80))}</small>'
            f"<small>{size}{' · ' if size and note else ''}{named(note) if note else ''}</small></figcaption></figure>"
        )

    def gallery(title, names, note=lambda name: ""):
        return (
            [
                f"<h2>{html.escape(title)}</h2>",
                '<div class="sheet">',
                *(figure(name, note(name)) for name in names),
                "</div>",
            ]
            if names
            else []
        )

    doubts = {
        "rejected",
        "exact duplicates",
        "near duplicates",
        "nearly black",
        "nearly white",
        "repeated captions",
        "in both splits",
    }
    facts = "".join(
        f'<tr{" class=doubt" if count and label in doubts else ""}><td>{label}</td><td class="number">{count:,}</td><td>{safe(note)}</td></tr>'
        for label, count, note in overview(found)
        if count or label in ALWAYS_SHOWN
    )
    parts = [
        f"<h1>{safe(found['style'])}: {found['distinct']:,} pictures</h1>",
        f'<p class="quiet">{safe(found["source"])}. Looked at as they would be prepared at {found["size"]} px; nothing was prepared.</p>',
        f'<table class="facts">{facts}</table>',
    ]
    if found["rejected_files"]:
        parts += [
            "<h2>Rejected</h2>",
            "<ol>",
            *(
                f"<li>{safe(rejection_line(row))}</li>"
                for row in found["rejected_files"][:MAX_LISTED]
            ),
            "</ol>",
        ]
        parts += (
            [f'<p class="quiet">The first {MAX_LISTED} of {found["rejected"]:,}.</p>']
            if found["rejected"] > MAX_LISTED
            else []
        )
    if found["distinct"]:
        parts += ["<h2>Measures</h2>", '<div class="measures">']
        for title, note, quantiles, counts in tables(found):
            most = max(count for _, count in counts)
            bars = "".join(
                f'<tr><td>{label}</td><td class="number">{count:,}</td><td class="bar"><span style="width:{100 * count / most:.1f}%"></span></td></tr>'
                for label, count in counts
            )

            def line(tag, cells):
                return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

            parts += [
                f'<section><h3>{title} <span class="quiet">{html.escape(note)}</span></h3><table>{bars}</table>',
                f'<table class="quantiles">{line("th", QUANTILES)}{line("td", (f"{quantiles[name]:,g}" for name in QUANTILES))}</table></section>',
            ]
        parts += ["</div>"]
    for label, twins in (
        ("Exact duplicates", found["exact_duplicates"]),
        ("Near duplicates", found["near_duplicates"]),
    ):
        if twins["count"]:
            parts += [
                f"<h2>{label}</h2>",
                *(
                    f"<p>{count:,} between {safe(one)} and {safe(other)}</p>"
                    for one, other, count in twins["folders"][:10]
                ),
            ]
        if label == "Exact duplicates" and twins["count"]:
            parts += [
                "<div class=sheet>",
                *(
                    figure(row["same_as"], f"again: {cut(row['path'], 80)}")
                    for row in found["duplicate_files"][:8]
                ),
                "</div>",
            ]
        elif twins["count"]:
            parts += [
                f'<div class="twins">{"".join(figure(name) for name in group[:5])}</div>'
                for group in found["look_alike_files"][:12]
            ]
    if found["collection"] and found["collection"]["leaks"]:
        parts += [
            "<h2>In both splits</h2>",
            "<p>A model that saw one of these in training is not tested by the other.</p>",
            "<ol>",
        ]
        parts += [
            f"<li>{', '.join(safe(row['original']) + ' (' + (row['split'] or 'no split') + ')' for row in group[:8])}</li>"
            for group in found["collection"]["leaks"][:MAX_LISTED]
        ] + ["</ol>"]
    sharp = dict(found["sharpness"]["blurriest"])
    parts += gallery("Blurriest", list(sharp), lambda name: f"sharpness {sharp[name]:g}")
    parts += gallery("Nearly black", found["luminance"]["nearly_black_files"][:6]) + gallery(
        "Nearly white", found["luminance"]["nearly_white_files"][:6]
    )
    if found["captions"]["most_repeated"]:
        parts += [
            "<h2>Repeated captions</h2>",
            "<table>",
            *(
                f'<tr><td class="number">{count:,}</td><td>{safe(cut(caption, 200))}</td></tr>'
                for caption, count in found["captions"]["most_repeated"]
            ),
            "</table>",
        ]
    parts += gallery(
        "Contact sheet"
        + (f": {len(sheet)} of {found['distinct']:,}" if len(sheet) < found["distinct"] else ""),
        sheet,
    )
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(found['style'])}: what the source holds</title><style>{CHECK_STYLE}</style></head><body>",
            *parts,
            "</body></html>",
            "",
        ]
    )


def write_check(collection, found, kept, plates, sheet):
    write_text(collection.check, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    write_text(collection.check.with_suffix(".html"), check_page(found, kept, plates, sheet))
