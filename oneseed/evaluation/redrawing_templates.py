"""What a judge compares pictures with: drawings of all alternatives, region by region.

A frame is a kind of picture in one look, with one choice of what moves the rest about. Within it
each attribute, or group of attributes that share a line, changes a region of its own; so all
combinations of a frame are known from as many drawings as its attributes have values.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product

import numpy as np
import torch

from oneseed.console.output import progress
from oneseed.evaluation.teaching import blurred
from oneseed.synthetic.drawn import ABSENT, DrawnCollection, Facts, Redrawn

# no eye needs every dot: pictures and drawings are compared out of focus by so many pixels
SOFTNESS = 0.8
# grey levels from which on drawings differ, and from which on one value's drawing depends on others
DIFFERENT = 2.0
DEPENDENT = 25.0


@dataclass(frozen=True)
class Group:
    """Attributes that share a region, and how it looks for each of their values."""

    # facts of each alternative, of the group alone
    values: list[Facts]
    # numbers of the region's pixels, (R,)
    region: torch.Tensor
    # grey less its mean, (values, R): light and dark parts of a picture may clip
    drawings: torch.Tensor
    # sums of their squares, (values,)
    powers: torch.Tensor


@dataclass(frozen=True)
class Frame:
    """A kind in one look, with one choice of what moves the rest about."""

    # kind and what is chosen; ABSENT for attributes of other kinds
    facts: Facts
    # pixels that are the same whatever the groups show, and their greys, (R,)
    region: torch.Tensor
    drawing: torch.Tensor
    groups: list[Group]

    @property
    def combinations(self) -> int:
        """How many pictures it tells apart."""
        return math.prod(len(group.values) for group in self.groups)


def grey_views(pictures: np.ndarray | torch.Tensor, size: int) -> torch.Tensor:
    """uint8 (N, S, S) or (N, S, S, 3) -> grey from 0 to 255, float (N, size, size), softened."""
    values = torch.as_tensor(np.asarray(pictures)).float()
    if values.dim() == 4:
        # as Pillow makes it
        parts = (1,) if values.shape[-1] == 1 else (0.299, 0.587, 0.114)
        values = values @ torch.tensor(parts, dtype=torch.float32)
    images = values[:, None]
    if images.shape[-1] != size:
        images = torch.nn.functional.interpolate(
            images, (size, size), mode="bilinear", antialias=True
        )
    return blurred(images, SOFTNESS)[:, 0]


def make_frames(drawn: DrawnCollection, level: int) -> list[Frame]:
    """Draws all that a judge of a collection compares with. level: what its pictures show."""
    redrawn = drawn.redrawn
    assert redrawn, f"{drawn.style} says nothing of drawing again"
    plans = [plan for kind in drawn.kinds for plan in frame_plans(drawn, redrawn, kind, level)]
    total = sum(plan.drawings for plan in plans)
    frames = []
    with progress(label="drawing what the picture judge compares with", total=total) as bar:
        for plan in plans:
            frames.append(make_frame(drawn, redrawn, plan))
            bar.update(plan.drawings)
    return frames


@dataclass(frozen=True)
class FramePlan:
    """A frame that is to be drawn."""

    kind: str
    look: int
    # what is chosen, and what is ABSENT or not told
    facts: Facts
    # the alternatives of each group, the first of which stands wherever another group is drawn
    groups: list[list[Facts]]

    @property
    def drawings(self) -> int:
        """How many there are, but for trials."""
        return 1 + sum(map(len, self.groups))


def frame_plans(
    drawn: DrawnCollection, redrawn: Redrawn, kind: str, level: int
) -> Iterator[FramePlan]:
    """The frames of one kind."""
    told = [name for name in drawn.levels[level] if name in drawn.kinds[kind]]
    shaping = [name for name in redrawn.shaping[kind] if name in told]
    choices = []
    for name in shaping:
        values = drawn.attributes[name]
        # None: any value but ABSENT, which is one of a group's
        choices.append((ABSENT, None) if ABSENT in values else values)
    for look, chosen in product(range(redrawn.looks[kind]), list(product(*choices))):
        fixed = {name: value for name, value in zip(shaping, chosen) if value is not None}
        others = [name for name in told if name not in fixed]
        free = grouped(others, redrawn.together[kind])
        groups = [list(alternatives(drawn, names, shaping)) for names in free]
        yield FramePlan(kind, look, {**drawn.base(kind), **fixed}, groups)


def grouped(names: Sequence[str], together: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Names of attributes in groups: those that belong together, and each other one alone."""
    groups = [tuple(filter(names.__contains__, group)) for group in together]
    shared = set(chain.from_iterable(groups))
    return [group for group in groups if group] + [(one,) for one in names if one not in shared]


def alternatives(
    drawn: DrawnCollection, names: tuple[str, ...], shaping: Sequence[str]
) -> Iterator[Facts]:
    """What a group may show. Of an attribute that shapes the frame by being there: if it is."""
    lists = []
    for name in names:
        values = drawn.attributes[name]
        lists.append([one for one in values if name not in shaping or one != ABSENT])
    for chosen in product(*lists):
        yield dict(zip(names, chosen))


def make_frame(drawn: DrawnCollection, redrawn: Redrawn, plan: FramePlan) -> Frame:
    """Draws a frame and all its groups' alternatives."""
    size = drawn.size

    def views(facts: Sequence[Facts]) -> torch.Tensor:
        images = [redrawn.draw(one, plan.look, size).convert("L") for one in facts]
        return grey_views(np.stack([np.asarray(image) for image in images]), size).flatten(1)

    first, *others = usual_facts(plan)
    ground = views([first])[0]
    drawings = [views(with_each(first, values)) for values in plan.groups]
    differing = [(some - some[:1]).abs().amax(0) > DIFFERENT for some in drawings]
    left, top, right, bottom = (round(share * size) for share in redrawn.unjudged[plan.kind])
    judged = torch.ones(size, size, dtype=torch.bool)
    judged[top:bottom, left:right] = False
    judged = judged.flatten()
    # where two groups meet, neither is judged
    times = torch.stack(differing).sum(0) if differing else torch.zeros(len(ground))
    groups = []
    for values, some, differs in zip(plan.groups, drawings, differing):
        kept = differs & judged & (times == 1)
        groups.append(make_group(values, some, kept))
    if any(depends(views, *one, others) for one in zip(groups, drawings)):
        # lines from value to value: only what does not depend on the others is judged
        for usual in others:
            for i, group in enumerate(groups):
                again = views(with_each(usual, group.values))
                same = (again - drawings[i]).abs().amax(0) <= DEPENDENT
                kept = torch.zeros_like(judged)
                kept[group.region] = same[group.region]
                groups[i] = make_group(group.values, drawings[i], kept)
            judged &= (views([usual])[0] - ground).abs() <= DEPENDENT
    region = (judged & (times == 0)).nonzero().flatten()
    return Frame(plan.facts, region, ground[region], groups)


def usual_facts(plan: FramePlan) -> list[Facts]:
    """What stands where another group is drawn: the first values; and for trial three others."""
    found = []
    for share in (0, 1, 0.5, 0.75):
        facts = dict(plan.facts)
        for number, values in enumerate(plan.groups):
            # every second value differs from its neighbours in the last of them
            place = share if share != 0.75 or number % 2 else 0.25
            facts.update(values[round(place * (len(values) - 1))])
        found.append(facts)
    return found


def with_each(usual: Facts, values: Sequence[Facts]) -> list[Facts]:
    """The usual facts with each of a group's values."""
    return [{**usual, **value} for value in values]


def make_group(values: list[Facts], drawings: torch.Tensor, kept: torch.Tensor) -> Group:
    """A group of its alternatives. drawings: (values, S * S); kept: (S * S,), its region."""
    region = kept.nonzero().flatten()
    own = drawings[:, region]
    own = own - own.mean(1, keepdim=True)
    return Group(values, region, own, own.square().sum(1))


def depends(
    views: Callable[[Sequence[Facts]], torch.Tensor],
    group: Group,
    drawings: torch.Tensor,
    others: Sequence[Facts],
) -> bool:
    """Whether a group's region looks otherwise where the others have other values.

    drawings: of its alternatives, (values, S * S).
    """
    again = views(with_each(others[0], [group.values[0], group.values[-1]]))
    return bool(((again - drawings[[0, -1]])[:, group.region].abs() > DEPENDENT).any())
