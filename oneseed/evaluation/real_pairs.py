"""The report of a collection that nobody drew by rule, of whatever is known of it here."""

from oneseed.config.evaluation import EvaluateConfig
from oneseed.config.options import PLAIN
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.evaluation.agreement import measure_openly
from oneseed.evaluation.judges import Judge
from oneseed.evaluation.learned import (
    RealAndDrawn,
    gather_pictures,
    measure_judged,
    measure_patches,
    measure_real,
)
from oneseed.evaluation.pair_judge_training import TooFewPicturesError, load_pair_judge
from oneseed.evaluation.samples import PAIRS_SHOWN, ImageCaption
from oneseed.evaluation.section import Section
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.caption_source import NONE


def judge_others(
    generator: MultimodalGenerator,
    own: Judge | None,
    pairs: list[ImageCaption],
    rows: list[Row],
    collection: Collection,
    config: EvaluateConfig,
) -> list[Section]:
    """Pairs of a collection that nobody drew by rule; where it is here, by judges taught on it.

    own: the judge that the user names, which may also judge a drawn collection.
    """
    parts = []
    if own:
        parts.append(measure_openly(own, generator, pairs, collection))
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    if generator.finish != PLAIN:
        parts.append(measure_patches(generator, seeds))
    if rows:
        found = gather_pictures(generator, pairs, collection)
        parts.append(measure_real(found) if found else not_here(collection, pairs[0][0].width))
        # judges are taught pictures with their captions
        if found and generator.caption_source != NONE:
            parts.append(judge_real(found, collection, config))
    if own:
        return parts
    note = (
        "The exact judges exist for captioned pairs of drawn collections alone; of style "
        f"{generator.style} less can be measured, or what a judge of your own knows: "
        "--judge module:Class."
    )
    examples = [{"caption": caption, "verdict": []} for _, caption in pairs[:PAIRS_SHOWN]]
    return [*parts, Section(notes=[note], examples=examples)]


def judge_real(found: RealAndDrawn, collection: Collection, config: EvaluateConfig) -> Section:
    """What judges taught on the collection say, or why there are none."""
    try:
        judges = load_pair_judge(config.realism, collection_to_teach(collection, config.data))
    except TooFewPicturesError as error:
        return Section(notes=[f"No judges: {error}."])
    return measure_judged(judges, found, collection)


def not_here(collection: Collection, size: int) -> Section:
    """What is said where the pictures of the model's collection are not here in its size."""
    note = (
        f"Tones, copies and whether pairs belong together were not measured: training and held-out "
        f"pictures of {size} px are not here; make them: {collection.prepare_again(size)}"
    )
    return Section(notes=[note])


def collection_to_teach(collection: Collection, data: str) -> Collection:
    """The collection that judges are taught on: all styles, where they hold this one, else itself.

    data: the folder of the collections.
    """
    everything = Collection("all", data)
    size = everything.prepared_size()
    if not everything.train.exists() or not size or not everything.has_pixels(size):
        return collection
    known, own = map(ids_of, (everything, collection))
    return everything if own <= known else collection


def ids_of(collection: Collection) -> set[str]:
    """The ids of all pairs of a collection."""
    train, val = collection.read_captions()
    return {row["id"] for row in (*train, *val)}
