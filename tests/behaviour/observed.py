"""What users can observe of the project, as plain values.

test_behaviour.py compares them with the values recorded beside this file; record.py writes those.
"""

import argparse
import contextlib
import hashlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

import caption_generation
import dataset_preparation
import training_loop
from inference import MultimodalGenerator
from oneseed.config.captioning import CaptionConfig
from oneseed.config.model import ModelConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.console.flags import parse_configs
from oneseed.synthetic.engravings.attributes import ATTRIBUTES, collection, tell
from oneseed.synthetic.engravings.drawing import draw

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

PICTURES = 90
IMAGE_SIZE = 32  # pixels
TINY_EPOCHS = 2
STORED_EPOCHS = 24
# the versions whose runs and cards are stored: the last with picture networks that were taught by
# regression, and the first that draws in passes, whose run also goes on
OLD_VERSION = "0_3"
VERSION = "0_4"
VERSIONS = (OLD_VERSION, VERSION)

TINY_MODEL: dict[str, Any] = {
    "preset": "small",
    "image_size": IMAGE_SIZE,
    "channels": 1,
    "latent_dim": 32,
    "patch": 2,
    "width": 16,
    "max_width": 32,
    "vocab_size": 0,
    "max_caption_length": 48,
    "text_width": 32,
    "text_layers": 2,
    "text_heads": 2,
    "flow_dims": 8,
    "flow_width": 32,
    "vit_width": 32,
    "vit_layers": 1,
}

# Narrower still, since its checkpoint and the optimisers' state are stored beside this file.
STORED_MODEL: dict[str, Any] = {
    **TINY_MODEL,
    "latent_dim": 16,
    "width": 4,
    "max_width": 8,
    "vocab_size": 340,
    "max_caption_length": 40,
    "text_width": 8,
    "text_layers": 1,
    "follow_dims": 6,
    "flow_width": 16,
    "flow_clusters": 8,
    "styles": 4,
}

STORED_TRAINING: dict[str, Any] = {
    "learning_rate": 1e-2,
    "contrastive_weight": 0.05,
    "patience": 1000,
    "checkpoint_every": 1000,
    "sampler_steps": 200,
}

SCHEMA = ["training_loop.py", "--schema"]

SEEDS = range(10)
PROMPTS = ("two small ships by the sea", "an elephant in stipple")
STYLE = "stipple"

SCRIPTS = (
    "dataset_preparation",
    "caption_generation",
    "caption_finetuning",
    "model_architecture",
    "training_loop",
    "inference",
    "gradio_demo",
    "evaluation",
)

# Run in a folder that holds best_model.pt and card.png, old_model.pt and old_card.png, picture.png
# (no card), model.yaml, no more.
COMMANDS: dict[str, list[str]] = {
    "a wrong flag": ["training_loop.py", "--devise", "cpu"],
    "a value that is no number": ["training_loop.py", "--batch-size", "many"],
    "a value out of bounds": ["training_loop.py", "--batch-size", "1"],
    "a wrong choice": ["training_loop.py", "--preset", "huge"],
    "a wrong seed": ["inference.py", "--seeds", "9-3"],
    "two tasks at once": ["inference.py", "--image", "picture.png", "--interpolate", "3"],
    "an unknown name in the file of settings": ["training_loop.py", "--config", "model.yaml"],
    "a source that is not there": ["dataset_preparation.py", "--source", "nowhere"],
    "captions before pictures": ["caption_generation.py", "--style", "builtin"],
    "training before captions": ["training_loop.py", "--style", "builtin", "--preset", "small"],
    "sampling before training": ["inference.py"],
    "evaluating before training": ["evaluation.py"],
    "a card that is none": [
        *("inference.py", "--verify", "picture.png", "--checkpoint", "best_model.pt"),
    ],
    "a style the model does not know": [
        *("inference.py", "--style", "etching", "--checkpoint", "best_model.pt"),
    ],
    "a true card": ["inference.py", "--verify", "card.png", "--checkpoint", "best_model.pt"],
    "a true card in other passes than the flag's": [
        *("inference.py", "--verify", "card.png", "--checkpoint", "best_model.pt", "--passes", "5"),
    ],
    "a true card of an old version": [
        *("inference.py", "--verify", "old_card.png", "--checkpoint", "old_model.pt"),
    ],
    "a card of another version's model": [
        *("inference.py", "--verify", "old_card.png", "--checkpoint", "best_model.pt"),
    ],
    "the shapes of the small preset": ["model_architecture.py", "--preset", "small"],
}


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread, so that sums are added up in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# ---- the built-in collection ---------------------------------------------------------------------


def drawn_facts() -> list[dict[str, Any]]:
    """Twenty facts in which every value of every attribute occurs."""
    return [{name: each[i % len(each)] for name, each in ATTRIBUTES.items()} for i in range(20)]


def collection_digests() -> dict[str, list[str]]:
    """SHA-256 of twenty pictures in two sizes, and of two hundred sentences of all five levels."""

    def drawn(size: int) -> list[str]:
        pictures = [draw(facts, seed, size) for seed, facts in enumerate(drawn_facts())]
        return [hashlib.sha256(picture.tobytes()).hexdigest() for picture in pictures]

    def told(level: int) -> list[str]:
        sentences = [
            tell(facts, seed, level) for seed, facts in enumerate(collection(40, level=level))
        ]
        return [hashlib.sha256(sentence.encode()).hexdigest() for sentence in sentences]

    sentences = [digest for level in range(1, 6) for digest in told(level)]
    return {"pictures 32 px": drawn(32), "pictures 64 px": drawn(64), "sentences": sentences}


# ---- preparing and training ----------------------------------------------------------------------


def prepare(data: Path) -> None:
    """Prepared and captioned built-in pictures in a data folder."""
    dataset_preparation.main(
        PrepareConfig(
            source="builtin",
            preset="small",
            image_size=IMAGE_SIZE,
            max_samples=PICTURES,
            smallest=16,
            workers=1,
            data=str(data),
        )
    )
    caption_generation.main(CaptionConfig(style="builtin", data=str(data)))


def train(model: dict[str, Any], data: Path, folder: Path, **training: Any) -> dict[str, Any]:
    """A run in `folder` -> {"rows": of metrics.json, "prints": the lines, numbers masked}."""
    config = TrainConfig(
        style="builtin",
        preset="small",
        batch_size=8,
        epoch_pictures=1,
        data=str(data),
        checkpoints=str(folder),
        device="cpu",
        precision="fp32",
        **training,
    )
    printed = io.StringIO()
    with one_thread(), contextlib.redirect_stdout(printed):
        training_loop.main(ModelConfig(**model), config)
    rows = json.loads((folder / "metrics.json").read_text("utf-8"))
    return {"rows": rows, "prints": masked(printed.getvalue(), folder, data)}


def masked(text: str, folder: Path, data: Path) -> list[str]:
    """Printed lines without the diagnosis's remarks; measured numbers are `#`."""
    text = text.replace(folder.as_posix(), "CHECKPOINTS").replace(data.as_posix(), "DATA")
    lines = text.splitlines()
    # how long a run takes, and so how often it saves, the machine's other work decides
    measured = r"\d+\.\d+|\d+(?=%| MB)|\d+ (seconds|minutes)"
    return [re.sub(measured, "#", line) for line in lines if not line.startswith("  ! ")]


def tiny_run(data: Path, folder: Path) -> dict[str, Any]:
    """Two epochs from nothing."""
    return train(
        TINY_MODEL, data, folder, num_epochs=TINY_EPOCHS, sampler_steps=40, checkpoint_every=1
    )


def stored_run(data: Path, folder: Path, epochs: int = STORED_EPOCHS) -> dict[str, Any]:
    """The run whose files are stored as of VERSION; with one epoch more, what goes on from them."""
    return train(STORED_MODEL, data, folder, num_epochs=epochs, **STORED_TRAINING)


# ---- the stored model ----------------------------------------------------------------------------


def pack(folder: Path, archive: Path) -> None:
    """best_model.pt and last.pt in one archive, in which the weights that they share count once."""
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for name in ("best_model.pt", "last.pt"):
            content = (folder / name).read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def stored_archive(version: str) -> Path:
    """best_model.pt and last.pt as a version wrote them."""
    return HERE / f"run_{version}.tar.xz"


def stored_card(version: str) -> Path:
    """The card of seed 7 that a version wrote with its stored model."""
    return HERE / f"card_{version}.png"


def unpack(version: str, folder: Path) -> None:
    """The stored best_model.pt and last.pt of a version, as they were written."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(stored_archive(version)) as tar:
        for entry in tar.getmembers():
            (folder / entry.name).write_bytes(tar.extractfile(entry).read())


def shown_pictures() -> list[Image.Image]:
    """Two pictures of the built-in collection that training has not seen."""
    return [
        draw(facts, 1000 + seed, 2 * IMAGE_SIZE) for seed, facts in enumerate(drawn_facts()[:2])
    ]


def small(image: Image.Image) -> np.ndarray:
    """PIL image -> its means over 16 x 16 places, uint8 (16, 16)."""
    return np.asarray(image.convert("L").resize((16, 16), Image.Resampling.BOX))


Pairs = list[tuple[Image.Image, str]]


def pairs_of(generator: MultimodalGenerator) -> dict[str, Pairs]:
    """What the model answers, by the way in which it was asked."""
    first, second = shown_pictures()
    asked: dict[str, Callable[[], Pairs]] = {
        "seeds alone": lambda: [generator(seed) for seed in SEEDS],
        "seeds in a batch": lambda: generator.generate_batch(list(SEEDS)),
        "first prompt": lambda: generator.generate_batch([0, 1, 2], prompt=PROMPTS[0]),
        "second prompt": lambda: generator.generate_batch([0, 1, 2], prompt=PROMPTS[1]),
        "style": lambda: generator.generate_batch([4], style=STYLE),
        "variation": lambda: generator.vary(first, [5], 0.3),
        "restyled": lambda: generator.restyle([second], STYLE, 1.0),
        "interpolation": lambda: generator.interpolate(3, 9, 3),
    }
    with one_thread():
        return {way: ask() for way, ask in asked.items()}


def facts_of(generator: MultimodalGenerator, pairs: dict[str, Pairs]) -> dict[str, Any]:
    """A stored model's fingerprint, styles, captions and codes."""
    with one_thread():
        z = generator.encode(shown_pictures())
    return {
        "fingerprint": generator.fingerprint,
        "styles": generator.styles,
        "captions": {way: [caption for _, caption in of_way] for way, of_way in pairs.items()},
        "z": [[round(value, 5) for value in row] for row in z.tolist()],
    }


# ---- commands ------------------------------------------------------------------------------------


class Parsed(BaseException):
    """The command line is read; what would follow is not wanted."""


def script_flags(script: str) -> dict[str, Any]:
    """Every flag of a script with its note and choices, and the settings that come of no flags.

    Runs the script as a command until it has read its command line.
    """
    found: dict[str, Any] = {"flags": {}, "defaults": {}, "presets": {}}
    read = argparse.ArgumentParser.parse_args

    def parse_args(parser: argparse.ArgumentParser, *words: Any) -> argparse.Namespace:
        for action in parser._actions:
            found["flags"][" ".join(action.option_strings)] = {
                "note": action.help,
                "choices": action.choices and list(action.choices),
                "metavar": action.metavar,
            }
        return read(parser, *words)

    def values(*kinds: type, argv: list[str], **told: Any) -> dict[str, Any]:
        configs = parse_configs(*kinds, argv=argv, **told)
        return {name: value for config in configs for name, value in asdict(config).items()}

    def parse_nothing(*kinds: type, **told: Any) -> None:
        with mock.patch.object(argparse.ArgumentParser, "parse_args", parse_args):
            found["defaults"] = usual = values(*kinds, argv=[], **told)
        for preset in found["flags"].get("--preset", {}).get("choices", []):
            changed = values(*kinds, argv=["--preset", preset], **told)
            found["presets"][preset] = {
                name: value for name, value in changed.items() if value != usual[name]
            }
        raise Parsed

    home = sys.modules[parse_configs.__module__]
    with mock.patch.object(home, "parse_configs", parse_nothing), contextlib.suppress(Parsed):
        runpy.run_path(str(ROOT / f"{script}.py"), run_name="__main__")
    return json.loads(json.dumps(found))


def fill_folder(folder: Path) -> None:
    """What COMMANDS find where they run."""
    unpack(OLD_VERSION, folder)
    (folder / "best_model.pt").rename(folder / "old_model.pt")
    unpack(VERSION, folder)
    (folder / "last.pt").unlink()
    for version, name in ((OLD_VERSION, "old_card.png"), (VERSION, "card.png")):
        (folder / name).write_bytes(stored_card(version).read_bytes())
    (folder / "model.yaml").write_text("batch_size: 8\nlatent_dimm: 16\n")
    shown_pictures()[0].save(folder / "picture.png")


def command(words: list[str], folder: Path) -> dict[str, Any]:
    """A script run in `folder` -> {"code": its exit status, "stdout": lines, "stderr": lines}."""
    script, *flags = words
    quiet = {
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONWARNINGS": "ignore",
        "TQDM_DISABLE": "1",
    }
    ended = subprocess.run(
        [sys.executable, str(ROOT / script), *flags],
        cwd=folder,
        env={**os.environ, **quiet},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    return {
        "code": ended.returncode,
        "stdout": told_lines(ended.stdout, folder),
        "stderr": told_lines(ended.stderr, folder),
    }


def told_lines(text: str, folder: Path) -> list[str]:
    """Lines without the folder's name, and without the quotes that some Pythons put on choices."""

    def unquoted(found: re.Match[str]) -> str:
        return found[0].replace("'", "")

    text = text.replace(str(folder), "FOLDER").replace(str(ROOT), "ROOT")
    return re.sub(r"\(choose from [^)]*\)", unquoted, text).splitlines()


def command_ends(folder: Path) -> dict[str, dict[str, Any]]:
    """Of all COMMANDS, two at a time; and "schema", what SCHEMA prints."""
    fill_folder(folder)
    with ThreadPoolExecutor(2) as pool:
        ends = pool.map(lambda words: command(words, folder), COMMANDS.values())
        found = dict(zip(COMMANDS, ends, strict=True))
    return {**found, "schema": json.loads("\n".join(command(SCHEMA, folder)["stdout"]))}
