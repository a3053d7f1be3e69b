"""When the networks of a run are compiled, which takes about a minute."""

import torch

from oneseed.model.multimodal import MultimodalModel
from oneseed.training.state import EpochState

# seconds of training left, from which on a GPU's time for compiling is well spent
WORTH_COMPILING = 900
# seconds of steps, before which the pace of a run is not known
PACE_AFTER = 10


class Compilation:
    """torch.compile of the networks: from the start, or once it is clear that it pays.

    mode: "on", "off", or "auto": on a GPU, where enough time is left. On a CPU compiling takes
    longer than it saves.
    """

    def __init__(self, model: MultimodalModel, mode: str, device: torch.device) -> None:
        self.model = model
        self.mode = mode
        self.device = device
        self.is_done = False
        if mode == "on":
            self.compile()

    def after_step(self, epoch: EpochState, pairs_left: int) -> None:
        """Compile where that pays. pairs_left: that the run has still to learn from."""
        if epoch.seconds <= PACE_AFTER:
            return
        if self.is_worthwhile(pairs_left * epoch.seconds / epoch.pairs):
            self.compile()

    def is_worthwhile(self, seconds_left: float) -> bool:
        """Does compiling save more than it takes, with so many seconds of training left?"""
        is_open = self.mode == "auto" and not self.is_done
        return is_open and self.device.type == "cuda" and seconds_left > WORTH_COMPILING

    def compile(self) -> None:
        """From now on the networks run compiled; files and names of weights stay the same."""
        self.is_done = True
        self.model.image_encoder.layers.compile()
        self.model.image_decoder.compile()
        # a frozen language model is not compiled
        for block in getattr(self.model.text_decoder, "blocks", ()):
            block.compile()
        self.model.text_encoder.block.compile()
