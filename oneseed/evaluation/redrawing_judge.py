"""A picture judge that is not taught: it draws all alternatives, and takes the nearest.

    judge = RedrawingJudge(drawn, level=5)
    judge.see(pictures)     # [{"kind": "form", "form_title": "Sign in", ...}]

It compares in grey, wherever a picture lies within MOST_MOVED pixels of where it should, and
whatever its contrast and brightness. Like every judge it shall fail where people fail: a value is
told only where the picture is clearly nearer to it than to the next one. It sits the examination
of the judges that are taught (attribute_judge_training).
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from oneseed.evaluation.attribute_judge import judge_views
from oneseed.evaluation.redrawing_templates import Frame, Group, grey_views, make_frames
from oneseed.synthetic.drawn import ABSENT, DrawnCollection, Facts

# pixels that a picture may lie aside, in each direction
MOST_MOVED = 2
# pictures that are compared at once
READ_AT_ONCE = 16
# frames that fit best by what all their pictures have in common, and places of each, to look at
FRAMES_TRIED = 6
MOVES_TRIED = 3
# how clearly a value must be the nearest: 1 where the picture is its drawing, 0 half way to another
MIN_CLEARNESS = 0.2
# share of a picture's variance that a frame must tell, or its kind cannot be read
MIN_TOLD = 0.5
# grey levels by which a drawing's contrast may differ at most: as weak as a fifth, as strong as two
CONTRASTS = (0.2, 2.0)
# side of the thumbnails that distances between collections are measured on
POOLED_SIDE = 16


class Fit(NamedTuple):
    """How well a frame fits a picture at one place."""

    # sum of squared differences over `pixels` pixels
    missing: float
    pixels: int
    # contrast and brightness that the drawing needs
    contrast: float
    brightness: float


class Grounds:
    """What all pictures of each frame have in common, to find the frames that may fit at once."""

    def __init__(self, frames: Sequence[Frame], pixels: int) -> None:
        """pixels: of a picture."""
        self.sizes = torch.tensor([len(frame.region) for frame in frames])
        self.means = torch.stack([frame.drawing.mean() for frame in frames])
        self.masks = torch.zeros(len(frames), pixels)
        self.drawings = torch.zeros(len(frames), pixels)
        for i, frame in enumerate(frames):
            self.masks[i, frame.region] = 1
            self.drawings[i, frame.region] = frame.drawing - self.means[i]
        self.powers = self.drawings.square().sum(1).clamp_min(1)

    def fits(self, views: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """How well each frame's ground fits N pictures, (N, S * S).

        Returns what it is missing, and the contrast and brightness that it needs, (N, frames).
        """
        along = views @ self.drawings.T
        sums = views @ self.masks.T
        squares = views.square() @ self.masks.T
        contrast = (along / self.powers).clamp(*CONTRASTS)
        brightness = sums / self.sizes - contrast * self.means
        missing = squares - sums.square() / self.sizes
        missing += contrast.square() * self.powers - 2 * contrast * along
        return missing, contrast, brightness


class RedrawingJudge:
    """Reads the pictures of a collection that says how they are drawn again."""

    # what the distances between collections are measured in
    network = "thumbnails of 16 x 16 pixels"

    def __init__(self, drawn: DrawnCollection, level: int = 0) -> None:
        """level: what the pictures show; 0: all."""
        self.drawn = drawn
        self.level = level or drawn.last_level
        self.frames = make_frames(drawn, self.level)
        self.grounds = Grounds(self.frames, drawn.size**2)
        self.about: dict[str, Any] = {}

    @property
    def attributes(self) -> Mapping[str, Sequence[Any]]:
        """The values of each attribute, with ABSENT."""
        return {
            name: tuple(dict.fromkeys((*values, ABSENT)))
            for name, values in self.drawn.attributes.items()
        }

    def parse(self, captions: Sequence[str]) -> list[Facts]:
        """What each caption says, exactly; None for what it leaves out."""
        return [self.drawn.parse(caption) for caption in captions]

    def features(self, pictures: np.ndarray | torch.Tensor) -> np.ndarray:
        """Thumbnails in [0, 1], for distances between collections, float32 (N, F)."""
        views = grey_views(pictures, self.drawn.size)[:, None] / 255
        return F.adaptive_avg_pool2d(views, POOLED_SIDE).flatten(1).numpy()

    def views(self, pictures: np.ndarray | torch.Tensor) -> torch.Tensor:
        """Pictures as see() takes them -> grey (N, 1, S, S) in [-1, 1]."""
        return judge_views(pictures, 1, self.drawn.size)

    @torch.no_grad()
    def see(self, pictures: np.ndarray | torch.Tensor) -> list[Facts]:
        """What each picture shows, None for what cannot be read.

        pictures: uint8 (N, S, S) grey or (N, S, S, 3).
        """
        seen = []
        for start in range(0, len(pictures), READ_AT_ONCE):
            views = grey_views(pictures[start : start + READ_AT_ONCE], self.drawn.size)
            seen += self.read(views)
        return seen

    def read(self, views: torch.Tensor) -> list[Facts]:
        """What B pictures show. views: grey (B, S, S) from 0 to 255."""
        count = len(views)
        moved = moved_views(views)  # (moves * B, S * S)
        missing, contrast, brightness = self.grounds.fits(moved)
        # what noise alone leaves missing in a pixel
        noise = (missing / self.grounds.sizes).clamp_min(0).view(-1, count, len(self.frames))
        noise = noise.amin((0, 2))  # (B,)
        excess = missing.view(-1, count, len(self.frames)) - noise[:, None] * self.grounds.sizes
        answers = []
        for i in range(count):
            fits = {}
            for number in excess[:, i].amin(0).topk(FRAMES_TRIED, largest=False).indices.tolist():
                for move in excess[:, i, number].topk(MOVES_TRIED, largest=False).indices.tolist():
                    row = move * count + i
                    scale = float(contrast[row, number]), float(brightness[row, number])
                    ground = float(missing[row, number])
                    fits[number, row] = fit(self.frames[number], moved[row], scale, ground)
            found = min(fits, key=lambda key: fits[key].missing - noise[i] * fits[key].pixels)
            answers.append(self.answer(self.frames[found[0]], moved[found[1]], fits[found]))
        return answers

    def unread(self) -> Facts:
        """The answer for a picture that shows nothing known."""
        return dict.fromkeys(self.attributes)

    def answer(self, frame: Frame, view: torch.Tensor, found: Fit) -> Facts:
        """What a picture shows, of this frame. view: (S * S,); found: how the frame fits it."""
        told = 1 - found.missing / float((view - view.mean()).square().sum().clamp_min(1))
        if told < MIN_TOLD:
            return self.unread()
        facts = dict(frame.facts)
        for group in frame.groups:
            distances = group_distances(group, view, (found.contrast, found.brightness))
            for name in group.values[0]:
                facts[name] = clear_value(group.values, distances, group.drawings, name)
        return facts


def moved_views(views: torch.Tensor) -> torch.Tensor:
    """Pictures (B, S, S) in all places around their own -> (moves * B, S * S), move by move."""
    size = views.shape[-1]
    around = F.pad(views[:, None], [MOST_MOVED] * 4, mode="replicate")[:, 0]
    moves = product(range(2 * MOST_MOVED + 1), repeat=2)
    return torch.cat([around[:, y : y + size, x : x + size].flatten(1) for y, x in moves])


def fit(frame: Frame, view: torch.Tensor, scale: tuple[float, float], ground: float) -> Fit:
    """How well a frame fits a picture, (S * S,), with the nearest value of each group.

    scale: contrast and brightness; ground: what the ground is missing.
    """
    missing, pixels = ground, len(frame.region)
    for group in frame.groups:
        nearest = group_distances(group, view, scale).amin()
        missing += scale[0] ** 2 * float(nearest)
        pixels += len(group.region)
    return Fit(missing, pixels, *scale)


def group_distances(group: Group, view: torch.Tensor, scale: tuple[float, float]) -> torch.Tensor:
    """How far a picture, (S * S,), lies from each of a group's values, squared, (values,)."""
    contrast, brightness = scale
    seen = (view[group.region] - brightness) / contrast
    seen = seen - seen.mean()
    return group.powers - 2 * group.drawings @ seen + seen.square().sum()


def clear_value(
    values: Sequence[Facts], distances: torch.Tensor, drawings: torch.Tensor, name: str
) -> Any:
    """The nearest value of one attribute of a group; None where another is nearly as near.

    distances: (values,), squared; drawings: (values, R).
    """
    nearest = int(distances.argmin())
    value = values[nearest][name]
    others = [i for i, one in enumerate(values) if one[name] != value]
    if not others:
        return value
    apart = (drawings[others] - drawings[nearest]).square().sum(1).clamp_min(1e-6)
    clearness = (distances[others] - distances[nearest]) / apart
    return value if float(clearness.min()) >= MIN_CLEARNESS else None
