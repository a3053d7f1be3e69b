"""Settings of the model, and the presets."""

from dataclasses import dataclass

from oneseed.config.options import NAMED_SIZES, parameters_option, parse_image_size, preset_option
from oneseed.console.flags import option

# of a preset whose vocabulary the collection sizes
MAX_OWN_VOCABULARY = 2000


def base_and_doublings(size):
    """Side of the smallest feature map (4 to 8) and how often it doubles to reach `size` pixels. ValueError for a size
    that is no such multiple."""
    base = size
    doublings = 0
    while base > 8 and base % 2 == 0:
        base = base // 2
        doublings = doublings + 1
    if not 4 <= base <= 8 or doublings < 2:
        raise ValueError(
            f"--image-size must be 4 to 8 times a power of two (128, 224, 512 …) or one of {', '.join(NAMED_SIZES)}, got {size}"
        )
    return base, doublings


@dataclass(frozen=True)
class ModelConfig:
    preset: str = preset_option()
    image_size: int = option(
        512, "side of the pictures in pixels, or imagenet, clip, sd, sd_xl", kind=parse_image_size
    )
    channels: int = option(3, "3: RGB; 1: grey inside, shown as RGB", choices=(1, 3))
    latent_dim: int = option(1024, "length of the shared latent z, and of a seed's normal draw")
    encoder: str = option(
        "cnn",
        "what looks at pictures; cnn: convolutions; vit: a transformer over patches",
        choices=("cnn", "vit"),
    )
    vit_width: int = option(384, "width of --encoder vit, a multiple of 32; its heads are 32 wide")
    vit_layers: int = option(6, "layers of --encoder vit")
    patch: int = option(
        4, "pixels a side that the first and the last convolution handle at once; a power of two"
    )
    width: int = option(48, "channels of the finest feature map; doubles with every halving")
    max_width: int = option(384, "most channels of any feature map")
    neck: int = option(64, "channels of the coarsest map where it meets the latent")
    code_noise: float = option(
        0.25, "standard deviation of the noise on the latent code in training; the code's own is 1"
    )
    vocab_size: int = option(
        8000, "rows of the vocabulary; 0: as many as the collection fills, 2,000 at most"
    )
    max_caption_length: int = option(100, "tokens of a caption, both end marks counted")
    text_width: int = option(512, "width of the caption transformers")
    text_layers: int = option(3, "layers of the caption decoder")
    text_heads: int = option(8, "attention heads of the caption transformers")
    linear_dims: int = option(
        1024,
        "leading directions of thumbnails that the code begins with; 0: none; -1: all for pictures, none for the built-in drawings, of which fewer facts say everything",
    )
    flow_dims: int = option(128, "leading directions of the code, which the flow models")
    follow_dims: int = option(256, "directions after those, which a regression predicts from them")
    flow_width: int = option(1024, "hidden width of the flow and of the regression")
    flow_clusters: int = option(
        1024, "most clusters of codes that the sampler tells apart; a small collection fills fewer"
    )
    styles: int = option(16, "most styles that the sampler tells apart")

    def __post_init__(self):
        base_and_doublings(self.image_size)
        if self.patch < 1 or self.patch & (self.patch - 1) or self.image_size // self.patch < 16:
            raise ValueError(
                f"--patch must be a power of two that leaves at least 16 x 16 patches, got {self.patch}"
            )
        if self.encoder not in ("cnn", "vit"):
            raise ValueError(f"--encoder is cnn or vit, not {self.encoder!r}")
        if self.vit_width % 32:
            raise ValueError(f"--vit-width must be a multiple of 32, got {self.vit_width}")
        for name in (
            "vit_width",
            "vit_layers",
            "width",
            "max_width",
            "neck",
            "text_width",
            "text_layers",
            "text_heads",
            "flow_dims",
            "follow_dims",
            "flow_width",
            "flow_clusters",
            "styles",
        ):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"--{name.replace('_', '-')} must be at least 1, got {getattr(self, name)}"
                )
        if not self.code_noise >= 0:
            raise ValueError(f"--code-noise must be 0 or more, got {self.code_noise}")
        if self.linear_dims < -1:
            raise ValueError(f"--linear-dims must be -1 or more, got {self.linear_dims}")
        if self.latent_dim < 8:
            raise ValueError(f"--latent-dim must be at least 8, got {self.latent_dim}")
        if self.vocab_size and self.vocab_size < 260:
            raise ValueError(
                f"--vocab-size must be 0 or at least 260 (four marks and 256 bytes), got {self.vocab_size}"
            )
        if self.max_caption_length < 4:
            raise ValueError(
                f"--max-caption-length must be at least 4, got {self.max_caption_length}"
            )
        if self.text_width % (2 * self.text_heads):
            raise ValueError(
                f"--text-width must be an even multiple of --text-heads, got {self.text_width} and {self.text_heads}"
            )


@dataclass(frozen=True)
class SpecsConfig:
    write_specs: bool = option(False, "write docs/model_specs.md")
    parameters: int = parameters_option()


PRESETS = {
    "full": {},
    "medium": {
        "image_size": 256,
        "patch": 2,
        "width": 40,
        "max_width": 256,
        "neck": 48,
        "vocab_size": 4000,
        "text_width": 256,
        "flow_dims": 96,
        "follow_dims": 160,
        "flow_width": 768,
    },
    "small": {
        "image_size": 128,
        "channels": 1,
        "encoder": "vit",
        "vit_width": 96,
        "vit_layers": 1,
        "width": 32,
        "max_width": 128,
        "neck": 32,
        "vocab_size": 0,
        "text_width": 96,
        "text_layers": 2,
        "text_heads": 4,
        "linear_dims": -1,
        "flow_dims": 48,
        "follow_dims": 64,
        "flow_width": 384,
        "num_epochs": 0,
        "batch_size": 32,
        "learning_rate": 2.5e-3,
    },
}
