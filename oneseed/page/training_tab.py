"""The tab Training.

The tab Training: what a run left behind, as curves, pictures and numbers.

Reads   checkpoints/metrics.json            the losses, epoch by epoch
        checkpoints/tensorboard/            what eight fixed seeds gave after each epoch
        outputs/report/report.json          python evaluation.py
"""

import html
import io
from pathlib import Path

from PIL import Image

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import read_json
from oneseed.evaluation.report import sections
from oneseed.model.latent_check import GATE
from oneseed.page.curves import curves
from oneseed.page.events import sheet_of_pairs
from oneseed.page.inputs import FILES_TASK

EPOCHS_SHOWN = 12


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


def html_table(head, rows):
    """Rows of text -> an HTML table, escaped."""

    def cell(tag, text):
        return f"<{tag}>{html.escape(str(text))}</{tag}>"

    lines = [
        f'<tr><th scope="row">{html.escape(str(row[0]))}</th>{"".join(cell("td", text) for text in row[1:])}</tr>'
        for row in rows
    ]
    return f'<div class="numbers"><table><thead><tr>{"".join(cell("th", text) for text in head)}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def health_table(found):
    """health.check's dict -> table, "" where the run was not checked."""

    if not found:
        return ""

    def auc(value):
        return "not tested" if value is None else f"{value:.3f}"

    return html_table(
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

    try:
        report = read_json(path)
        found = {}
        for heading, row in sections(report["numbers"]):
            found[heading or list(found)[-1]] = [*found.get(heading or list(found)[-1], []), row]
        about = f"The report: {report['checkpoint']}, {report['seeds']} seeds from {report['first_seed']:,}. Floor: captions shuffled among the pairs. Ceiling: real pairs."
        return f"<p>{html.escape(about)}</p>" + "".join(
            f"<details{' open' * (not number)}><summary>{html.escape(heading)}</summary>{html_table(('', 'value', 'floor', 'ceiling', 'wanted'), rows)}</details>"
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

    tab.select(read, None, [told, losses, grid, captions, numbers], **FILES_TASK)
