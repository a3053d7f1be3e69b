"""What a source would give, told before anything is prepared: what is valid, what is doubtful, and a page with its pictures.

Everything is measured on the picture as it would be prepared, without its white margins. Names and captions come from strangers: in
the report they stand as they are, on the page and in a terminal they can do nothing.
"""

import base64
import html
import io
import itertools
import json
import math
import os
import posixpath
import re
from collections import Counter

import numpy as np

import formats
from cli import write_text
from records import each_recovered, each_row

# rejected files shown; the report has all
LISTED = 25
# pictures of the contact sheet; their longer side in pixels
PLATES = 60
PLATE = 224
# of 255: nearly black is a picture whose 99th percentile lies below, nearly white …
DARK = 32
LIGHT = 223
QUANTILES = {
    "least": 0,
    "5 %": 0.05,
    "25 %": 0.25,
    "median": 0.5,
    "75 %": 0.75,
    "95 %": 0.95,
    "most": 1,
}
SIDES = {str(side): side for side in (64, 128, 256, 512, 1024, 2048, 4096)}
ASPECTS = {
    "1:3": 1 / 3,
    "1:2": 1 / 2,
    "2:3": 2 / 3,
    "9:10": 0.9,
    "10:9": 10 / 9,
    "3:2": 1.5,
    "2:1": 2,
    "3:1": 3,
}
TENTHS = {f".{tenth}": tenth / 10 for tenth in range(1, 10)}
SHARPNESS = {str(value): value for value in (10, 30, 100, 300, 1000, 3000, 10000)}
WORD = re.compile(r"\w+(?:['’-]\w+)*")


# One picture, in a worker process


def measure(image):
    """Prepared picture without its margins -> mean luminance, 0 to 1; its 1st and 99th percentile, 0 to 255; sharpness: the variance of
    the Laplacian (four neighbours, grey values to 255), which is low where a picture is blurred, enlarged or empty."""
    values = np.asarray(image.convert("L"), np.float32)  # (height, width)
    edged = np.pad(values, 1, "edge")
    laplacian = edged[:-2, 1:-1] + edged[2:, 1:-1] + edged[1:-1, :-2] + edged[1:-1, 2:] - 4 * values
    low, high = np.percentile(values, (1, 99))
    return {
        "light": round(float(values.mean()) / 255, 4),
        "low": int(low),
        "high": int(high),
        "sharp": round(float(laplacian.var()), 1),
    }


def plate(image):
    """Picture -> a small JPEG for the page, as bytes."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=75)
    return file.getvalue()


# The report


def spread(values):
    """-> {name of a quantile: value}, {} of nothing."""
    found = np.quantile(values, list(QUANTILES.values())) if len(values) else ()
    return {name: float(f"{value:.4g}") for name, value in zip(QUANTILES, found)}


def histogram(values, edges):
    """Values and {label: edge} -> [[label, count]] from the first to the last range that holds something."""
    labels = list(edges)
    names = [
        f"below {labels[0]}",
        *(f"{low} to {high}" for low, high in itertools.pairwise(labels)),
        f"{labels[-1]} and more",
    ]
    counts = (
        np.bincount(np.digitize(values, list(edges.values())), minlength=len(names))
        if len(values)
        else np.zeros(1, int)
    )
    filled = np.flatnonzero(counts)
    return (
        [[names[place], int(counts[place])] for place in range(filled[0], filled[-1] + 1)]
        if len(filled)
        else []
    )


def relation(row, twin):
    """Where two rows lie from each other."""
    if row["source"] != twin["source"]:
        return "across sources"
    return (
        "within a folder"
        if posixpath.dirname(row["path"]) == posixpath.dirname(twin["path"])
        else "across folders"
    )


def pairs(found):
    """(row, its twin) of each -> how many lie where, and the folders that share most."""
    folder = lambda row: posixpath.dirname(row["path"]) or "."
    between = Counter(
        (folder(twin), folder(row))
        for row, twin in found
        if relation(row, twin) != "within a folder"
    )
    return {
        "count": len(found),
        "where": dict(Counter(relation(row, twin) for row, twin in found).most_common()),
        "across_styles": sum(row["style"] != twin["style"] for row, twin in found),
        "folders": [[*names, count] for names, count in between.most_common(20)],
    }


def prepared_before(collection):
    """The collection's pictures, as far as it was prepared -> rows of original, sha256, look and split ("" before captions were dealt)."""
    looks = {
        line["sha256"]: line["look"]
        for line in each_recovered(collection.processed / "prepared.jsonl")
        if "look" in line
    }
    dealt = {
        row["id"]: split
        for path, split in ((collection.train, "train"), (collection.val, "val"))
        if path.exists()
        for row in each_row(path)
    }
    return [
        {
            "original": row.get("original", row["filename"]),
            "sha256": row["sha256"],
            "look": looks[row["sha256"]],
            "split": dealt.get(row["id"], ""),
        }
        for row in collection.each_metadata()
        if row["sha256"] in looks
    ]


def against(earlier, kept, alike):
    """The source beside the prepared collection: what is in it already, what looks like something in it, and groups of look-alikes, new
    ones included, that have members in both splits. alike: number of the group of each of [*earlier, *kept]."""
    if not earlier:
        return None
    members = {}
    known = {row["sha256"]: row for row in earlier}
    for row, group in zip(earlier, alike):
        members.setdefault(group, []).append(row)
    same = []
    similar = []
    for row, group in zip(kept, alike[len(earlier) :]):
        twin = known.get(row["sha256"]) or next(iter(members.get(group, ())), None)
        if twin:
            (same if twin["sha256"] == row["sha256"] else similar).append(
                {"path": row["path"], "like": twin["original"], "split": twin["split"]}
            )
    leaks = [
        [{"original": row["original"], "split": row["split"]} for row in group]
        for group in members.values()
        if {"train", "val"} <= {row["split"] for row in group}
    ]
    count = lambda found: dict(Counter(row["split"] or "no split" for row in found).most_common())
    return {
        "pictures": len(earlier),
        "in_it": len(same),
        "in_it_by_split": count(same),
        "look_alikes": len(similar),
        "look_alikes_by_split": count(similar),
        "new": len(kept) - len(same) - len(similar),
        "look_alike_files": similar,
        "leaks": leaks,
    }


def of_captions(kept):
    captions = [row["caption"] for row in kept if row["caption"]]
    words = [len(caption.split()) for caption in captions]
    again = Counter(captions)
    repeated = [[caption, count] for caption, count in again.most_common() if count > 1]
    missing = [row["path"] for row in kept if not row["caption"]]
    return {
        "count": len(captions),
        "words": spread(words),
        "vocabulary": len({word for caption in again for word in WORD.findall(caption.lower())}),
        "repeated": len(repeated),
        "repeated_on": sum(count for _, count in repeated),
        "most_repeated": repeated[:20],
        "missing": len(missing),
        "missing_files": missing,
    }


def report(about, originals, kept, duplicates, rejected, earlier, alike):
    """All that is known of a source, as JSON's own types. about: what it is and how it was looked at; the rest as dataset_preparation has
    it: rows of original and finding, what select() makes of them, rows of prepared_before, and look_alikes of [*earlier, *kept]."""
    rows = {row["path"]: row for row in originals}
    blank = {
        "nearly_black": [row for row in kept if row["high"] < DARK],
        "nearly_white": [row for row in kept if row["low"] > LIGHT],
    }
    empty = {row["path"] for found in blank.values() for row in found}
    groups = {}
    for row, group in zip(kept, alike[len(earlier) :]):
        # an empty black and an empty white picture look the same to look()
        if row["path"] not in empty:
            groups.setdefault(group, []).append(row)
    groups = [group for group in groups.values() if len(group) > 1]
    drawn = sorted(
        (row for row in kept if row["path"] not in empty),
        key=lambda row: (row["sharp"], row["path"]),
    )
    short, long = ([side(row["width"], row["height"]) for row in kept] for side in (min, max))
    aspects = [row["width"] / row["height"] for row in kept]
    near = [(row, group[0]) for group in groups for row in group[1:]]
    return {
        **about,
        "valid": len(kept) + len(duplicates),
        "rejected": len(rejected),
        "distinct": len(kept),
        "grey": sum(row["grey"] for row in kept),
        "rejected_by_reason": dict(Counter(row["reason"] for row in rejected).most_common()),
        "exact_duplicates": pairs(
            [(rows[row["path"]], rows[row["same_as"]]) for row in duplicates]
        ),
        "near_duplicates": pairs(near) | {"groups": len(groups)},
        "collection": against(earlier, kept, alike),
        "sizes": {
            "short_side": spread(short),
            "long_side": spread(long),
            "enlarged": sum(side < about["size"] for side in long),
            "histogram": histogram(short, SIDES),
        },
        "aspect_ratio": spread(aspects) | {"histogram": histogram(aspects, ASPECTS)},
        "luminance": spread([row["light"] for row in kept])
        | {name: len(found) for name, found in blank.items()}
        | {
            "histogram": histogram([row["light"] for row in kept], TENTHS),
            **{f"{name}_files": [row["path"] for row in found] for name, found in blank.items()},
        },
        "sharpness": spread([row["sharp"] for row in kept])
        | {
            "is": f"variance of the Laplacian at {about['size']} px, margins left out",
            "histogram": histogram([row["sharp"] for row in kept], SHARPNESS),
            "blurriest": [[row["path"], row["sharp"]] for row in drawn[:5]],
        },
        "captions": of_captions(kept),
        "rejected_files": rejected,
        "duplicate_files": duplicates,
        "look_alike_files": [[row["path"] for row in group] for group in groups],
    }


def line_of(row):
    """A rejected row in words, with file and line where captions named it."""
    return formats.sentence({"file": row["path"], "line": 0, **row})


def listed(counts):
    """{name: count} -> "3 a, 1 b"."""
    return ", ".join(f"{count:,} {formats.printable(name)}" for name, count in counts.items())


def overview(found):
    """Report -> rows of label, number and note, for terminal and page."""
    exact = found["exact_duplicates"]
    near = found["near_duplicates"]
    captions = found["captions"]
    earlier = found["collection"]
    where = lambda twins: (
        listed(twins["where"])
        + (f"; {twins['across_styles']:,} of another style" if twins["across_styles"] else "")
    )
    words = captions["words"]
    yield "found", found["found"], ""
    yield "other style", found["other_style"], listed(found["other_styles"])
    yield "beyond --max-samples", found["beyond_max_samples"], "not looked at"
    yield "rejected", found["rejected"], listed(found["rejected_by_reason"])
    yield "valid", found["valid"], ""
    yield "exact duplicates", exact["count"], where(exact)
    yield (
        "distinct",
        found["distinct"],
        f"{found['grey']:,} grey, {found['distinct'] - found['grey']:,} colour",
    )
    yield (
        "near duplicates",
        near["count"],
        where(near) and f"{where(near)}; in {near['groups']:,} groups",
    )
    if found["distinct"]:
        yield "enlarged", found["sizes"]["enlarged"], f"whose long side is below {found['size']} px"
        yield "nearly black", found["luminance"]["nearly_black"], ""
        yield "nearly white", found["luminance"]["nearly_white"], ""
        yield (
            "captions",
            captions["count"],
            (
                f"{words['least']:.0f} to {words['most']:.0f} words, median {words['median']:.0f}; "
                f"{captions['vocabulary']:,} different words"
            )
            if words
            else "",
        )
        yield "without a caption", captions["missing"], ""
        yield (
            "repeated captions",
            captions["repeated"],
            f"on {captions['repeated_on']:,} pictures" if captions["repeated"] else "",
        )
    if earlier:
        yield "prepared before", earlier["pictures"], ""
        yield "already in it", earlier["in_it"], listed(earlier["in_it_by_split"])
        yield "look like one in it", earlier["look_alikes"], listed(earlier["look_alikes_by_split"])
        yield "new to it", earlier["new"], ""
        yield (
            "in both splits",
            len(earlier["leaks"]),
            "groups of look-alikes with members in train and val" if earlier["leaks"] else "",
        )


# shown also where it is 0
ALWAYS = (
    "found",
    "rejected",
    "exact duplicates",
    "distinct",
    "near duplicates",
    "captions",
    "in both splits",
)


def tables(found):
    """Report -> (title, note, quantiles, histogram) of everything measured."""
    yield "Short side", "pixels", found["sizes"]["short_side"], found["sizes"]["histogram"]
    yield "Width to height", "", found["aspect_ratio"], found["aspect_ratio"]["histogram"]
    yield (
        "Mean luminance",
        "0 is black, 1 is white",
        found["luminance"],
        found["luminance"]["histogram"],
    )
    yield (
        "Sharpness",
        f"{found['sharpness']['is']}; low is blurred, enlarged or empty",
        found["sharpness"],
        found["sharpness"]["histogram"],
    )


def text(found, path):
    """Report -> lines for a terminal."""
    yield from (
        f"  {label:<21}{count:>7,}" + (f"   {note}" if note else "")
        for label, count, note in overview(found)
        if count or label in ALWAYS
    )
    for known in [
        known for known in found["formats"] if known["format"] not in ("imagefolder", "sidecar")
    ][:5]:
        yield f"  {formats.printable(known['file'])}: {known['format']} (confidence {known['confidence']:.2f}), {known['rows']:,} rows"
    if found["rejected_files"]:
        yield "rejected"
        yield from (f"  {line_of(row)}" for row in found["rejected_files"][:LISTED])
        if found["rejected"] > LISTED:
            yield f"  … and {found['rejected'] - LISTED:,} more in {path}"
    for title, note, quantiles, counts in tables(found) if found["distinct"] else ():
        yield title.lower() + (f" ({note})" if note else "")
        yield "  " + "   ".join(f"{name} {quantiles[name]:g}" for name in QUANTILES)
        most = max(count for _, count in counts)
        yield from (
            f"  {label:<16}{count:>7,}  {'█' * math.ceil(30 * count / most)}"
            for label, count in counts
        )
    if found["sharpness"]["blurriest"]:
        yield "blurriest: " + ", ".join(
            f"{formats.printable(name)} ({value:g})"
            for name, value in found["sharpness"]["blurriest"]
        )


# Nothing usable

# of what a reason begins with: likely cause, remedy
REMEDIES = (
    (
        "image not found",
        "the captions name files that do not lie where they say",
        "put the pictures there, seen from the file of captions, or name the folder that holds both",
    ),
    (
        "the image is a web address",
        "the captions name web addresses, and nothing is fetched from those",
        "download the pictures first and name them by file",
    ),
    (
        "the image lies outside",
        "the captions name files outside of their folder",
        "name the folder that holds captions and pictures",
    ),
    (
        "more than",
        "they are too large to be opened safely",
        "scale them down and run the same command again",
    ),
    (
        "cannot be opened",
        "you may not read them",
        "change the rights (chmod -R u+rX) and run the same command again",
    ),
    ("encrypted", "the archive wants a password", "unpack it yourself and name the folder"),
    ("neither a picture", "the archive holds other files", "name one with pictures"),
    (
        "",
        "the source is damaged or not of a known form",
        "fetch it again, or compare it with an example: python dataset_preparation.py --template jsonl",
    ),
)


def content_of(path):
    """First bytes of a file that is no picture -> (likely cause, remedy)."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
    except OSError:
        head = b"?"
    if not head.strip(b"\0"):
        return "the files are empty", "the download or copy was cut off, fetch them again"
    if head.startswith(b"version https://git-lfs"):
        return "they are pointers of Git LFS", "run git lfs pull in their folder"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return (
            "they are web pages under the names of pictures",
            "the server wants a log-in or has them no more, download them in another way",
        )
    if head[4:8] == b"ftyp":
        return "they are HEIC or AVIF", "convert them to JPEG or PNG"
    return "the files are damaged or no pictures", "fetch them again"


def cause(found, folder, where, suffixes):
    """Report without a usable picture -> the sentence that says why, most likely, and what to do."""
    if not found["found"]:
        there = Counter(
            formats.suffix_of(name) or "no suffix"
            for _, _, names in os.walk(folder)
            for name in names
            if not name.startswith(".")
        )
        there = f"{listed(dict(there.most_common(3)))}" if there else "nothing"
        return (
            f"{where} holds no pictures ({suffixes}) but {there}: convert the files to JPEG or PNG, or name another folder, "
            "python dataset_preparation.py --check --source PATH"
        )
    if not found["rejected"]:
        style = next(iter(found["other_styles"]))
        return (
            f"none of the {found['found']:,} pictures in {where} is of style {found['style']}, they are of {listed(found['other_styles'])}: choose one of these "
            f"with --style {style}, or --style all"
        )
    reason, count = next(iter(found["rejected_by_reason"].items()))
    first = next(row["path"] for row in found["rejected_files"] if row["reason"] == reason)
    if reason.startswith("smaller than"):
        why = "they are thumbnails"
        remedy = f"find the full pictures, or take these with --smallest {found['smallest'] // 2}"
    elif reason.startswith("unreadable"):
        why, remedy = content_of(folder / first)
    else:
        why, remedy = next(known[1:] for known in REMEDIES if reason.startswith(known[0]))
    return f"nothing in {where} can be used: {count:,} of {found['found']:,} {reason}, most likely because {why}; {remedy}"


# The page

STYLE = """
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


def wanted(found, kept):
    """Paths of the pictures that the page shows -> (of the sheet, of everything). The sheet is a fair sample, in the order of path."""
    sheet = sorted(row["path"] for row in sorted(kept, key=lambda row: row["sha256"])[:PLATES])
    doubts = [name for name, _ in found["sharpness"]["blurriest"]]
    doubts += (
        found["luminance"]["nearly_black_files"][:6] + found["luminance"]["nearly_white_files"][:6]
    )
    doubts += [row["same_as"] for row in found["duplicate_files"][:8]] + [
        name for group in found["look_alike_files"][:12] for name in group[:5]
    ]
    return sheet, list(dict.fromkeys(sheet + doubts))


def page(found, kept, plates, sheet):
    """Report -> one HTML page that asks nothing of any other host. plates: {path: JPEG}."""
    safe = lambda value: f"<bdi>{html.escape(formats.printable(str(value)))}</bdi>"
    # a long name breaks there
    named = lambda value: (
        f"<bdi>{re.sub('(?<=[/_])', '<wbr>', html.escape(formats.printable(value)))}</bdi>"
    )
    cut = lambda value, length: value if len(value) <= length else value[: length - 1] + "…"
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
        if count or label in ALWAYS
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
            *(f"<li>{safe(line_of(row))}</li>" for row in found["rejected_files"][:LISTED]),
            "</ol>",
        ]
        parts += (
            [f'<p class="quiet">The first {LISTED} of {found["rejected"]:,}.</p>']
            if found["rejected"] > LISTED
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
            line = lambda tag, cells: (
                "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"
            )
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
            for group in found["collection"]["leaks"][:LISTED]
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
            f"<title>{html.escape(found['style'])}: what the source holds</title><style>{STYLE}</style></head><body>",
            *parts,
            "</body></html>",
            "",
        ]
    )


def write(collection, found, kept, plates, sheet):
    write_text(collection.check, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    write_text(collection.check.with_suffix(".html"), page(found, kept, plates, sheet))
