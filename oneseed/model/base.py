"""A model packed for the repository: half the size of a checkpoint, and as carefully read.

    save_base(model, BASE_FILE)
    weights = read_weights("base")        # a state dict; as well of any other checkpoint

Large float32 tensors are kept in float16, carried pictures as PNG files. Buffers in float64, small
tensors, books of captions and the facts are kept as they are. The inverse of the prior's frame is
left out, and computed again in float64.

A last bit of that inverse may depend on the processor, and the model's fingerprint depends on every
bit. So the numbers that lie on the border between two float32 are kept, with their places.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from oneseed.config.base_model import BASE, checkpoint_file, checkpoint_name
from oneseed.console.command import UserError
from oneseed.dataset.commands import python_name
from oneseed.dataset.next_run import RESTORE_COMMAND, missing_checkpoint
from oneseed.files import whole_file
from oneseed.model import checkpoint
from oneseed.model.checkpoint_facts import CheckpointFacts, read_facts
from oneseed.model.packed_pictures import pack_pictures, unpack_pictures
from oneseed.model.weights import EXTRA_STATE
from oneseed.tensor_files import UnusableFileError, kind_of_place

if TYPE_CHECKING:
    from oneseed.model.multimodal import MultimodalModel

# of a packed file; other files are those of torch.save
PACKED_SUFFIX = ".safetensors"
# the only entry of its metadata: two would be written in either order
DIGEST = "sha256"
# numbers of a tensor from which on it is kept in float16
MIN_HALVED = 4_096
# parts of a model that have a compact form of their own
COMPACT_PARTS = ("caption_book.", "picture_book.")
PICTURES = "picture_book.pictures"
# as pack_pictures makes them
PICTURE_FILES = "picture_book.files"
PICTURE_ENDS = "picture_book.ends"
PRIOR_FRAME = "sampler.frame"
PRIOR_INVERSE = "sampler.frame_inverse"
# places (M,) int32 in the flat inverse, and the numbers there (M,) float32
BORDER_PLACES = "sampler.frame_inverse.places"
BORDER_NUMBERS = "sampler.frame_inverse.numbers"
# by which two processors may differ in a number of the inverse: twenty times what was measured
INVERSE_TOLERANCE = 1e-12
# weights that read the channels of a picture, in the order of pixel_unshuffle: by channel, then by
# place in the patch
INWARD = (
    "image_encoder.layers.inward.weight",
    "image_encoder.layers.0.weight",
    "image_decoder.inward.weight",
)
# weights that write them, for pixel_shuffle
OUTWARD = ("image_decoder.outward.weight", "image_decoder.outward.bias")


# ---- packing -------------------------------------------------------------------------------------


def save_base(model: "MultimodalModel", path: str | Path) -> None:
    """Write a model to a file, which a killed run leaves as it was."""
    from safetensors.torch import save

    packed = pack_weights(model.state_dict())
    content = save(packed, {DIGEST: checkpoint.digest(packed)})
    with whole_file(path) as partial:
        partial.write_bytes(content)


@torch.no_grad()
def pack_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a model -> what a packed file holds."""
    packed = {}
    for name, tensor in weights.items():
        if name != PRIOR_INVERSE:
            tensor = tensor.detach().cpu().contiguous()
            is_halved = should_halve(tensor) and not name.startswith(COMPACT_PARTS)
            packed[name] = tensor.half() if is_halved else tensor.clone()
    if PICTURES in packed:
        packed[PICTURE_FILES], packed[PICTURE_ENDS] = pack_pictures(packed.pop(PICTURES))
    exact = inverse_of(packed[PRIOR_FRAME])  # (D, D)
    nearest = exact.float().flatten()  # (D D,)
    lower = (exact - INVERSE_TOLERANCE).float()
    upper = (exact + INVERSE_TOLERANCE).float()
    places = (lower != upper).flatten().nonzero()[:, 0]  # (M,)
    packed[BORDER_PLACES] = places.int()
    packed[BORDER_NUMBERS] = nearest[places]
    return packed


def should_halve(tensor: Tensor) -> bool:
    """Whether a tensor is large, and float16 can hold its numbers."""
    if tensor.dtype != torch.float32 or tensor.numel() < MIN_HALVED:
        return False
    return bool(tensor.half().isfinite().all())


def inverse_of(frame: Tensor) -> Tensor:
    """A frame (D, D) of float16 or float32 -> its inverse, float64."""
    return torch.linalg.inv(frame.double())


# ---- reading -------------------------------------------------------------------------------------


def read_weights(path: str | Path) -> dict[str, Any]:
    """The state dict of a model, on the CPU: from a checkpoint, a packed file, or "base".

    UserError where the file is missing, damaged, or not plain data.
    """
    file = checkpoint_file(path)
    if file.suffix != PACKED_SUFFIX:
        return checkpoint.load(path)
    try:
        return unpack_weights(read_packed(file))
    except UnusableFileError as error:
        raise damaged_file(path, error) from error


def read_base_facts(path: str | Path) -> CheckpointFacts:
    """What a packed file says of its model, without its weights. UserError as in read_weights."""
    try:
        return read_facts(read_packed(checkpoint_file(path), only=EXTRA_STATE)[EXTRA_STATE])
    except UnusableFileError as error:
        raise damaged_file(path, error) from error


def damaged_file(path: str | Path, error: UserError) -> UserError:
    """The error of a packed file that is none, with what mends it."""
    file = checkpoint_file(path)
    if checkpoint_name(file) == BASE:
        return UserError(
            f"the base model, {file.as_posix()}, is damaged ({error}); "
            f"get it again: {RESTORE_COMMAND}"
        )
    return UserError(
        f"{file.as_posix()} is damaged or no packed model ({error}); pack it again: "
        f"{python_name()} -m benchmarks.base --checkpoint CHECKPOINT --out FOLDER"
    )


def read_packed(file: Path, only: str | None = None) -> dict[str, Tensor]:
    """The tensors of a packed file. only: the name of one of them, which alone is read.

    UserError where there is no file; UnusableFileError where it is none, or not as it was saved.
    """
    from safetensors import safe_open

    if not file.is_file():
        if not file.exists():
            raise UserError(missing_checkpoint(file))
        raise UnusableFileError(kind_of_place(file))
    try:
        with safe_open(file, framework="pt") as opened:
            digest = (opened.metadata() or {}).get(DIGEST)
            # a slice of a file that is mapped into memory would change with it
            names = [only] if only else list(opened.keys())
            packed = {name: opened.get_tensor(name).clone() for name in names}
    except PermissionError:
        # no damage
        raise
    except Exception as error:
        # a flipped bit can raise anything
        raise UnusableFileError(type(error).__name__) from error
    if not only and not checkpoint.is_same_digest(digest, packed):
        raise UnusableFileError("its content does not match its digest")
    return packed


def unpack_weights(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a packed file holds -> the state dict of the model.

    Whether that is one of such a model is for whoever builds the model to look at.
    """
    weights = {}
    for name, tensor in packed.items():
        is_halved = tensor.dtype == torch.float16 and not name.startswith(COMPACT_PARTS)
        weights[name] = tensor.float() if is_halved else tensor
    if PICTURE_FILES in weights and PICTURE_ENDS in weights:
        weights[PICTURES] = unpack_pictures(weights.pop(PICTURE_FILES), weights.pop(PICTURE_ENDS))
    places = weights.pop(BORDER_PLACES, None)
    numbers = weights.pop(BORDER_NUMBERS, None)
    frame = weights.get(PRIOR_FRAME)
    if frame is None or places is None or numbers is None:
        raise UnusableFileError("it lacks the frame of its prior")
    try:
        inverse = inverse_of(frame).float().flatten()
        inverse[places.long()] = numbers
    except (RuntimeError, IndexError) as error:
        # no square, or one without an inverse
        raise UnusableFileError("the frame of its prior has no inverse") from error
    weights[PRIOR_INVERSE] = inverse.view_as(frame)
    return weights


# ---- grey weights for pictures in colour ---------------------------------------------------------


def colour_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a model with one channel -> those of one with three, which begins grey.

    Its first layers read the mean of the three channels; its last ones write the grey value into
    each.
    """
    coloured = dict(weights)
    for name in INWARD:
        if name in weights:
            coloured[name] = torch.cat([weights[name] / 3] * 3, 1)
    for name in OUTWARD:
        coloured[name] = torch.cat([weights[name]] * 3)
    return coloured
