"""What exact measurements share: levels, facts to draw, and who is examined by whom.

Pictures of the built-in collection are drawn by rule and captions are parsed exactly, so whether a
picture shows what a caption says can be counted attribute by attribute.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oneseed import seeds
from oneseed.dataset.jsonl import Row
from oneseed.evaluation.attribute_judge import AttributeJudge
from oneseed.evaluation.metrics import agreement, shuffled
from oneseed.evaluation.renders import draw_all
from oneseed.evaluation.samples import ImageCaption, grey_pixels
from oneseed.evaluation.section import Number, Value
from oneseed.generation.generator import MultimodalGenerator
from oneseed.synthetic.engravings import attributes
from oneseed.synthetic.engravings.attributes import LEVELS, Facts

# seed of the renders made here; neither collection nor judge has them
FIRST_RENDER = 3_000_000
# captions that tell which level a collection has
LEVEL_CAPTIONS = 200
# facts of a collection drawn anew, where training is not on this machine
DRAWN_ANEW = 6000


def level_of(captions: Sequence[str]) -> int:
    """Training captions -> the highest level, 1 to 5, whose attributes most of them tell.

    5 without captions.
    """
    parsed = [attributes.parse(caption) for caption in captions[:LEVEL_CAPTIONS]]
    levels = []
    for level, names in LEVELS.items():
        complete = [facts for facts in parsed if tells_all(facts, names)]
        if len(complete) > len(parsed) / 2:
            levels.append(level)
    return max(levels, default=5)


def tells_all(facts: Facts, names: Sequence[str]) -> bool:
    """Has every one of these attributes a value?"""
    return all(facts[name] is not None for name in names)


def fresh_facts(count: int, level: int) -> list[Facts]:
    """Facts for renders that training has not seen.

    Held-out combinations at level 5; lower levels hold none out.
    """
    if level == 5:
        return attributes.held_out_facts(count, FIRST_RENDER)
    return attributes.collection(count, level, FIRST_RENDER)


def trained_facts(rows: Sequence[Row], level: int) -> list[Facts]:
    """The facts of the training captions; without captions, of a collection drawn anew."""
    names = LEVELS[level]
    facts = []
    for row in rows:
        parsed = attributes.parse(row["caption"])
        if tells_all(parsed, names):
            facts.append({**attributes.CONSTANT, **{name: parsed[name] for name in names}})
    return facts or attributes.collection(DRAWN_ANEW, level)


@dataclass(frozen=True)
class Exam:
    """A generator, its judge, and what the generator was trained on."""

    generator: MultimodalGenerator
    judge: AttributeJudge
    # 1 to 5: how many attributes the captions tell
    level: int
    # facts of the training captions
    trained: list[Facts]
    # pixels a side of the generated pictures
    size: int

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that the captions tell."""
        return LEVELS[self.level]

    def draw(self, facts: Sequence[Facts], label: str, *, offset: int = 0) -> np.ndarray:
        """N facts -> their drawings, uint8 (N, size, size). offset: of their seeds."""
        return draw_all(facts, FIRST_RENDER + offset, label, self.size).numpy()

    def tell(self, facts: Sequence[Facts], level: int | None = None) -> list[str]:
        """N facts -> a caption of each. level: which attributes it tells, None: the exam's."""
        level = level or self.level
        return [attributes.tell(one, FIRST_RENDER + i, level) for i, one in enumerate(facts)]

    def some_trained(self, count: int, purpose: str) -> list[Facts]:
        """`count` of the trained facts, drawn with replacement. purpose: names the draw."""
        generator = seeds.numpy_generator(0, purpose)
        return [self.trained[i] for i in generator.choice(len(self.trained), count)]

    def read(self, pairs: Sequence[ImageCaption]) -> tuple[list[Facts], list[Facts]]:
        """N pairs -> what the pictures show, and what the captions say."""
        seen = self.judge.see(grey_pixels([image for image, _ in pairs]))
        return seen, said_in([caption for _, caption in pairs])

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
    ) -> Number:
        """How far claims agree with truths, beside the same with the claims shuffled.

        kind: "strict", all attributes at once, or "mean" of single ones;
        names: the attributes that count, None: all that captions tell.
        """
        names = names or self.names
        value = agreement(truths, claims, names)[kind]
        return Number(title, value, shuffled(truths, claims, names)[kind], ceiling)


def said_in(captions: Sequence[str]) -> list[Facts]:
    """N captions -> what each says, None for an attribute that it leaves out."""
    return [attributes.parse(caption) for caption in captions]
