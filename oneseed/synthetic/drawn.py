"""What a drawn collection offers: pictures by rule, told in words and parsed back exactly.

    sprites = drawn_collection("sprites")
    facts = sprites.collection()[0]         # {"shape": "heart", "size": "small", ...}
    sprites.draw(facts, 7, sprites.size)    # the same bytes every time
    caption = sprites.tell(facts, 7, 5)
    sprites.parse(caption) == facts

A collection gives the few things that are its own; what follows from them is written here, once.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from oneseed.seeds import numpy_generator

if TYPE_CHECKING:
    from PIL import Image

Facts = dict[str, Any]


@dataclass(frozen=True)
class TypedPrompt:
    """A prompt as somebody types it, and the attributes that it asks for."""

    text: str
    asked: Facts


@dataclass(frozen=True)
class DrawnCollection:
    """One drawn collection; oneseed.synthetic.collections.drawn_collection gives it by its style.

    style: name of its folders below data/, and value of --source.
    version: such as "builtin-1"; another drawing or wording is another version.
    attributes: what a picture can show, {name: values}, in the order of captions' facts.
    levels: {level: names of the attributes that vary, and that a caption names}, from 1 up.
    constant: what is drawn where a level does not name an attribute, {name: value}. It may be no
        value of the attribute: sprites are white on black where captions tell no colours, so a
        judge of every level learns from pictures of every level (every_combination), and nothing
        of an attribute from a value that is not among its values.
    count: pictures, where --max-samples says nothing.
    size: side in pixels at which it is prepared by default, and judged.
    follows_presets: whether --preset says another side; False: `size`, whatever the preset.
    channels: 1 for grey, 3 for RGB.
    draw: (facts, seed, size in pixels) -> picture of size x size, mode "L" or "RGB" as of channels.
        What the facts leave open comes from the seed (any int): the same bytes each time.
    tell: (facts, seed, level) -> one sentence that names the attributes of the level and no other.
    parse: any text -> facts, each None where the text is silent or contradicts itself.
    style_attribute: the attribute whose values are styles within the collection, "" for none.
    prompt_kinds: ways in which people type prompts; () where the collection knows none.
    typed_prompt: (facts, one of prompt_kinds, seed) -> a prompt that asks for some of the facts.
    caption_kind: "words", or "code" where captions are texts that stay letter by letter.
    """

    style: str
    version: str
    attributes: Mapping[str, tuple[Any, ...]]
    levels: Mapping[int, tuple[str, ...]]
    constant: Facts
    count: int
    size: int
    follows_presets: bool
    channels: int
    draw: "Callable[[Facts, int, int], Image.Image]"
    tell: Callable[[Facts, int, int], str]
    parse: Callable[[str], Facts]
    style_attribute: str = ""
    prompt_kinds: tuple[str, ...] = ()
    typed_prompt: Callable[[Facts, str, int], TypedPrompt] | None = None
    caption_kind: str = "words"

    @property
    def last_level(self) -> int:
        """The level that names most attributes; some of its combinations are held out."""
        return max(self.levels)

    def combinations(self, level: int) -> list[Facts]:
        """All facts of a level, in a fixed order; attributes that it does not name are constant."""
        names = self.levels[level]
        choices = [self.attributes[name] for name in names]
        return [{**self.constant, **dict(zip(names, values))} for values in product(*choices)]

    def every_combination(self) -> list[Facts]:
        """The facts of all levels, each once, the last level's first."""
        levels = sorted(self.levels, reverse=True)
        everything = chain.from_iterable(self.combinations(level) for level in levels)
        values_of = itemgetter(*self.attributes)
        return list({values_of(facts): facts for facts in everything}.values())

    def held_out(self, facts: Facts) -> bool:
        """Is this combination of the last level kept from training? A tenth is, fixed by hash.

        The levels before have few combinations and hold none out.
        """
        words = " ".join(str(facts[name]) for name in self.attributes)
        return hashlib.sha256(words.encode()).digest()[0] * 10 < 256

    def collection(self, count: int = 0, level: int = 0, seed: int = 0) -> list[Facts]:
        """`count` facts, near uniform over the level's combinations; none is held out.

        count 0: as many as the collection has by default; level 0: the last one.
        """
        level = level or self.last_level
        pool = self.combinations(level)
        if level == self.last_level:
            pool = [facts for facts in pool if not self.held_out(facts)]
        return even_sample(pool, count or self.count, seed)

    def held_out_facts(self, count: int, seed: int = 0) -> list[Facts]:
        """`count` facts from the held-out combinations, near uniform."""
        pool = [facts for facts in self.combinations(self.last_level) if self.held_out(facts)]
        return even_sample(pool, count, seed)

    def style_told(self, caption: str) -> str:
        """The style that a caption names within the collection, else the collection's own."""
        told = self.parse(caption)[self.style_attribute] if self.style_attribute else None
        return told or self.style


def even_sample(combos: Sequence[Facts], count: int, seed: int) -> list[Facts]:
    """`count` facts, in an order drawn from the seed.

    Each of the N combinations comes floor(count / N) or ceil(count / N) times.
    """
    order = numpy_generator(seed, "collection").permutation(len(combos))
    chosen = np.resize(order, count)
    return [dict(combos[i]) for i in numpy_generator(seed, "order").permutation(chosen)]


def only_claim(text: str, signs: Mapping[Any, re.Pattern[str]]) -> Any:
    """The one value whose sign stands in the text; None where that is none, or several.

    signs: {value: pattern that finds it}, for texts in lower case.
    """
    values = [value for value, sign in signs.items() if sign.search(text)]
    return values[0] if len(values) == 1 else None
