"""Files of tensors and plain values, as torch.save writes them, from whoever they come.

    state = read_tensor_file(path)      # UnusableFileError says why not, in a few words

Nothing in them is executed, and nothing in them is believed: not how large they say that they are,
nor how deep. Knows neither models nor runs.
"""

import json
import os
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NoReturn

import torch

from oneseed.console.command import UserError

# values of one file: numbers, texts, tensors, and all that hold them
MAX_VALUES = 1_000_000
MAX_DEPTH = 32
# of a whole number; no file of ours holds one of 64 bits or more
MAX_INTEGER_BITS = 64
# of the member that lists all others; those of ours have some hundred KiB
MAX_PICKLE_BYTES = 64 * 2**20
# of a text that stands in a file as bytes
MAX_FACTS_BYTES = 64 * 2**20


class UnusableFileError(UserError):
    """Why a file is not what it should be, in a few words; whoever opens it makes the sentence."""


def read_tensor_file(path: str | Path, *, mmap: bool = False) -> Any:
    """What torch.save wrote: dicts, lists, numbers, texts and tensors on the CPU.

    mmap: the tensors stay on the disk until they are used. UnusableFileError where it is anything
    else; PermissionError where it may not be read.
    """
    if not Path(path).is_file():
        raise UnusableFileError(kind_of_place(Path(path)))
    try:
        require_unpacked(path)
        with warnings.catch_warnings():
            # it looks through sparse tensors, which are refused afterwards
            warnings.filterwarnings("ignore", "Validating sparse tensor")
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
        require_plain_values(state, os.path.getsize(path))
    except (PermissionError, UnusableFileError):
        # no damage: nobody should be told to throw it away; or told already
        raise
    except Exception as error:
        # a flipped bit can raise anything
        raise UnusableFileError(type(error).__name__) from error
    return state


def kind_of_place(path: Path) -> str:
    """What stands where a file should be, in words."""
    if path.is_dir():
        return "a folder"
    return "no file" if path.exists() else "there is no such file"


def require_unpacked(path: str | Path) -> None:
    """UnusableFileError for an archive that is packed: a megabyte of it may become a terabyte.

    What is no archive has the older form of torch.save, which is never packed, or none.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    total = sum(member.file_size for member in members)
    is_packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if is_packed or total > os.path.getsize(path):
        raise UnusableFileError("a packed archive")
    for member in members:
        if member.filename.endswith(".pkl") and member.file_size > MAX_PICKLE_BYTES:
            raise UnusableFileError("too many values")


def require_plain_values(state: Any, size: int) -> None:
    """UnusableFileError where a value holds others without end, or what no file of ours holds.

    size: of the file in bytes. An expanded tensor of one byte can say that it has a billion.
    """
    waiting = [(state, 0)]
    count = 0
    tensor_bytes = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > MAX_VALUES or depth > MAX_DEPTH:
            raise UnusableFileError("too many values")
        if isinstance(value, torch.Tensor):
            require_plain_tensor(value)
            tensor_bytes += value.numel() * value.element_size()
            if tensor_bytes > size:
                raise UnusableFileError("tensors that are larger than the file")
        elif type(value) in (dict, OrderedDict):
            for key, item in value.items():
                require_plain_value(key)
                waiting.append((item, depth + 1))
        elif type(value) in (list, tuple):
            waiting += [(item, depth + 1) for item in value]
        else:
            require_plain_value(value)


def require_plain_tensor(tensor: torch.Tensor) -> None:
    """UnusableFileError for a tensor that is no block of numbers in memory."""
    is_usual = type(tensor) in (torch.Tensor, torch.nn.Parameter) and not tensor.is_nested
    is_dense = is_usual and tensor.layout == torch.strided and not tensor.is_quantized
    if not is_dense or tensor.device.type != "cpu":
        raise UnusableFileError("a tensor of an unusual kind")


def require_plain_value(value: Any) -> None:
    """UnusableFileError where this is neither None nor a truth value, a number or a text."""
    if value is None or type(value) in (bool, float):
        return
    if type(value) is int and value.bit_length() <= MAX_INTEGER_BITS:
        return
    if type(value) is str:
        # a lone surrogate, which no UTF-8 has
        value.encode()
        return
    raise UnusableFileError(f"it holds a {type(value).__name__}")


def json_of_tensor(tensor: Any) -> Any:
    """uint8 (N,) -> the value whose JSON text it is, in UTF-8. UnusableFileError where it is none.

    NaN and Infinity, which Python writes and JSON does not know, are refused.
    """
    is_plain_text = isinstance(tensor, torch.Tensor) and tensor.dtype == torch.uint8
    if not is_plain_text or tensor.dim() != 1 or len(tensor) > MAX_FACTS_BYTES:
        raise UnusableFileError("its facts are no text")
    return parse_strict_json(tensor.contiguous().numpy().tobytes())


def parse_strict_json(text: str | bytes, *, is_unique: bool = False) -> Any:
    """JSON text -> its value. UnusableFileError where it is none.

    is_unique: refuse an object that repeats a key, of which every reader takes another one.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        hook = dict_of_pairs if is_unique else None
        return json.loads(text, parse_constant=refuse_constant, object_pairs_hook=hook)
    except (ValueError, RecursionError) as error:
        raise UnusableFileError(f"its text is no JSON ({type(error).__name__})") from error


def refuse_constant(name: str) -> NoReturn:
    """For json: NaN and its like are no numbers."""
    raise ValueError(f"{name} is no number")


def dict_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For json: an object as a dict. ValueError for one that repeats a key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found
