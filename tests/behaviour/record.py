"""Write the expected values of test_behaviour.py anew, from what the project does today.

    python -m tests.behaviour.record
    python -m tests.behaviour.record --model

The first leaves the stored models and their cards as they are: an old model must answer as it did.
The second trains that of this version anew; those of older versions were written by them. Record
only what is meant to change, and look at the difference that git shows before it is kept.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TQDM_DISABLE", "1")
# so that printed commands begin with "python", wherever it lies
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])

from tests.behaviour import observed


def write(name: str, value: Any) -> None:
    """A JSON file beside this one."""
    text = json.dumps(value, ensure_ascii=False, indent=1)
    (observed.HERE / name).write_text(text + "\n", encoding="utf-8")


def record_model(data: Path, folder: Path) -> None:
    """The run of this version, and its card."""
    observed.stored_run(data, folder / "stored")
    observed.pack(folder / "stored", observed.stored_archive(observed.VERSION))
    observed.unpack(observed.VERSION, folder / "cards")
    drawing = ["inference.py", "--checkpoint", "best_model.pt", "--seeds", "7", "--out", "."]
    ended = observed.command(drawing, folder / "cards")
    assert ended["code"] == 0, ended
    card = (folder / "cards" / "000007.png").read_bytes()
    observed.stored_card(observed.VERSION).write_bytes(card)


def record_answers(folder: Path) -> None:
    """What the stored models answer: answers.json and pictures.npz."""
    answers = {}
    pictures = {}
    for version in observed.VERSIONS:
        observed.unpack(version, folder / version)
        generator = observed.MultimodalGenerator(folder / version / "best_model.pt", "cpu")
        pairs = observed.pairs_of(generator)
        answers[version] = observed.facts_of(generator, pairs)
        for way, of_way in pairs.items():
            drawn = [observed.small(image) for image, _ in of_way]
            pictures[f"{version}: {way}"] = np.stack(drawn)
    write("answers.json", answers)
    np.savez_compressed(observed.HERE / "pictures.npz", **pictures)


def record(folder: Path, *, model: bool) -> None:
    """All files of expected values."""
    data = folder / "data"
    observed.prepare(data)
    if model:
        record_model(data, folder)
    write("collection.json", observed.collection_digests())
    write("tiny_run.json", observed.tiny_run(data, folder / "tiny"))

    record_answers(folder)
    stored = folder / observed.VERSION
    resumed = observed.stored_run(data, stored, observed.STORED_EPOCHS + 1)
    write("resumed.json", {"rows": resumed["rows"][-2:], "prints": resumed["prints"]})
    write("flags.json", {name: observed.script_flags(name) for name in observed.SCRIPTS})
    write("commands.json", observed.command_ends(folder / "commands"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", action="store_true", help="train the stored model anew")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        record(Path(place), model=options.model)
