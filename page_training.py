"""The tab Training: what a run left behind, as curves, pictures and numbers.

Reads   checkpoints/metrics.json            the losses, epoch by epoch
        checkpoints/tensorboard/            what eight fixed seeds gave after each epoch
        outputs/report/report.json          python evaluation.py
"""

import html
import io
import math
from pathlib import Path

from PIL import Image

from cli import UserError
from page_parts import FILES, sheet_of_pairs
from records import read_json

# of the loss, as far as a run has them
PARTS = ("reconstruction", "caption", "contrastive", "shape", "focus")
# of a curve, and of its margins, in units of its picture
WIDTH = 320
HEIGHT = 150
LEFT = 40
RIGHT = 78
TOP = 12
BOTTOM = 24
EPOCHS_SHOWN = 12


def short(value):
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
    x = lambda epoch: round(LEFT + (WIDTH - LEFT - RIGHT) * (epoch - 1) / max(1, last - 1), 1)
    y = lambda value: round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)
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
            f'<text x="{WIDTH - RIGHT + 7}" y="{below + 4:.1f}">{html.escape(name)} {short(line[-1][1])}</text>',
        ]
    if ideal is not None:
        shapes.append(
            f'<line class="ideal" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(ideal)}" y2="{y(ideal)}"/>'
        )
    told = "; ".join(
        f"{name} from {short(line[0][1])} to {short(line[-1][1])}" for name, line in points.items()
    ) + (f"; {short(ideal)} is ideal" if ideal is not None else "")
    axis = (
        f'<path d="M{LEFT - 6},{TOP} V{HEIGHT - BOTTOM + 6} H{WIDTH - RIGHT}"/><text class="end" x="{LEFT - 10}" y="{TOP + 4}">{short(high)}</text>'
        f'<text class="end" x="{LEFT - 10}" y="{HEIGHT - BOTTOM + 4}">{short(low)}</text><text x="{LEFT}" y="{HEIGHT - 3}">1</text>'
        f'<text class="end" x="{WIDTH - RIGHT}" y="{HEIGHT - 3}">{last} epoch{"s" * (last > 1)}</text>'
    )
    return (
        f'<figure><figcaption>{html.escape(title)}</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)} over {last} epochs: '
        f'{html.escape(told)}">{axis}{"".join(shapes)}</svg></figure>'
    )


def read_metrics(folder):
    """Rows of metrics.json. UserError where there are none."""
    path = Path(folder) / "metrics.json"
    if not path.exists():
        raise UserError(
            f"{path.as_posix()} is not here: no training has ended its first epoch; begin one: python training_loop.py"
        )
    rows = read_json(path)
    if not (isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)):
        raise UserError(
            f"{path.as_posix()} holds no epochs; training writes it again: python training_loop.py"
        )
    return rows


def curves(rows, dimensions=None):
    """Epochs -> the losses and the latent as small pictures."""
    column = lambda name: [row.get(name) for row in rows]
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
        for part in PARTS
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


def summary(rows):
    best = max((row.get("epoch", 0) for row in rows if row.get("best")), default=None)
    speeds = sorted(
        row["images_per_second"]
        for row in rows
        if isinstance(row.get("images_per_second"), (int, float))
    )
    told = " · ".join(
        [
            f"{len(rows)} epoch{'s' * (len(rows) > 1)}",
            *([f"the best is epoch {best}"] if best else []),
            *([f"{speeds[len(speeds) // 2]:,.0f} pictures a second"] if speeds else []),
        ]
    )
    return "\n".join(
        [told, *(note for note in rows[-1].get("notes") or [] if isinstance(note, str))]
    )


def table(head, rows):
    """Rows of text -> an HTML table, escaped."""
    cell = lambda tag, text: f"<{tag}>{html.escape(str(text))}</{tag}>"
    lines = [
        f'<tr><th scope="row">{html.escape(str(row[0]))}</th>{"".join(cell("td", text) for text in row[1:])}</tr>'
        for row in rows
    ]
    return f'<div class="numbers"><table><thead><tr>{"".join(cell("th", text) for text in head)}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def health_table(found):
    """health.check's dict -> table, "" where the run was not checked."""
    from health import GATE

    if not found:
        return ""
    auc = lambda value: "not tested" if value is None else f"{value:.3f}"
    return table(
        ("Is the latent what seeds assume?", "value", "wanted"),
        [
            (
                f"a classifier tells held-out pictures from seeds, in the {found['directions']} directions that the decoders read (AUC)",
                auc(found["auc"]),
                f"at most {GATE}; .5 is ideal",
            ),
            ("the same in all directions", auc(found["auc_all"]), "near .5"),
            ("held-out pictures", f"{found['rows']:,}", "400 or more"),
            ("mean, standard deviation", f"{found['mean']:.3f}, {found['std']:.3f}", "0, 1"),
            ("verdict", "healthy" if found["passed"] else "failed", ""),
        ],
    )


def report_tables(path):
    """report.json -> its sections as tables, the first one open; a sentence where there is none."""
    if not Path(path).exists():
        return f"<p>{html.escape(Path(path).as_posix())} is not here; python evaluation.py writes it.</p>"
    from evaluation import sections

    try:
        report = read_json(path)
        found = {}
        for heading, row in sections(report["numbers"]):
            found[heading or list(found)[-1]] = [*found.get(heading or list(found)[-1], []), row]
        about = f"The report: {report['checkpoint']}, {report['seeds']} seeds from {report['first_seed']:,}. Floor: captions shuffled among the pairs. Ceiling: real pairs."
        return f"<p>{html.escape(about)}</p>" + "".join(
            f"<details{' open' * (not number)}><summary>{html.escape(heading)}</summary>{table(('', 'value', 'floor', 'ceiling', 'wanted'), rows)}</details>"
            for number, (heading, rows) in enumerate(found.items())
        )
    except (UserError, LookupError, TypeError, AttributeError, ValueError):
        return f"<p>{html.escape(Path(path).as_posix())} is damaged or of another version; python evaluation.py writes it again.</p>"


def grids(folder):
    """TensorBoard's folder -> [(PIL image, "after epoch N")] of the fixed seeds, evenly chosen, and the captions of the last as text."""
    if not any(Path(folder).glob("events.*")):
        return [], ""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0})
    events.Reload()
    pictures = "pictures/seeds 0-7"
    captions = "captions/seeds 0-7/text_summary"
    # a resumed epoch stands there twice
    found = (
        {event.step: event for event in events.Images(pictures)}
        if pictures in events.Tags()["images"]
        else {}
    )
    steps = sorted(found)
    steps = [
        steps[round(i * (len(steps) - 1) / max(1, min(len(steps), EPOCHS_SHOWN) - 1))]
        for i in range(min(len(steps), EPOCHS_SHOWN))
    ]
    rows = []
    for step in steps:
        with Image.open(io.BytesIO(found[step].encoded_image_string), formats=["PNG"]) as image:
            rows.append((image.convert("RGB"), f"after epoch {step}"))
    told = (
        events.Tensors(captions)[-1].tensor_proto.string_val[0].decode("utf-8", "replace")
        if captions in events.Tags()["tensors"]
        else ""
    )
    return rows, "\n".join(line.strip() for line in told.splitlines())


def training_tab(gr, tab, find, folder, report):
    """Fills the tab; reads the files anew whenever it is opened."""
    told = gr.Textbox(
        label="The run",
        interactive=False,
        buttons=[],
        lines=1,
        max_lines=4,
        elem_id="run",
        elem_classes="quiet",
    )
    losses = gr.HTML(elem_id="losses")
    gr.Markdown("## What eight seeds gave", elem_classes="heading")
    grid = sheet_of_pairs(gr, label="Eight seeds after each epoch", elem_id="grids")
    captions = gr.Textbox(
        label="Captions of the last",
        interactive=False,
        buttons=["copy"],
        lines=1,
        max_lines=16,
        elem_id="grid-captions",
    )
    gr.Markdown("## The latent, and the report", elem_classes="heading")
    numbers = gr.HTML(elem_id="numbers")

    def read():
        try:
            generator = find()
        except UserError:
            # said by the notice
            generator = None
        try:
            rows = read_metrics(folder)
            run = summary(rows)
            drawn = curves(rows, generator and generator.dimensions)
        except UserError as error:
            run = str(error)
            drawn = ""
        pictures, text = grids(Path(folder) / "tensorboard")
        return (
            run,
            drawn,
            pictures,
            gr.Textbox(text, visible=bool(text)),
            health_table(generator and generator.health) + report_tables(report),
        )

    tab.select(read, None, [told, losses, grid, captions, numbers], **FILES)
