"""What a training run left behind, as text, tables and pictures. All text in HTML is escaped.

Reads   checkpoints/metrics.json            the losses, epoch by epoch
        checkpoints/tensorboard/            what eight fixed seeds gave after each epoch
        outputs/report/report.json          python evaluation.py
"""

import contextlib
import html
import io
import itertools
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from PIL import Image

from oneseed.console.amounts import describe_duration
from oneseed.console.command import UserError
from oneseed.dataset.commands import BEST_MODEL, script_command
from oneseed.dataset.jsonl import Row, read_json
from oneseed.dataset.next_run import model_command
from oneseed.evaluation.report import caption_meaning, sections
from oneseed.media.decoding import UnusablePictureError, whole_picture
from oneseed.model.checkpoint_facts import is_count, is_number, is_plain_text
from oneseed.model.latent_check import GATE, POWER_ROWS, describe_meaning, is_failed
from oneseed.page.sentences import Tell

EPOCHS_SHOWN = 12
# of a grid of eight pictures, far above those of the largest model
MAX_GRID_PIXELS = 40_000_000
# tags in TensorBoard's files
PICTURES_TAG = "pictures/seeds 0-7"
CAPTIONS_TAG = "captions/seeds 0-7/text_summary"
SETTINGS_TAG = "settings/text_summary"
# epochs' time without a further one, after which a run counts as stopped
STILL_EPOCHS = 3
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
    figures = f"<details><summary>The figures of the check</summary>{table}</details>"
    return f"<p>{html.escape(describe_meaning(health))}</p>{figures}"


def report_tables(path: str | Path, tell: Tell = str) -> str:
    """report.json -> its sections as tables, the first one open; a sentence where there is none.

    tell: how the sentence is said.
    """
    name = Path(path).as_posix()

    def instead(what: str, remedy: str) -> str:
        sentence = f"{name} {what}; {script_command('evaluation.py')} {remedy}."
        return f"<p>{html.escape(tell(sentence))}</p>"

    if not Path(path).exists():
        return instead("is not here", "writes it")
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
        return instead("is damaged or of another version", "writes it again")
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


class SeedBoard(NamedTuple):
    """What a run has written for TensorBoard, as far as the page shows it."""

    # (RGB image, "after epoch N") of the fixed seeds
    grids: Sequence[tuple[Image.Image, str]] = ()
    # of the last grid, as text
    captions: str = ""
    # epoch -> when it ended, in seconds since 1970
    ends: Mapping[int, float] = MappingProxyType({})
    # epochs of the whole run; 0 where nothing says it
    epochs: int = 0


def seed_board(folder: str | Path) -> SeedBoard:
    """TensorBoard's folder -> what of it is shown; of many grids EPOCHS_SHOWN, evenly chosen.

    What of it is damaged or another program's is left out: the run itself is shown by its other
    files.
    """
    if not any(path.is_file() for path in Path(folder).glob("events.*")):
        return SeedBoard()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0})
    try:
        events.Reload()
        tags = events.Tags()
        found = {}
        if PICTURES_TAG in tags["images"]:
            # a resumed epoch stands there twice; the later one counts
            found = {one.step: one for one in events.Images(PICTURES_TAG)}
        captions, settings = (
            last_text(events, tag) if tag in tags["tensors"] else ""
            for tag in (CAPTIONS_TAG, SETTINGS_TAG)
        )
    except Exception:
        # a damaged file can raise anything here
        return SeedBoard()
    grids = []
    for step in evenly_chosen(sorted(found), EPOCHS_SHOWN):
        with contextlib.suppress(UnusablePictureError):
            file = io.BytesIO(found[step].encoded_image_string)
            grid = whole_picture(file, "a grid.png", most_pixels=MAX_GRID_PIXELS)
            grids.append((grid, f"after epoch {step}"))
    stated = re.search(r"^ *num_epochs: ([0-9]{1,6})$", settings, re.MULTILINE)
    return SeedBoard(
        grids=grids,
        captions="\n".join(line.rstrip() for line in captions.splitlines()),
        ends={step: one.wall_time for step, one in found.items()},
        epochs=int(stated[1]) if stated else 0,
    )


def last_text(events: Any, tag: str) -> str:
    """The latest text of a tag. events: an EventAccumulator that has it."""
    last = events.Tensors(tag)[-1].tensor_proto
    return b"".join(last.string_val[:1]).decode("utf-8", "replace")


def describe_time_left(board: SeedBoard, now: float) -> str:
    """How long a run still takes, "" where it has ended, stands still, or has just begun.

    now: seconds since 1970. Patience may end the run earlier.
    """
    ended = sorted(board.ends)
    if len(ended) < 2 or ended[-1] >= board.epochs:
        return ""
    spans = itertools.pairwise(ended)
    paces = [(board.ends[b] - board.ends[a]) / (b - a) for a, b in spans]
    pace = statistics.median(paces)
    waited = now - board.ends[ended[-1]]
    if pace <= 0 or waited > STILL_EPOCHS * pace:
        return ""
    left = max(0.0, (board.epochs - ended[-1]) * pace - waited)
    return f"epoch {ended[-1]} of {board.epochs} · at most {describe_duration(left)} left"
