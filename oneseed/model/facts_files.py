"""What a model says of itself as files beside its weights: config.json and tokenizer.json.

    write_facts_files(model.get_extra_state(), folder)
    extra_state = read_facts_files(folder)      # for read_facts, which checks what they say

The fingerprint of a model hashes its vocabulary as text, so tokenizer.json is that text, byte for
byte.
"""

import json
import os
from pathlib import Path

import torch

from oneseed.console.input_files import why_no_file
from oneseed.files import whole_file, write_text
from oneseed.hub_models import CONFIG_FILE, TOKENIZER_FILE
from oneseed.tensor_files import (
    MAX_FACTS_BYTES,
    UnusableFileError,
    json_of_tensor,
    parse_strict_json,
)

# of config.json; the last two are those of a model that carries texts or pictures
FACTS = ("format", "config", "meta", "captions", "pictures")


def write_facts_files(extra_state: torch.Tensor, folder: Path) -> None:
    """Write both files. extra_state: uint8 (N,), as a model gives it."""
    state = json_of_tensor(extra_state)
    tokenizer = state.pop("tokenizer")
    with whole_file(folder / TOKENIZER_FILE) as partial:
        partial.write_bytes(tokenizer.encode())
    write_text(folder / CONFIG_FILE, json.dumps(state, ensure_ascii=False, indent=1) + "\n")


def has_facts_files(folder: Path) -> bool:
    """Whether a folder has at least one of the two files."""
    return any(os.path.isfile(folder / name) for name in (CONFIG_FILE, TOKENIZER_FILE))


def is_of_another_program(folder: Path) -> bool:
    """Whether a folder's config.json is that of a model of Transformers."""
    try:
        found = parse_strict_json(read_small_file(folder / CONFIG_FILE), is_unique=True)
    except UnusableFileError:
        return False
    return isinstance(found, dict) and "format" not in found and "model_type" in found


def read_facts_files(folder: Path) -> torch.Tensor:
    """Both files -> uint8 (N,), the extra state of the model.

    UnusableFileError where one is missing or no text, or config.json says what no model says.
    """
    state = parse_strict_json(read_small_file(folder / CONFIG_FILE), is_unique=True)
    if not isinstance(state, dict):
        raise UnusableFileError(f"{CONFIG_FILE} is no table of JSON")
    for name in state:
        if name not in FACTS:
            raise UnusableFileError(
                f"{CONFIG_FILE} has a field {name[:40]!r}, of which this version knows nothing"
            )
    state["tokenizer"] = small_text(folder / TOKENIZER_FILE)
    return torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)


def read_small_file(path: Path) -> bytes:
    """The bytes of a file of facts. UnusableFileError where it is none, or far too large."""
    if reason := why_no_file(path):
        raise UnusableFileError(f"{path.name}: {reason}")
    if path.stat().st_size > MAX_FACTS_BYTES:
        raise UnusableFileError(f"{path.name} is too large")
    return path.read_bytes()


def small_text(path: Path) -> str:
    """The text of a file of facts. UnusableFileError where it is no UTF-8."""
    try:
        return read_small_file(path).decode()
    except UnicodeDecodeError as error:
        raise UnusableFileError(f"{path.name} is no text") from error
