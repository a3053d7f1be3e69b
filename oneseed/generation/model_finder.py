"""The model of a server: looked for until it is there, and kept from then on."""

import threading
from pathlib import Path
from typing import Any

from oneseed.config.base_model import BASE, has_base
from oneseed.dataset.commands import DEFAULT_CHECKPOINT
from oneseed.generation.generator import MultimodalGenerator


class ModelFinder:
    """find_generator = ModelFinder("", "auto"); find_generator() gives the model.

    While there is none it raises UserError, and looks again with each call. Where no checkpoint is
    named, it gives the base model until training has written one.
    """

    def __init__(self, checkpoint: str, device: str, **moved: Any) -> None:
        """checkpoint: a file, "base", or "" for none in particular. device: see pick_device.

        moved: encoder and text_decoder, folders of frozen parts that have moved.
        """
        self.moved = moved
        self.named = checkpoint
        self.device = device
        self.own: MultimodalGenerator | None = None
        self.base: MultimodalGenerator | None = None
        # one call loads, the others wait for it
        self.lock = threading.Lock()

    def __call__(self) -> MultimodalGenerator:
        """The model. UserError while there is none."""
        with self.lock:
            if self.own is None and self.needs_base:
                self.base = self.base or self.load(BASE)
                return self.base
            self.own = self.own or self.load(self.named or DEFAULT_CHECKPOINT)
            return self.own

    @property
    def needs_base(self) -> bool:
        """Whether none is named, none is trained yet, and the base model is there."""
        is_there = bool(self.named) or Path(DEFAULT_CHECKPOINT).exists()
        return not is_there and has_base()

    def load(self, checkpoint: str) -> MultimodalGenerator:
        """The model of a checkpoint, whose copies need not compute its fingerprint."""
        moved = {} if checkpoint == BASE else self.moved
        generator = MultimodalGenerator(checkpoint, self.device, **moved)
        assert generator.fingerprint, "kept by the generator, and copied with it"
        return generator
