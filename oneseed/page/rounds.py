"""Rounds of two games: which of four captions belongs, and which of two pictures is the model's.

asked = caption_round(generator, known_captions)
asked.question              # what a visitor is shown; it does not tell the answer
asked.right                 # stays on the server until the visitor has chosen
"""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from oneseed.console.command import UserError
from oneseed.console.html import data_url
from oneseed.dataset.collection import Collection
from oneseed.evaluation.people import CAPTION_GAME, DREAM_GAME
from oneseed.generation.generator import get_random_seed
from oneseed.generation.pictures import open_picture
from oneseed.media.png import encode_png
from oneseed.model.caption_source import NONE
from oneseed.synthetic.collections import drawn_collection
from oneseed.synthetic.drawn import DrawnCollection, Facts

if TYPE_CHECKING:
    from oneseed.generation.generator import MultimodalGenerator

CHOICES_SHOWN = 4
# seeds that are drawn for a round where no other captions are known
SEEDS_OF_ROUND = 16
# of a drawn collection: in how many facts a wrong caption differs from the right one, at least
LEAST_DIFFERENCES = 2
# of any other: the share of words that both may have in common
MOST_SHARED_WORDS = 0.6
# among how many of the nearest that are left a wrong caption is chosen
NEAREST_RIVALS = 12
# chooses seeds, rivals and places, which nobody is to foresee
UNFORESEEN = secrets.SystemRandom()


@dataclass(frozen=True)
class GameRound:
    """One question, and its answer."""

    # "caption" or "dream"
    game: str
    # of the pair that it is about
    seed: int
    # place of the right choice, from 0
    right: int
    # plain values for the visitor
    question: dict[str, Any]
    # what is told once the choice is made
    caption: str


def caption_round(generator: "MultimodalGenerator", known: Sequence[str]) -> GameRound:
    """A seed's picture, its caption and three of other seeds.

    known: captions of seeds, among which the three are looked for; without any some are drawn.
    UserError where the model writes no captions, or writes too few different ones.
    """
    if generator.caption_source == NONE:
        raise UserError("This model was trained on pictures alone: it writes no captions.")
    seeds = [get_random_seed() for _ in range(1 if known else SEEDS_OF_ROUND)]
    pairs = generator.generate_batch(seeds)
    image, caption = pairs[0]
    others = known or [text for _, text in pairs[1:]]
    captions = rival_captions(caption, others, drawn_collection(generator.style), UNFORESEEN)
    right = UNFORESEEN.randrange(CHOICES_SHOWN)
    captions.insert(right, caption)
    question = {"picture": inline_picture(image), "captions": captions}
    return GameRound(CAPTION_GAME, seeds[0], right, question, caption)


def rival_captions(
    caption: str, others: Sequence[str], drawn: DrawnCollection | None, chance: random.Random
) -> list[str]:
    """Three captions of `others` that are near to a caption and yet do not fit its picture.

    drawn: the collection whose rules tell how near they are; None: words do.
    UserError where there are not as many.
    """
    different = [text for text in dict.fromkeys(others) if text.strip() and text != caption]
    if drawn:
        facts = drawn.parse(caption)
        distances = {text: count_differences(facts, drawn.parse(text)) for text in different}
        wrong = [text for text in different if distances[text] >= LEAST_DIFFERENCES]
    else:
        distances = {text: -shared_words(caption, text) for text in different}
        wrong = [text for text in different if -distances[text] <= MOST_SHARED_WORDS]
    different = sorted(wrong, key=distances.__getitem__)[:NEAREST_RIVALS]
    if len(different) < CHOICES_SHOWN - 1:
        raise UserError("The captions of this model are too much alike to choose among them.")
    return chance.sample(different, CHOICES_SHOWN - 1)


def count_differences(facts: Facts, others: Facts) -> int:
    """In how many attributes two facts differ."""
    return sum(facts[name] != others[name] for name in facts)


def shared_words(one: str, other: str) -> float:
    """Of the words of two texts the share that stands in both, 0 to 1."""
    words = set(one.lower().split())
    other_words = set(other.lower().split())
    return len(words & other_words) / max(1, len(words | other_words))


def dream_round(generator: "MultimodalGenerator", data: str | Path) -> GameRound:
    """A seed's picture beside one that the model has not made.

    Of a drawn collection that is the same scene, drawn by its rules; of another a real picture.
    data: folder of the collections. UserError where there is no real picture.
    """
    seed = get_random_seed()
    image, caption = generator.generate(seed)
    drawn = drawn_collection(generator.style)
    other = drawn_by_rule(drawn, caption, image.width) if drawn else real_picture(generator, data)
    pictures = [inline_picture(other)]
    right = UNFORESEEN.randrange(2)
    pictures.insert(right, inline_picture(image))
    other_kind = "drawn by rule" if drawn else "one of the collection"
    question = {"pictures": pictures, "other": other_kind}
    return GameRound(DREAM_GAME, seed, right, question, caption)


def drawn_by_rule(drawn: DrawnCollection, caption: str, size: int) -> Image.Image:
    """The scene of a caption as the collection draws it, RGB. size: pixels a side.

    What the caption leaves open is as the collection has it, or by chance.
    """
    told = drawn.parse(caption)
    if drawn.kinds and told[drawn.main_attribute] is None:
        [told] = drawn.collection(1, seed=get_random_seed())
    facts = {}
    for name, value in told.items():
        usual = drawn.constant.get(name, UNFORESEEN.choice(drawn.attributes[name]))
        facts[name] = usual if value is None else value
    return drawn.draw(facts, get_random_seed(), size).convert("RGB")


def real_picture(generator: "MultimodalGenerator", data: str | Path) -> Image.Image:
    """A held-out picture of the prepared collection, or one that the model carries; RGB.

    UserError where there is neither.
    """
    collection = Collection(generator.style, data)
    rows = list(collection.each_pair(collection.val)) if collection.val.exists() else []
    book = generator.model.picture_book
    if rows:
        picture = open_picture(collection.picture(UNFORESEEN.choice(rows)))
    elif book is not None:
        pixels = book.pictures[UNFORESEEN.randrange(len(book.ids))].cpu().numpy()
        picture = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    else:
        raise UserError(
            f"There is no real picture to compare with: neither is the collection {generator.style}"
            " on this machine, nor does the model carry pictures."
        )
    # a grey model sees colours as grey
    square = Image.fromarray(generator.letterboxed([picture])[0])
    return square.convert("L").convert("RGB") if generator.grey else square


def inline_picture(image: Image.Image) -> str:
    """A picture as an address that holds it, and nothing but its pixels."""
    return data_url(encode_png(image))
