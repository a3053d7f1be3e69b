"""Adapters of peft: low-rank matrices in a folder of their own, laid over the checkpoint they name.

    model = merged_with_adapter(model, "checkpoints/captioner/adapter")

transformers reads such a folder, too, and leaves the lengths that DoRA has taught (its "magnitude
vectors") as they were before, without an error. So it goes through peft, which reads all of it.
"""

import warnings
from pathlib import Path
from typing import Any

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import json_of

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
INSTALL_CAPTIONER = "pip install -r requirements-captioner.txt"


def is_adapter(folder: Path | str) -> bool:
    """Whether a folder holds an adapter, and no checkpoint of its own."""
    return (Path(folder) / ADAPTER_CONFIG).is_file()


def require_peft(reason: str) -> Any:
    """The library peft. UserError with the command that installs it. reason: who needs it."""
    try:
        import peft  # an extra
    except ImportError as error:
        raise UserError(
            f"{reason} needs the library peft: {INSTALL_CAPTIONER}, then run the same command again"
        ) from error
    return peft


def base_of_adapter(folder: Path | str) -> str:
    """The checkpoint that an adapter is laid over: a folder or a hub name.

    UserError where the folder holds no adapter that can be read without running anything of it.
    """
    folder = Path(folder)
    try:
        found = json_of(folder / ADAPTER_CONFIG)
        base = found["base_model_name_or_path"]
        kind = found["peft_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / ADAPTER_CONFIG} is no adapter's ({error})") from error
    if kind != "LORA" or not isinstance(base, str) or not base:
        raise UserError(f"{folder} is an adapter of another kind than LoRA, or names no checkpoint")
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise UserError(f"{folder} lacks {ADAPTER_WEIGHTS}, the only form that is read")
    return base


def with_adapter(model: Any, folder: Path | str) -> Any:
    """A model with an adapter's folder laid over it, in eval mode."""
    peft = require_peft(f"the adapter {folder}")
    with warnings.catch_warnings():
        # peft asks transformers by a name of before
        warnings.simplefilter("ignore", FutureWarning)
        return peft.PeftModel.from_pretrained(model, str(folder)).eval()


def merged_with_adapter(model: Any, folder: Path | str) -> Any:
    """A model and an adapter's folder -> the model with the adapter worked into its weights."""
    return with_adapter(model, folder).merge_and_unload(safe_merge=True)
