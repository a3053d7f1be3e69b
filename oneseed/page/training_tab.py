"""The tab Training: what a run left behind, as curves, pictures and numbers."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from PIL import Image

from oneseed.console.command import UserError
from oneseed.page.components import quiet_text, sheet_of_pairs
from oneseed.page.curves import curves
from oneseed.page.events import FILES_TASK, Component
from oneseed.page.pair_rows import FindGenerator
from oneseed.page.training_results import (
    health_table,
    read_metrics,
    report_tables,
    run_summary,
    seed_grids,
)


class TrainingView(NamedTuple):
    """What the tab shows, in the order of its components."""

    run: str
    # HTML
    losses: str
    grids: list[tuple[Image.Image, str]]
    captions: Component
    # HTML
    numbers: str


@dataclass(frozen=True)
class TrainingHandlers:
    """What the tab does on the server."""

    gr: ModuleType
    find_generator: FindGenerator
    # folder of the training run
    run: str | Path
    # what evaluation.py wrote
    report: str | Path

    def read(self) -> TrainingView:
        """Reads the files anew."""
        dimensions = None
        health = None
        try:
            generator = self.find_generator()
        except UserError:
            # said by the notice
            pass
        else:
            dimensions = generator.dimensions
            health = generator.health
        try:
            rows = read_metrics(self.run)
            summary = run_summary(rows)
            losses = curves(rows, dimensions)
        except UserError as error:
            summary = str(error)
            losses = ""
        grids, captions = seed_grids(Path(self.run) / "tensorboard")
        return TrainingView(
            run=summary,
            losses=losses,
            grids=grids,
            captions=self.gr.Textbox(captions, visible=bool(captions)),
            numbers=health_table(health) + report_tables(self.report),
        )


def training_tab(
    gr: ModuleType,
    tab: Component,
    find_generator: FindGenerator,
    *,
    run: str | Path,
    report: str | Path,
) -> None:
    """Fills the tab; its files are read anew whenever it is opened.

    run: folder of the training. report: what evaluation.py wrote.
    """
    summary = quiet_text(gr, "The run", max_lines=4, elem_id="run")
    losses = gr.HTML(elem_id="losses")
    gr.Markdown("## What eight seeds gave", elem_classes="heading")
    grids = sheet_of_pairs(gr, "Eight seeds after each epoch", "grids")
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
    handlers = TrainingHandlers(gr, find_generator, run, report)
    tab.select(handlers.read, None, [summary, losses, grids, captions, numbers], **FILES_TASK)
