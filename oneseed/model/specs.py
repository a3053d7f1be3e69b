"""Sizes: parameters per part, widths within a budget, and the generated docs/model_specs.md."""

import functools
from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import nn

from oneseed.config.model import MAX_OWN_VOCABULARY, PRESETS, VIT_HEAD_WIDTH, ModelConfig
from oneseed.console.command import UserError
from oneseed.console.flags import option_fields
from oneseed.model.image_networks import code_grid, feature_widths
from oneseed.model.multimodal import MultimodalModel

MODEL_PARTS = {
    "image_encoder": "picture -> code",
    "image_decoder": "code -> picture",
    "text_encoder": "caption -> vector of the code's length, for InfoNCE",
    "text_decoder": "code and words so far -> next word",
    "sampler": "seed space N(0, I) <-> code: a frame, clusters and style means (buffers), "
    "and a flow and a regression",
}
# presets in the order of their size
SHOWN_PRESETS = ("full", "medium", "small")
# what --parameters scales; the one whose single step costs most first
SCALED_WIDTHS = ("vit_width", "text_width", "width", "max_width", "flow_width")
# widths are multiples of this
WIDTH_STEP = 8
# share of the budget that the built model must use
MIN_BUDGET_SHARE = 0.95
# halvings of the interval in which the factor is searched
WIDTH_BISECTIONS = 14


def parameter_counts(model: MultimodalModel) -> dict[str, int]:
    """{part: number of parameters}, in the order of the model's parts."""
    return {name: parameter_count(getattr(model, name)) for name in MODEL_PARTS}


def parameter_count(module: nn.Module) -> int:
    """How many numbers a module learns."""
    return sum(weight.numel() for weight in module.parameters())


@functools.cache
def built_size(config: ModelConfig) -> int:
    """Parameters of the model that `config` builds, which is not allocated."""
    with torch.device("meta"):
        return parameter_count(MultimodalModel(config))


def scaled_widths(
    config: ModelConfig, factor: float, names: Sequence[str] = SCALED_WIDTHS
) -> ModelConfig:
    """`config` with those of these widths that it uses times `factor`, rounded to their steps.

    A step is 8; of text_width 8 for each head; of vit_width a head's width. No width becomes 0.
    """
    steps = dict.fromkeys(names, WIDTH_STEP)
    if "text_width" in steps:
        steps["text_width"] = WIDTH_STEP * config.text_heads
    if "vit_width" in steps:
        steps["vit_width"] = VIT_HEAD_WIDTH
        if config.encoder == "cnn":
            del steps["vit_width"]
    widths = {}
    for name, step in steps.items():
        widths[name] = max(step, round(getattr(config, name) * factor / step) * step)
    return replace(config, **widths)


def scaled_to_budget(config: ModelConfig, budget: int, names: Sequence[str]) -> ModelConfig:
    """`config` with these widths scaled by the largest factor found that the budget allows."""
    low = 0.0
    high = 1.0
    while built_size(scaled_widths(config, high, names)) <= budget:
        low = high
        high = 2 * high
    for _ in range(WIDTH_BISECTIONS):
        middle = (low + high) / 2
        if built_size(scaled_widths(config, middle, names)) <= budget:
            low = middle
        else:
            high = middle
    return scaled_widths(config, low, names)


def within_budget(config: ModelConfig, budget: int) -> ModelConfig:
    """`config` with widths scaled by one factor: at most `budget` parameters, at least .95 of them.

    Where the next step of one width would pass the budget from further below, that one stays and
    the others grow on. UserError where no widths meet the budget.
    """
    if (least := built_size(scaled_widths(config, 0))) > budget:
        raise UserError(
            f"--parameters {budget:,} cannot be reached: the narrowest model of these settings has "
            f"{least:,}; allow more, or lower --latent-dim or --vocab-size"
        )
    for fixed in range(len(SCALED_WIDTHS)):
        config = scaled_to_budget(config, budget, SCALED_WIDTHS[fixed:])
        if built_size(config) >= MIN_BUDGET_SHARE * budget:
            return config
    raise UserError(
        f"--parameters {budget:,} is not to be met within 5 %, only {built_size(config):,}; "
        "allow more, or fewer --text-heads"
    )


def describe_widths(before: ModelConfig, after: ModelConfig) -> str:
    """What within_budget changed, in words."""
    changes = [
        f"{name} {getattr(before, name)} -> {getattr(after, name)}"
        for name in SCALED_WIDTHS
        if getattr(before, name) != getattr(after, name)
    ]
    return ", ".join(changes) or "no width changed"


def specs() -> str:
    """The text of docs/model_specs.md, computed from models built on the spot."""
    lines = [
        "# Model specifications",
        "",
        "Written by `python model_architecture.py --write-specs`; a test fails when it is stale.",
        "",
    ]
    for preset in SHOWN_PRESETS:
        lines += preset_section(preset)
    lines += settings_table()
    return "\n".join(lines) + "\n"


def preset_section(preset: str) -> list[str]:
    """The lines about one preset: its shapes, then the table of its parts."""
    config = preset_config(preset)
    counts = parameter_counts(MultimodalModel(config))
    base, widths = feature_widths(config)
    colours = "RGB" if config.channels == 3 else "grey"
    if PRESETS[preset].get("vocab_size", ModelConfig.vocab_size):
        vocabulary = f"{config.vocab_size:,}."
    else:
        vocabulary = (
            f"as large as the collection fills, {config.vocab_size:,} at most (counted here)."
        )
    if config.encoder == "vit":
        encoder = (
            f"A transformer (width {config.vit_width}, layers: {config.vit_layers}) "
            f"over {base} x {base} patches sees"
        )
    else:
        encoder = "Convolutions see"
    grid = code_grid(config)
    return [
        f"## Preset `{preset}`",
        "",
        f"Pictures {config.image_size} x {config.image_size}, {colours}; "
        f"latent {config.latent_dim:,}; captions up to {config.max_caption_length} tokens; "
        f"vocabulary {vocabulary}",
        "",
        f"{encoder} the picture. The code begins as a grid of {grid.side} x {grid.side} places "
        f"with {grid.channels} numbers each. Feature maps of the decoder, from "
        f"{config.image_size // config.patch} to {base} pixels a side: "
        f"{', '.join(map(str, widths))} channels, blocks a map: {config.blocks}. Caption "
        f"transformers: width {config.text_width}, {config.text_layers} layers, "
        f"{config.text_heads} heads.",
        "",
        "| part | what | parameters |",
        "|---|---|---:|",
        *(f"| `{name}` | {MODEL_PARTS[name]} | {count:,} |" for name, count in counts.items()),
        f"| **total** | | **{sum(counts.values()):,}** |",
        "",
    ]


def settings_table() -> list[str]:
    """The lines about every setting of the model, a column a preset."""
    lines = [
        "## Every setting",
        "",
        f"| flag | {' | '.join(SHOWN_PRESETS)} | what |",
        "|---|---|---|---|---|",
    ]
    for field in option_fields([ModelConfig]).values():
        if field.name == "preset":
            values = list(SHOWN_PRESETS)
        else:
            values = [PRESETS[name].get(field.name, field.default) for name in SHOWN_PRESETS]
        flag = field.name.replace("_", "-")
        columns = " | ".join(map(str, values))
        lines.append(f"| `--{flag}` | {columns} | {field.metadata['note']} |")
    return lines


def preset_config(name: str) -> ModelConfig:
    """Preset name -> its settings, without a collection."""
    own = {field.name for field in fields(ModelConfig)}
    settings = {field: value for field, value in PRESETS[name].items() if field in own}
    return without_collection(ModelConfig(preset=name, **settings))


def without_collection(config: ModelConfig) -> ModelConfig:
    """The settings with what they leave to the collection: the largest vocabulary, and grey."""
    vocab_size = config.vocab_size or MAX_OWN_VOCABULARY
    return replace(config, vocab_size=vocab_size, channels=config.channels or 1)
