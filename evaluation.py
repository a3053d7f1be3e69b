"""How often do picture and caption of one seed agree, and how much do the pairs differ among themselves? One command, one report.

Reads   checkpoints/best_model.pt
        checkpoints/judge.pt            the picture judge; taught first where it is missing (some minutes, once)
        data/                           training captions and pixels, where they are: for the spread and for memorisation
Writes  outputs/report/report.json      every number with its floor and its ceiling
        outputs/report/index.html       the same as one page with pictures, nothing else needed to open it

    python evaluation.py                                           # 500 seeds that no other script shows
    python evaluation.py --seeds 100 --out outputs/quick
    python evaluation.py --checkpoint checkpoints/checkpoint_epoch_005.pt

Floor: captions shuffled among the pairs. Ceilings: held-out renders sent through the model, and real renders with their own captions.
The exact judges exist for the built-in collection alone; of other styles only what needs no judge is measured.
"""
if __name__ == "__main__":                                              # --help answers before torch loads
    from cli import parse
    from settings import EvaluateConfig
    CONFIGS = parse(EvaluateConfig, description=__doc__)

import base64
import html
import io
import json
import math
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import health
import scenes
from cli import progress, run, write_text
from inference import MultimodalGenerator
from judge import CLEAN, draw_all, load_judge
from records import Collection, read_json
from scenes import LEVELS

FIRST_RENDER = 3_000_000                                                # seed of the renders made here; neither collection nor judge has them
WANTED_SPREAD, WANTED_DISTANCE = .85, .10
SHIFTS = 10                                                             # shuffled floors are means over so many ways to pair wrongly
EXAMPLES = 12                                                           # pairs on the page


# ---------------------------------------------------------------- arithmetic

def agreement(truths, claims, names):
    """Two lists of N facts -> {"strict": share equal in all `names`, "mean": mean share over names, name: share, ...}.
    None, an attribute that could not be read, equals nothing."""
    equal = np.array([[a[name] is not None and a[name] == b[name] for name in names] for a, b in zip(truths, claims)])      # (N, names)
    return {"strict": float(equal.all(1).mean()), "mean": float(equal.mean()), **{name: float(share) for name, share in zip(names, equal.mean(0))}}


def shuffled(truths, claims, names):
    """agreement when every claim goes to another pair: the mean over some cyclic shifts. N >= 2."""
    shifts = range(1, min(SHIFTS + 1, len(claims)))
    floors = [agreement(truths, claims[shift:] + claims[:shift], names) for shift in shifts]
    return {name: float(np.mean([floor[name] for floor in floors])) for name in floors[0]}


def total_variation(found, expected):
    """Two lists of values -> total-variation distance of their frequencies: 0 alike, 1 nothing in common."""
    p, q = Counter(found), Counter(expected)
    return sum(abs(p[value] / len(found) - q[value] / len(expected)) for value in p | q) / 2


def distinct(facts, names):
    """How many combinations of `names` occur; facts with an unread attribute do not count."""
    return len({combination for one in facts if None not in (combination := tuple(one[name] for name in names))})


def nearest(rows, references):
    """(N, F), (M, F) arrays -> (N,) Euclidean distance of each row to the nearest reference."""
    return torch.cdist(torch.as_tensor(rows), torch.as_tensor(references), compute_mode="donot_use_mm_for_euclid_dist").amin(1).numpy()


def is_fallback(caption, ends=True):
    """Empty, under two words, or cut off at the length limit. ends: captions of this collection end in a full stop."""
    return len(caption.split()) < 2 or ends and not caption.rstrip().endswith(".")


def number(title, value, floor=None, ceiling=None, wanted=""):
    return {"title": title, "value": value, "floor": floor, "ceiling": ceiling, "wanted": wanted}


# ---------------------------------------------------------------- what is there

def grey(images):
    """List of PIL images of one size -> uint8 array (N, S, S)."""
    return np.stack([np.asarray(image.convert("L")) for image in images])


def generate(generator, seeds, batch=32):
    """-> (list of pairs, seconds per pair)."""
    pairs, start = [], time.perf_counter()
    with progress(label="pairs", total=len(seeds), unit="pair") as bar:
        for i in range(0, len(seeds), batch):
            pairs += generator.generate_batch(seeds[i:i + batch])
            bar.update(len(seeds[i:i + batch]))
    return pairs, (time.perf_counter() - start) / len(seeds)


def training_rows(collection):
    """Rows of the training captions, [] where they are not on this machine."""
    return collection.read_captions()[0] if collection.train.exists() and collection.val.exists() else []


def training_pixels(collection, size, rows, most=None):
    """uint8 array (N, size, size) or (N, size, size, 3) of the training pictures, or None where they are not on this machine.
    most: so many of them, evenly spaced."""
    if not (rows and collection.pixels(size).exists() and collection.pixels_ids(size).exists()):
        return None
    place = {id: i for i, id in enumerate(read_json(collection.pixels_ids(size))["ids"])}
    chosen = [place[row["id"]] for row in rows if row["id"] in place]
    if most and len(chosen) > most:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, most).astype(int)]
    return np.load(collection.pixels(size), mmap_mode="r")[np.sort(chosen)] if chosen else None


def level_of(captions):
    """Training captions -> the highest level whose attributes most of them tell; 5 without captions."""
    sample = [scenes.parse(caption) for caption in captions[:200]]
    told = [level for level, names in LEVELS.items() if sum(all(facts[name] is not None for name in names) for facts in sample) > len(sample) / 2]
    return max(told, default=5)


def fresh_facts(count, level):
    """Facts for renders that training has not seen: held-out combinations at level 5; lower levels hold none out."""
    return scenes.held_out_facts(count, FIRST_RENDER) if level == 5 else scenes.collection(count, level, FIRST_RENDER)


# ---------------------------------------------------------------- the numbers

def evaluate(generator, config, judge=None):
    """Generator and EvaluateConfig -> (report, list of example dicts). judge: else the one in config.judge. UserError (code 1)
    where the judge refuses."""
    builtin = generator.style == "builtin"
    if builtin:
        judge = judge or load_judge(config.judge)
    collection = Collection(generator.style, config.data)
    seeds = list(range(config.first_seed, config.first_seed + config.seeds))
    pairs, seconds = generate(generator, seeds)
    rows = training_rows(collection)
    numbers, notes, warnings = {}, [], []
    if not rows:
        notes.append(f"{collection.train.as_posix()} is not here: " + ("the spread is measured against a collection drawn anew" if builtin else "no captions to compare with"))

    if builtin:
        examples = measure_pairs(generator, judge, pairs, rows, collection, numbers, notes, warnings)
    else:
        notes.append(f"The exact judges exist for the built-in collection alone; of style {generator.style} only what needs no judge is measured.")
        measure_pictures(pairs, rows, collection, numbers, notes)
        examples = [{"caption": caption, "verdict": []} for _, caption in pairs[:EXAMPLES]]
    measure_captions(pairs, [row["caption"] for row in rows], builtin, numbers)
    numbers["seconds_per_pair"] = number("seconds per pair", seconds)
    if generator.health and not generator.health["passed"]:
        warnings.append(health.sentence(generator.health))

    for example, seed, (image, _) in zip(examples, seeds, pairs):
        example.update(seed=seed, image=image)
    return {"checkpoint": str(config.checkpoint), "style": generator.style, "first_seed": config.first_seed, "seeds": config.seeds,
            "collection": scenes.COLLECTION if builtin else None, "judge": judge.about if builtin else None, "health": generator.health,
            "warnings": warnings, "notes": notes, "numbers": numbers}, examples


def measure_pairs(generator, judge, pairs, rows, collection, numbers, notes, warnings):
    """All that the two judges can tell about pairs of the built-in collection, added to numbers, notes and warnings -> examples."""
    captions, count, size = [caption for _, caption in pairs], len(pairs), pairs[0][0].width
    level = level_of([row["caption"] for row in rows])
    names = LEVELS[level]
    read = [scenes.parse(row["caption"]) for row in rows]
    trained = [{**scenes.CONSTANT, **{name: one[name] for name in names}} for one in read if all(one[name] is not None for name in names)]
    trained = trained or scenes.collection(6000, level)
    told, seen = [scenes.parse(caption) for caption in captions], judge.see(grey([image for image, _ in pairs]))
    notes.append(f"Level {level}: {', '.join(names)}. A pair agrees strictly when each is told, seen and equal.")

    facts = fresh_facts(count, level)
    renders = draw_all(facts, FIRST_RENDER, "held-out renders", size).numpy()
    images = [Image.fromarray(render) for render in renders]
    rebuilt = grey(generator.reconstruct(images))
    written = [scenes.parse(caption) for caption in generator.caption(images)]
    own = [scenes.parse(scenes.tell(one, FIRST_RENDER + i, level)) for i, one in enumerate(facts)]

    joint, floor = agreement(seen, told, names), shuffled(seen, told, names)
    real_seen, rebuilt_seen = judge.see(renders), judge.see(rebuilt)
    real, rebuild = agreement(real_seen, own, names), agreement(rebuilt_seen, facts, names)
    ceiling = {name: {"reconstructions": rebuild[name], "real pairs": real[name]} for name in real}
    for name, title in {"strict": "picture and caption agree, strict", "mean": "the same, mean of single attributes", **{name: f"the same, {name}" for name in names}}.items():
        numbers[f"joint_{name}"] = number(title, joint[name], floor[name], ceiling[name])
    if real["strict"] < CLEAN - .02:
        warnings.append(f"WARNING: the judge reads only {real['strict']:.3f} of real renders at {size} px; the figures below are too low. It was taught at 128 px; "
                        "if the drawings have changed, remove its file and run again.")

    numbers["picture_to_caption"] = number("caption written for a held-out picture is true, strict", agreement(facts, written, names)["strict"],
                                           shuffled(facts, written, names)["strict"], agreement(facts, own, names)["strict"])

    pool = trained if len(trained) >= count else scenes.collection(6000, level)              # a small training set would repeat itself
    sample = [pool[i] for i in scenes.stream(0, "evaluation").choice(len(pool), count, replace=count > len(pool))]
    most = distinct(sample, names)
    for kind, found in (("pictures", seen), ("captions", told)):
        ratio = distinct(found, names) / most
        numbers[f"distinct_{kind}"] = number(f"distinct combinations in {kind}, over those of as many real pairs ({most})", ratio, 1 / most, 1., f"at least {WANTED_SPREAD}")
        if ratio < WANTED_SPREAD:
            warnings.append(f"WARNING: SMALL SPREAD: the {kind} of {count} seeds show {distinct(found, names)} distinct combinations, as many real pairs {most}; "
                            "the agreement above says little.")
        uneven = []
        for name in names:
            values = lambda facts: [one[name] for one in facts]
            distance, typical = total_variation(values(found), values(trained)), total_variation(values(sample), values(trained))
            least = 1 - max(Counter(values(trained)).values()) / len(trained)
            numbers[f"distance_{kind}_{name}"] = number(f"distance of {kind} to the training distribution, {name}", distance, least, typical, f"at most {WANTED_DISTANCE:.2f}")
            if distance > max(WANTED_DISTANCE, 1.5 * typical):          # few seeds are uneven by chance
                (value, times), = Counter(values(found)).most_common(1)
                uneven.append(f"{name} {distance:.2f}, most often {'unread' if value is None else value} ({times} of {count})")
        if uneven:
            warnings.append(f"WARNING: UNEVEN: {kind} are far from the training distribution in {'; '.join(uneven)}.")

    pixels = training_pixels(collection, size, rows)
    if pixels is None:
        notes.append(f"Memorisation was not measured: {collection.pixels(size).as_posix()} is not here.")
    else:
        # trained combinations, drawn afresh: held-out ones lie farther from training, and every honest picture would look copied
        known = [trained[i] for i in scenes.stream(0, "memorisation").choice(len(trained), count)]
        fresh = draw_all(known, FIRST_RENDER + 1_000_000, "fresh renders", size).numpy()
        features = judge.features(pixels)
        distance = lambda pictures: nearest(judge.features(pictures), features)
        near = np.quantile(distance(grey(generator.reconstruct([Image.fromarray(one) for one in fresh]))), .01)
        share = lambda pictures: float((distance(pictures) < near).mean())
        numbers["memorised"] = number("pictures nearer to a training picture than the nearest hundredth of fresh renders, reconstructed",
                                      share(grey([image for image, _ in pairs])), None, {"reconstructions": .01, "real pairs": share(fresh)})
    return [{"caption": caption, "verdict": [(name, seen_one[name], told_one[name]) for name in names]} for caption, seen_one, told_one in zip(captions[:EXAMPLES], seen, told)]


def measure_captions(pairs, real, builtin, numbers):
    """What captions say about themselves. real: the training captions, perhaps none."""
    captions, count = [caption for _, caption in pairs], len(pairs)
    ends = builtin or sum(caption.rstrip().endswith(".") for caption in real) > len(real) / 2
    sample = [real[i] for i in scenes.stream(0, "evaluation captions").choice(len(real), count, replace=count > len(real))] if real else []
    rate = lambda captions: sum(is_fallback(caption, ends) for caption in captions) / len(captions) if captions else None
    numbers["fallback"] = number("fallback captions: empty, under two words" + ", or cut off" * ends, rate(captions), None, rate(sample), "0")
    numbers["distinct_caption_texts"] = number("distinct captions, word for word", len(set(captions)) / count, 1 / count, len(set(sample)) / count if sample else None)
    numbers["distinct_pairs"] = number("distinct pairs, to the pixel", len({(image.tobytes(), caption) for image, caption in pairs}) / count, 1 / count, 1.)


def measure_pictures(pairs, rows, collection, numbers, notes):
    """What pictures of any collection can be asked: their tones, as median and quartiles over the pictures."""
    pictures = grey([image for image, _ in pairs])
    real = training_pixels(collection, pictures.shape[1], rows, most=len(pairs))
    if real is None:
        notes.append(f"{collection.pixels(pictures.shape[1]).as_posix()} is not here: no real pictures to compare with.")
    elif real.ndim == 4:
        real = grey([Image.fromarray(one) for one in real])
    tones = {"brightness": lambda picture: picture.mean() / 255, "contrast": lambda picture: picture.std() / 255,
             "near_white": lambda picture: (picture >= 240).mean(), "near_black": lambda picture: (picture < 16).mean()}
    titles = {"brightness": "brightness, 0 black to 1 white", "contrast": "standard deviation of the pixels", "near_white": "share of nearly white pixels", "near_black": "share of nearly black pixels"}
    for name, tone in tones.items():
        quartiles = lambda pictures: dict(zip(("lower quartile", "median", "upper quartile"), np.quantile([tone(picture) for picture in pictures], (.25, .5, .75)).tolist()))
        numbers[name] = number(titles[name], quartiles(pictures), None, None if real is None else quartiles(real))


# ---------------------------------------------------------------- the report

def shown(value):
    """A number, several with names, or None -> text."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(one)}" for name, one in value.items())
    return f"{value:.3f}" if math.isfinite(value) else str(value)


def text_report(report):
    rows = [("", "value", "floor", "ceiling", "wanted"), *((one["title"], *(shown(one[key]) for key in ("value", "floor", "ceiling")), one["wanted"])
                                                          for one in report["numbers"].values())]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([*table, "", *report["notes"], *report["warnings"]])


STYLE = """body { font: 16px/1.5 Georgia, serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fdfcf8 }
table { border-collapse: collapse; width: 100%; font-size: .9rem } th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ddd; vertical-align: top }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1.2rem } figure { margin: 0; font-size: .85rem }
img { width: 100%; border: 1px solid #bbb } .wrong { color: #a3190b; font-weight: bold } .warning { background: #fbe9e4; padding: .5rem .8rem }"""


def page(report, examples):
    """Report and examples -> one HTML page, pictures inline; all text escaped."""
    text = lambda value: html.escape(str(value))
    line = lambda tag, values: "<tr>" + "".join(f"<{tag}>{text(value)}</{tag}>" for value in values) + "</tr>"
    table = [line("th", ("", "value", "floor", "ceiling", "wanted")),
             *(line("td", (one["title"], shown(one["value"]), shown(one["floor"]), shown(one["ceiling"]), one["wanted"])) for one in report["numbers"].values())]
    figures = []
    for example in examples:
        file = io.BytesIO()
        example["image"].save(file, "PNG")
        verdict = "<br>".join(text(f"{name}: {seen}") if seen == told else f'<span class="wrong">{text(f"{name}: seen {seen}, told {told}")}</span>'
                              for name, seen, told in example["verdict"])
        figures.append(f'<figure><img alt="seed {text(example["seed"])}" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'
                       f'<figcaption><b>{text(example["seed"])}</b> {text(example["caption"])}<br>{verdict}</figcaption></figure>')
    title = f"{report['style']}: {report['seeds']} seeds from {report['first_seed']}"
    return "\n".join(["<!DOCTYPE html>", f'<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title><style>{STYLE}</style></head><body>', f"<h1>{text(title)}</h1>",
                      f"<p>{text(report['checkpoint'])}</p>", *(f'<p class="warning">{text(one)}</p>' for one in report["warnings"]), f"<table>{''.join(table)}</table>",
                      "<p>Floor: captions shuffled among the pairs, or one pair repeated. Ceiling: held-out renders sent through the model, and real pairs.</p>",
                      *(f"<p>{text(one)}</p>" for one in report["notes"]), f'<div class="pairs">{"".join(figures)}</div>', "</body></html>", ""])


def main(config):
    report, examples = evaluate(MultimodalGenerator(checkpoint_path=config.checkpoint, device=config.device), config)
    out = Path(config.out)
    write_text(out / "report.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    write_text(out / "index.html", page(report, examples))
    print(f"{text_report(report)}\n{out.as_posix()}/report.json, {out.as_posix()}/index.html")


if __name__ == "__main__":
    run(main, *CONFIGS)
