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

if __name__ == "__main__":
    from oneseed.config.evaluation import EvaluateConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(EvaluateConfig, description=__doc__)

import json
import math
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from oneseed.console.command import run
from oneseed.dataset.collection import Collection
from oneseed.evaluation.attribute_judge import draw_all, load_judge
from oneseed.evaluation.exact import (
    FIRST_RENDER,
    fresh_facts,
    level_of,
    measure_conditions,
    measure_pairs,
    measure_styles,
    measure_walks,
    trained_facts,
)
from oneseed.evaluation.learned import measure_captions, measure_real
from oneseed.evaluation.metrics import EXAMPLES, number, timed_pairs, training_rows
from oneseed.evaluation.pair_judge_training import load_pair_judge
from oneseed.evaluation.report import ablation, moved, read_report, report_page, text_report
from oneseed.files import write_text
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model import latent_check
from oneseed.synthetic.engravings import attributes

__all__ = ["evaluate", "main"]

# conditions of each kind, beside the seeds
CONDITIONS_COUNT = 300


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
    pairs, seconds = timed_pairs(generator, seeds)
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
        some = min(config.seeds, CONDITIONS_COUNT)
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
            load_pair_judge(
                config.realism, everything if everything.train.exists() else collection
            ),
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
            f"at most {latent_check.GATE}",
        )
        numbers["health_norm"] = number(
            "latent health: norm of encoded held-out pictures",
            generator.health["norm"],
            None,
            math.sqrt(generator.dimensions),
        )
    if generator.health and not generator.health["passed"]:
        warnings.append(latent_check.describe_latent(generator.health))
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
            "collection": attributes.COLLECTION if builtin else None,
            "judge": judge.about if builtin else None,
            "health": generator.health,
            "warnings": warnings,
            "notes": notes,
            "numbers": numbers,
        },
        examples,
        gallery,
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
        report_page(report, examples, gallery, changes, ablation(out.parent / "samplers.json")),
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
