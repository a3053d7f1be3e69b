"""What the tab Your picture does on the server: redraw, vary and restyle a picture, look around it.

The methods' docstrings describe the public endpoints.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.file_names import named_file
from oneseed.generation import index
from oneseed.generation.batcher import Batcher
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.pictures import open_picture
from oneseed.generation.requests import Pair, source_facts, with_facts
from oneseed.page.code_view import shown_code
from oneseed.page.events import Component, messages
from oneseed.page.generate_handlers import PAGE_MAX_SHEET
from oneseed.page.pair_rows import (
    PAGE_AT_ONCE,
    FindGenerator,
    GalleryRow,
    pair_text,
    saved_card,
    seed_cards,
    seed_rows,
    writes_code,
)
from oneseed.page.strangeness import (
    MEASURED_PICTURES,
    STRANGE,
    is_strange,
    pictures_in_book,
)
from oneseed.page.uploads import upload_name, uploaded_image
from oneseed.seeds import seeds_from
from oneseed.web.inputs import one_of, parse_number, parse_seed, whole_number
from oneseed.workers import chunks


def parse_strength(value: Any) -> float:
    """How far from the picture a pair may be, 0 to 1."""
    return parse_number(value, "How far", low=0, high=1)


@dataclass(frozen=True)
class PictureHandlers:
    """The events of the tab. They take plain JSON; a refusal is one sentence on the page."""

    gr: ModuleType
    find_generator: FindGenerator
    # folder of the files that Gradio serves and receives
    cache: str
    # folder of the collections
    data: str | Path
    batcher: Batcher

    def redraw(self, picture: Any) -> tuple[str, str]:
        """Encode a picture and decode it again: what the model sees in it.

        Parameters:
            picture: a file of a picture, such as PNG, JPEG, TIFF or AVIF
        Returns:
            the model's own drawing as PNG, and its caption
        """
        with messages(self.gr):
            generator, image = self.brought(picture)
            source = source_facts([image], upload_name(picture))
            pair = self.batcher.call(lambda: redrawn_pair(generator, image, source))
            path, facts = saved_card(generator, pair, self.cache)
            return path, facts["caption"]

    def code(self, caption: Any) -> Component:
        """The caption as code, where the model writes code."""
        is_code = isinstance(caption, str) and writes_code(self.find_generator)
        return shown_code(self.gr, caption, is_code=is_code)

    def stranger(self, picture: Any) -> Component:
        """Says it where a picture is unlike those that the model was taught."""
        with messages(self.gr):
            generator, image = self.brought(picture)
            strange = self.batcher.call(lambda: is_strange(generator, image, self.data))
            return self.gr.Textbox(STRANGE if strange else "", visible=strange)

    def vary(
        self, picture: Any, strength: Any, seed: Any, count: Any
    ) -> Iterator[list[GalleryRow]]:
        """Draw pairs around a picture.

        Parameters:
            picture: a file of a picture, such as PNG, JPEG, TIFF or AVIF
            strength: 0 for the model's drawing of it, up to 1, where nothing of it is left
            seed: the first seed, whole number from 0 to 4294967295
            count: how many, 1 to 24
        Returns:
            the pictures as PNG, each with "seed N" and its match, a line break and its caption
        """
        with messages(self.gr):
            how_far = parse_strength(strength)
            first = parse_seed(seed)
            length = whole_number(count, "How many", low=1, high=PAGE_MAX_SHEET)
            generator, image = self.brought(picture)
            source = source_facts([image], upload_name(picture))
            wanted = seeds_from(first, length)
            rows = []
            for pairs in self.batcher.each(pairs_around(generator, image, source, wanted, how_far)):
                rows += seed_rows([saved_card(generator, pair, self.cache) for pair in pairs])
                yield rows

    def restyle(self, picture: Any, style: Any, strength: Any) -> Iterator[list[GalleryRow]]:
        """Draw a picture's scene in another style.

        Parameters:
            picture: a file of a picture, such as PNG, JPEG, TIFF or AVIF
            style: one of the model's styles; "" for each of them
            strength: 0 changes nothing, 1 goes all the way
        Returns:
            the pictures as PNG, each with its style and its match, a line break and its caption
        """
        with messages(self.gr):
            how_far = parse_strength(strength)
            generator, image = self.brought(picture)
            wanted = one_of(style, generator.styles, "The style")
            if not generator.styles:
                raise UserError("This model knows only one style.")
            source = source_facts([image], upload_name(picture))
            rows = []
            names = [wanted] if wanted else generator.styles
            for pair in self.batcher.each(restyled_pairs(generator, image, source, names, how_far)):
                path, facts = saved_card(generator, pair, self.cache)
                rows.append((path, pair_text(facts["style"], facts)))
                yield rows

    def near(self, picture: Any) -> Iterator[list[GalleryRow]]:
        """Look for the indexed seeds that are nearest to a picture in what it shows, and for the
        training pictures that look most like it.

        Parameters:
            picture: a file of a picture, such as PNG, JPEG, TIFF or AVIF
        Returns:
            four seeds as PNG, each with "seed N" and its match, a line break and its caption; then
            four training pictures with their ids, how far they are from it, and their captions
        """
        with messages(self.gr):
            generator, image = self.brought(picture)
            found = self.batcher.call(lambda: generator.find_seeds(image=image, count=PAGE_AT_ONCE))
            seeds = [row["seed"] for row in found]
            rows = seed_rows(
                seed_cards(
                    self.batcher, generator, InferenceConfig(), seeds, self.cache, is_begun=True
                )
            )
            yield rows
            folder = index.training_folder(generator, self.data)
            near = self.batcher.call(lambda: generator.nearest_training([image], PAGE_AT_ONCE)[0])
            for row in near:
                path = named_file(folder, row["filename"], "the index")
                if path.exists():
                    text = f"{row['id']} · {row['distance']:.2f} away\n{row['caption']}"
                    rows.append((open_picture(path), text))
            yield rows

    def square(self, file: Any) -> Image.Image:
        """The spectrum of a sound, or the sheet of a clip, that was brought."""
        with messages(self.gr):
            return self.brought(file)[1]

    def brought(self, file: Any) -> tuple[MultimodalGenerator, Image.Image]:
        """The model, and what was brought as it looks at that."""
        generator = self.find_generator()
        return generator, uploaded_image(file, self.cache, generator.square)

    def unseen(self) -> Image.Image:
        """A picture that training has not seen; without any, one that the model carries."""
        with messages(self.gr):
            generator = self.find_generator()
            collection = Collection(generator.style, self.data)
            try:
                held_out = collection.read_captions()[1]
            except UserError:
                if carried := pictures_in_book(generator, MEASURED_PICTURES):
                    return secrets.choice(carried)
                raise
            return open_picture(collection.picture(secrets.choice(held_out)))


def redrawn_pair(
    generator: MultimodalGenerator, image: Image.Image, source: dict[str, Any]
) -> Pair:
    """What the model sees in a picture. source: facts of that, see source_facts."""
    ((drawn, caption),) = generator.decode_code(generator.encode_codes([image]))
    (pair,) = with_facts(generator, [Pair("drawn", "", drawn, caption, source)])
    return pair


def pairs_around(
    generator: MultimodalGenerator,
    image: Image.Image,
    source: dict[str, Any],
    seeds: Sequence[int],
    strength: float,
) -> Iterator[list[Pair]]:
    """Pairs around a picture, as many at a time as are shown together. source: facts of it."""
    for part in chunks(seeds, PAGE_AT_ONCE):
        pairs = []
        for seed, (drawn, caption) in zip(part, generator.vary(image, part, strength)):
            facts = {"seed": seed, **source, "strength": strength}
            pairs.append(Pair(f"varied_{seed}", "", drawn, caption, facts))
        yield with_facts(generator, pairs)


def restyled_pairs(
    generator: MultimodalGenerator,
    image: Image.Image,
    source: dict[str, Any],
    styles: Sequence[str],
    strength: float,
) -> Iterator[Pair]:
    """A picture's scene in one style after another. source: facts of the picture."""
    for style in styles:
        ((drawn, caption),) = generator.restyle([image], style, strength)
        facts = {**source, "style": style, "asked_style": style, "strength": strength}
        (pair,) = with_facts(generator, [Pair(style, "", drawn, caption, facts)])
        yield pair
