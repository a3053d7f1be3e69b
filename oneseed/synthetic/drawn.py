"""What a drawn collection offers: pictures by rule, told in words and parsed back exactly.

    sprites = drawn_collection("sprites")
    facts = sprites.collection()[0]         # {"shape": "heart", "size": "small", ...}
    sprites.draw(facts, 7, sprites.size)    # the same bytes every time
    caption = sprites.tell(facts, 7, 5)
    sprites.parse(caption) == facts

A collection gives the few things that are its own; what follows from them is written here, once.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from oneseed.media.kinds import PICTURE
from oneseed.seeds import numpy_generator
from oneseed.synthetic.grammar import Grammar

if TYPE_CHECKING:
    from PIL import Image

Facts = dict[str, Any]
# value of an attribute that a picture does not have, such as the legs of a ship; None stands for
# what cannot be read, or is not told
ABSENT = "absent"
# combinations of a kind that are looked at; of more, as many drawn at random
MOST_LISTED = 6000


@dataclass(frozen=True)
class TypedPrompt:
    """A prompt as somebody types it, and the attributes that it asks for."""

    text: str
    asked: Facts


@dataclass(frozen=True)
class Checked:
    """What an exact check found in a text."""

    # facts as of parse()
    facts: Facts
    # whether a parser of its language reads the text
    is_valid: bool
    # why not, or why it has no facts, in a sentence; "" for a caption of the collection
    reason: str = ""


@dataclass(frozen=True)
class Redrawn:
    """How a collection's pictures are drawn again, so that the nearest one says what they show.

    looks: {kind: in how many ways the same facts are drawn}.
    shaping: {kind: names of the attributes that move others about}; where one of them may be
        ABSENT, all its other values move them alike.
    together: {kind: groups of attributes that are drawn into one another, such as a line of text}.
    unjudged: {kind: where attributes show that nobody reads there, (left, top, right, bottom) as
        shares of the side}.
    draw: (facts, look, size) -> as DrawnCollection.draw, in the middle of where seeds put it.
    """

    looks: Mapping[str, int]
    shaping: Mapping[str, tuple[str, ...]]
    together: Mapping[str, tuple[tuple[str, ...], ...]]
    unjudged: Mapping[str, tuple[float, float, float, float]]
    draw: "Callable[[Facts, int, int], Image.Image]"


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
    medium: "sound" or "clip" where pictures are spectra or sheets of frames, see media/mel.py and
        media/clip.py.
    kinds: where pictures of several kinds have attributes of their own, {value of the first
        attribute: names of the others that such pictures have}; the rest is ABSENT in their facts.
        {}: every picture has all attributes.
    check: any text -> whether it is a caption of the collection, where that can be told exactly.
    redrawn: what a judge needs that draws the alternatives of a picture again; None: it is taught.
    truncation: of models that learn the collection, see Prior.truncated; 1 for none. Measured.
    grammar: the texts that `tell` gives, of all levels, and no other; captions can then be written
        so that they are always one of these. None: nobody says which they are.
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
    medium: str = PICTURE
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    check: Callable[[str], Checked] | None = None
    redrawn: Redrawn | None = None
    truncation: float = 1.0
    grammar: Grammar | None = None

    @property
    def last_level(self) -> int:
        """The level that names most attributes; some of its combinations are held out."""
        return max(self.levels)

    @property
    def main_attribute(self) -> str:
        """The attribute that every level tells: what a picture shows."""
        return self.levels[min(self.levels)][0]

    def of_kinds(self, kinds: Iterable[str]) -> "DrawnCollection":
        """The same with pictures of these kinds alone; of no kinds, and of none known, all."""
        kept = {kind: self.kinds[kind] for kind in self.kinds if kind in set(kinds)}
        return replace(self, kinds=kept) if kept else self

    def base(self, kind: Any = None) -> Facts:
        """What is drawn where nothing is told. kind: value of the first attribute, if any."""
        if kind not in self.kinds:
            return dict(self.constant)
        own = (self.main_attribute, *self.kinds[kind])
        absent = {name: ABSENT for name in self.attributes if name not in own}
        return {**self.constant, **absent, self.main_attribute: kind}

    def parts(self, level: int) -> dict[Any, "Combinations"]:
        """{kind: all facts of a level}, or {None: all facts} where pictures are of one kind."""
        names = self.levels[level]
        if not self.kinds:
            return {
                None: Combinations(self.base(), {name: self.attributes[name] for name in names})
            }
        found = {}
        for kind, own in self.kinds.items():
            choices = {name: self.attributes[name] for name in names if name in own}
            found[kind] = Combinations(self.base(kind), choices)
        return found

    def combinations(self, level: int) -> list[Facts]:
        """All facts of a level, in a fixed order; attributes that it does not name are constant.

        Of each of several kinds at most MOST_LISTED, drawn at random.
        """
        parts = self.parts(level)
        if not self.kinds:
            return list(parts[None])
        return list(chain.from_iterable(listed(part, MOST_LISTED) for part in parts.values()))

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

        Each kind has its equal share. count 0: as many as the collection has by default; level 0:
        the last one.
        """
        level = level or self.last_level
        wanted = False if level == self.last_level else None
        return self.sample(level, count or self.count, seed, wanted)

    def held_out_facts(self, count: int, seed: int = 0) -> list[Facts]:
        """`count` facts from the held-out combinations, near uniform."""
        return self.sample(self.last_level, count, seed, True)

    def sample(self, level: int, count: int, seed: int, held_out: bool | None) -> list[Facts]:
        """`count` facts of a level. held_out: only such or none of them; None: any."""

        def is_wanted(facts: Facts) -> bool:
            return held_out is None or self.held_out(facts) == held_out

        parts = self.parts(level)
        if not self.kinds:
            return even_sample(pool_of(parts[None], len(parts[None]), is_wanted), count, seed)
        order = numpy_generator(seed, "kinds")
        shares = dict.fromkeys(parts, count // len(parts))
        for number in order.permutation(len(parts))[: count % len(parts)]:
            shares[list(parts)[number]] += 1
        found: list[Facts] = []
        for kind, share in shares.items():
            if share:
                own_seed = f"{seed} {kind}"
                found += even_sample(
                    pool_of(parts[kind], share, is_wanted, own_seed), share, own_seed
                )
        return [found[i] for i in order.permutation(len(found))]

    def style_told(self, caption: str) -> str:
        """The style that a caption names within the collection, else the collection's own."""
        told = self.parse(caption)[self.style_attribute] if self.style_attribute else None
        return told or self.style


class Combinations(Sequence[Facts]):
    """All facts that some attributes allow, each made when it is asked for."""

    def __init__(self, base: Facts, choices: Mapping[str, Sequence[Any]]) -> None:
        """base: of the other attributes; choices: {attribute: its values}, the last runs first."""
        self.base = base
        self.choices = choices

    def __len__(self) -> int:
        return math.prod(map(len, self.choices.values()))

    def __getitem__(self, i: int) -> Facts:  # ty: ignore[incompatible-method-override]
        # a Sequence would take slices too; nobody asks for one
        rest = range(len(self))[i]
        facts = {}
        for name, values in reversed(list(self.choices.items())):
            rest, place = divmod(rest, len(values))
            facts[name] = values[place]
        return {**self.base, **facts}


def listed(combos: Sequence[Facts], most: int, seed: int | str = 0) -> Sequence[Facts]:
    """All of the combinations; where they are more than `most`, so many of them, each once."""
    if len(combos) <= most:
        return combos
    numbers = numpy_generator(seed, "listed").choice(len(combos), most, replace=False)
    return [combos[int(number)] for number in numbers]


def pool_of(
    combos: Sequence[Facts], count: int, is_wanted: Callable[[Facts], bool], seed: int | str = 0
) -> list[Facts]:
    """Combinations to draw from: at least `count` that are wanted, or all of those."""
    most = max(MOST_LISTED, 2 * count)
    while True:
        some = listed(combos, most, seed)
        pool = [facts for facts in some if is_wanted(facts)]
        if len(pool) >= count or len(some) == len(combos):
            return pool
        most *= 4


def even_sample(combos: Sequence[Facts], count: int, seed: int | str) -> list[Facts]:
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


def sign_of(wordings: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds any of the wordings, with an s at its end or without."""
    parts = [r"\W+".join(wording.split()) for wording in wordings]
    return re.compile(rf"\b(?:{'|'.join(parts)})s?\b")
