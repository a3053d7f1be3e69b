"""Checkpoint files: written whole or not at all, verified when read, and nothing in them executed.

    save(path, state)    # also enters the file's SHA-256 in checksums.json beside it
    state = load(path)   # UserError where one bit is not as it was saved

Knows files, not models.
"""

import hashlib
import io
import json
import os
import re
import sys
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from oneseed.console.command import UserError
from oneseed.dataset.commands import script_command
from oneseed.dataset.next_run import missing_checkpoint
from oneseed.file_names import is_plain_name
from oneseed.files import sweep_partials, whole_file, write_text
from oneseed.tensor_files import UnusableFileError, read_tensor_file

State = Mapping[str, Any]

SHA256 = re.compile(r"[0-9a-f]{64}")


def digest(state: Any) -> str:
    """SHA-256 over tensors (kind, shape, bytes) and plain values, however nested -> 64 hex digits.

    The order of a dict's entries does not count.
    """
    sha = hashlib.sha256()
    add_to_digest(sha, state)
    return sha.hexdigest()


def add_to_digest(sha: "hashlib._Hash", value: Any) -> None:
    """Enter one value and all in it."""
    if isinstance(value, torch.Tensor):
        sha.update(f"{value.dtype} {tuple(value.shape)} {value.requires_grad}\n".encode())
        flat = value.detach().cpu().contiguous().flatten()
        sha.update(flat.view(torch.uint8).numpy())
    elif isinstance(value, dict):
        sha.update(f"{type(value).__name__} {len(value)}\n".encode())
        for item in sorted(value.items(), key=lambda item: str(item[0])):
            add_to_digest(sha, item)
    elif isinstance(value, list | tuple):
        sha.update(f"{type(value).__name__} {len(value)}\n".encode())
        for item in value:
            add_to_digest(sha, item)
    else:
        sha.update(f"{type(value).__name__} {value!r}\n".encode())


def damaged(state: Any) -> bool:
    """Whether the digest that travels inside a state says that this is not what was saved.

    False where it carries no digest.
    """
    saved_digest = getattr(state, "digest", None)
    return saved_digest is not None and not is_same_digest(saved_digest, state)


def is_same_digest(saved_digest: Any, state: Any) -> bool:
    """Whether what a file gives as the digest of a state is it."""
    return isinstance(saved_digest, str) and saved_digest == digest(state)


def save(path: str | Path, state: State, keep: str | None = None) -> None:
    """Write a dict of tensors and plain Python values; a killed save leaves the old files whole.

    keep: the name that the file which was there before gets, so that two are there; it is a rename,
    which costs no time.
    """
    path = Path(path)
    sealed: Any = OrderedDict(state)
    # an attribute, since in a plain state dict every value is a tensor
    sealed.digest = digest(sealed)
    # written to memory first: then a full disk is an OSError; torch says "unexpected pos"
    memory = io.BytesIO()
    torch.save(sealed, memory)
    content = memory.getbuffer()
    # What a killed save has left may take the room that this one needs.
    sweep_partials(path.parent)
    with whole_file(path) as partial:
        with open(partial, "wb") as file:
            file.write(content)
            os.fsync(file)
        if keep and path.exists():
            path.replace(path.with_name(keep))
    record(path, hashlib.sha256(content).hexdigest(), keep)


def record(path: str | Path, checksum: str | None = None, keep: str | None = None) -> None:
    """Enter a file's SHA-256 in checksums.json beside it.

    checksum: None is that of the file as it is. keep: as in `save`.
    """
    path = Path(path)
    checksums = path.with_name("checksums.json")
    known = read_checksums(checksums)
    if keep and path.name in known:
        known[keep] = known[path.name]
    if not checksum:
        with open(path, "rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    known[path.name] = checksum
    present = {name: known[name] for name in sorted(known) if path.with_name(name).exists()}
    write_text(checksums, json.dumps(present, indent=1) + "\n")


def read_checksums(path: Path) -> dict[str, str]:
    """checksums.json -> {name of a file beside it: SHA-256 in hex}.

    It only saves the work of counting anew: what is damaged in it, or names no file of the folder,
    is left out, and what is saved from now on is entered.
    """
    try:
        known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {
        name: checksum
        for name, checksum in known.items()
        if is_plain_name(name) and isinstance(checksum, str) and SHA256.fullmatch(checksum)
    }


def load(path: str | Path) -> dict[str, Any]:
    """The saved state as a plain dict, tensors on the CPU.

    UserError where the file is missing, damaged, or not plain data.
    """
    if not os.path.lexists(path):
        raise UserError(missing_checkpoint(path))
    try:
        state = read_tensor_file(path)
        if reason := find_damage(state):
            raise UnusableFileError(reason)
    except UnusableFileError as error:
        raise UserError(
            f"{path} is damaged or no checkpoint ({error}); what can be saved from the run's "
            "other files is saved by its training command, run again; "
            f"{script_command('training_loop.py', '--fresh')} trains anew"
        ) from error
    if not hasattr(state, "digest"):
        print(f"note: {path} carries no digest, so damage to it would not be seen", file=sys.stderr)
    return dict(state)


def find_damage(state: Any) -> str | None:
    """Why this is not the content of a checkpoint, in words; None where it is."""
    if not isinstance(state, dict):
        return f"a {type(state).__name__}"
    return "its content does not match its digest" if damaged(state) else None


def load_first(*paths: str | Path) -> tuple[dict[str, Any], str | Path]:
    """(state, path) of the first file that is there and whole.

    Where none is: the UserError of the first one.
    """
    problems = []
    for path in paths:
        try:
            return load(path), path
        except UserError as error:
            problems.append(error)
    raise problems[0]
