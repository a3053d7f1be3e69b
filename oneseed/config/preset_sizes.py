"""Which pictures the presets are for."""

from oneseed.config.model import PRESETS, ModelConfig


def preset_size(preset: str) -> int:
    """Side of a preset's pictures in pixels."""
    return PRESETS[preset].get("image_size", ModelConfig.image_size)


def smallest_preset(size: int) -> str:
    """The smallest preset with room for pictures of `size` px; the largest where none has."""
    by_size = sorted(PRESETS, key=preset_size)
    return next((name for name in by_size if preset_size(name) >= size), by_size[-1])
