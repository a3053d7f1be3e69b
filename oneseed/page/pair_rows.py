"""Pairs as the page shows them: signed cards on disk, and rows of a gallery."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation import cards
from oneseed.generation.batcher import Batcher
from oneseed.generation.cards import CardFacts
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.requests import Pair
from oneseed.media.kinds import PICTURE
from oneseed.model.caption_source import SOURCE_WORDS
from oneseed.page.sentences import short_fit

# gives the model, or raises UserError while there is none
FindGenerator = Callable[[], MultimodalGenerator]
# of a gallery: a picture or the path of one, and what stands below it
GalleryRow = tuple[Any, str]
# pairs drawn before they are shown, and before Stop is heard
PAGE_AT_ONCE = 4


def writes_code(find_generator: FindGenerator) -> bool:
    """Whether the captions of the page's model are code; False while there is no model."""
    try:
        return find_generator().writes_code
    except UserError:
        return False


def medium_of_page(find_generator: FindGenerator) -> str:
    """What pictures of the page's model stand for; PICTURE while there is none."""
    try:
        return find_generator().medium
    except UserError:
        return PICTURE


class Card(NamedTuple):
    """A pair as a PNG that says how it was made."""

    path: str
    facts: CardFacts


def saved_card(generator: MultimodalGenerator, pair: Pair, cache: str) -> Card:
    """Writes the card of a pair into the folder `cache`, from where Gradio serves it.

    pair: with all its facts; see requests.with_facts.
    """
    from gradio.processing_utils import save_bytes_to_cache

    facts, png = cards.signed_card(pair.image, pair.facts, grey=generator.grey)
    return Card(save_bytes_to_cache(png, f"{pair.name}.png", cache), facts)


def seed_cards(
    batcher: Batcher,
    generator: MultimodalGenerator,
    config: InferenceConfig,
    seeds: Sequence[int],
    cache: str,
    *,
    is_begun: bool = False,
) -> list[Card]:
    """The cards of seeds, drawn together with what others ask for; see Batcher.pairs."""
    drawn = batcher.pairs(generator, config, seeds, is_begun=is_begun)
    return [saved_card(generator, one.result(), cache) for one in drawn]


def pair_text(head: str, facts: CardFacts) -> str:
    """What stands under a picture: "seed 7 · better than 85 of 100", its caption on the next line.

    So many of a hundred real pairs fit less well.
    """
    parts = [head]
    if facts.get("match") is not None:
        parts.append(short_fit(facts["match"]))
    if facts.get("near_training"):
        parts.append("too near to a training picture")
    if mark := SOURCE_WORDS[facts["caption_source"]].mark:
        parts.append(mark)
    return f"{' · '.join(parts)}\n{facts['caption']}"


def seed_rows(made: Sequence[Card]) -> list[GalleryRow]:
    """Cards of seeds -> rows of a gallery."""
    rows = []
    for path, facts in made:
        name = facts.get("word", facts["seed"])
        rows.append((path, pair_text(f"seed {name}", facts)))
    return rows
