"""What is taught: low-rank matrices beside frozen weights, or a connector as a whole.

model = add_adapter(captioner.model, config)
save_adapter(model, Path("checkpoints/captioner/adapter"), notes)
"""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from oneseed.captioning.adapters import ADAPTER_WEIGHTS, require_peft
from oneseed.captioning.taught import TaughtNotes, notes_of_weights, write_notes
from oneseed.config.finetuning import CONNECTOR, WHOLE_PART, FinetuningConfig
from oneseed.console.command import UserError
from oneseed.files import whole_folder
from oneseed.finetuning.parts import linear_modules, topmost_modules

# readable for everyone, as other files are; safetensors writes 0600
FILE_MODE = 0o644
# what peft takes where nothing is taught by low-rank matrices
NO_TARGET = "dummy-target-modules"


def whole_modules(model: nn.Module, config: FinetuningConfig) -> list[str]:
    """Full names of the modules that are taught whole.

    Those of the connector, where that is asked for, or where it has no linear layer (Gemma 3).
    """
    if CONNECTOR not in config.parts:
        return []
    if config.connector == WHOLE_PART or not linear_modules(model, CONNECTOR):
        return topmost_modules(model, CONNECTOR)
    return []


def add_adapter(model: nn.Module, config: FinetuningConfig) -> Any:
    """A captioner -> the same with something to learn, its own weights frozen.

    The first values depend on the seed alone. UserError where nothing would be taught.
    """
    peft = require_peft("caption_finetuning.py")
    whole = whole_modules(model, config)
    targets: list[str] = []
    for part in config.parts:
        if part != CONNECTOR or not whole:
            targets += linear_modules(model, part)
    if not targets and not whole:
        raise UserError(f"{config.model} has nothing to teach in --train {config.train}")
    settings = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.scale,
        use_dora=config.dora,
        use_rslora=config.rslora,
        lora_dropout=0.0,
        target_modules=targets or NO_TARGET,
        modules_to_save=whole or None,
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # peft asks transformers by a name of before
        warnings.simplefilter("ignore", FutureWarning)
        torch.manual_seed(config.seed)
        taught = peft.get_peft_model(model, settings)
    taught.peft_config["default"].base_model_name_or_path = config.model
    for weight in trained_weights_of(taught).values():
        # small steps would be lost in bfloat16
        weight.data = weight.data.float()
    return taught


def trained_weights_of(model: nn.Module) -> dict[str, nn.Parameter]:
    """What training changes, by its full name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def save_adapter(model: Any, folder: Path, notes: TaughtNotes | None = None) -> None:
    """Writes the adapter as peft reads it; a killed run leaves the earlier one whole.

    notes: of a captioner, which lie beside it.
    """
    with whole_folder(folder) as partial:
        # the embeddings are frozen; to look whether they are, peft would ask the hub
        model.save_pretrained(str(partial), save_embedding_layers=False)
        (partial / "README.md").unlink(missing_ok=True)
        (partial / ADAPTER_WEIGHTS).chmod(FILE_MODE)
        if notes:
            write_notes(partial, notes_of_weights(notes, partial / ADAPTER_WEIGHTS))
