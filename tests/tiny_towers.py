"""Tiny untrained picture encoders of the families that --encoder takes, 4 x 4 places of 24."""

import json
from pathlib import Path

import torch

VISION = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 7,
}


def saved(make: "object", folder: Path) -> Path:
    """Saves what make() gives, its numbers large enough to matter -> the folder, resolved."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make()
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.2)
    model.save_pretrained(folder)
    return folder.resolve()


def tiny_clip(folder: Path) -> Path:
    """CLIP, with its text half, and pixels scaled in a way of its own."""
    from transformers import CLIPConfig, CLIPModel

    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "vocab_size": 99}
    text |= {"num_attention_heads": 2, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = CLIPConfig(text_config=text, vision_config=VISION, projection_dim=16)
    path = saved(lambda: CLIPModel(config), folder)
    scale = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.2]}
    (path / "preprocessor_config.json").write_text(json.dumps(scale))
    return path


def tiny_dinov2(folder: Path) -> Path:
    """DINOv2."""
    from transformers import Dinov2Config, Dinov2Model

    return saved(lambda: Dinov2Model(Dinov2Config(**VISION)), folder)


def tiny_siglip(folder: Path) -> Path:
    """SigLIP, which has no token of the whole picture."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    return saved(lambda: SiglipVisionModel(SiglipVisionConfig(**VISION)), folder)


TOWERS = {"clip": tiny_clip, "dinov2": tiny_dinov2, "siglip": tiny_siglip}
