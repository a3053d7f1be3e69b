"""Curves of a training run, as SVG. All text in them is escaped."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oneseed.model.checkpoint_facts import is_number

# of the loss, as far as a run has them
LOSS_PARTS = ("reconstruction", "caption", "contrastive", "shape", "focus")
# the picture of a curve and its margins, in its own units
WIDTH = 320
HEIGHT = 150
LEFT = 40
RIGHT = 78
TOP = 12
BOTTOM = 24
# units between the labels of neighbours
LABEL_HEIGHT = 13
# (epoch, value) of a line
Points = list[tuple[int, float]]


def short_number(value: float) -> str:
    """A number as a label: three digits are enough."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


@dataclass(frozen=True)
class Axes:
    """What the borders of a picture stand for."""

    low: float
    high: float
    last_epoch: int

    def x(self, epoch: int) -> float:
        """Epoch -> units from the left."""
        share = (epoch - 1) / max(1, self.last_epoch - 1)
        return round(LEFT + (WIDTH - LEFT - RIGHT) * share, 1)

    def y(self, value: float) -> float:
        """Value -> units from the top."""
        share = (self.high - value) / (self.high - self.low)
        return round(TOP + (HEIGHT - TOP - BOTTOM) * share, 1)


def finite_points(values: Sequence[Any]) -> Points:
    """One value an epoch -> those that are finite numbers."""
    return [(epoch, value) for epoch, value in enumerate(values, 1) if is_number(value)]


def axes_of(lines: Sequence[Points], ideal: float | None) -> Axes:
    """Axes that hold all points and the ideal; from 0 on where nothing is negative."""
    values = [value for line in lines for _, value in line]
    if ideal is not None:
        values.append(ideal)
    low = min(values)
    high = max(values)
    if ideal is None and low >= 0:
        low = 0
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return Axes(low, high, max(line[-1][0] for line in lines))


def line_shapes(name: str, line: Points, axes: Axes, label_y: float) -> str:
    """A line, or a dot where it has one point, and its label at the right."""
    kind = html.escape(name.split()[0], quote=True)
    path = " ".join(f"{axes.x(epoch)},{axes.y(value)}" for epoch, value in line)
    shapes = f'<polyline class="{kind}" points="{path}"/>'
    if len(line) == 1:
        epoch, value = line[0]
        shapes += f'<circle class="{kind}" cx="{axes.x(epoch)}" cy="{axes.y(value)}" r="2"/>'
    label = f"{html.escape(name)} {short_number(line[-1][1])}"
    return f'{shapes}<text x="{WIDTH - RIGHT + 7}" y="{label_y:.1f}">{label}</text>'


def axis_shapes(axes: Axes) -> str:
    """Two borders with the numbers at their ends."""
    plural = "s" if axes.last_epoch > 1 else ""
    foot = HEIGHT - BOTTOM
    return "".join(
        [
            f'<path d="M{LEFT - 6},{TOP} V{foot + 6} H{WIDTH - RIGHT}"/>',
            f'<text class="end" x="{LEFT - 10}" y="{TOP + 4}">{short_number(axes.high)}</text>',
            f'<text class="end" x="{LEFT - 10}" y="{foot + 4}">{short_number(axes.low)}</text>',
            f'<text x="{LEFT}" y="{HEIGHT - 3}">1</text>',
            f'<text class="end" x="{WIDTH - RIGHT}" y="{HEIGHT - 3}">',
            f"{axes.last_epoch} epoch{plural}</text>",
        ]
    )


def curve(title: str, lines: Mapping[str, Sequence[Any]], ideal: float | None = None) -> str:
    """{name: one number an epoch} -> <figure> with the lines and their last values beside them.

    What is no finite number is left out; "" where nothing is left. ideal: a value drawn as a level.
    """
    points = {name: finite_points(values) for name, values in lines.items()}
    points = {name: line for name, line in points.items() if line}
    if not points:
        return ""
    axes = axes_of(list(points.values()), ideal)
    # labels of neighbours keep apart, from the top down
    ends = sorted((axes.y(line[-1][1]), name, line) for name, line in points.items())
    shapes = []
    below = -math.inf
    for end, name, line in ends:
        below = max(end, below + LABEL_HEIGHT)
        shapes.append(line_shapes(name, line, axes, below + 4))
    spoken = [
        f"{name} from {short_number(line[0][1])} to {short_number(line[-1][1])}"
        for name, line in points.items()
    ]
    if ideal is not None:
        y = axes.y(ideal)
        shapes.append(f'<line class="ideal" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        spoken.append(f"{short_number(ideal)} is ideal")
    heading = html.escape(title)
    label = f"{heading} over {axes.last_epoch} epochs: {html.escape('; '.join(spoken))}"
    return (
        f"<figure><figcaption>{heading}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{axis_shapes(axes)}{''.join(shapes)}</svg></figure>"
    )


def curves(rows: Sequence[Mapping[str, Any]], dimensions: int | None = None) -> str:
    """Epochs -> the losses and the latent as small pictures.

    rows: of metrics.json. dimensions: of the latent, whose ideal length is their root.
    """

    def column(name: str) -> list[Any]:
        return [row.get(name) for row in rows]

    ideal_length = math.sqrt(dimensions) if dimensions else None
    losses = {"train": column("train_loss"), "held out": column("val_loss")}
    pictures = [curve("Loss, all parts weighted", losses)]
    for part in LOSS_PARTS:
        lines = {"train": column(f"train_{part}"), "held out": column(f"val_{part}")}
        pictures.append(curve(part.capitalize(), lines))
    pictures += [
        curve("Spread of the latent", {"held out": column("latent_std")}, ideal=1),
        curve("Length of the latent", {"held out": column("latent_norm")}, ideal=ideal_length),
        curve("Learning rate", {"train": column("learning_rate")}),
        curve("Pictures a second", {"train": column("images_per_second")}),
    ]
    return f'<div class="curves">{"".join(pictures)}</div>'
