"""What the tab Play does on the server: the map, the rounds of both games, and mixtures of seeds.

Every answer is a dict of plain values for play.js. Where something cannot be done, it holds the
reason as "said": the tab asks by itself when it is opened, and nobody likes four alarms at once.
"""

import contextlib
import io
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from oneseed.console.command import UserError
from oneseed.console.html import data_url
from oneseed.evaluation.people import GameAnswer, keep_answer
from oneseed.generation import index, seed_map
from oneseed.generation.batcher import Batcher
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.seed_map import SeedMap
from oneseed.locks import NO_ACCESS, InUseError
from oneseed.page.pair_rows import FindGenerator
from oneseed.page.rounds import GameRound, caption_round, dream_round, inline_picture
from oneseed.page.sentences import Tell
from oneseed.web.inputs import parse_number, parse_seed, whole_number

# seeds of a mixture
SEEDS_MIXED = 3
# of the map's sheet
SHEET_QUALITY = 80


@dataclass(frozen=True)
class PlayHandlers:
    """The events of the tab. They take plain JSON."""

    gr: ModuleType
    find_generator: FindGenerator
    # folder of the collections
    data: str | Path
    # where answers are kept, and maps may be; None where visitors may change no file
    answers: Path | None
    batcher: Batcher
    # how a sentence is said to whoever reads the page
    tell: Tell = str
    # fingerprint of a model -> its map, as far as it is drawn
    maps: dict[str, SeedMap] = field(default_factory=dict)

    # ---- the map

    def draw_map(self, count: Any) -> Iterator[tuple[str, Any]]:
        """Draws the map up to `count` seeds, 0 for what is there; says how far it is.

        The map itself is shown each time that it has twice as many seeds, and at the end.
        """
        try:
            asked = whole_number(count, "The seeds of a map", low=0, high=seed_map.MOST_SEEDS)
            generator = self.find_generator()
            most = seed_map.wanted_seeds(generator)
            if self.answers is None:
                most = min(most, seed_map.FIRST_SEEDS)
            known = self.known_map(generator)
            begun = len(known) if known else 0
            shown = begun
            wanted = min(asked, most)
            try:
                for grown in self.batcher.each(seed_map.grow_map(generator, known, wanted)):
                    known = self.maps[generator.fingerprint] = grown
                    is_twice = 2 * shown <= len(known) < wanted
                    picture = self.gr.skip()
                    if is_twice:
                        shown = len(known)
                        picture = {**shown_map(known), "more": most - len(known)}
                    yield f"{len(known):,} of {wanted:,} seeds drawn", picture
            finally:
                if known and len(known) > begun and self.answers is not None:
                    keep_map(generator, known)
            if known is None:
                yield "No seed is drawn yet.", {"more": most, "is_done": True}
                return
            said = f"{len(known):,} seeds, those beside each other that look alike"
            more = max(0, most - len(known))
            yield said, {**shown_map(known), "more": more, "is_done": True}
        except UserError as error:
            said = self.tell(str(error))
            yield said, {"said": said}

    def known_map(self, generator: MultimodalGenerator) -> SeedMap | None:
        """The map as far as it is drawn, None where it is not."""
        if generator.fingerprint not in self.maps and (kept := seed_map.load_map(generator)):
            self.maps[generator.fingerprint] = kept
        return self.maps.get(generator.fingerprint)

    # ---- the games

    def ask_caption(self) -> tuple[GameRound | None, dict[str, Any]]:
        """A round of Which caption belongs?"""
        return self.asked(lambda generator: caption_round(generator, self.captions(generator)))

    def ask_dream(self) -> tuple[GameRound | None, dict[str, Any]]:
        """A round of Drawn or dreamt?"""
        return self.asked(lambda generator: dream_round(generator, self.data))

    def asked(
        self, make: Callable[[MultimodalGenerator], GameRound]
    ) -> tuple[GameRound | None, dict[str, Any]]:
        """A round, and what the visitor is shown of it."""
        try:
            generator = self.find_generator()
            made = self.batcher.call(lambda: make(generator))
        except UserError as error:
            return None, {"said": self.tell(str(error))}
        return made, made.question

    def captions(self, generator: MultimodalGenerator) -> Sequence[str]:
        """Captions of seeds that are known without drawing any."""
        found = index.load_index(generator, "seeds")
        if found:
            return found["captions"]
        known = self.known_map(generator)
        return known.captions if known else []

    def answer(self, asked: GameRound | None, choice: Any) -> tuple[None, dict[str, Any]]:
        """Tells what was right, and keeps the answer where the page may; a round counts once."""
        try:
            if not isinstance(asked, GameRound):
                raise UserError("Ask for a round first.")
            last = len(asked.question.get("captions") or asked.question["pictures"]) - 1
            chosen = whole_number(choice, "A choice", low=0, high=last)
            is_right = chosen == asked.right
            told = {
                "chosen": chosen,
                "right": asked.right,
                "seed": asked.seed,
                "caption": asked.caption,
            }
            if self.answers is not None:
                fingerprint = self.find_generator().fingerprint
                answer = GameAnswer(asked.game, fingerprint, asked.seed, is_right)
                with if_writable():
                    keep_answer(self.answers, answer)
        except UserError as error:
            return None, {"said": self.tell(str(error))}
        return None, told

    # ---- mixtures

    def mix(self, seeds: Any, weights: Any) -> dict[str, Any]:
        """Three seeds mixed by three weights -> picture and caption."""
        try:
            if not is_list_of(seeds, SEEDS_MIXED) or not is_list_of(weights, SEEDS_MIXED):
                raise UserError(f"{SEEDS_MIXED} seeds are mixed by as many weights.")
            mixed = [parse_seed(seed) for seed in seeds]
            shares = [parse_number(weight, "A weight", low=0, high=1) for weight in weights]
            if not sum(shares):
                raise UserError("One weight at least is above 0.")
            generator = self.find_generator()
            ((image, caption),) = self.batcher.call(lambda: generator.mix(mixed, [shares]))
        except UserError as error:
            return {"said": self.tell(str(error))}
        return {"picture": inline_picture(image), "caption": caption}


def keep_map(generator: MultimodalGenerator, known: SeedMap) -> None:
    """Writes a map beside the checkpoint; one that cannot be written is drawn anew another day."""
    # another page may write the same map
    with contextlib.suppress(InUseError), if_writable():
        seed_map.save_map(generator, known)


@contextlib.contextmanager
def if_writable() -> Generator[None]:
    """What may not be written, as in a container, is not: nobody plays for the file's sake."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ACCESS:
            raise


def is_list_of(value: Any, count: int) -> bool:
    """Is a value of JSON a list of so many values?"""
    return isinstance(value, list) and len(value) == count


def shown_map(known: SeedMap) -> dict[str, Any]:
    """A map as play.js draws it: its sheet, the seeds of each column, the captions by seed."""
    sheet, columns = seed_map.mosaic(known)
    return {
        "sheet": data_url(jpeg(sheet), "jpeg"),
        "seeds": columns,
        "captions": known.captions,
    }


def jpeg(image: Image.Image) -> bytes:
    """A picture as a JPEG file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=SHEET_QUALITY)
    return file.getvalue()
