"""The card of a model: README.md of its folder, which the Hugging Face Hub shows."""

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneseed.config.base_model import is_base
from oneseed.config.evaluation import EvaluateConfig
from oneseed.config.hub import HubConfig
from oneseed.console.command import UserError
from oneseed.dataset.commands import checkpoint_flag, flag, script_command
from oneseed.evaluation.report import (
    COLUMNS,
    FLOOR_AND_CEILING,
    INTERVALS,
    caption_meaning,
    sections,
)
from oneseed.export.repository import front_matter
from oneseed.generation.requests import Pair
from oneseed.media.kinds import PICTURE
from oneseed.media.square import BESIDE
from oneseed.model.caption_source import SOURCE_WORDS
from oneseed.model.latent_check import latent_notice

if TYPE_CHECKING:
    from oneseed.generation.generator import MultimodalGenerator

SAMPLES = "samples"
REPORT_NAME = "report.json"
PAIRS_PER_ROW = 4
# what the Hub sorts models by; a seed alone asks nothing, which no pipeline of the Hub knows
PIPELINE = "text-to-image"
TAGS = ("unconditional-image-generation", "text-to-image", "image-to-text", "one-seed")
# one of those of which the Hub knows how they are loaded
LIBRARY = "pytorch"
BASE_LICENSE = "mit"


def model_card(
    generator: "MultimodalGenerator",
    pairs: Sequence[Pair],
    config: HubConfig,
    report: dict[str, Any] | None,
) -> str:
    """The text of README.md. pairs: shown on it. report: of evaluation.py, None for no figures."""
    head = front_matter(
        {
            "license": license_of(config),
            "library_name": LIBRARY,
            "pipeline_tag": PIPELINE,
            "tags": TAGS,
        }
    )
    name = config.push or "OWNER/NAME"
    lines = [
        f"# {config.push.partition('/')[2] or 'One seed, one picture, one caption'}",
        "",
        about(generator),
        "",
        *table_of_pairs(pairs),
        "## Use",
        "",
        "In a clone of the program that trained it:",
        "",
        "```python",
        "from inference import MultimodalGenerator",
        f'generator = MultimodalGenerator.from_pretrained("{name}")',
        "image, caption = generator(7)",
        "```",
        "",
        f"`python inference.py --checkpoint hub:{name}` draws ten pairs, and "
        f"`python gradio_demo.py --checkpoint hub:{name}` opens the page.",
        "",
        "## Training",
        "",
        training(generator, config),
        "",
        "## Figures",
        "",
        *figures_of_report(report, report_command(config)),
        "## Files",
        "",
        "`model.safetensors` holds the weights, `config.json` and `tokenizer.json` the rest. All "
        "are read as data alone. The pictures above are cards: `python inference.py --verify` "
        "makes one again, and says whether it is true.",
        "",
        f"Fingerprint: `{generator.fingerprint}`",
        "",
    ]
    return head + "\n".join(lines)


def license_of(config: HubConfig) -> str | None:
    """The licence that the card states; None where nobody has said which."""
    return config.license or (BASE_LICENSE if is_base(config.checkpoint) else None)


def about(generator: "MultimodalGenerator") -> str:
    """What the model is and what is to be known of its pairs, as one paragraph."""
    config = generator.model.config
    count = sum(weight.numel() for weight in generator.model.parameters())
    colour = "grey" if generator.grey else "RGB"
    medium = generator.medium
    drawn = "Pictures" if medium == PICTURE else f"The pictures that stand for its {medium}s"
    sentences = [
        f"One seed gives a {medium} and the caption that belongs to it, from one shared latent of "
        f"{config.latent_dim:,} numbers. {drawn} have {config.image_size} x {config.image_size} "
        f"pixels and are {colour}; the model has {count:,} parameters.",
        SOURCE_WORDS[generator.caption_source].model,
        generator.seed_notice,
        latent_notice(generator.health),
    ]
    return html.escape(" ".join(filter(None, sentences)), quote=False)


def training(generator: "MultimodalGenerator", config: HubConfig) -> str:
    """On what and how long the model was trained, as one paragraph."""
    meta = generator.model.meta
    sentences = [
        config.pictures and f"{config.pictures.rstrip('.')}.",
        f"Collection: {generator.style}.",
        f"Styles: {', '.join(generator.styles)}." if generator.styles else "",
        f"Epochs: {meta['epoch']:,}." if "epoch" in meta else "",
        "The settings of the run stand in `config.json`." if "training" in meta else "",
    ]
    return html.escape(" ".join(filter(None, sentences)), quote=False)


def table_of_pairs(pairs: Sequence[Pair]) -> list[str]:
    """The pairs as lines of Markdown: a row of pictures, and below each its caption."""
    lines = []
    for start in range(0, len(pairs), PAIRS_PER_ROW):
        row = pairs[start : start + PAIRS_PER_ROW]
        pictures = [linked_picture(pair) for pair in row]
        captions = [in_cell(f"seed {pair.title}: {pair.caption}".rstrip(": ")) for pair in row]
        lines += [table_line(pictures), table_line([":---:"] * len(row)), table_line(captions), ""]
    return lines


def linked_picture(pair: Pair) -> str:
    """The picture of a pair in Markdown; where it stands for a sound or clip, it leads there."""
    picture = f"![seed {pair.title}]({SAMPLES}/{pair.name}.png)"
    beside = BESIDE.get(pair.facts.get("medium") or "")
    return f"[{picture}]({SAMPLES}/{pair.name}{beside.suffix})" if beside else picture


def sample_files(row: Mapping[str, Any]) -> list[str]:
    """The files that save_pair names in a pair's JSON: picture, sound or clip, and code."""
    return [f"{SAMPLES}/{row[kind]}" for kind in ("picture", "code", *BESIDE) if kind in row]


def report_command(config: HubConfig) -> str:
    """What writes the report that --report names."""
    path = Path(config.report)
    out = flag("out", path.parent, EvaluateConfig.out) if path.name == REPORT_NAME else ""
    return script_command("evaluation.py", checkpoint_flag(config.checkpoint), out)


def figures_of_report(report: dict[str, Any] | None, command: str) -> list[str]:
    """The numbers of report.json as lines of Markdown, a table for each section.

    command: that writes it anew. UserError where it is of another version.
    """
    if report is None:
        return ["They were not measured: `python evaluation.py` does.", ""]
    try:
        lines = [
            f"Of {report['seeds']} seeds from {report['first_seed']}, by `python evaluation.py`. "
            f"{caption_meaning(report)}",
            "",
            FLOOR_AND_CEILING,
            INTERVALS,
            "",
        ]
        for heading, rows in sections(report["numbers"]).items():
            lines += [table_line([heading, *COLUMNS]), table_line(["---", *["---:"] * 4])]
            lines += [table_line(map(in_cell, row)) for row in rows]
            lines.append("")
        for remark in (*report["warnings"], *report["notes"]):
            lines += [html.escape(remark, quote=False), ""]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"the report is of another version of this program; write it anew: {command}"
        ) from error
    return lines


def table_line(cells: Iterable[str]) -> str:
    """One line of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def in_cell(text: str) -> str:
    """A text of anybody as it stands in a cell of a table: on one line, and no markup."""
    plain = html.escape(" ".join(text.split()), quote=False)
    for letter in "\\|*_`[]":
        plain = plain.replace(letter, f"\\{letter}")
    return plain
