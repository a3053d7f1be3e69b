"""Sizes: parameters per part, widths within a budget, and the generated specifications."""

import functools
from dataclasses import fields, replace

import torch

from oneseed.config.model import MAX_OWN_VOCABULARY, PRESETS, ModelConfig
from oneseed.console.command import UserError
from oneseed.model.image_networks import feature_widths
from oneseed.model.multimodal import MultimodalModel

MODEL_PARTS = {
    "image_encoder": "picture -> code",
    "image_decoder": "code -> picture",
    "text_encoder": "caption -> vector of the code's length, for InfoNCE",
    "text_decoder": "code and words so far -> next word",
    "sampler": "seed space N(0, I) <-> code: a frame, clusters and style means (buffers), and a flow and a regression",
}


def parameter_counts(model):
    """-> {part: number of parameters}, in the order of the model's parts."""
    return {
        name: sum(weight.numel() for weight in getattr(model, name).parameters())
        for name in MODEL_PARTS
    }


# by --parameters; the one whose single step costs most first
SCALED_WIDTHS = ("vit_width", "text_width", "neck", "width", "max_width", "flow_width")


@functools.cache
def built_size(config):
    """Of the model that `config` builds, which is not allocated."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in MultimodalModel(config).parameters())


def scaled(config, factor, names=SCALED_WIDTHS):
    """`config` with those of these widths that it uses times `factor`, to the nearest multiple of 8 that is no nil; of text_width, for each head; of
    vit_width, of a head's 32."""
    steps = {
        name: {"text_width": 8 * config.text_heads, "vit_width": 32}.get(name, 8)
        for name in names
        if name != "vit_width" or config.encoder == "vit"
    }
    return replace(
        config,
        **{
            name: max(step, round(getattr(config, name) * factor / step) * step)
            for name, step in steps.items()
        },
    )


def within_budget(config, budget):
    """`config` with its widths scaled by one factor until the built model has at most `budget` parameters and at least .95 of them.
    Where the next step of one width would pass the budget from further below, that one stays and the others grow on."""
    if (least := built_size(scaled(config, 0))) > budget:
        raise UserError(
            f"--parameters {budget:,} cannot be reached: the narrowest model of these settings has {least:,}; allow more, or lower --latent-dim or --vocab-size"
        )
    for fixed in range(len(SCALED_WIDTHS)):
        names = SCALED_WIDTHS[fixed:]
        low = 0
        high = 1
        while built_size(scaled(config, high, names)) <= budget:
            low = high
            high = 2 * high
        for _ in range(14):
            middle = (low + high) / 2
            low, high = (
                (middle, high)
                if built_size(scaled(config, middle, names)) <= budget
                else (low, middle)
            )
        config = scaled(config, low, names)
        if built_size(config) >= 0.95 * budget:
            return config
    raise UserError(
        f"--parameters {budget:,} is not to be met within 5 %, only {built_size(config):,}; allow more, or fewer --text-heads"
    )


def describe_widths(before, after):
    """What within_budget changed, in words."""
    return (
        ", ".join(
            f"{name} {getattr(before, name)} -> {getattr(after, name)}"
            for name in SCALED_WIDTHS
            if getattr(before, name) != getattr(after, name)
        )
        or "no width changed"
    )


def specs():
    """The text of docs/model_specs.md, computed from models built on the spot."""
    lines = [
        "# Model specifications",
        "",
        "Written by `python model_architecture.py --write-specs`; a test fails when it is stale.",
        "",
    ]
    for preset in ("full", "medium", "small"):
        config = preset_config(preset)
        model = MultimodalModel(config)
        counts = parameter_counts(model)
        base, widths = feature_widths(config)
        reader = (
            f"A transformer (width {config.vit_width}, layers: {config.vit_layers}) over {base} x {base} patches"
            if config.encoder == "vit"
            else "Convolutions"
        )
        lines += [
            f"## Preset `{preset}`",
            "",
            f"Pictures {config.image_size} x {config.image_size}, {'RGB' if config.channels == 3 else 'grey'}; latent {config.latent_dim:,}; "
            f"captions up to {config.max_caption_length} tokens; vocabulary "
            + (
                f"{config.vocab_size:,}."
                if PRESETS[preset].get("vocab_size", 8000)
                else f"as large as the collection fills, {config.vocab_size:,} at most (counted here)."
            ),
            "",
            f"{reader} see{'s' * (config.encoder == 'vit')} the picture. Feature maps, from {config.image_size // config.patch} to {base} pixels a side: {', '.join(map(str, widths))} channels, then {config.neck} where they meet the latent. "
            f"Caption transformers: width {config.text_width}, {config.text_layers} layers, {config.text_heads} heads.",
            "",
            "| part | what | parameters |",
            "|---|---|---:|",
            *(f"| `{name}` | {MODEL_PARTS[name]} | {count:,} |" for name, count in counts.items()),
            f"| **total** | | **{sum(counts.values()):,}** |",
            "",
        ]
    lines += [
        "## Every setting",
        "",
        "| flag | full | medium | small | what |",
        "|---|---|---|---|---|",
    ]
    for field in fields(ModelConfig):
        values = [
            name if field.name == "preset" else PRESETS[name].get(field.name, field.default)
            for name in ("full", "medium", "small")
        ]
        lines.append(
            f"| `--{field.name.replace('_', '-')}` | {' | '.join(map(str, values))} | {field.metadata['note']} |"
        )
    return "\n".join(lines) + "\n"


def preset_config(name):
    """Preset name -> ModelConfig; where the vocabulary is sized by the collection, with its largest size."""
    config = ModelConfig(
        preset=name,
        **{
            field.name: PRESETS[name][field.name]
            for field in fields(ModelConfig)
            if field.name in PRESETS[name]
        },
    )
    return config if config.vocab_size else replace(config, vocab_size=MAX_OWN_VOCABULARY)
