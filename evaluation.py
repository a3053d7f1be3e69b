"""Do picture and caption of one seed belong together, and how good are they? One command, one report.

Reads   checkpoints/best_model.pt
        checkpoints/judge.pt            built-in collection: the picture judge; taught first where it is missing (some minutes, once)
        checkpoints/realism.pt          any other: the judges of realism; the same
        data/                           training captions and pixels, where they are: for the spread and for memorisation
Writes  outputs/report/report.json      every number with its floor and its ceiling
        outputs/report/index.html       the same as one page with pictures, nothing else needed to open it

    python evaluation.py                                           # 500 seeds that no other script shows
    python evaluation.py --seeds 100 --out outputs/quick
    python evaluation.py --checkpoint checkpoints/checkpoint_epoch_005.pt
    python evaluation.py --compare outputs/old/report.json         # what moved since

Floor: captions shuffled among the pairs. Ceilings: held-out renders sent through the model, and real renders with their own captions.
The exact judges exist for the built-in collection alone; other collections are judged by networks taught on their own real pictures.
"""

# --help answers before torch loads
if __name__ == "__main__":
    from cli import parse
    from settings import EvaluateConfig

    CONFIGS = parse(EvaluateConfig, description=__doc__)

import base64
import html
import io
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

import health
import scenes
from cli import UserError, run, write_text
from inference import MultimodalGenerator
from judge import draw_all, load_judge
from measures import (
    EXAMPLES,
    FIRST_RENDER,
    fresh_facts,
    generate,
    level_of,
    measure_captions,
    measure_conditions,
    measure_pairs,
    measure_real,
    measure_styles,
    measure_walks,
    number,
    trained_facts,
    training_rows,
)
from realism import load_realism
from records import Collection


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
# conditions of each kind, beside the seeds
SOME = 300


# ---------------------------------------------------------------- the numbers


def evaluate(generator, config, judge=None):
    """Generator and EvaluateConfig -> (report, list of example dicts, {title: PIL pictures}). judge: else the one in config.judge. UserError (code 1)
    where the judge refuses."""
    builtin = generator.style == "builtin"
    if builtin:
        judge = judge or load_judge(config.judge)
    collection = Collection(generator.style, config.data)
    gallery = {}
    begin = time.perf_counter()
    seeds = list(range(config.first_seed, config.first_seed + config.seeds))
    pairs, seconds = generate(generator, seeds)
    rows = training_rows(collection)
    numbers = {}
    notes = []
    warnings = []
    if not rows:
        notes.append(
            f"{collection.train.as_posix()} is not here: "
            + (
                "the spread is measured against a collection drawn anew"
                if builtin
                else "no captions to compare with"
            )
        )

    if builtin:
        size = pairs[0][0].width
        examples = measure_pairs(
            generator, judge, pairs, rows, collection, numbers, notes, warnings
        )
        level = level_of([row["caption"] for row in rows])
        trained = trained_facts(rows, level)
        some = min(config.seeds, SOME)
        measure_conditions(generator, judge, level, trained, some, numbers, size)
        numbers["joint_over_conditional"] = number(
            "joint over conditional: pairs of seeds that agree, over prompts whose picture is right",
            numbers["joint_strict"]["value"]
            / max(numbers["caption_to_picture_seen"]["value"], 1e-9),
            None,
            1.0,
            "at least 0.95",
        )
        measure_styles(generator, judge, level, trained, some, numbers, size)
        measure_walks(generator, judge, level, trained, numbers, size)
        real = [
            Image.fromarray(render)
            for render in draw_all(
                fresh_facts(EXAMPLES, level), FIRST_RENDER, "examples", size
            ).numpy()
        ]
        gallery = {
            "real pictures that training has not seen": real,
            "the same, through the model": generator.reconstruct(real),
        }
    elif rows:
        everything = Collection("all", config.data)
        rebuilt, unseen = measure_real(
            generator,
            load_realism(config.realism, everything if everything.train.exists() else collection),
            pairs,
            collection,
            numbers,
            notes,
        )
        chosen = np.linspace(0, len(unseen) - 1, min(EXAMPLES, len(unseen))).astype(int)
        gallery = {
            title: [Image.fromarray(one) for one in pictures[chosen]]
            for title, pictures in {
                "real pictures that training has not seen": unseen,
                "the same, through the model": rebuilt,
            }.items()
        }
    if not builtin:
        notes.append(
            f"The exact judges exist for the built-in collection alone; of style {generator.style} less can be measured."
        )
        examples = [{"caption": caption, "verdict": []} for _, caption in pairs[:EXAMPLES]]
    measure_captions(pairs, [row["caption"] for row in rows], builtin, numbers)
    numbers["seconds_per_pair"] = number("seconds per pair, in batches of 32", seconds)
    if sys.platform != "win32":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
            1024 if sys.platform == "linux" else 1024**2
        )
        numbers["memory"] = number("memory of the whole process at its peak, MiB", peak)
    if generator.health:
        numbers["health_auc"] = number(
            "latent health: two-sample AUC of encoded held-out pictures against seeds, where the decoders read",
            generator.health["auc"],
            1.0,
            0.5,
            f"at most {health.GATE}",
        )
        numbers["health_norm"] = number(
            "latent health: norm of encoded held-out pictures",
            generator.health["norm"],
            None,
            math.sqrt(generator.dimensions),
        )
    if generator.health and not generator.health["passed"]:
        warnings.append(health.sentence(generator.health))
    numbers["seconds"] = number(
        "seconds that this report took, judges ready", time.perf_counter() - begin
    )

    for example, seed, (image, _) in zip(examples, seeds, pairs):
        example.update(seed=seed, image=image)
    return (
        {
            "checkpoint": str(config.checkpoint),
            "style": generator.style,
            "first_seed": config.first_seed,
            "seeds": config.seeds,
            "collection": scenes.COLLECTION if builtin else None,
            "judge": judge.about if builtin else None,
            "health": generator.health,
            "warnings": warnings,
            "notes": notes,
            "numbers": numbers,
        },
        examples,
        gallery,
    )


# ---------------------------------------------------------------- the report


def shown(value):
    """A number, several with names, or None -> text."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(one)}" for name, one in value.items())
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
                *(shown(one[key]) for key in ("value", "floor", "ceiling")),
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


STYLE = """body { font: 16px/1.5 Georgia, serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fdfcf8 }
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


def page(report, examples, gallery={}, changes=(), samplers=()):
    """Report, examples, further pictures and what moved -> one HTML page, pictures inline; all text escaped."""
    text = lambda value: html.escape(str(value))
    line = lambda tag, values: (
        "<tr>" + "".join(f"<{tag}>{text(value)}</{tag}>" for value in values) + "</tr>"
    )
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
            f'<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title><style>{STYLE}</style></head><body>',
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


def main(config):
    old = read_report(config.compare) if config.compare else None
    report, examples, gallery = evaluate(
        MultimodalGenerator(checkpoint_path=config.checkpoint, device=config.device), config
    )
    out = Path(config.out)
    changes = moved(report, old) if old else []
    write_text(out / "report.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    write_text(
        out / "index.html",
        page(report, examples, gallery, changes, ablation(out.parent / "samplers.json")),
    )
    print(
        "\n".join(
            [
                text_report(report),
                *(["", f"What moved since {config.compare}:", *changes] if old else []),
                f"{out.as_posix()}/report.json, {out.as_posix()}/index.html",
            ]
        )
    )


if __name__ == "__main__":
    run(main, *CONFIGS)
