"""What can be asked of any collection: of its captions, and with judges taught on its pictures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.pixels import PixelCache, training_pixels
from oneseed.evaluation.distances import distance_numbers, memorisation_notes
from oneseed.evaluation.metrics import WIDE, is_fallback, tones
from oneseed.evaluation.pair_judge import PairJudge
from oneseed.evaluation.samples import (
    PAIRS_SHOWN,
    ImageCaption,
    as_images,
    as_many,
    grey_array,
    grey_pixels,
)
from oneseed.evaluation.section import Number, Section, joined, mean_number
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.memorisation import (
    THRESHOLD_QUANTILE,
    gap_ratios,
    memorised,
    thumbnail_features,
)
from oneseed.generation.reading import PICTURES_AT_ONCE
from oneseed.model.picture_book import cell_tones
from oneseed.seeds import latents
from oneseed.synthetic.drawn import DrawnCollection
from oneseed.workers import chunks

# fewest pictures that the judges were not taught of which figures are made
MIN_UNTAUGHT = 32
# real pairs must be found so many times as often as by chance
MEASURABLE = 2
# words by which a caption names a technique or style, each in the singular or the plural
STYLE_WORDS = re.compile(
    r"\b(engraving|drawing|painting|sculpture|icon|etching|woodcut|lithograph|mezzotint)s?\b"
)


def measure_captions(
    pairs: Sequence[ImageCaption], real: Sequence[str], drawn: DrawnCollection | None
) -> Section:
    """What captions say about themselves.

    real: the training captions, perhaps none; drawn: the collection whose rules made them, if any.
    """
    captions = [caption for _, caption in pairs]
    count = len(pairs)
    if drawn:
        ends = drawn.caption_kind == "words"
    else:
        stops = [caption.rstrip().endswith(".") for caption in real]
        ends = sum(stops) > len(real) / 2
    sample = as_many(real, count, "evaluation captions")
    cut_off = ", or cut off" if ends else ""
    pixels = {(image.tobytes(), caption) for image, caption in pairs}
    return Section(
        {
            "fallback": mean_number(
                f"fallback captions: empty, under two words{cut_off}",
                [is_fallback(caption, ends=ends) for caption in captions],
                None,
                fallback_share(sample, ends=ends),
                "0",
            ),
            "distinct_caption_texts": Number(
                "distinct captions, word for word",
                len(set(captions)) / count,
                1 / count,
                len(set(sample)) / count if sample else None,
            ),
            "distinct_pairs": Number(
                "distinct pairs, to the pixel", len(pixels) / count, 1 / count, 1.0
            ),
        }
    )


def fallback_share(captions: Sequence[str], *, ends: bool) -> float | None:
    """Share of captions that say nothing, None without captions. ends: as in is_fallback()."""
    if not captions:
        return None
    return sum(is_fallback(caption, ends=ends) for caption in captions) / len(captions)


@dataclass(frozen=True)
class RealAndDrawn:
    """Pictures that are compared with each other, uint8 (N, S, S), and what is known of them."""

    # of seeds
    samples: np.ndarray
    captions: list[str]
    # of the training rows
    known: np.ndarray
    train: list[Row]
    # of the held-out rows, and the same through the model
    unseen: np.ndarray
    val: list[Row]
    rebuilt: np.ndarray


def gather_pictures(
    generator: MultimodalGenerator, pairs: Sequence[ImageCaption], collection: Collection
) -> RealAndDrawn | None:
    """The pairs beside the real pictures of the collection that the model was trained on.

    None where too few of them are here in the size of the model's.
    """
    samples = grey_pixels([image for image, _ in pairs])
    size = samples.shape[1]
    train, val = (cached_rows(collection, size, rows) for rows in collection.read_captions())
    if not train or not val:
        return None
    unseen = cached_pictures(collection, size, val)
    return RealAndDrawn(
        samples=samples,
        captions=[caption for _, caption in pairs],
        known=cached_pictures(collection, size, train),
        train=train,
        unseen=unseen,
        val=val,
        rebuilt=grey_pixels(generator.reconstruct(as_images(unseen))),
    )


def measure_real(found: RealAndDrawn) -> Section:
    """What can be asked of a collection that nobody drew by rule, without a judge."""
    return joined(
        [
            measure_tones(found.samples, found.known),
            measure_copies(
                found.samples, found.rebuilt, found.known, [row["id"] for row in found.train]
            ),
            measure_gaps(found.samples, found.unseen, found.known),
            measure_named_styles(found.captions, [row["caption"] for row in found.train]),
            Section(gallery=beside_reconstructions(found.unseen, found.rebuilt)),
        ]
    )


def measure_judged(judges: PairJudge, found: RealAndDrawn, collection: Collection) -> Section:
    """What judges say of the pairs that were taught on this very collection."""
    rows = [row for row in found.train + found.val if row["id"] in judges.unseen]
    if len(rows) < MIN_UNTAUGHT:
        return Section(notes=["No judges: they were taught on nearly all pictures of this model."])
    untaught = cached_pictures(collection, found.samples.shape[1], rows)
    distances = distance_numbers(
        judges.features,
        found.samples,
        found.rebuilt,
        known=untaught[::2],
        others=untaught[1::2],
        network=judges.network,
    )
    distance_note = (
        "Distances grow as pictures become fewer: all are taken from as many, "
        "and the real ones are such as the judge was not taught."
    )
    styles = [row["style"] for row in rows]
    some = np.linspace(0, len(rows) - 1, min(len(rows), len(found.samples))).round().astype(int)
    real = judges.recall(untaught[some], [rows[i]["caption"] for i in some])
    return joined(
        [
            Section(distances, notes=[distance_note]),
            measure_judged_styles(judges, found.samples, untaught, styles),
            measure_pair_retrieval(judges, found.samples, found.captions, real["recall"]),
        ]
    )


def cached_rows(collection: Collection, size: int, rows: list[Row]) -> list[Row]:
    """Those of the rows whose pictures are here in this size: some may have gone since."""
    if not collection.has_pixels(size):
        return []
    cache = PixelCache.require(collection, size)
    return [row for row in rows if row["id"] in cache]


def cached_pictures(collection: Collection, size: int, rows: list[Row]) -> np.ndarray:
    """The pictures of rows that are here, as uint8 (N, size, size), grey, in their order."""
    pixels = training_pixels(collection, size, rows)
    assert pixels is not None, "rows of cached_rows"
    return grey_array(pixels[:])


def beside_reconstructions(unseen: np.ndarray, rebuilt: np.ndarray) -> dict[str, list[Image.Image]]:
    """Some held-out pictures for the page, and the same through the model, by their headings.

    unseen, rebuilt: uint8 (N, S, S).
    """
    count = min(PAIRS_SHOWN, len(unseen))
    chosen = np.linspace(0, len(unseen) - 1, count).astype(int)
    return {
        "real pictures that training has not seen": as_images(unseen[chosen]),
        "the same, through the model": as_images(rebuilt[chosen]),
    }


def measure_tones(samples: np.ndarray, known: np.ndarray) -> Section:
    """Brightness and contrast beside those of training. Both: uint8 pictures of one size."""
    numbers = {}
    for name, tone in tones(samples, known).items():
        lower, upper = tone.quartiles
        numbers[f"tone_{name}"] = Number(
            f"{name} of the pictures, median",
            tone.median,
            None,
            {"lower quartile": lower, "upper quartile": upper},
            "between",
        )
        numbers[f"tone_{name}_spread"] = Number(
            f"{name}: the pictures' 10-90 range over the real one",
            tone.spread,
            0.0,
            1.0,
            f"at least {WIDE}",
        )
    return Section(numbers)


def measure_judged_styles(
    judges: PairJudge, samples: np.ndarray, unseen: np.ndarray, styles: Sequence[str]
) -> Section:
    """Which styles the pictures are judged to have, where the collection has several.

    unseen: real pictures that the judges were not taught; styles: of each of them.
    """
    numbers = {}
    seen = judges.style_of(samples) if judges.styles else []
    for name in judges.styles:
        is_own = np.array([style == name for style in styles])
        numbers[f"judged_{name}"] = mean_number(
            f"pictures judged {name}",
            [style == name for style in seen],
            judged_share(judges, unseen[~is_own], name),
            {"real ones, not taught": judged_share(judges, unseen[is_own], name)},
        )
    return Section(numbers)


def judged_share(judges: PairJudge, pictures: np.ndarray, style: str) -> float | None:
    """Share of the pictures that are judged to be of the style; None without pictures."""
    return judges.style_shares(pictures)[style] if len(pictures) else None


def measure_pair_retrieval(
    judges: PairJudge, samples: np.ndarray, captions: Sequence[str], held_out: float
) -> Section:
    """Does the pair judge find the own caption, and the own picture, among others?

    held_out: the recall of real pairs of this collection that the judge was not taught.
    """
    found = judges.retrieval(samples, captions)
    chance = found["chance"]
    if held_out < MEASURABLE * chance:
        note = (
            "Caption-picture retrieval is not measurable here: held-out real pairs reach "
            f"{held_out:.3f}, under twice chance ({chance:.3f})."
        )
        return Section(notes=[note])
    number = mean_number(
        "own caption or picture found among 16 by a dual encoder that knows nothing of the model",
        found["items"],
        chance,
        {"held-out real pairs": held_out},
        f"at least {(chance + held_out) / 2:.3f}",
    )
    return Section({"pair_retrieval": number})


def measure_copies(
    samples: np.ndarray, rebuilt: np.ndarray, known: np.ndarray, ids: Sequence[str]
) -> Section:
    """Are the pictures copies of training pictures?

    rebuilt: held-out pictures through the model; known: training pictures with their ids.
    """
    copied = memorised(thumbnail_features, samples, rebuilt, known, ids)
    number = mean_number(
        "pictures nearer to a training picture than the nearest hundredth of reconstructions of "
        "unseen ones, as thumbnails of 16 x 16",
        [near.distance < copied.threshold for near in copied.nearest],
        None,
        {"reconstructions": 0.01},
        "at most 0.02",
    )
    return Section({"memorised": number}, notes=memorisation_notes(copied))


def measure_gaps(samples: np.ndarray, unseen: np.ndarray, known: np.ndarray) -> Section:
    """How many pictures are far nearer to one training picture than to all others.

    samples, unseen, known: uint8 (N, S, S), of seeds, held-out and training pictures.
    """
    if len(known) < 2:
        return Section()
    usual = gap_ratios(thumbnail_features, unseen, known)
    least = np.quantile(usual, THRESHOLD_QUANTILE)
    number = mean_number(
        "pictures nearer to one training picture, beside the second nearest, than all but the "
        "nearest hundredth of unseen ones",
        gap_ratios(thumbnail_features, samples, known) < least,
        None,
        {"unseen pictures": THRESHOLD_QUANTILE},
        "at most 0.02",
    )
    return Section({"near_one": number})


@torch.no_grad()
def measure_patches(generator: MultimodalGenerator, seeds: Sequence[int]) -> Section:
    """Of engraved seeds: which share of a picture comes from one training picture."""
    book = generator.model.own_picture_book()
    shares = []
    for some_seeds in chunks(seeds, PICTURES_AT_ONCE):
        code = generator.model.code(latents(some_seeds, generator.dimensions))
        drafts = cell_tones(generator.model.draw(code, 1)).double().cpu().numpy()
        shares += [largest_share(book.engraved(draft).sources) for draft in drafts]
    number = Number(
        "largest share of a picture that is of one training picture, 95th percentile",
        float(np.quantile(shares, 0.95)),
        wanted="at most 0.2",
    )
    return Section({"largest_share": number})


def largest_share(sources: np.ndarray) -> float:
    """(S, S) numbers of pictures -> the share of the most frequent one."""
    return float(np.bincount(sources.ravel()).max() / sources.size)


def measure_named_styles(captions: Sequence[str], real: Sequence[str]) -> Section:
    """How many captions name a technique or style, beside the training captions."""
    number = mean_number(
        "captions that name a technique or style",
        [has_style_word(caption) for caption in captions],
        None,
        share_with_style_word(real),
        "at least 0.99",
    )
    return Section({"style_in_captions": number})


def share_with_style_word(captions: Sequence[str]) -> float:
    """Share of the captions that hold one of STYLE_WORDS."""
    return sum(map(has_style_word, captions)) / len(captions)


def has_style_word(caption: str) -> bool:
    """Whether the caption holds one of STYLE_WORDS."""
    return STYLE_WORDS.search(caption.lower()) is not None
