"""Do picture and caption of one seed belong together, and how good are they? One report.

Reads   checkpoints/best_model.pt
        checkpoints/judge.pt            drawn collections: the picture judge
        checkpoints/realism.pt          any other collection: its judges
        data/                           training captions and pixels, where they are: for the spread
                                        and for memorisation
        outputs/report/answers.jsonl    what people answered on the page, where they played there
Writes  outputs/report/report.json      every number with its floor and its ceiling
        outputs/report/index.html       the same as one page with pictures

    python evaluation.py                                 # 500 seeds that no other script shows
    python evaluation.py --seeds 100 --out outputs/quick
    python evaluation.py --checkpoint checkpoints/engraving/best_model.pt
    python evaluation.py --compare outputs/old/report.json         # what moved since
    python evaluation.py --seeds 50000 --shard 2/4       # on one of four machines; at last without
    python evaluation.py --judge my_judge:Judge                    # your own, of any collection

Floor: captions shuffled among the pairs. Ceilings: held-out pictures sent through the model, and
real pairs. In brackets: where a mean over pairs or prompts lies in 95 % of 1,000 resamples. The
exact judges exist for drawn collections alone; other collections are judged by networks taught on
their own real pictures. Judges that are missing are taught first, once, in some minutes.

A class of your own, in my_judge.py, may judge any collection; its code runs. It offers
    attributes          a dict of names with their values
    see(pictures)       uint8 RGB (N, S, S, 3) -> N dicts, a value or None for every name
    parse(captions)     N texts -> the same
"""

if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()
    from oneseed.config.evaluation import EvaluateConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(EvaluateConfig, description=__doc__)

import json
import math
import sys
import time
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from oneseed.config.evaluation import EvaluateConfig
from oneseed.config.options import moved_parts
from oneseed.config.shards import Shard, parse_shard
from oneseed.console.command import run
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.next_run import require_checkpoint
from oneseed.dataset.shard_notes import done_sentence
from oneseed.evaluation.exact import Exam, fresh_facts
from oneseed.evaluation.exact_pairs import measure_pairs
from oneseed.evaluation.exact_texts import measure_texts
from oneseed.evaluation.examiners import CONDITIONS_COUNT, examiners_of, further_measures
from oneseed.evaluation.judges import Judge, PictureJudge, is_named_judge
from oneseed.evaluation.learned import measure_captions
from oneseed.evaluation.people import ANSWERS_NAME, measure_people
from oneseed.evaluation.real_pairs import judge_others
from oneseed.evaluation.report import (
    CAPTION_MEANINGS,
    ablation,
    moved,
    read_report,
    report_page,
    text_report,
    with_meaning,
)
from oneseed.evaluation.samples import (
    PAIRS_SHOWN,
    ImageCaption,
    as_images,
)
from oneseed.evaluation.section import Number, Section, joined
from oneseed.evaluation.shards import (
    TEACHING_PATIENCE,
    Parts,
    judged_pairs,
    locked_judge,
    locked_report,
    report_parts,
    require_no_others,
)
from oneseed.files import sweep_partials, write_text
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.prompts import PromptWarning
from oneseed.locks import patient
from oneseed.model import latent_check
from oneseed.synthetic.drawn import Facts

__all__ = ["Evaluation", "evaluate", "main"]


class Evaluation(NamedTuple):
    """What an evaluation found."""

    # of report.json
    report: dict[str, Any]
    # the first pairs: seed, image, caption and verdict
    examples: list[dict[str, Any]]
    # further pictures by their headings
    gallery: dict[str, list[Image.Image]]


def evaluate(
    generator: MultimodalGenerator,
    config: EvaluateConfig,
    judge: PictureJudge | None = None,
    made: Parts | None = None,
) -> Evaluation:
    """Judges the pairs of config.seeds seeds from config.first_seed on.

    judge: of a drawn collection, None: the one in config.judge, unless that names a class.
    made: what shards have made of it, None: nothing.
    UserError (code 1) where the judge refuses to score.
    """
    examiners = examiners_of(generator, config, judge)
    drawn, own, exact, rows, _ = examiners
    collection = Collection(generator.style, config.data)
    start = time.perf_counter()
    seeds = list(range(config.first_seed, config.first_seed + config.seeds))
    draw = made.pairs if made else judged_pairs
    pairs, seen, seconds_of_pairs = draw(generator, seeds, exact)

    parts = [
        Section(notes=[CAPTION_MEANINGS[generator.caption_source]]),
        note_missing_captions(collection, rows, is_exact=exact is not None),
        Section(notes=[generator.seed_notice] if generator.seed_notice else []),
    ]
    exam = examiners.exam(generator, pairs[0][0].width)
    if exam:
        parts += judge_drawn(exam, pairs, seeds, seen, rows, collection, made)
    else:
        parts += judge_others(generator, own, pairs, rows, collection, config)
    training_captions = [row["caption"] for row in rows]
    parts.append(measure_captions(pairs, training_captions, drawn))
    parts.append(measure_people(Path(config.out) / ANSWERS_NAME, generator.fingerprint))
    parts.append(measure_cost(seconds_of_pairs / len(seeds)))
    parts.append(report_health(generator))
    seconds = Number("seconds that this report took, judges ready", time.perf_counter() - start)
    found = joined([*parts, Section({"seconds": seconds})])

    for example, seed, (image, _) in zip(found.examples, seeds, pairs):
        example.update(seed=seed, image=image)
    report = {
        "checkpoint": str(config.checkpoint),
        "style": generator.style,
        "caption_source": generator.caption_source,
        "first_seed": config.first_seed,
        "seeds": config.seeds,
        "collection": drawn.version if drawn else None,
        "judge": exact.about if exact else about_own_judge(config, own),
        "health": generator.health,
        "warnings": found.warnings,
        "notes": found.notes,
        "numbers": with_meaning(found.rows(), generator.caption_source),
    }
    return Evaluation(report, found.examples, found.gallery)


def about_own_judge(config: EvaluateConfig, own: Judge | None) -> dict[str, Any] | None:
    """What report.json says of a judge that the user names."""
    if own is None:
        return None
    return {
        "class": config.judge,
        "attributes": {name: list(own.attributes[name]) for name in own.attributes},
    }


def note_missing_captions(collection: Collection, rows: list[Row], *, is_exact: bool) -> Section:
    """Says what is lacking where the training captions are not on this machine."""
    if rows:
        return Section()
    consequence = "no captions to compare with"
    if is_exact:
        consequence = "the spread is measured against a collection drawn anew"
    return Section(notes=[f"{collection.train.as_posix()} is not here: {consequence}"])


def judge_drawn(
    exam: Exam,
    pairs: list[ImageCaption],
    seeds: list[int],
    seen: list[Facts],
    rows: list[Row],
    collection: Collection,
    made: Parts | None,
) -> list[Section]:
    """Pairs of a drawn collection, counted exactly, attribute by attribute.

    seen: what the judge sees in their pictures. made: as in evaluate.
    """
    of_pairs = measure_pairs(exam, pairs, seen, rows, collection)
    found = {}
    for name, measure in further_measures(exam, len(pairs)).items():
        found[name] = made.section(name, measure) if made else measure()
    return [
        of_pairs,
        found["conditions"],
        measure_texts(exam, pairs, seen, seeds, min(len(pairs), CONDITIONS_COUNT)),
        found["typed_prompts"],
        compare_joint_and_conditional(of_pairs, found["conditions"]),
        found["styles"],
        found["walks"],
        real_pictures(exam),
    ]


def compare_joint_and_conditional(of_pairs: Section, of_conditions: Section) -> Section:
    """Do pairs of seeds agree as often as prompts are obeyed?"""
    joint = of_pairs.value_of("joint_strict")
    conditional = of_conditions.value_of("caption_to_picture_seen")
    number = Number(
        "joint over conditional: pairs of seeds that agree, over prompts whose picture is right",
        joint / max(conditional, 1e-9),
        None,
        1.0,
        "at least 0.95",
    )
    return Section({"joint_over_conditional": number})


def real_pictures(exam: Exam) -> Section:
    """Some held-out renders for the page, and the same through the model."""
    real = as_images(exam.draw(fresh_facts(exam.drawn, PAIRS_SHOWN, exam.level), "examples"))
    return Section(
        gallery={
            "real pictures that training has not seen": real,
            "the same, through the model": exam.generator.reconstruct(real),
        }
    )


def measure_cost(seconds_per_pair: float) -> Section:
    """Time for a pair, and memory; Windows does not tell the latter."""
    numbers = {"seconds_per_pair": Number("seconds per pair, in batches of 32", seconds_per_pair)}
    if sys.platform != "win32":
        import resource

        # Linux counts kilobytes, macOS bytes
        per_mib = 1024 if sys.platform == "linux" else 1024**2
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / per_mib
        numbers["memory"] = Number("memory of the whole process at its peak, MiB", peak)
    return Section(numbers)


def report_health(generator: MultimodalGenerator) -> Section:
    """The latent check that training ended with; empty where it has not ended."""
    health = generator.health
    if not health:
        return Section()
    numbers = {
        "health_auc": Number(
            "latent health: two-sample AUC of encoded held-out pictures against seeds, "
            "where the decoders read",
            health["auc"],
            1.0,
            0.5,
            f"at most {latent_check.GATE}",
        ),
        "health_norm": Number(
            "latent health: norm of encoded held-out pictures",
            health["norm"],
            None,
            math.sqrt(generator.dimensions),
        ),
    }
    notice = latent_check.latent_notice(health)
    return Section(numbers, warnings=[notice] if notice else [])


def generator_of(config: EvaluateConfig) -> MultimodalGenerator:
    """The model that is evaluated."""
    return MultimodalGenerator(
        config.checkpoint, config.device, finish=config.finish, **moved_parts(config)
    )


def evaluate_shard(out: Path, config: EvaluateConfig, shard: Shard) -> None:
    """Draws and judges the pairs of a shard, and makes its measurements, for `main` to gather."""
    generator = generator_of(config)
    # of several shards the first one teaches a judge that is missing
    with patient(TEACHING_PATIENCE), locked_judge(config):
        examiners = examiners_of(generator, config)
    made, notes = report_parts(out, generator, config)
    seeds = list(range(config.first_seed, config.first_seed + config.seeds))
    with notes.at_work(shard):
        count = made.write_pairs(generator, seeds, examiners.exact, shard)
        [(image, _)] = generator.generate_batch(seeds[:1])
        exam = examiners.exam(generator, image.width)
        if exam:
            made.write_sections(further_measures(exam, len(seeds)), shard)
    print(done_sentence(f"{count:,} of {len(seeds):,} pairs", shard, notes.command))


def main(config: EvaluateConfig) -> None:
    """Evaluates the checkpoint, writes both files and prints the numbers; or does a shard of it."""
    out = Path(config.out)
    require_checkpoint(config.checkpoint, config.data)
    shard = parse_shard(config.shard)
    with locked_report(out, shard):
        try:
            if shard.is_whole:
                write_report(out, config)
            else:
                evaluate_shard(out, config, shard)
        finally:
            files = [config.realism]
            if not is_named_judge(config.judge):
                files.append(config.judge)
            sweep_partials(out, *dict.fromkeys(Path(file).parent for file in files))


def write_report(out: Path, config: EvaluateConfig) -> None:
    """`main`, while no other run writes into the folder of the report."""
    old = read_report(config.compare) if config.compare else None
    generator = generator_of(config)
    made, notes = report_parts(out, generator, config)
    notes.require_all()
    require_no_others(notes)
    has_parts = made.folder.is_dir()
    report, examples, gallery = evaluate(generator, config, made=made if has_parts else None)
    # whose card may show these numbers
    report["fingerprint"] = generator.fingerprint
    changes = moved(report, old) if old else []
    samplers = ablation(out.parent / "samplers.json")
    write_text(out / "report.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    page = report_page(report, examples, gallery, changes=changes, samplers=samplers)
    write_text(out / "index.html", page)
    made.remove()
    notes.remove()
    print(text_report(report))
    if old:
        print("", f"What moved since {config.compare}:", *changes, sep="\n")
    print(f"{out.as_posix()}/report.json, {out.as_posix()}/index.html")


if __name__ == "__main__":
    # typos are asked on purpose
    warnings.simplefilter("ignore", PromptWarning)
    run(main, *CONFIGS)
