"""What a training run left behind, as text, tables and pictures. All text in HTML is escaped.

Reads   checkpoints/metrics.json            the losses, epoch by epoch
        checkpoints/tensorboard/            what eight fixed seeds gave after each epoch
        outputs/report/report.json          python evaluation.py
"""

import contextlib
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from oneseed.console.command import UserError
from oneseed.dataset.commands import BEST_MODEL, script_command
from oneseed.dataset.jsonl import Row, read_json
from oneseed.dataset.next_run import model_command
from oneseed.evaluation.report import caption_meaning, sections
from oneseed.media.decoding import UnusablePictureError, whole_picture
from oneseed.model.checkpoint_facts import is_count, is_number, is_plain_text
from oneseed.model.latent_check import GATE, POWER_ROWS, describe_meaning, is_failed

EPOCHS_SHOWN = 12
# of a grid of eight pictures, far above those of the largest model
MAX_GRID_PIXELS = 40_000_000
# tags in TensorBoard's files
PICTURES_TAG = "pictures/seeds 0-7"
CAPTIONS_TAG = "captions/seeds 0-7/text_summary"
REPORT_COLUMNS = ("", "value", "floor", "ceiling", "wanted")


def read_metrics(folder: str | Path) -> list[Row]:
    """Rows of metrics.json, one an epoch. UserError where there are none."""
    path = Path(folder) / "metrics.json"
    if not path.exists():
        raise UserError(
            f"{path.as_posix()} is not here: no training has ended its first epoch; what comes "
            f"next: {model_command(path.with_name(BEST_MODEL))}"
        )
    rows = read_json(path) if path.is_file() else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise UserError(
            f"{path.as_posix()} holds no epochs; training writes it again: "
            f"{model_command(path.with_name(BEST_MODEL))}"
        )
    return rows


def run_summary(rows: Sequence[Row]) -> str:
    """How far the run is, and its notes, one a line."""
    parts = [f"{len(rows)} epochs" if len(rows) > 1 else "1 epoch"]
    best_epochs = [row.get("epoch") for row in rows if row.get("best") is True]
    best = max(filter(is_count, best_epochs), default=None)
    if best:
        parts.append(f"the best is epoch {best}")
    measured = [row.get("images_per_second") for row in rows]
    speeds = sorted(filter(is_number, measured))
    if speeds:
        parts.append(f"{speeds[len(speeds) // 2]:,.0f} pictures a second")
    told = rows[-1].get("notes")
    notes = [note for note in told if is_plain_text(note)] if isinstance(told, list) else []
    return "\n".join([" · ".join(parts), *notes])


def html_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows of text -> an HTML table, escaped. The first cell of a row is its heading."""

    def cell(tag: str, text: Any) -> str:
        return f"<{tag}>{html.escape(str(text))}</{tag}>"

    lines = []
    for name, *values in rows:
        cells = "".join(cell("td", value) for value in values)
        lines.append(f'<tr><th scope="row">{html.escape(str(name))}</th>{cells}</tr>')
    headings = "".join(cell("th", text) for text in head)
    return (
        f'<div class="numbers"><table><thead><tr>{headings}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def health_table(health: dict[str, Any] | None) -> str:
    """The dict of the latent check -> what it means and a table, "" where there was no check."""
    if not health:
        return ""
    verdict = "healthy" if health["passed"] else "none, too few held-out pictures"
    if is_failed(health):
        verdict = "failed"

    def auc(value: float | None) -> str:
        return "not tested" if value is None else f"{value:.3f}"

    rows = [
        (
            "a classifier tells held-out pictures from seeds, in the "
            f"{health['directions']} directions that the decoders read (AUC)",
            auc(health["auc"]),
            f"at most {GATE}; .5 is ideal",
        ),
        ("the same in all directions", auc(health["auc_all"]), "near .5"),
        ("held-out pictures", f"{health['rows']:,}", f"{POWER_ROWS} or more"),
        ("mean, standard deviation", f"{health['mean']:.3f}, {health['std']:.3f}", "0, 1"),
        ("verdict", verdict, ""),
    ]
    table = html_table(("Is the latent what seeds assume?", "value", "wanted"), rows)
    return f"<p>{html.escape(describe_meaning(health))}</p>{table}"


def report_tables(path: str | Path) -> str:
    """report.json -> its sections as tables, the first one open; a sentence where there is none."""
    name = html.escape(Path(path).as_posix())
    if not Path(path).exists():
        return f"<p>{name} is not here; {script_command('evaluation.py')} writes it.</p>"
    try:
        # a pipe would be waited for
        report = read_json(path) if Path(path).is_file() else {}
        found = sections(report["numbers"])
        about = (
            f"The report: {report['checkpoint']}, {report['seeds']} seeds from "
            f"{report['first_seed']:,}. Floor: captions shuffled among the pairs. "
            f"Ceiling: real pairs. {caption_meaning(report)}"
        )
    except (UserError, LookupError, TypeError, AttributeError, ValueError, RecursionError):
        return (
            f"<p>{name} is damaged or of another version; {script_command('evaluation.py')} writes "
            "it again.</p>"
        )
    parts = [f"<p>{html.escape(about)}</p>"]
    for number, (heading, rows) in enumerate(found.items()):
        tag = "<details>" if number else "<details open>"
        table = html_table(REPORT_COLUMNS, rows)
        parts.append(f"{tag}<summary>{html.escape(heading)}</summary>{table}</details>")
    return "".join(parts)


def evenly_chosen(steps: Sequence[int], count: int) -> list[int]:
    """At most `count` of the steps, the first and the last among them."""
    count = min(len(steps), count)
    return [steps[round(i * (len(steps) - 1) / max(1, count - 1))] for i in range(count)]


def seed_grids(folder: str | Path) -> tuple[list[tuple[Image.Image, str]], str]:
    """TensorBoard's folder -> grids of the fixed seeds, and the captions of the last as text.

    A grid is (RGB image, "after epoch N"); of many, EPOCHS_SHOWN are evenly chosen. What of it is
    damaged or another program's is left out: the run itself is shown by its other files.
    """
    if not any(path.is_file() for path in Path(folder).glob("events.*")):
        return [], ""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0})
    try:
        events.Reload()
        tags = events.Tags()
        found = {}
        if PICTURES_TAG in tags["images"]:
            # a resumed epoch stands there twice; the later one counts
            found = {one.step: one.encoded_image_string for one in events.Images(PICTURES_TAG)}
        captions = ""
        if CAPTIONS_TAG in tags["tensors"]:
            last = events.Tensors(CAPTIONS_TAG)[-1].tensor_proto
            captions = b"".join(last.string_val[:1]).decode("utf-8", "replace")
    except Exception:
        # a damaged file can raise anything here
        return [], ""
    grids = []
    for step in evenly_chosen(sorted(found), EPOCHS_SHOWN):
        with contextlib.suppress(UnusablePictureError):
            grid = whole_picture(io.BytesIO(found[step]), "a grid.png", most_pixels=MAX_GRID_PIXELS)
            grids.append((grid, f"after epoch {step}"))
    return grids, "\n".join(line.strip() for line in captions.splitlines())
