"""What exact measurements share: levels, facts to draw, and who is examined by whom.

Pictures of a drawn collection are drawn by rule and captions are parsed exactly, so whether a
picture shows what a caption says can be counted attribute by attribute.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from oneseed import seeds
from oneseed.dataset.jsonl import Row
from oneseed.evaluation.agreement import Reading, pair_captions
from oneseed.evaluation.judges import PictureJudge, said_by, seen_by
from oneseed.evaluation.metrics import agreement, agreement_items, shuffled
from oneseed.evaluation.renders import draw_all
from oneseed.evaluation.samples import ImageCaption
from oneseed.evaluation.section import Number, Value, mean_number
from oneseed.generation.generator import MultimodalGenerator
from oneseed.synthetic.drawn import DrawnCollection, Facts

# seed of the renders made here; neither collection nor judge has them
FIRST_RENDER = 3_000_000
# captions that tell which level a collection has
LEVEL_CAPTIONS = 200


def level_of(drawn: DrawnCollection, captions: Sequence[str]) -> int:
    """Training captions -> the highest level whose attributes most of them tell.

    The last one without captions.
    """
    parsed = [drawn.parse(caption) for caption in captions[:LEVEL_CAPTIONS]]
    levels = []
    for level, names in drawn.levels.items():
        complete = [facts for facts in parsed if tells_all(facts, names)]
        if len(complete) > len(parsed) / 2:
            levels.append(level)
    return max(levels, default=drawn.last_level)


def tells_all(facts: Facts, names: Sequence[str]) -> bool:
    """Has every one of these attributes a value?"""
    return all(facts[name] is not None for name in names)


def fresh_facts(drawn: DrawnCollection, count: int, level: int) -> list[Facts]:
    """Facts for renders that training has not seen.

    Held-out combinations at the last level; lower ones hold none out.
    """
    if level == drawn.last_level:
        return drawn.held_out_facts(count, FIRST_RENDER)
    return drawn.collection(count, level, FIRST_RENDER)


def trained_facts(drawn: DrawnCollection, rows: Sequence[Row], level: int) -> list[Facts]:
    """The facts of the training captions; without captions, of a collection drawn anew."""
    names = drawn.levels[level]
    facts = []
    for row in rows:
        parsed = drawn.parse(row["caption"])
        if tells_all(parsed, names):
            base = drawn.base(parsed[drawn.main_attribute])
            facts.append({**base, **{name: parsed[name] for name in names}})
    return facts or drawn.collection(level=level)


@dataclass(frozen=True)
class Exam:
    """A generator, its judge, and what the generator was trained on."""

    generator: MultimodalGenerator
    judge: PictureJudge
    # of whose pictures and captions
    drawn: DrawnCollection
    # from 1 up: how many attributes the captions tell
    level: int
    # facts of the training captions
    trained: list[Facts]
    # pixels a side of the generated pictures
    size: int

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that the captions tell."""
        return self.drawn.levels[self.level]

    @property
    def kind(self) -> str:
        """The attribute whose values have attributes of their own; "" where none is such."""
        return self.drawn.main_attribute if self.drawn.kinds else ""

    @property
    def is_complete(self) -> bool:
        """Do captions tell all attributes? Then some combinations are held out."""
        return self.level == self.drawn.last_level

    def draw(self, facts: Sequence[Facts], label: str, *, offset: int = 0) -> np.ndarray:
        """N facts -> their drawings, uint8 (N, size, size), in colour (N, size, size, 3).

        offset: of their seeds.
        """
        first = FIRST_RENDER + offset
        drawings = draw_all(self.drawn, facts, range(first, first + len(facts)), label, self.size)
        return drawings.numpy()

    def tell(self, facts: Sequence[Facts], level: int | None = None) -> list[str]:
        """N facts -> a caption of each. level: which attributes it tells, None: the exam's."""
        level = level or self.level
        return [self.drawn.tell(one, FIRST_RENDER + i, level) for i, one in enumerate(facts)]

    def some_trained(self, count: int, purpose: str) -> list[Facts]:
        """`count` of the trained facts, drawn with replacement. purpose: names the draw."""
        generator = seeds.numpy_generator(0, purpose)
        return [self.trained[i] for i in generator.choice(len(self.trained), count)]

    def see(self, images: Sequence[Image.Image]) -> list[Facts]:
        """What N pictures show."""
        return seen_by(self.judge, images)

    def parse(self, captions: Sequence[str]) -> list[Facts]:
        """What N captions say."""
        return said_by(self.judge, captions)

    def read(self, pairs: Sequence[ImageCaption]) -> Reading:
        """What the pictures of N pairs show, and what their captions say."""
        return Reading(self.see([image for image, _ in pairs]), self.parse(pair_captions(pairs)))

    def strict_agreement(
        self, truths: list[Facts], claims: list[Facts], names: Sequence[str] | None = None
    ) -> float:
        """Share of claims that agree with their truths, strictly. names: as below."""
        return agreement(truths, claims, names or self.names)["strict"]

    def agreement_number(
        self,
        title: str,
        truths: list[Facts],
        claims: list[Facts],
        *,
        kind: str = "strict",
        names: Sequence[str] | None = None,
        ceiling: Value = 1.0,
        together: int = 1,
    ) -> Number:
        """How far claims agree with truths, beside the same with the claims shuffled.

        kind: "strict", all attributes at once, or "mean" of single ones;
        names: the attributes that count, None: all that captions tell;
        together: how many that follow one another are of one draw, as the steps of a walk.
        """
        names = names or self.names
        items = agreement_items(truths, claims, names)[kind]
        draws = items.reshape(-1, together).mean(1)
        floor = shuffled(truths, claims, names, together)[kind]
        return mean_number(title, draws, floor, ceiling)
