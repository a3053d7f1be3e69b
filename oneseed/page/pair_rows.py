"""Pairs as the page shows them: signed cards on disk, and rows of a gallery."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from oneseed.console.command import UserError
from oneseed.generation import cards
from oneseed.generation.cards import CardFacts
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.requests import Pair, with_facts
from oneseed.model.caption_source import SOURCE_WORDS
from oneseed.page.sentences import short_fit
from oneseed.seeds import LAST_SEED

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


class Card(NamedTuple):
    """A pair as a PNG that says how it was made."""

    path: str
    facts: CardFacts


def as_cards(generator: MultimodalGenerator, pairs: Sequence[Pair], cache: str) -> list[Card]:
    """Writes the card of each pair into the folder `cache`, from where Gradio serves it."""
    return [saved_card(generator, pair, cache) for pair in with_facts(generator, pairs)]


def saved_card(generator: MultimodalGenerator, pair: Pair, cache: str) -> Card:
    """`as_cards` of one pair that has all its facts."""
    from gradio.processing_utils import save_bytes_to_cache

    facts, png = cards.signed_card(pair.image, pair.facts, grey=generator.grey)
    return Card(save_bytes_to_cache(png, f"{pair.name}.png", cache), facts)


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


def seeds_from(first: int, count: int) -> range:
    """`count` seeds from `first` on; fewer where seeds end."""
    return range(first, min(first + count, LAST_SEED + 1))
