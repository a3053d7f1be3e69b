"""Picture encoders of others, which stay as they are: the part of a CLIP, SigLIP, DINO or ViT
checkpoint that looks at pictures.

    tower = FrozenTower("models/dinov2-small")      # a folder; UserError where it is none
    tower.features(images)                          # (B, W, g, g), what it says of g x g places

A model that is trained on its features keeps where the folder lies and the SHA-256 of its files,
not its weights. Nothing in the folder is executed: weights are read from safetensors alone.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from oneseed.config.model import ENCODERS, ModelConfig
from oneseed.console.command import UserError
from oneseed.dataset.jsonl import json_of
from oneseed.files import expanded
from oneseed.hub_models import CONFIG_FILE

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREPROCESSOR_FILE = "preprocessor_config.json"
# mean and standard deviation of the pixels of each channel, where the folder does not say them
CLIP_PIXELS = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
IMAGENET_PIXELS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
EVEN_PIXELS = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
USUAL_PIXELS = {"clip": CLIP_PIXELS, "sigl": EVEN_PIXELS, "vit": EVEN_PIXELS}
# far above any that is known: a larger one is no picture's, and would fill the memory
MAX_TOWER_SIDE = 4096
# of what another library says of a folder, in a sentence
MAX_REASON = 200


class FrozenTower:
    """A frozen picture encoder. It is no part of a model's weights, and is never trained.

    folder: where it lies. sha256: of its files. width: numbers W of each place.
    """

    def __init__(self, folder: str | Path, sha256: str = "") -> None:
        """sha256: what its files must have; "": whatever they have.

        UserError where it is missing, another, or no checkpoint of a picture encoder.
        """
        self.folder = expanded(folder).resolve()
        if not (self.folder / CONFIG_FILE).is_file():
            raise UserError(
                f"there is no picture encoder in {folder}, where the model looks for it; where it "
                "has moved, name its folder: --encoder PATH"
            )
        self.sha256 = digest_of_folder(self.folder)
        # before anything of it is read: a stranger's model may name any folder
        if sha256 and self.sha256 != sha256:
            raise UserError(
                f"{folder} is not the picture encoder that the model was trained with (its files "
                "have another SHA-256); name the folder of that one: --encoder PATH"
            )
        self.network = load_network(self.folder)
        mean, deviation = pixel_scale(self.folder, self.network.config.model_type)
        self.mean = torch.tensor(mean)[:, None, None]
        self.deviation = torch.tensor(deviation)[:, None, None]
        try:
            self.size = picture_side(self.network.config)
            self.width = self.features(torch.zeros(1, 1, self.size, self.size)).shape[1]
        except (RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise no_encoder(self.folder, error) from error

    @torch.no_grad()
    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 1 or 3, S, S) in [-1, 1] -> (B, W, g, g) float32, on their device."""
        if self.mean.device != images.device:
            self.network.to(images.device)
            self.mean = self.mean.to(images.device)
            self.deviation = self.deviation.to(images.device)
        with torch.autocast(images.device.type, enabled=False):
            pixels = images.float().expand(-1, 3, -1, -1)
            if pixels.shape[-1] != self.size:
                size = (self.size, self.size)
                pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True)
            pixels = ((pixels + 1) / 2 - self.mean) / self.deviation
            seen = self.network(pixel_values=pixels).last_hidden_state
        if seen.dim() == 3:
            # the places are the last ones, behind those that stand for the whole picture
            side = int(seen.shape[1] ** 0.5)
            seen = seen[:, -(side**2) :].transpose(1, 2).unflatten(2, (side, side))
        return seen.float()

    def describe(self) -> str:
        """What it is, in a line."""
        count = sum(weight.numel() for weight in self.network.parameters())
        return (
            f"frozen picture encoder: {self.folder.as_posix()}, {self.network.config.model_type}, "
            f"{count / 1e6:.1f} M parameters, {self.width} numbers a place"
        )


def settled_encoder(config: ModelConfig) -> tuple[ModelConfig, FrozenTower | None]:
    """The configuration that is built, and the frozen encoder where its encoder is a folder."""
    if config.encoder in ENCODERS:
        return config, None
    tower = FrozenTower(config.encoder)
    return config.with_frozen(tower.sha256, tower.width), tower


def digest_of_folder(folder: Path) -> str:
    """SHA-256 in hex of what decides a folder's features: its settings and its weights."""
    names = [CONFIG_FILE, PREPROCESSOR_FILE]
    names += sorted(path.name for path in folder.glob("*.safetensors"))
    sha = hashlib.sha256()
    for name in names:
        if (folder / name).is_file():
            with open(folder / name, "rb") as file:
                sha.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return sha.hexdigest()


def require_transformers() -> None:
    """UserError where the library that reads frozen parts is not installed."""
    if find_spec("transformers") is None:
        raise UserError(
            "a frozen part of a model needs transformers: pip install 'transformers>=5,<6'"
        )


def load_network(folder: Path) -> "PreTrainedModel":
    """The part of a checkpoint that looks at pictures, in float32 and eval mode, on the CPU."""
    require_transformers()
    from transformers import AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    try:
        found = AutoModel.from_pretrained(
            folder,
            dtype=torch.float32,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
        )
    except Exception as error:
        # transformers raises nearly anything on a broken or foreign checkpoint
        raise no_encoder(folder, error) from error
    network = getattr(found, "vision_model", found)
    if getattr(network, "main_input_name", "") != "pixel_values":
        raise no_encoder(folder, ValueError(f"a {type(network).__name__} looks at no pictures"))
    return network.eval().requires_grad_(False)


def no_encoder(folder: Path, error: Exception) -> UserError:
    """The error of a folder whose checkpoint is none of a picture encoder."""
    reason = " ".join(str(error).split())[:MAX_REASON]
    return UserError(
        f"{folder} is no picture encoder ({type(error).__name__}: {reason}); --encoder takes cnn, "
        "vit, or the folder of a CLIP, SigLIP, DINO or ViT checkpoint with model.safetensors"
    )


def picture_side(config: Any) -> int:
    """Pixels a side of the pictures that a network takes. ValueError where it is no such number."""
    side = getattr(config, "image_size", 224)
    side = side[0] if isinstance(side, list | tuple) else side
    if not isinstance(side, int) or not 0 < side <= MAX_TOWER_SIDE:
        raise ValueError(f"its pictures have {side!r} pixels a side")
    return side


def pixel_scale(
    folder: Path, model_type: str
) -> tuple[tuple[float, ...] | list[float], tuple[float, ...] | list[float]]:
    """Mean and standard deviation of each channel, as the folder says, or as is usual."""
    usual = next((USUAL_PIXELS[kind] for kind in USUAL_PIXELS if model_type.startswith(kind)), None)
    mean, deviation = usual or IMAGENET_PIXELS
    try:
        told = json_of(folder / PREPROCESSOR_FILE)
        mean = [float(number) for number in told.get("image_mean", mean)]
        deviation = [float(number) for number in told.get("image_std", deviation)]
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise no_encoder(folder, error) from error
    if len(mean) != 3 or len(deviation) != 3 or not min(deviation) > 0:
        raise no_encoder(folder, ValueError(f"{PREPROCESSOR_FILE} does not fit three channels"))
    return mean, deviation
