"""Drawings spoilt until people no longer read them, so that a judge learns where reading ends.

    spoiler = Spoiler(drawn, pixels)
    images, targets = spoiler.lesson(images, rivals, truth, generator)

A picture that is spoilt a little keeps its targets. One that is spoilt so far that nobody could
name its subject has the target "cannot be read"; between the two nothing is taught. What decides
is how much of the subject is left, as `left_of_subject` measures it: looked at one by one, drawings
blurred, averaged or cut down to few directions could be named from about READABLE on, and no
longer below UNREADABLE.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from oneseed.evaluation.teaching import amounts, blurred, degrade
from oneseed.synthetic.drawn import DrawnCollection

# a target that teaches nothing
IGNORED = -100
# how much of a subject is left where people still name it, and where they no longer do
READABLE = 0.80
UNREADABLE = 0.71
# blur in pixels up to which people read an attribute, and from which they do not
TEXTURE_LIMITS = (1.2, 2.2)
COARSE_LIMITS = (3.0, 5.0)
MOST_BLUR = 6.0
# leading directions of the drawings: the fewest and the most that a picture is cut down to
FEWEST_DIRECTIONS = 24
MOST_DIRECTIONS = 400
# … and below how many nothing but the subject is taught
COARSE_DIRECTIONS = 60
# drawings whose directions are found
DIRECTIONS_FROM = 1200
# how far outlines move, in pixels, at most
MOST_BENT = 8.0
# … and, over the root of the share of the picture that they fill, where people still name what they
# enclose, and where they do not
BENT_LIMITS = (4.5, 6.5)
# cells a side of the field that bends outlines, and of a patchwork of two subjects
BENDING_CELLS = 12
PATCH_CELLS = 12
# blur of degraded pictures, in pixels, at most
DEGRADED_BLUR = 0.9


@dataclass(frozen=True)
class Directions:
    """The leading directions of some pictures, the first of most variance.

    What is left of a picture in few of them is what a decoder draws that has seen many drawings and
    knows little of this one: textures are sharp, its subject is a ghost.
    """

    mean: torch.Tensor  # (P,)
    rows: torch.Tensor  # (MOST_DIRECTIONS or fewer, P), each of length 1

    @classmethod
    def of(cls, images: torch.Tensor) -> "Directions":
        """Of N pictures, (N, C, S, S) in [-1, 1]."""
        flat = images.flatten(1)  # (N, P)
        mean = flat.mean(0)
        centred = flat - mean
        # N is far below P
        variances, vectors = torch.linalg.eigh(centred @ centred.T)
        # the smallest belongs to the mean
        count = min(MOST_DIRECTIONS, len(flat) - 1)
        leading = vectors.flip(1)[:, :count].T @ centred
        return cls(mean, leading / variances.flip(0)[:count, None].clamp_min(1e-6).sqrt())

    def codes(self, images: torch.Tensor) -> torch.Tensor:
        """B pictures -> how far each lies in each direction, (B, directions)."""
        return (images.flatten(1) - self.mean) @ self.rows.T

    def pictures(self, codes: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """The inverse, as far as there are directions. shape: of the pictures, (B, C, S, S)."""
        return (codes @ self.rows + self.mean).view(shape)


def subject_region(images: torch.Tensor, rivals: torch.Tensor) -> torch.Tensor:
    """Where two drawings differ that differ in their subject alone, softly: (B, 1, S, S), 0 to 1.

    images, rivals: (B, C, S, S) in [-1, 1].
    """
    differs = (images - rivals).abs().amax(1, keepdim=True) > 0.3
    return (4 * blurred(differs.float(), images.shape[-1] / 64)).clamp(0, 1)


def left_of_subject(
    spoilt: torch.Tensor, images: torch.Tensor, region: torch.Tensor
) -> torch.Tensor:
    """How much of the subjects a spoilt picture still shows: (B,), 1 for all, 0 for its mean tone.

    The share of the variance within the region, both slightly blurred, since no eye needs every
    line. spoilt, images: (B, C, S, S); region: (B, 1, S, S).
    """
    seen = blurred(spoilt, 1.0)
    meant = blurred(images, 1.0)
    over = (2, 3)
    mean = (region * meant).sum(over, keepdim=True) / region.sum(over, keepdim=True).clamp_min(1)
    missing = (region * (seen - meant).square()).sum((1, 2, 3))
    return 1 - missing / (region * (meant - mean).square()).sum((1, 2, 3)).clamp_min(1e-6)


def with_bent_outlines(
    images: torch.Tensor, by: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Pictures whose outlines wander, those of the second half in pieces.

    by: (B, 1, 1, 1), how far, standard deviation in pixels.
    """
    size = images.shape[-1]
    field = torch.randn(len(images), 2, BENDING_CELLS, BENDING_CELLS, generator=generator)
    half = len(images) // 2
    smooth = F.interpolate(field[:half], (size, size), mode="bicubic")
    pieces = F.interpolate(field[half:], (size, size))
    field = torch.cat([smooth, pieces]) * by * (2 / size)
    still = F.affine_grid(torch.eye(2, 3)[None], [1, 1, size, size], align_corners=False)
    places = still + field.permute(0, 2, 3, 1)  # (B, S, S, 2)
    return F.grid_sample(images, places, padding_mode="border", align_corners=False)


def patchwork(
    images: torch.Tensor, rivals: torch.Tensor, share: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Pictures with patches of others. share: (B, 1, 1, 1), of the patches that are others'."""
    drawn = torch.rand(len(images), 1, PATCH_CELLS, PATCH_CELLS, generator=generator)
    patches = F.interpolate((drawn < share).float(), images.shape[-2:], mode="bilinear")
    # patches have narrow seams
    patches = (4 * patches - 1.5).clamp(0, 1)
    return images + patches * (rivals - images)


def steeper(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pictures of one to three times the contrast."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return (mean + (images - mean) * amounts(images, 1, 3, generator)).clamp(-1, 1)


def overlaid(
    spoilt: torch.Tensor, images: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Spoilt pictures below the fine lines of the whole ones, moved aside."""
    size = images.shape[-1]
    fine = images - blurred(images, 2.0)
    aside = int(torch.randint(size // 3, size // 2, (1,), generator=generator))
    return (spoilt + fine.roll(aside, -1) * amounts(images, 0, 0.7, generator)).clamp(-1, 1)


@dataclass(frozen=True)
class Drawings:
    """Some drawings to spoil."""

    images: torch.Tensor  # (B, C, S, S) in [-1, 1]
    # the same but for their subjects
    rivals: torch.Tensor
    # (B, attributes) int64, the number of each value, or IGNORED
    truth: torch.Tensor

    def part(self, start: int, stop: int) -> "Drawings":
        """Those from start to before stop."""
        return Drawings(self.images[start:stop], self.rivals[start:stop], self.truth[start:stop])


Spoilt = tuple[torch.Tensor, torch.Tensor]


class Spoiler:
    """Spoils the drawings of one collection, each by an amount of its own.

    Each of its ways gives the pictures (B, C, S, S), and the targets (B, attributes).
    """

    def __init__(self, drawn: DrawnCollection, images: torch.Tensor) -> None:
        """images: (N, C, S, S) in [-1, 1], drawings of the collection in random order."""
        self.names = list(drawn.attributes)
        self.unread = torch.tensor([len(values) for values in drawn.attributes.values()])
        self.main = self.names.index(drawn.main_attribute)
        self.limits = [
            TEXTURE_LIMITS if name == drawn.style_attribute else COARSE_LIMITS
            for name in self.names
        ]
        self.directions = Directions.of(images[:DIRECTIONS_FROM])

    def lesson(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """All drawings of a batch: sixteenths of it as they are, and spoilt in each way."""
        ways: tuple[tuple[int, Callable[[Drawings, torch.Generator], Spoilt]], ...] = (
            (3, self.left_alone),
            (3, self.degraded),
            (1, self.blur),
            (2, self.cut_down),
            (2, self.muddle),
            (1, self.mix),
            (1, self.smear),
            (1, self.bend),
            (2, self.bend_and_muddle),
        )
        total = sum(share for share, _ in ways)
        done = 0
        images, targets = [], []
        for share, way in ways:
            start = done * len(batch.images) // total
            done += share
            part = batch.part(start, done * len(batch.images) // total)
            if len(part.images):
                spoilt, meant = way(part, generator)
                images.append(spoilt)
                targets.append(meant)
        return torch.cat(images), torch.cat(targets)

    def reading_lesson(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """All drawings of a batch, half of them mildly degraded, none beyond reading."""
        half = len(batch.images) // 2
        parts = (batch.part(0, half), batch.part(half, len(batch.images)))
        ways = (self.left_alone, self.degraded)
        images, targets = zip(*(way(part, generator) for way, part in zip(ways, parts)))
        return torch.cat(images), torch.cat(targets)

    def left_alone(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """Drawings as they are."""
        return batch.images, batch.truth

    def degraded(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """Mildly worse drawings, which people read."""
        return degrade(batch.images, generator, DEGRADED_BLUR), batch.truth

    def blur(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """Out of focus as a whole."""
        sigma = amounts(batch.images, 0.5, MOST_BLUR, generator)
        spoilt = blurred(batch.images, sigma)
        targets = self.by_what_is_left(batch, spoilt)
        for column, limits in enumerate(self.limits):
            if column != self.main:
                self.mark(targets, column, sigma.flatten(), limits)
        return steeper(spoilt, generator), targets

    def cut_down(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """In few of the directions that drawings have, as a decoder draws that knows little."""
        codes = self.directions.codes(batch.images)
        return self.in_directions(batch, codes, torch.zeros_like(codes), generator)

    def muddle(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """In few of the directions, and in the others as another drawing.

        So a sampler draws that knows the leading directions, and not what belongs to them.
        """
        codes = self.directions.codes(batch.images)
        return self.in_directions(batch, codes, codes.roll(1, 0), generator)

    def in_directions(
        self,
        batch: Drawings,
        leading: torch.Tensor,
        following: torch.Tensor,
        generator: torch.Generator,
    ) -> Spoilt:
        """The first directions of some codes, the rest of others. Both: (B, directions)."""
        most = leading.shape[1]
        counts = amounts(batch.images, math.log(FEWEST_DIRECTIONS), math.log(most), generator)
        counts = counts.exp().flatten()
        is_leading = torch.arange(most) < counts[:, None]
        codes = torch.where(is_leading, leading, following)
        spoilt = self.directions.pictures(codes, batch.images.shape)
        targets = self.by_what_is_left(batch, spoilt)
        others = [column for column in range(len(self.names)) if column != self.main]
        coarse = (counts < COARSE_DIRECTIONS)[:, None]
        targets[:, others] = targets[:, others].masked_fill(coarse, IGNORED)
        spoilt = steeper(spoilt, generator)
        half = len(spoilt) // 2
        worse = degrade(spoilt[:half], generator, DEGRADED_BLUR)
        return torch.cat([worse, spoilt[half:]]), targets

    def mix(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """Two subjects in one place: one through the other, or in patches."""
        half = len(batch.images) // 2
        share = amounts(batch.images, 0, 0.5, generator)
        through = batch.images + share * (batch.rivals - batch.images)
        patches = patchwork(batch.images, batch.rivals, share, generator)
        spoilt = torch.cat([through[:half], patches[half:]])
        targets = self.by_what_is_left(batch, spoilt)
        return degrade(spoilt, generator, DEGRADED_BLUR), targets

    def smear(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """The subject alone out of focus, below lines that are not its own."""
        region = subject_region(batch.images, batch.rivals)
        sigma = amounts(batch.images, 0.5, MOST_BLUR, generator)
        spoilt = blurred(batch.images, sigma)
        targets = self.by_what_is_left(batch, spoilt)
        spoilt = overlaid(steeper(spoilt, generator), batch.images, generator)
        return batch.images + region * (spoilt - batch.images), targets

    def bend(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """The subject's outlines broken, or several of them at once."""
        region = subject_region(batch.images, batch.rivals)
        by = amounts(batch.images, 0, MOST_BENT, generator)
        bends = [with_bent_outlines(batch.images, by, generator) for _ in range(3)]
        # every third shows several outlines at once
        is_one = torch.arange(len(by)).view(-1, 1, 1, 1) % 3 > 0
        spoilt = torch.where(is_one, bends[0], torch.stack(bends).mean(0))
        targets = batch.truth.clone()
        extent = region.mean((1, 2, 3)).clamp_min(1e-3).sqrt()
        self.mark(targets, self.main, by.flatten() / extent, BENT_LIMITS)
        spoilt = batch.images + region * (spoilt - batch.images)
        return steeper(degrade(spoilt, generator, DEGRADED_BLUR), generator), targets

    def bend_and_muddle(self, batch: Drawings, generator: torch.Generator) -> Spoilt:
        """Both, one after the other."""
        images, targets = self.bend(batch, generator)
        return self.muddle(Drawings(images, batch.rivals, targets), generator)

    def by_what_is_left(self, batch: Drawings, spoilt: torch.Tensor) -> torch.Tensor:
        """The batch's targets; of its subjects only where enough of them is left."""
        targets = batch.truth.clone()
        region = subject_region(batch.images, batch.rivals)
        lost = 1 - left_of_subject(spoilt, batch.images, region)
        self.mark(targets, self.main, lost, (1 - READABLE, 1 - UNREADABLE))
        return targets

    def mark(
        self, targets: torch.Tensor, column: int, harm: torch.Tensor, limits: tuple[float, float]
    ) -> None:
        """Changes one attribute's targets, (B,), by how far pictures are spoilt.

        harm: (B,). limits: up to the first the targets stay, from the second on they say that the
        attribute cannot be read.
        """
        last_readable, first_unreadable = limits
        target = targets[:, column]
        target[(harm > last_readable) & (target != self.unread[column])] = IGNORED
        target[harm >= first_unreadable] = self.unread[column]
