"""Packs a trained model as the base model of the repository, and writes its card.

Reads   checkpoints/best_model.pt, and metrics.json beside it
Writes  samples/base/   model.safetensors, at most 25 MB; README.md, the card

    python -m benchmarks.base --checkpoint checkpoints/best_model.pt --out samples/base
    python -m benchmarks.base --pictures "3,051 engravings" --licence "MIT; the pictures: CC0"

What the packing rounds is measured: the same seeds are drawn from both files.
"""

# --help answers at once
if __name__ == "__main__":
    from benchmarks.settings import BaseModelConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(BaseModelConfig, description=__doc__)

import shlex
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np

from oneseed.config.model import PRESETS, ModelConfig
from oneseed.config.training import UNSAVED_FIELDS, TrainConfig
from oneseed.console.command import UserError, run
from oneseed.console.flags import flag_of
from oneseed.dataset.jsonl import read_json
from oneseed.files import write_text
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.base import save_base
from oneseed.model.checkpoint_facts import is_number

# of the packed file
MAX_BYTES = 25_000_000
UNKNOWN = "not stated"
# of the row of metrics.json of the best epoch -> what the card calls it
FIGURES = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_reconstruction": "reconstruction, validation",
    "val_caption": "caption, validation, nats a token",
    "val_contrastive": "contrastive, validation",
    "pair_score": "distance of drawn pairs from real ones",
}


class Packing(NamedTuple):
    """What became of a model when it was packed."""

    path: Path
    # of both files
    bytes_before: int
    bytes_after: int
    # greatest and mean difference of the pixels of the same seeds, 0 to 255
    worst: int
    mean: float
    # captions that are the same, of so many
    equal: int
    seeds: int


def packed(config):
    """Packs the model of the settings -> (its generator, what became of it)."""
    generator = MultimodalGenerator(config.checkpoint, "cpu")
    model = generator.model
    if model.picture_book is not None and config.carried:
        model.picture_book = model.picture_book.some(config.carried)
    else:
        model.drop_pictures()
        generator = generator.in_finish(None)
    path = Path(config.out) / "model.safetensors"
    with tempfile.TemporaryDirectory() as folder:
        # a base model that is there stays until its successor is known to fit
        trial = Path(folder) / path.name
        save_base(model, trial)
        size = trial.stat().st_size
    if size > MAX_BYTES:
        raise UserError(
            f"{path} has {size:,} bytes, at most {MAX_BYTES:,} travel with the repository; "
            "let it carry fewer pictures with --carried, or train a smaller model: "
            "python training_loop.py --preset small"
        )
    save_base(model, path)
    seeds = range(config.seeds)
    before = generator.generate_batch(seeds)
    after = MultimodalGenerator(path, "cpu").generate_batch(seeds)
    differences = [
        np.abs(np.asarray(one, dtype=int) - np.asarray(other, dtype=int))
        for (one, _), (other, _) in zip(before, after)
    ]
    found = Packing(
        path=path,
        bytes_before=generator.checkpoint.stat().st_size,
        bytes_after=size,
        worst=int(max(part.max() for part in differences)),
        mean=float(np.mean([part.mean() for part in differences])),
        equal=sum(one == other for (_, one), (_, other) in zip(before, after)),
        seeds=config.seeds,
    )
    return generator, found


def training_command(model):
    """The command that trains such a model: its settings that are not the preset's."""
    usual = {field.name: field.default for field in fields(ModelConfig)}
    usual |= {field.name: field.default for field in fields(TrainConfig)}
    usual |= PRESETS.get(model.config.preset, {})
    settings = model.config.settings() | model.meta.get("training", {})
    words = ["python", "training_loop.py", "--style", settings.pop("style", "STYLE")]
    words += ["--preset", settings.pop("preset")]
    settings["precision"] = usual["precision"]
    for name, value in settings.items():
        is_open = name in ("vocab_size", "channels") and not usual.get(name)
        is_saved = name in usual and name not in UNSAVED_FIELDS
        if is_saved and value != usual[name] and not is_open:
            # a setting that is on or off
            words += [flag_of(name)] if value is True else [flag_of(name), str(value)]
    return shlex.join(words)


def best_row(folder, epoch):
    """The row of an epoch in metrics.json, {} where there is none."""
    path = folder / "metrics.json"
    rows = read_json(path) if path.is_file() else []
    return next((row for row in rows if row.get("epoch") == epoch), {})


def packing_command(config):
    """The command that this card was written by."""
    words = ["python", "-m", "benchmarks.base"]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name == "checkpoint" and Path(value).is_absolute():
            # where the command above writes it
            value = field.default
        if value != field.default or field.name in ("checkpoint", "out"):
            words += [flag_of(field.name)] if value is True else [flag_of(field.name), str(value)]
    return shlex.join(words)


def figures(generator, config, found):
    """The rows of the card's table, (what, value) each."""
    model = generator.model
    health = generator.health
    metrics = best_row(generator.checkpoint.parent, model.meta.get("epoch"))
    rows = [
        ("pictures", f"{model.config.image_size} px, {'grey' if generator.grey else 'RGB'}"),
        ("parameters", f"{sum(weight.numel() for weight in model.parameters()):,}"),
        ("entries of the vocabulary", f"{len(model.tokenizer):,}"),
        ("epochs", f"{model.meta.get('epoch', UNKNOWN)}"),
    ]
    for name, title in FIGURES.items():
        if is_number(metrics.get(name)):
            rows.append((title, f"{metrics[name]:.3f}"))
    if health:
        auc = UNKNOWN if health["auc"] is None else f"{health['auc']:.3f}"
        verdict = "passed" if health["passed"] else "not passed"
        rows.append((f"latent check, AUC (0.5 is ideal), {verdict}", auc))
    rows += [
        ("size of the checkpoint, bytes", f"{found.bytes_before:,}"),
        ("size of this file, bytes", f"{found.bytes_after:,}"),
        (
            f"pixels of {found.seeds} seeds, this file against the checkpoint",
            f"{found.mean:.2f} of 255 on average, {found.worst} at most",
        ),
        ("captions of these seeds that are the same", f"{found.equal} of {found.seeds}"),
    ]
    return rows


def card(generator, config, found):
    """The text of README.md."""
    table = [f"| {title} | {value} |" for title, value in figures(generator, config, found)]
    prepared = [line.strip() for line in config.commands.split(";") if line.strip()]
    return "\n".join(
        [
            "# The base model",
            "",
            "`--checkpoint base` draws with it. Training on a collection of your own begins with",
            "its picture networks (`--init base`), where all settings of its networks are alike.",
            "",
            f"**Pictures.** {config.pictures or UNKNOWN}. Style: {generator.style}.",
            "",
            f"**Licence.** {config.licence or UNKNOWN}.",
            "",
            "**Commands.** The first ones make the checkpoint, the last one packs it:",
            "",
            "```",
            *prepared,
            training_command(generator.model),
            packing_command(config),
            "```",
            "",
            "**Figures.**",
            "",
            "| what | value |",
            "|---|---:|",
            *table,
            "",
            "`model.safetensors` holds large weights in float16 and is read as data alone.",
            f"Fingerprint of the model that it gives: `{found_fingerprint(found.path)}`.",
            "",
        ]
    )


def found_fingerprint(path):
    """The fingerprint of a packed model, as cards carry it."""
    return MultimodalGenerator(path, "cpu").fingerprint


def main(config):
    generator, found = packed(config)
    write_text(found.path.with_name("README.md"), card(generator, config, found))
    print(
        f"{found.path.as_posix()}: {found.bytes_after:,} bytes of {found.bytes_before:,}; "
        f"{found.seeds} seeds differ by {found.mean:.2f} of 255 on average, {found.worst} at most, "
        f"and {found.equal} captions are the same"
    )


if __name__ == "__main__":
    run(main, *CONFIGS)
