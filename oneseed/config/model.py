"""Settings of the model, and the presets."""

import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from oneseed.config.options import NAMED_SIZES, parameters_option, parse_image_size, preset_option
from oneseed.console.flags import BaseConfig, option
from oneseed.files import expanded

# tokens of a preset whose vocabulary the collection sizes
MAX_OWN_VOCABULARY = 2000
# four marks and 256 bytes
MIN_VOCABULARY = 260
# what a checkpoint says of an encoder that lies in a folder of its own
FROZEN = "frozen"
ENCODERS = ("cnn", "vit", FROZEN)
OWN_TEXT_DECODER = "own"
TEXT_DECODERS = (OWN_TEXT_DECODER, FROZEN)
# settings of models whose language model is frozen
LANGUAGE_SETTINGS = ("text_decoder", "text_decoder_sha256", "text_decoder_width")
DIGEST_DIGITS = re.compile("[0-9a-f]{64}")
# channels of an attention head of the encoder vit
VIT_HEAD_WIDTH = 32
# a side of the picture
MIN_PATCHES = 16
# beyond these no machine could build the model, and would only find it out after minutes
MAX_LAYERS = 200
MAX_IMAGE_SIZE = 4096
MAX_CHANNELS = 2**16
MAX_ENTRIES = 2**24


def base_and_doublings(size: int) -> tuple[int, int]:
    """Side of the smallest feature map (4 to 8) and how often it doubles to reach `size` pixels.

    ValueError for a size that is no such multiple.
    """
    base = size
    doublings = 0
    while base > 8 and base % 2 == 0:
        base = base // 2
        doublings = doublings + 1
    if not 4 <= base <= 8 or doublings < 2 or size > MAX_IMAGE_SIZE:
        raise ValueError(
            f"--image-size must be 4 to 8 times a power of two (128, 224, 512 …), up to "
            f"{MAX_IMAGE_SIZE}, or one of {', '.join(NAMED_SIZES)}, got {size}"
        )
    return base, doublings


@dataclass(frozen=True)
class ModelConfig(BaseConfig):
    """Everything that decides the networks' shapes; a checkpoint carries it."""

    preset: str = preset_option()
    image_size: int = option(
        512, "side of the pictures in pixels, or imagenet, clip, sd, sd_xl", kind=parse_image_size
    )
    channels: int = option(
        3,
        "3: RGB; 1: grey inside, shown as RGB; 0: RGB where a fifth of the collection is in colour",
        choices=(0, 1, 3),
    )
    latent_dim: int = option(
        1024,
        "length of the shared latent z, and of a seed's normal draw",
        at_least=8,
        at_most=MAX_CHANNELS,
    )
    encoder: str = option(
        "cnn",
        "what looks at pictures; cnn: convolutions; vit: a transformer over patches; or the folder "
        "of a CLIP, SigLIP, DINO or ViT checkpoint, which stays as it is",
    )
    vit_width: int = option(
        384,
        "width of --encoder vit, or behind a frozen one, a multiple of 32; its heads are 32 wide",
        at_least=1,
        at_most=MAX_CHANNELS,
    )
    vit_layers: int = option(
        6, "layers of --encoder vit, or behind a frozen one", at_least=1, at_most=MAX_LAYERS
    )
    patch: int = option(
        4, "pixels a side that the first and the last convolution handle at once; a power of two"
    )
    width: int = option(
        48,
        "channels of the finest feature map; doubles with every halving",
        at_least=1,
        at_most=MAX_CHANNELS,
    )
    max_width: int = option(
        384, "most channels of any feature map", at_least=1, at_most=MAX_CHANNELS
    )
    blocks: int = option(
        1,
        "residual blocks of each feature map of the picture decoder, on the way down and up",
        at_least=1,
        at_most=MAX_LAYERS,
    )
    neck: int = option(
        64,
        "of models before version 0.4; without effect on new ones",
        at_least=1,
        at_most=MAX_CHANNELS,
    )
    code_noise: float = option(
        0.25,
        "standard deviation of the noise on the latent code in training; the code's own is 1",
        at_least=0,
    )
    vocab_size: int = option(
        8000, "rows of the vocabulary; 0: as many as the collection fills, 2,000 at most"
    )
    max_caption_length: int = option(
        100, "tokens of a caption, both end marks counted", at_least=4, at_most=MAX_CHANNELS
    )
    text_decoder: str = option(
        OWN_TEXT_DECODER,
        "what writes captions; own: a transformer that is trained; or the folder of a causal "
        "language model, which stays as it is",
    )
    text_width: int = option(
        512, "width of the caption transformers", at_least=1, at_most=MAX_CHANNELS
    )
    text_layers: int = option(3, "layers of the caption decoder", at_least=1, at_most=MAX_LAYERS)
    text_heads: int = option(
        8, "attention heads of the caption transformers", at_least=1, at_most=MAX_CHANNELS
    )
    flow_dims: int = option(
        128,
        "leading directions of the code, which the flow models",
        at_least=1,
        at_most=MAX_CHANNELS,
    )
    follow_dims: int = option(
        256,
        "directions after those, which a regression predicts from them",
        at_least=1,
        at_most=MAX_CHANNELS,
    )
    flow_width: int = option(
        1024, "hidden width of the flow and of the regression", at_least=1, at_most=MAX_CHANNELS
    )
    flow_clusters: int = option(
        1024,
        "most clusters of codes that the sampler tells apart; a small collection fills fewer",
        at_least=1,
        at_most=MAX_ENTRIES,
    )
    styles: int = option(
        16, "most styles that the sampler tells apart", at_least=1, at_most=MAX_ENTRIES
    )
    # no flags: which picture networks a checkpoint has, and what those of before 0.4 were like
    image_networks: str = field(default="flow", metadata={"choices": ("flow", "regression")})
    linear_dims: int = field(default=0, metadata={"choices": None})
    # no flags: of a frozen encoder, the SHA-256 of its files and the numbers of each of its places
    encoder_sha256: str = field(default="", metadata={"choices": None})
    encoder_width: int = field(default=0, metadata={"choices": None})
    # … and of a frozen language model
    text_decoder_sha256: str = field(default="", metadata={"choices": None})
    text_decoder_width: int = field(default=0, metadata={"choices": None})

    def __post_init__(self) -> None:
        self._check_image_networks()
        super().__post_init__()
        self._check_text_networks()

    def settings(self) -> dict[str, Any]:
        """What a checkpoint keeps: the flags, and of models before version 0.4 what is no flag."""
        settings = asdict(self)
        if self.image_networks == "flow":
            del settings["image_networks"], settings["linear_dims"]
        if self.encoder != FROZEN:
            # as files were before encoders could be frozen
            del settings["encoder_sha256"], settings["encoder_width"]
        if self.text_decoder == OWN_TEXT_DECODER:
            for name in LANGUAGE_SETTINGS:
                del settings[name]
        return settings

    def with_language(self, sha256: str, width: int, vocab_size: int) -> Self:
        """The same with a frozen language model. vocab_size: of its vocabulary with our marks."""
        return replace(
            self,
            text_decoder=FROZEN,
            text_decoder_sha256=sha256,
            text_decoder_width=width,
            vocab_size=vocab_size,
        )

    def with_frozen(self, sha256: str, width: int) -> Self:
        """The same with a frozen encoder. width: numbers of each of its places."""
        return replace(self, encoder=FROZEN, encoder_sha256=sha256, encoder_width=width)

    def _check_image_networks(self) -> None:
        base_and_doublings(self.image_size)
        is_power_of_two = self.patch > 0 and self.patch & (self.patch - 1) == 0
        if not is_power_of_two or self.image_size // self.patch < MIN_PATCHES:
            raise ValueError(
                f"--patch must be a power of two that leaves at least {MIN_PATCHES} x "
                f"{MIN_PATCHES} patches, got {self.patch}"
            )
        if self.encoder not in ENCODERS and not expanded(self.encoder).is_dir():
            raise ValueError(
                "--encoder is cnn, vit, or the folder of a checkpoint such as CLIP's or DINO's, "
                f"not {self.encoder!r}"
            )
        is_described = self.encoder_width > 0 and bool(DIGEST_DIGITS.fullmatch(self.encoder_sha256))
        if (self.encoder == FROZEN) != is_described:
            raise ValueError("a frozen encoder is named by its folder: --encoder PATH")
        if self.linear_dims < 0:
            raise ValueError(f"linear_dims must be 0 or more, got {self.linear_dims}")
        if self.vit_width % VIT_HEAD_WIDTH:
            raise ValueError(
                f"--vit-width must be a multiple of {VIT_HEAD_WIDTH}, got {self.vit_width}"
            )

    def _check_text_networks(self) -> None:
        name = self.text_decoder
        if name not in TEXT_DECODERS and not expanded(name).is_dir():
            raise ValueError(
                f"--text-decoder is own, or the folder of a causal language model, not {name!r}"
            )
        has_digest = bool(DIGEST_DIGITS.fullmatch(self.text_decoder_sha256))
        if (name == FROZEN) != (self.text_decoder_width > 0 and has_digest):
            raise ValueError("a frozen language model is named by its folder: --text-decoder PATH")
        if self.vocab_size and self.vocab_size < MIN_VOCABULARY:
            raise ValueError(
                f"--vocab-size must be 0 or at least {MIN_VOCABULARY} (four marks and 256 bytes), "
                f"got {self.vocab_size}"
            )
        if self.text_width % (2 * self.text_heads):
            raise ValueError(
                "--text-width must be an even multiple of --text-heads, "
                f"got {self.text_width} and {self.text_heads}"
            )


@dataclass(frozen=True)
class SpecsConfig(BaseConfig):
    """What model_architecture.py is asked for, beside the model."""

    write_specs: bool = option(False, "write docs/model_specs.md")
    parameters: int = parameters_option()


# what each preset changes of the defaults, here and in TrainConfig
PRESETS: dict[str, dict[str, Any]] = {
    "full": {},
    "medium": {
        "image_size": 256,
        "channels": 0,
        "patch": 2,
        "width": 40,
        "max_width": 256,
        "vocab_size": 4000,
        "text_width": 256,
        "flow_dims": 96,
        "follow_dims": 160,
        "flow_width": 768,
    },
    "small": {
        "image_size": 128,
        "channels": 0,
        "encoder": "vit",
        "vit_width": 96,
        "vit_layers": 1,
        "width": 48,
        "max_width": 160,
        "vocab_size": 0,
        "text_width": 96,
        "text_layers": 2,
        "text_heads": 4,
        "flow_dims": 48,
        "follow_dims": 112,
        "flow_width": 384,
        "num_epochs": 0,
        "batch_size": 32,
        "learning_rate": 2.5e-3,
    },
}
