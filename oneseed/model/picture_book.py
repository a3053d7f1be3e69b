"""A book of training pictures, from whose patches the drafts of seeds are engraved.

Some thousand pictures teach a model where masses of light and dark lie, and not how the lines go
that make something of them. The lines are in the pictures. So a draft is covered with patches of
training pictures that are as light and dark as it is in each place, and that meet along the least
visible seam. No picture gives more than MOST_USES of the patches.

The method is image quilting with a target: Efros and Freeman 2001 (doi:10.1145/383259.383296).
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# cells a side, by whose mean tone drafts and patches are compared
TONE_SIDE = 32
# patches: their side, and where they begin, in cells; they overlap by two or three
PATCH_SIDE = 10
LAID_AT = (0, 7, 15, 22)
# cells that a patch may come from beside its own place, in each direction
SHIFT = 2
# patches that one picture gives at most
MOST_USES = 2
# patches, the nearest in tone, whose overlap with what is there is looked at
COMPARED = 64
# pictures that are like the draft in tone, format and touch, among which patches are chosen
CHOSEN = 120
# what counts as much as one standard deviation of the tone's distance: cells of the frame, …
FRAME_UNIT = 1.5
# … and tones of the paper and spreads of the tones, of [-1, 1]
TONE_UNIT = 0.08
# of a patch: its tone against the draft's, the overlap with those that are there, and the share of
# it that lies outside of the frame
TONE_WEIGHT = 4.0
OVERLAP_WEIGHT = 1.5
FRAME_WEIGHT = 2.0
# what is known of a picture as a whole: four edges of its frame, its paper and its touch
LOOKS = 6
# of the tones around a picture: lighter ones are margin; share of a row that is ink, at least
MARGIN_TONE = 0.93
LEAST_INK = 0.02
# quantile of the tones within the frame that is the paper's
PAPER_QUANTILE = 0.93


class PictureBook(nn.Module):
    """Training pictures and their drafts.

    book = PictureBook(pictures, drafts, ids)  # uint8 (N, C, S, S), float (N, 32, 32), N strings
    pictures = book.engrave(drafts)  # (B, C, S, S) in [-1, 1], both
    """

    pictures: Tensor  # (N, C, S, S) uint8
    drafts: Tensor  # (N, TONE_SIDE, TONE_SIDE) float16, as the model redraws them
    looks: Tensor  # (N, LOOKS) float32: frame, paper, touch

    def __init__(
        self, pictures: Tensor, drafts: Tensor, ids: Sequence[str], looks: Tensor | None = None
    ) -> None:
        """looks: of the pictures; None: they are found."""
        super().__init__()
        assert len(pictures) == len(drafts) == len(ids), f"{len(ids)} names"
        self.register_buffer("pictures", pictures)
        self.register_buffer("drafts", drafts.half())
        self.register_buffer("looks", looks_of(pictures) if looks is None else looks)
        self.ids = list(ids)

    @classmethod
    def to_be_loaded(cls, pictures: Tensor, drafts: Tensor) -> "PictureBook":
        """A book of these sizes, which a state dict is about to fill."""
        names = [""] * len(drafts)
        looks = torch.zeros(len(drafts), LOOKS)
        return cls(torch.zeros_like(pictures), torch.zeros_like(drafts), names, looks)

    def some(self, count: int) -> "PictureBook":
        """A book of so many of its pictures, in their order, from the whole of it."""
        kept = evenly(len(self.ids), count)
        ids = [self.ids[number] for number in kept.tolist()]
        return PictureBook(self.pictures[kept], self.drafts[kept], ids, self.looks[kept])

    def engrave(self, drafts: Tensor) -> Tensor:
        """Drafts (B, C, S, S) in [-1, 1] -> pictures (B, C, S, S) of the book's patches."""
        tones = cell_tones(drafts.float()).double().cpu().numpy()
        pictures = np.stack([self.engraved(draft).picture for draft in tones])
        return torch.from_numpy(pictures).to(drafts)

    def engraved(self, draft: np.ndarray) -> "Engraving":
        """Tones (TONE_SIDE, TONE_SIDE) of a draft -> its engraving; on the CPU, in float64."""
        chosen, frame, paper = self.choose(draft)
        bench = Bench(
            pictures=self.pictures[chosen].float().cpu().numpy() / 127.5 - 1,
            tones=self.drafts[chosen].double().cpu().numpy(),
            papers=self.looks[chosen, 4].double().cpu().numpy(),
            frames=self.looks[chosen, :4].cpu().numpy(),
            frame=frame,
            paper=paper,
        )
        engraving = bench.engrave(draft)
        return engraving._replace(sources=np.asarray(chosen)[engraving.sources])

    def choose(self, draft: np.ndarray) -> tuple[Tensor, np.ndarray, float]:
        """A draft's tones -> the pictures (M,) to take patches from, the frame and the paper.

        Frame, paper and touch are those of the picture that is nearest in tone.
        """
        looks = self.looks.double().cpu().numpy()
        wanted = torch.from_numpy(draft).float()
        # in float32: a book has millions of tones
        distances = (self.drafts.cpu().float() - wanted).square().mean((1, 2)).double().numpy()
        nearest = looks[distances.argmin()]
        frame = np.abs(looks[:, :4] - nearest[:4]).max(1) / FRAME_UNIT
        others = np.abs(looks[:, 4:] - nearest[4:]).sum(1) / TONE_UNIT
        likeness = distances / max(distances.std(), 1e-9) + frame + others
        chosen = likeness.argsort(kind="stable")[:CHOSEN]
        return torch.from_numpy(chosen.copy()), nearest[:4], float(nearest[4])


class Engraving(NamedTuple):
    """A picture made of patches."""

    # (C, S, S) in [-1, 1]
    picture: np.ndarray
    # (S, S) int: the number in the book of the picture that each pixel is from
    sources: np.ndarray


class Bench:
    """Some pictures of a book, and the picture that is made of them, patch by patch."""

    def __init__(
        self,
        *,
        pictures: np.ndarray,
        tones: np.ndarray,
        papers: np.ndarray,
        frames: np.ndarray,
        frame: np.ndarray,
        paper: float,
    ) -> None:
        """pictures: (M, C, S, S) in [-1, 1]; tones: (M, TONE_SIDE, TONE_SIDE); papers: (M,).

        frames: (M, 4) and frame (4,), in cells; paper: the tone wanted.
        """
        self.cell = pictures.shape[-1] // TONE_SIDE
        self.tones = tones
        self.inside = np.stack([inside_of(one) for one in frames])  # (M, TONE_SIDE, TONE_SIDE)
        self.wanted_inside = inside_of(frame)  # (TONE_SIDE, TONE_SIDE)
        # the paper of all is that of the frame's picture; ink stays as dark as it is
        gain = ((paper + 1) / (papers + 1)).clip(0.5, 2)
        self.pictures = ((pictures + 1) * gain[:, None, None, None] - 1).clip(-1, 1)
        self.greys = self.pictures.mean(1)  # (M, S, S)
        side = pictures.shape[-1]
        self.picture = np.ones(pictures.shape[1:], np.float32)  # (C, S, S)
        self.grey = np.ones((side, side), np.float32)
        self.sources = np.full((side, side), -1)
        self.uses = np.zeros(len(pictures), int)
        # of few pictures each has to give more
        self.most_uses = max(MOST_USES, -(-(len(LAID_AT) ** 2) // len(pictures)))

    def engrave(self, draft: np.ndarray) -> Engraving:
        """Cover all places of a draft's tones (TONE_SIDE, TONE_SIDE)."""
        for top in LAID_AT:
            for left in LAID_AT:
                self.lay(*self.best_patch(draft, top, left), top, left)
        outside = ~np.kron(self.wanted_inside, np.ones((self.cell, self.cell), bool))
        self.picture[:, outside] = 1.0
        return Engraving(self.picture, self.sources)

    def best_patch(self, draft: np.ndarray, top: int, left: int) -> tuple[int, int, int]:
        """Picture, row and column, in cells, of the patch that fits best at a place.

        Of those that are nearest in tone, it is the one that goes on best from what lies there.
        """
        origins = list(itertools.product(rows_near(top), rows_near(left)))
        costs = np.stack([self.tone_cost(draft, origin, (top, left)) for origin in origins])
        costs[:, self.uses >= self.most_uses] = np.inf  # (O, M)
        nearest = costs.ravel().argsort(kind="stable")[:COMPARED]
        patches = [
            (int(number), *origins[place])
            for place, number in zip(*np.unravel_index(nearest, costs.shape), strict=True)
        ]
        fit = costs.ravel()[nearest] + OVERLAP_WEIGHT * self.misfit(patches, top, left)
        return patches[int(fit.argmin())]

    def tone_cost(
        self, draft: np.ndarray, origin: tuple[int, int], place: tuple[int, int]
    ) -> np.ndarray:
        """How far the patches (M,) from an origin are from a draft's tones and frame at a place."""
        source = (..., *(slice(first, first + PATCH_SIDE) for first in origin))
        there = tuple(slice(first, first + PATCH_SIDE) for first in place)
        tones = np.square(self.tones[source] - draft[there]).mean((1, 2))
        stray = (self.inside[source] != self.wanted_inside[there]).mean((1, 2))
        return TONE_WEIGHT * tones + FRAME_WEIGHT * stray

    def misfit(
        self, patches: Sequence[tuple[int, int, int]], top: int, left: int
    ) -> np.ndarray | float:
        """How much patches (K,) differ from what lies at a place, relative to its spread."""
        there = self.pixels(top, left)
        known = self.sources[there] >= 0
        if not known.any():
            return 0.0
        old = self.grey[there][known]
        new = np.stack(
            [self.greys[(number, *self.pixels(*origin))][known] for number, *origin in patches]
        )
        return np.square(new - old).mean(1) / (0.1 + new.var(1) + old.var())

    def lay(self, number: int, row: int, column: int, top: int, left: int) -> None:
        """Put a patch to its place, cut along the least visible seams."""
        self.uses[number] += 1
        there = self.pixels(top, left)
        here = self.pixels(row, column)
        known = self.sources[there] >= 0
        error = np.square(self.greys[number][here] - self.grey[there])
        error[~known] = 0
        shown = np.ones_like(known)
        if left:
            width = self.cell * overlap_before(left)
            shown[:, :width] &= right_of_seam(error[:, :width])
        if top:
            height = self.cell * overlap_before(top)
            shown[:height] &= right_of_seam(error[:height].T).T
        shown |= ~known
        self.picture[:, *there][:, shown] = self.pictures[number][:, *here][:, shown]
        self.grey[there][shown] = self.greys[number][here][shown]
        self.sources[there][shown] = number

    def pixels(self, row: int, column: int) -> tuple[slice, slice]:
        """The pixels of the patch that begins at a cell."""
        length = PATCH_SIDE * self.cell
        top, left = row * self.cell, column * self.cell
        return slice(top, top + length), slice(left, left + length)


def evenly(total: int, count: int) -> Tensor:
    """At most `count` of the numbers below `total`, evenly spread: int64 (M,)."""
    count = min(count, total)
    return torch.arange(count) * total // max(count, 1)


def rows_near(place: int) -> range:
    """Where a patch may come from that goes to a place, in cells; at an edge from there alone."""
    last = TONE_SIDE - PATCH_SIDE
    if place in (0, last):
        return range(place, place + 1)
    return range(max(0, place - SHIFT), min(last, place + SHIFT) + 1)


def overlap_before(place: int) -> int:
    """Cells by which a patch covers the one before it."""
    before = LAID_AT[LAID_AT.index(place) - 1]
    return before + PATCH_SIDE - place


def right_of_seam(error: np.ndarray) -> np.ndarray:
    """(H, W) squared differences -> bool (H, W): what is right of the cheapest way down."""
    cost = error.astype(np.float64)
    for y in range(1, len(cost)):
        padded = np.pad(cost[y - 1], 1, constant_values=np.inf)
        cost[y] += np.minimum(np.minimum(padded[:-2], padded[1:-1]), padded[2:])
    columns = np.arange(error.shape[1])
    shown = np.zeros(error.shape, bool)
    x = int(cost[-1].argmin())
    for y in range(len(cost) - 1, -1, -1):
        shown[y] = columns >= x
        if y:
            low = max(0, x - 1)
            x = low + int(cost[y - 1, low : x + 2].argmin())
    return shown


def inside_of(frame: np.ndarray) -> np.ndarray:
    """A frame (4,) in cells -> bool (TONE_SIDE, TONE_SIDE): whether a cell is within it."""
    top, bottom, left, right = frame
    middles = np.arange(TONE_SIDE) + 0.5
    rows = (middles > top) & (middles < bottom)
    columns = (middles > left) & (middles < right)
    return rows[:, None] & columns


def cell_tones(images: Tensor) -> Tensor:
    """(B, C, S, S) -> mean tones of cells (B, TONE_SIDE, TONE_SIDE)."""
    return F.adaptive_avg_pool2d(images.mean(1, keepdim=True), TONE_SIDE)[:, 0]


def looks_of(pictures: Tensor) -> Tensor:
    """uint8 (N, C, S, S) -> frame, paper and touch of each, float32 (N, LOOKS)."""
    rows = [look_of(picture.float().mean(0).numpy() / 127.5 - 1) for picture in pictures.cpu()]
    return torch.tensor(rows, dtype=torch.float32).view(-1, LOOKS)


def look_of(grey: np.ndarray) -> list[float]:
    """(S, S) in [-1, 1] -> frame in cells, paper and touch of a picture."""
    side = len(grey)
    is_ink = grey < MARGIN_TONE
    rows = np.flatnonzero(is_ink.mean(1) > LEAST_INK)
    columns = np.flatnonzero(is_ink.mean(0) > LEAST_INK)
    if not len(rows) or not len(columns):
        rows = columns = np.arange(side)
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    within = grey[top:bottom, left:right]
    frame = [float(edge) * TONE_SIDE / side for edge in (top, bottom, left, right)]
    return [*frame, float(np.quantile(within, PAPER_QUANTILE)), float(within.std())]
