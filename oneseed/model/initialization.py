"""Initial values of all weights."""

import math
from typing import cast

from torch import nn

from oneseed.model.image_networks import (
    ImageDecoder,
    ImageEncoder,
    PatchTransformer,
    ResidualBlock,
)
from oneseed.model.prior import Prior
from oneseed.model.text_networks import TextDecoder, TextEncoder

# standard deviation of embeddings and positions
EMBEDDING_STD = 0.02
# of weights that begin near 0 and must learn, and of those that draw the first pictures
NEAR_ZERO_STD = 1e-3
NEARLY_GREY_STD = 0.01
# outputs of a transposed convolution with stride 2 to which one input position contributes
TRANSPOSED_OVERLAP = 4


def init_weights(part: nn.Module) -> None:
    """Set all convolutions, linear maps and embeddings of a module.

    Outputs keep the variance of inputs; biases are zero. The last layers of a prior are zero, so
    that its flow begins as the identity and its regression as the mean.
    """
    for module in part.modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=EMBEDDING_STD)
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=1 / math.sqrt(fan_in(module)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for module in part.modules():
        if isinstance(module, Prior):
            nn.init.zeros_(module.flow.outward.weight)
            nn.init.zeros_(cast(nn.Linear, module.regression[-1]).weight)


def fan_in(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> float:
    """How many inputs an output of this layer sums up."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    inputs = layer.in_channels * math.prod(layer.kernel_size)
    return inputs / TRANSPOSED_OVERLAP if isinstance(layer, nn.ConvTranspose2d) else inputs


def init_positions(part: nn.Module) -> None:
    """Set the positions of all transformers of a module."""
    for module in part.modules():
        if isinstance(module, TextDecoder | TextEncoder | PatchTransformer):
            nn.init.normal_(module.positions, std=EMBEDDING_STD)


def init_image_networks(encoder: ImageEncoder, decoder: ImageDecoder) -> None:
    """Set what init_weights does not know of the picture networks.

    The code begins as the grid itself. Each block of the decoder begins near the identity and is
    hardly told the time: not quite, so that all weights learn from the first step on. The first
    pictures are nearly grey.
    """
    nn.init.eye_(encoder.to_code.weight)
    nn.init.eye_(decoder.from_code.weight)
    for module in decoder.modules():
        if isinstance(module, ResidualBlock):
            nn.init.normal_(module.second.weight, std=NEAR_ZERO_STD)
            nn.init.normal_(module.modulation.weight, std=NEAR_ZERO_STD)
    nn.init.normal_(decoder.outward.weight, std=NEARLY_GREY_STD)
