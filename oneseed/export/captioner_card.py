"""The card of a taught captioner: README.md beside its weights, which the Hub shows."""

import html
from collections.abc import Iterator, Mapping
from typing import Any

from oneseed.captioning.taught import TaughtNotes
from oneseed.config.finetuning import CONTRASTIVE, FinetuningConfig
from oneseed.dataset.jsonl import Row
from oneseed.export.model_card import in_cell, table_line
from oneseed.export.repository import front_matter
from oneseed.finetuning.looks import LOOK_FIGURES

# what the Hub sorts by
CAPTIONER_PIPELINE = "image-text-to-text"
TOWERS_PIPELINE = "zero-shot-image-classification"
MEANING = (
    "*Exact* is the very text. *Valid* is, for a drawn collection of code, what a parser of its "
    "language reads; for all others an answer with words that came to its end. *Similarity* is "
    "chrF. The floor are texts that are true of another picture."
)
RETRIEVAL_MEANING = (
    "Shares of searches whose first answer is right, or one of the first five, beside those of a "
    "blind guess."
)
LOADING = """\
from transformers import {model}, AutoProcessor

processor = AutoProcessor.from_pretrained("{name}")
model = {model}.from_pretrained("{name}")"""
# transformers would leave the lengths that DoRA taught as they were, without an error
LOADING_ADAPTER = """\
from peft import PeftModel
from transformers import {model}, AutoProcessor

processor = AutoProcessor.from_pretrained("{base}")
model = PeftModel.from_pretrained({model}.from_pretrained("{base}"), "{name}")"""


def captioner_card(
    config: FinetuningConfig,
    metrics: Row,
    notes: TaughtNotes | None,
    base: str,
    license_name: str,
    command: str,
) -> str:
    """The text of README.md.

    metrics: of a run that has ended. notes: what a captioner is asked; None of
    towers. base: name of what was taught, on the Hub, "" of a folder. command: that taught it.
    """
    settings = metrics["settings"]
    are_towers = settings.get("objective") == CONTRASTIVE
    head = front_matter(
        {
            "license": license_name,
            "base_model": base,
            "library_name": "peft" if config.adapter else "transformers",
            "pipeline_tag": TOWERS_PIPELINE if are_towers else CAPTIONER_PIPELINE,
            "tags": ["dora" if settings.get("dora") else "lora", "one-seed"],
        }
    )
    name = base or "A checkpoint of one's own"
    what = "to bring pictures and their texts together" if are_towers else "to answer as they do"
    train, val = settings["samples"]
    lines = [
        f"# {config.push.partition('/')[2]}",
        "",
        f"{escaped(name)}, taught on the pairs of the collection {escaped(settings['style'])} "
        f"{what}: {train:,} of them, with {val:,} held out.",
        "",
        "## Figures",
        "",
        *(retrieval_figures(metrics) if are_towers else answer_figures(metrics)),
        "",
        "## Use",
        "",
        "```python",
        loading(config, base, are_towers=are_towers),
        "```",
        "",
        *(asking(config, notes) if notes else []),
        "## Training",
        "",
        f"    {command}",
        "",
    ]
    return head + "\n".join(lines)


def answer_figures(metrics: Row) -> Iterator[str]:
    """The figures of held-out answers before and after, as lines of Markdown."""
    before, after = metrics["looks"][0], metrics["after"]
    best = [look for look in metrics["looks"] if look["is_best"]][-1]
    yield f"Of {after['figures']['asked']:,} held-out pictures, asked greedily. {MEANING}"
    yield ""
    yield table_line(["", *LOOK_FIGURES])
    yield table_line(["---", *["---:"] * len(LOOK_FIGURES)])
    yield figures_line("before", before)
    yield figures_line("taught", after["figures"])
    for kind, found in after["figures"].get("kinds", {}).items():
        yield figures_line(f"of {kind} ({found['asked']})", found)
    yield figures_line("floor", after["floor"])
    yield ""
    yield (
        f"Held-out loss, in nats a token: {before['val_loss']:.4f} before, {best['val_loss']:.4f} "
        f"after {best['step']:,} steps. Merged checkpoint and adapter gave the same texts, "
        f"{after['equal_texts']:,} of {after['figures']['asked']:,}."
    )


def retrieval_figures(metrics: Row) -> Iterator[str]:
    """The shares of right searches before and after, as lines of Markdown."""
    before, after = metrics["looks"][0], metrics["after"]
    yield RETRIEVAL_MEANING
    yield ""
    yield table_line(["search", "guess", "before", "taught"])
    yield table_line(["---", *["---:"] * 3])
    for name, share in after["retrieval"].items():
        shares = (after["chance"][name], before["retrieval"][name], share)
        yield table_line([in_cell(name), *(f"{one:.3f}" for one in shares)])


def figures_line(name: str, figures: Mapping[str, Any]) -> str:
    """A row of the table of figures; those that are missing stay empty."""
    shown = [f"{figures[one]:.3f}" if one in figures else "" for one in LOOK_FIGURES]
    return table_line([in_cell(name), *shown])


def loading(config: FinetuningConfig, base: str, *, are_towers: bool) -> str:
    """The Python that loads what was pushed."""
    text = LOADING_ADAPTER if config.adapter else LOADING
    model = "AutoModel" if are_towers else "AutoModelForImageTextToText"
    return text.format(model=model, name=config.push, base=base)


def asking(config: FinetuningConfig, notes: TaughtNotes) -> Iterator[str]:
    """What it is to be asked, as lines of Markdown."""
    yield "It answers best what it was taught with:"
    yield ""
    yield from (f"    {line}" for line in notes.question.split("\n"))
    yield ""
    if notes.reads_words:
        yield "Behind the question stood the words that the picture shows."
        yield ""
    if not config.adapter:
        yield (
            "A clone of the program that taught it asks so by itself: "
            f"`hf download {config.push} --local-dir captioner`, then "
            "`python caption_generation.py --captioner captioner`."
        )
        yield ""


def escaped(text: str) -> str:
    """A name of anybody in a sentence."""
    return html.escape(text, quote=False)
