"""Curves of a training run, as SVG."""

import html
import math

# of the loss, as far as a run has them
LOSS_PARTS = ("reconstruction", "caption", "contrastive", "shape", "focus")
# of a curve, and of its margins, in units of its picture
WIDTH = 320
HEIGHT = 150
LEFT = 40
RIGHT = 78
TOP = 12
BOTTOM = 24


def short_number(value):
    """A number as a label: three digits are enough."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def curve(title, lines, ideal=None):
    """lines: {name: one number an epoch} -> <figure> with the curves, their first and last values written beside them. All text escaped."""
    points = {
        name: [
            (epoch, value)
            for epoch, value in enumerate(values, 1)
            if isinstance(value, (int, float)) and math.isfinite(value)
        ]
        for name, values in lines.items()
    }
    points = {name: line for name, line in points.items() if line}
    if not points:
        return ""
    values = [value for line in points.values() for _, value in line] + (
        [ideal] if ideal is not None else []
    )
    low, high = (
        (0, max(values)) if ideal is None and min(values) >= 0 else (min(values), max(values))
    )
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    last = max(epoch for line in points.values() for epoch, _ in line)

    def x(epoch):
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / max(1, last - 1), 1)

    def y(value):
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    ends = sorted((y(line[-1][1]), name, line) for name, line in points.items())
    shapes = []
    below = -math.inf
    for end, name, line in ends:
        # labels of neighbours keep apart
        below = max(end, below + 13)
        path = " ".join(f"{x(epoch)},{y(value)}" for epoch, value in line)
        kind = html.escape(name.split()[0], quote=True)
        shapes += [
            f'<polyline class="{kind}" points="{path}"/>',
            *(
                [f'<circle class="{kind}" cx="{x(line[0][0])}" cy="{y(line[0][1])}" r="2"/>']
                if len(line) == 1
                else []
            ),
            f'<text x="{WIDTH - RIGHT + 7}" y="{below + 4:.1f}">{html.escape(name)} {short_number(line[-1][1])}</text>',
        ]
    if ideal is not None:
        shapes.append(
            f'<line class="ideal" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(ideal)}" y2="{y(ideal)}"/>'
        )
    told = "; ".join(
        f"{name} from {short_number(line[0][1])} to {short_number(line[-1][1])}"
        for name, line in points.items()
    ) + (f"; {short_number(ideal)} is ideal" if ideal is not None else "")
    axis = (
        f'<path d="M{LEFT - 6},{TOP} V{HEIGHT - BOTTOM + 6} H{WIDTH - RIGHT}"/><text class="end" x="{LEFT - 10}" y="{TOP + 4}">{short_number(high)}</text>'
        f'<text class="end" x="{LEFT - 10}" y="{HEIGHT - BOTTOM + 4}">{short_number(low)}</text><text x="{LEFT}" y="{HEIGHT - 3}">1</text>'
        f'<text class="end" x="{WIDTH - RIGHT}" y="{HEIGHT - 3}">{last} epoch{"s" * (last > 1)}</text>'
    )
    return (
        f'<figure><figcaption>{html.escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)} over {last} epochs: '
        f'{html.escape(told)}">{axis}{"".join(shapes)}</svg></figure>'
    )


def curves(rows, dimensions=None):
    """Epochs -> the losses and the latent as small pictures."""

    def column(name):
        return [row.get(name) for row in rows]

    figures = [
        curve(
            "Loss, all parts weighted",
            {"train": column("train_loss"), "held out": column("val_loss")},
        )
    ]
    figures += [
        curve(
            part.capitalize(), {"train": column(f"train_{part}"), "held out": column(f"val_{part}")}
        )
        for part in LOSS_PARTS
    ]
    figures += [
        curve("Spread of the latent", {"held out": column("latent_std")}, ideal=1),
        curve(
            "Length of the latent",
            {"held out": column("latent_norm")},
            ideal=dimensions and math.sqrt(dimensions),
        ),
        curve("Learning rate", {"train": column("learning_rate")}),
        curve("Pictures a second", {"train": column("images_per_second")}),
    ]
    return f'<div class="curves">{"".join(figures)}</div>'
