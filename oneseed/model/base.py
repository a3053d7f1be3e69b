"""A model packed for the repository: half the size of a checkpoint, and as carefully read.

    save_base(model, BASE_FILE)
    save_pretrained(model, folder)        # for other people: the same model to the last bit
    weights = read_weights("base")        # a state dict; as well of any other checkpoint

Large float32 tensors are kept in float16, carried pictures as PNG files. Buffers in float64, small
tensors, books of captions and the facts are kept as they are. The inverse of the prior's frame is
left out, and computed again in float64. A folder for other people has all that only where it
changes no number, and the facts in files of their own.

A last bit of that inverse may depend on the processor, and the model's fingerprint depends on every
bit. So the numbers that lie on the border between two float32 are kept, with their places.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from oneseed.config.base_model import BASE, checkpoint_file, checkpoint_name
from oneseed.config.model import FROZEN
from oneseed.console.command import UserError
from oneseed.dataset.commands import flag, python_name, script_command
from oneseed.dataset.next_run import RESTORE_COMMAND, missing_checkpoint
from oneseed.files import whole_file
from oneseed.hub_models import WEIGHTS_FILE, hub_name
from oneseed.model import checkpoint
from oneseed.model.checkpoint_facts import CheckpointFacts, read_facts
from oneseed.model.facts_files import (
    has_facts_files,
    is_of_another_program,
    read_facts_files,
    write_facts_files,
)
from oneseed.model.packed_pictures import pack_pictures, unpack_pictures
from oneseed.model.weights import EXTRA_STATE
from oneseed.tensor_files import UnusableFileError, kind_of_place

if TYPE_CHECKING:
    from oneseed.model.multimodal import MultimodalModel

# of a packed file; other files are those of torch.save
PACKED_SUFFIX = ".safetensors"
# the only entry of its metadata: two would be written in either order
DIGEST = "sha256"
# the same of a folder for other people: the hash that cards carry
PROMISE = "fingerprint"
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


def require_own_parts(model: "MultimodalModel") -> None:
    """UserError where a model has frozen parts of others, which nothing that is packed has."""
    if model.config.encoder == FROZEN:
        raise UserError(
            f"this model sees through the picture encoder in {model.meta.get('encoder_path')}, "
            "which is no part of it, so others could not use it; for others train one with "
            f"--encoder vit, or draw alone: {python_name()} -m oneseed.export onnx"
        )
    if model.config.text_decoder == FROZEN:
        raise UserError(
            f"this model writes with the language model in {model.meta.get('text_decoder_path')}, "
            "which is no part of it, so others could not use it; for others train one with "
            "--text-decoder own"
        )


def save_base(model: "MultimodalModel", path: str | Path) -> None:
    """Write a model to a file, which a killed run leaves as it was."""
    from safetensors.torch import save

    require_own_parts(model)
    packed = pack_weights(model.state_dict())
    content = save(packed, {DIGEST: checkpoint.digest(packed)})
    with whole_file(path) as partial:
        partial.write_bytes(content)


def save_pretrained(model: "MultimodalModel", folder: str | Path) -> None:
    """Write config.json, tokenizer.json and model.safetensors: exactly this model, for others.

    The weights come last. Where a killed run leaves them beside the facts of another model, reading
    finds another fingerprint than theirs. UserError where it sees through a frozen encoder, or the
    folder holds a model of another program.
    """
    from safetensors.torch import save

    require_own_parts(model)
    if is_of_another_program(Path(folder)):
        raise UserError(f"{folder} holds a model of another program; name another folder")
    packed = pack_weights(model.state_dict(), is_exact=True)
    write_facts_files(packed.pop(EXTRA_STATE), Path(folder))
    content = save(packed, {PROMISE: model.fingerprint()})
    with whole_file(Path(folder) / WEIGHTS_FILE) as partial:
        # the library's own writer gives a mode that other users cannot read
        partial.write_bytes(content)


@torch.no_grad()
def pack_weights(weights: Mapping[str, Tensor], *, is_exact: bool = False) -> dict[str, Tensor]:
    """The state dict of a model -> what a packed file holds. is_exact: nothing is rounded."""
    packed = {}
    for name, tensor in weights.items():
        if name != PRIOR_INVERSE:
            tensor = tensor.detach().cpu().contiguous()
            is_compact = name.startswith(COMPACT_PARTS)
            is_halved = not is_compact and should_halve(tensor, is_exact=is_exact)
            packed[name] = tensor.half() if is_halved else tensor.clone()
    if PICTURES in packed:
        packed[PICTURE_FILES], packed[PICTURE_ENDS] = pack_pictures(packed.pop(PICTURES))
    border = border_of_inverse(packed[PRIOR_FRAME])
    if not is_exact:
        return {**packed, **border}
    inverse = weights[PRIOR_INVERSE].detach().cpu().contiguous()
    border[BORDER_NUMBERS] = inverse.flatten()[border[BORDER_PLACES].long()]
    if torch.equal(unpack_inverse({**packed, **border}), inverse):
        return {**packed, **border}
    # a fitted prior has an inverse that was found in another way
    return {**packed, PRIOR_INVERSE: inverse}


def should_halve(tensor: Tensor, *, is_exact: bool = False) -> bool:
    """Whether a tensor is large, and float16 can hold its numbers. is_exact: without rounding."""
    if tensor.dtype != torch.float32 or tensor.numel() < MIN_HALVED:
        return False
    halved = tensor.half()
    return torch.equal(halved.float(), tensor) if is_exact else bool(halved.isfinite().all())


def inverse_of(frame: Tensor) -> Tensor:
    """A frame (D, D) of float16 or float32 -> its inverse, float64."""
    return torch.linalg.inv(frame.double())


def border_of_inverse(frame: Tensor) -> dict[str, Tensor]:
    """The numbers of the inverse of a frame (D, D) that another processor may round otherwise."""
    exact = inverse_of(frame)  # (D, D)
    nearest = exact.float().flatten()  # (D D,)
    lower = (exact - INVERSE_TOLERANCE).float()
    upper = (exact + INVERSE_TOLERANCE).float()
    places = (lower != upper).flatten().nonzero()[:, 0]  # (M,)
    return {BORDER_PLACES: places.int(), BORDER_NUMBERS: nearest[places]}


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
    if has_facts_files(file.parent):
        return damaged_folder(file, error)
    return UserError(
        f"{file.as_posix()} is damaged or no packed model ({error}); pack it again: "
        f"{python_name()} -m benchmarks.base --checkpoint CHECKPOINT --out FOLDER"
    )


def damaged_folder(file: Path, error: UserError) -> UserError:
    """The error of a folder for other people, of which `file` holds the weights."""
    if is_of_another_program(file.parent):
        return UserError(
            f"{file.parent.as_posix()} holds a model of another program; name one that "
            f"{python_name()} -m oneseed.export hub wrote"
        )
    begin = f"{file.as_posix()} and the files beside it are no model of this version ({error}); "
    if named := hub_name(file):
        name, _, revision = named.partition(":")[2].partition("@")
        further = f" --revision {revision}" if revision else ""
        return UserError(f"{begin}fetch it again: hf download {name}{further} --force-download")
    return UserError(
        f"{begin}write it again: {python_name()} -m oneseed.export hub --checkpoint CHECKPOINT "
        f"{flag('out', file.parent)}"
    )


def refused_model(path: str | Path, error: UserError) -> UserError:
    """The error of a file of which no model can be built, with what mends it."""
    if saved_fingerprint(path):
        return damaged_folder(checkpoint_file(path), error)
    return UserError(
        f"{path} is not a checkpoint of this version ({error}); "
        f"train anew: {script_command('training_loop.py', '--fresh')}"
    )


def require_promised_model(path: str | Path, model: "MultimodalModel") -> None:
    """UserError where a folder for other people gives another model than the one it promises."""
    promised = saved_fingerprint(path)
    if promised and model.fingerprint() != promised:
        raise UserError("its fingerprint is that of another model")


def saved_fingerprint(path: str | Path) -> str | None:
    """The fingerprint that a folder for other people promises; None for any other checkpoint."""
    file = checkpoint_file(path)
    return read_metadata(file).get(PROMISE) if file.suffix == PACKED_SUFFIX else None


def read_metadata(file: Path) -> dict[str, str]:
    """What a safetensors file says beside its tensors."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return opened.metadata() or {}


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
            metadata = opened.metadata() or {}
            # a slice of a file that is mapped into memory would change with it
            names = [only] if only else list(opened.keys())
            packed = {name: opened.get_tensor(name).clone() for name in names}
    except PermissionError:
        # no damage
        raise
    except Exception as error:
        # a flipped bit can raise anything
        raise UnusableFileError(type(error).__name__) from error
    if DIGEST not in metadata and (PROMISE in metadata or has_facts_files(file.parent)):
        packed[EXTRA_STATE] = read_facts_files(file.parent)
        if PROMISE not in metadata:
            raise UnusableFileError("its weights carry no fingerprint")
    elif not only and not checkpoint.is_same_digest(metadata.get(DIGEST), packed):
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
    if PRIOR_INVERSE not in weights:
        weights[PRIOR_INVERSE] = unpack_inverse(weights)
    for name in (BORDER_PLACES, BORDER_NUMBERS):
        weights.pop(name, None)
    return weights


def unpack_inverse(packed: Mapping[str, Tensor]) -> Tensor:
    """The inverse of a prior's frame, (D, D) float32, from the frame and the numbers on the border.

    UnusableFileError where they are missing, or the frame has none.
    """
    frame = packed.get(PRIOR_FRAME)
    places = packed.get(BORDER_PLACES)
    numbers = packed.get(BORDER_NUMBERS)
    if frame is None or places is None or numbers is None:
        raise UnusableFileError("it lacks the frame of its prior")
    try:
        inverse = inverse_of(frame).float().flatten()
        inverse[places.long()] = numbers
    except (RuntimeError, IndexError) as error:
        # no square, or one without an inverse
        raise UnusableFileError("the frame of its prior has no inverse") from error
    return inverse.view_as(frame)


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
