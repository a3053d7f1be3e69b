"""The model: one latent z that draws a picture and writes its caption.

    python model_architecture.py                       # a real forward pass of the full preset
    python model_architecture.py --preset small
    python model_architecture.py --config model.yaml --parameters 30M
    python model_architecture.py --write-specs         # writes docs/model_specs.md

Prints every shape and the parameter counts; the exit code is 1 where a shape is wrong.

Conventions: pictures are float (B, 3, S, S) in [-1, 1]; z is (B, D) standard normal; tokens are
int64 (B, T) beginning with START. Inside, the decoders read a code (B, D); the prior is the map
between z and code. The networks are in oneseed/model/: start with multimodal.py, then prior.py.
"""

# --help answers before torch is loaded
if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()
    from oneseed.config import spec
    from oneseed.config.model import PRESETS, ModelConfig, SpecsConfig
    from oneseed.config.training import TrainConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(
        ModelConfig,
        SpecsConfig,
        description=__doc__,
        presets=PRESETS,
        file=(ModelConfig, TrainConfig),
        sections=spec,
    )


from pathlib import Path

import torch

from oneseed.config.model import ModelConfig, SpecsConfig
from oneseed.console.command import UserError, run
from oneseed.device import pick_device
from oneseed.files import write_text
from oneseed.model.frozen_encoder import settled_encoder
from oneseed.model.frozen_language import settled_language
from oneseed.model.image_networks import ImageDecoder, ImageEncoder
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pil, to_pixels, to_tensor
from oneseed.model.specs import (
    MODEL_PARTS,
    describe_widths,
    parameter_counts,
    specs,
    within_budget,
    without_collection,
)
from oneseed.model.text_networks import TextDecoder, TextEncoder
from oneseed.model.tokenizer import UNK
from oneseed.seeds import latents

__all__ = [
    "ImageDecoder",
    "ImageEncoder",
    "MultimodalModel",
    "TextDecoder",
    "TextEncoder",
    "latents",
    "main",
    "pick_device",
    "to_pil",
    "to_pixels",
    "to_tensor",
]

SPECS = Path(__file__).parent / "docs" / "model_specs.md"
# pictures and captions of the forward pass
BATCH = 4


def main(config: ModelConfig, options: SpecsConfig) -> int | None:
    """The command -> its exit code, None for 0."""
    if options.write_specs:
        if config != ModelConfig() or options.parameters:
            raise UserError(
                "--write-specs writes what every preset is like; leave the other flags out"
            )
        write_text(SPECS, specs())
        print(f"wrote {SPECS}")
        return None
    config, tower = settled_encoder(without_collection(config))
    config, language = settled_language(config)
    if options.parameters:
        scaled_config = within_budget(config, options.parameters)
        print(f"--parameters {options.parameters:,}: {describe_widths(config, scaled_config)}")
        config = scaled_config
    model = MultimodalModel(config).eval()
    if tower:
        model.set_tower(tower)
        print(tower.describe())
    if language:
        model.set_language(language)
        print(language.describe())
    wrong = check_shapes(model)
    print_parameters(model)
    return 1 if wrong else 0


def check_shapes(model: MultimodalModel) -> list[str]:
    """Run a forward pass and print its shapes -> the names of those that are wrong."""
    config = model.config
    images = torch.rand(BATCH, 3, config.image_size, config.image_size) * 2 - 1
    tokens = torch.randint(UNK + 1, config.vocab_size, (BATCH, config.max_caption_length))
    with torch.no_grad():
        z, drawn, logits = model(images, tokens)
    expected = {
        "Latent": (z, (BATCH, config.latent_dim)),
        "Image recon": (drawn, tuple(images.shape)),
        "Caption logits": (logits, (BATCH, config.max_caption_length, config.vocab_size)),
    }
    print(f"✓ Input: {tuple(images.shape)}")
    wrong = [name for name, (tensor, shape) in expected.items() if tuple(tensor.shape) != shape]
    for name, (tensor, _) in expected.items():
        print(f"{'✗' if name in wrong else '✓'} {name}: {tuple(tensor.shape)}")
    print(f"✗ wrong: {', '.join(wrong)}" if wrong else "✓ All shapes correct ✅")
    return wrong


def print_parameters(model: MultimodalModel) -> None:
    """Print how many parameters each part has, and what it is."""
    counts = parameter_counts(model)
    for name, count in counts.items():
        print(f"  {name:<14} {count:>12,}   {MODEL_PARTS[name]}")
    print(f"  {'total':<14} {sum(counts.values()):>12,}")


if __name__ == "__main__":
    run(main, *CONFIGS)
