"""What teaching a captioner will take: memory and time, told before the weights are loaded."""

from dataclasses import dataclass
from typing import Any

import torch

from oneseed.captioning.duration import matmul_speed
from oneseed.config.finetuning import LANGUAGE, FinetuningConfig
from oneseed.console.amounts import describe_duration
from oneseed.finetuning.adapter import trained_weights_of
from oneseed.finetuning.loading import FOUR_BITS
from oneseed.finetuning.parts import is_beside, linear_modules
from oneseed.finetuning.preflight import Fitted
from oneseed.training.memory import format_bytes

# bytes of a number
HALF = 2
SINGLE = 4
# bytes of a weight in nf4, with its twice quantised scales: 4.127 bits
NF4_BYTES = 4.127 / 8
# numbers that AdamW keeps of each weight
ADAM_NUMBERS = 2
# numbers that a layer of a transformer keeps for the way back, of each token and unit of its width
# (Korthikanti et al. 2022, arXiv:2205.05198, section 4.1, without its attention maps)
KEPT_NUMBERS = 17
# of a layer that is computed again: its input alone
KEPT_INPUT = 1
# operations of a frozen weight for each token: forward, and back to what lies before it
FROZEN_OPERATIONS = 4
RECOMPUTED_OPERATIONS = 6
# share of a processor's speed in large products that a step reaches
REACHED_SPEED = 0.4
# products per second of a GPU, where nobody can measure it, by its memory: none is known here
GPU_SQUARE = 4096


@dataclass(frozen=True)
class TeachingCost:
    """What a run takes."""

    # bytes of each part of the memory
    memory: dict[str, float]
    # of the whole run
    seconds: float


def estimate_cost_of(
    model: Any, fitted: Fitted, config: FinetuningConfig, device: torch.device
) -> TeachingCost:
    """Memory of a step and time of a run. model: taught or only outlined, with its adapter."""
    trained = sum(weight.numel() for weight in trained_weights_of(model).values())
    frozen_bytes = weight_bytes(model, config, device)
    answer = sum(fitted.answer_lengths) / len(fitted.answer_lengths)
    tokens = fitted.prompt_tokens + answer
    text = model.config.get_text_config()
    layers = getattr(text, "num_hidden_layers", None) or 1
    width = getattr(text, "hidden_size", None) or 1
    number = HALF if device.type == "cuda" else SINGLE
    kept = KEPT_INPUT if config.recompute else KEPT_NUMBERS
    memory = {
        "frozen weights": frozen_bytes,
        "taught weights": trained * SINGLE,
        "gradients": trained * SINGLE,
        "optimiser": trained * SINGLE * ADAM_NUMBERS,
        "activations": config.batch_size * tokens * layers * width * kept * number,
    }
    parameters = sum(weight.numel() for weight in model.parameters())
    each = RECOMPUTED_OPERATIONS if config.recompute else FROZEN_OPERATIONS
    operations = each * parameters * tokens * len(fitted.examples.train) * config.num_epochs
    return TeachingCost(memory, operations / (device_speed(device) * REACHED_SPEED))


def weight_bytes(model: Any, config: FinetuningConfig, device: torch.device) -> float:
    """Bytes of the frozen weights on their device, with --bits 4 as they are then."""
    number = HALF if device.type == "cuda" else SINGLE
    few = set()
    if config.bits == FOUR_BITS:
        few = {f"{name}.weight" for name in linear_modules(model, LANGUAGE)}
    total = 0.0
    for name, weight in model.named_parameters():
        if not is_beside(name):
            total += weight.numel() * (NF4_BYTES if name in few else number)
    return total


def device_speed(device: torch.device) -> float:
    """Operations per second of large matrix products there, measured."""
    if device.type != "cuda":
        return matmul_speed()
    matrix = torch.randn(GPU_SQUARE, GPU_SQUARE, device=device, dtype=torch.bfloat16)
    begin = torch.cuda.Event(enable_timing=True)
    end = torch.cuda.Event(enable_timing=True)
    matrix @ matrix
    begin.record()
    for _ in range(4):
        matrix @ matrix
    end.record()
    torch.cuda.synchronize(device)
    return 4 * 2 * GPU_SQUARE**3 / (begin.elapsed_time(end) / 1000)


def cost_lines(cost: TeachingCost, config: FinetuningConfig) -> list[str]:
    """Memory and time, for a terminal."""
    lines = [f"  {name:<15} {format_bytes(size):>10}" for name, size in cost.memory.items()]
    total = format_bytes(sum(cost.memory.values()))
    lines.append(
        f"  {'sum':<15} {total:>10}   for {config.batch_size} pairs at a time, beside the program; "
        "activations very roughly"
    )
    lines.append(
        f"  time: very roughly {describe_duration(cost.seconds)}, without the looks at held-out "
        "pictures"
    )
    return lines
