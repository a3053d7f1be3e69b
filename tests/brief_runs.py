"""A run of a few steps with a frozen part of somebody else's, for tests of such parts."""

from pathlib import Path
from typing import Any

import training_loop
from oneseed.config.training import TrainConfig
from tests.conftest import tiny_config


def train_briefly(folder: Path, data: Path, *, model: dict[str, Any], **settings: Any) -> int:
    """Two steps an epoch on built-in pictures -> exit status. model: settings of the tiny model."""
    config = TrainConfig(
        style="builtin",
        preset="small",
        epoch_pictures=1,
        batch_size=8,
        max_samples=16,
        sampler_steps=5,
        data=str(data),
        checkpoints=str(folder),
        device="cpu",
        precision="fp32",
        **{"num_epochs": 1, **settings},
    )
    return training_loop.main(tiny_config(vocab_size=0, **model), config)
