"""Checkpoint files: digests, whole writes, safe loads.

Checkpoint files: written whole or not at all, verified when read, read without executing anything. Knows files, not models.

save(path, state)                               # also enters the file's SHA-256 in checksums.json beside it
state = load(path)                              # UserError where one bit is not as it was saved
"""

import hashlib
import io
import json
import os
import sys
from collections import OrderedDict
from pathlib import Path

import torch

from oneseed.console.command import UserError
from oneseed.files import whole_file, write_text


def digest(state):
    """SHA-256 over tensors (kind, shape, bytes) and plain values, however nested, each dict in the order of its keys' text -> 64 hex digits."""
    sha = hashlib.sha256()

    def add(value):
        if isinstance(value, torch.Tensor):
            sha.update(f"{value.dtype} {tuple(value.shape)} {value.requires_grad}\n".encode())
            sha.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        elif isinstance(value, (dict, list, tuple)):
            sha.update(f"{type(value).__name__} {len(value)}\n".encode())
            for item in (
                sorted(value.items(), key=lambda item: str(item[0]))
                if isinstance(value, dict)
                else value
            ):
                add(item)
        else:
            sha.update(f"{type(value).__name__} {value!r}\n".encode())

    add(state)
    return sha.hexdigest()


def damaged(state):
    """Does the digest that travels inside a state say that it is not what was saved? None where it carries no digest."""
    told = getattr(state, "digest", None)
    return told and told != digest(state)


def save(path, state, keep=None):
    """state: dict of tensors and plain Python values. keep: the name that the file which was there before gets, so that two are
    there; a rename, which costs no time. A killed save leaves the old files whole."""
    path = Path(path)
    state = OrderedDict(state)
    # an attribute, since in a plain state dict every value is a tensor
    state.digest = digest(state)
    # written from here, a full disk is an OSError; torch says "unexpected pos"
    content = io.BytesIO()
    torch.save(state, content)
    content = content.getbuffer()
    for name in (path.name, "checksums.json"):
        # of a killed save
        for torn in path.parent.glob(f".{name}.*.partial"):
            torn.unlink(missing_ok=True)
    with whole_file(path) as partial:
        with open(partial, "wb") as file:
            file.write(content)
            os.fsync(file)
        if keep and path.exists():
            path.replace(path.with_name(keep))
    record(path, hashlib.sha256(content).hexdigest(), keep)


def record(path, checksum=None, keep=None):
    """Enter a file's SHA-256 in checksums.json beside it: `checksum`, or what the file has. keep: as in `save`."""
    path, listed = Path(path), Path(path).with_name("checksums.json")
    try:
        known = dict(json.loads(listed.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        # none yet, or damaged: what is saved from now on is entered
        known = {}
    if keep and path.name in known:
        known[keep] = known[path.name]
    if not checksum:
        with open(path, "rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
    known[path.name] = checksum
    write_text(
        listed,
        json.dumps(
            {name: known[name] for name in sorted(known) if path.with_name(name).exists()}, indent=1
        )
        + "\n",
    )


def load(path):
    """-> the saved state as a plain dict, tensors on the CPU. UserError where the file is missing, damaged, or not plain data."""
    if not Path(path).is_file():
        raise UserError(f"{path} is missing; make it with: python training_loop.py")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        whole = isinstance(state, dict) and not damaged(state)
        reason = (
            "its content does not match its digest"
            if isinstance(state, dict)
            else f"a {type(state).__name__}"
        )
    except PermissionError:
        # no damage: nobody should be told to throw it away
        raise
    except Exception as error:
        # a flipped bit can raise anything
        whole = False
        reason = type(error).__name__
    if not whole:
        raise UserError(
            f"{path} is damaged or no checkpoint ({reason}); what can be saved from the run's other files is saved by its training command, "
            f"run again; python training_loop.py --fresh trains anew"
        )
    if not hasattr(state, "digest"):
        print(f"note: {path} carries no digest, so damage to it would not be seen", file=sys.stderr)
    return dict(state)


def load_first(*paths):
    """-> (state, path) of the first file that is there and whole; the first one's UserError where none is."""
    problems = []
    for path in paths:
        try:
            return load(path), path
        except UserError as error:
            problems.append(error)
    raise problems[0]
