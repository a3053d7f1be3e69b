"""Which weights of a captioner see, which ones write, and which ones lead from one to the other.

    part_of("model.visual.merger.mlp.0.weight")     # "connector", though it lies within the vision
    for line in table_lines(part_sizes(model)): ...

Every family names its parts; a name decides. The connector's names come first, since some families
keep it within the vision.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneseed.config.finetuning import CONNECTOR, LANGUAGE, PARTS, VISION
from oneseed.console.command import UserError

if TYPE_CHECKING:
    from torch import nn

# names of modules, as the families of transformers have them, in the order in which they decide
PART_NAMES = {
    CONNECTOR: re.compile(
        r"(\w+_)?merger(_list)?|(\w+_)?connector|(\w+_)?projector|language_projection|qformer"
        r"|query_tokens|resampler|aligner|image_newline|mm_\w+"
    ),
    VISION: re.compile(r"visual|vision|vision_\w+|image_encoder|image_tower"),
    LANGUAGE: re.compile(r"language_model|text_model|text_decoder|lm_head"),
}


@dataclass(frozen=True)
class PartSize:
    """One part of a captioner, counted."""

    part: str
    # numbers, as the checkpoint has them; of four bits each counts as one
    parameters: int
    # of which training changes so many, those beside the frozen ones included
    trained: int


def part_of(name: str) -> str:
    """The part that a weight or a module belongs to, by its full name; "" where no name says it."""
    segments = name.split(".")
    for part, pattern in PART_NAMES.items():
        if any(map(pattern.fullmatch, segments)):
            return part
    return ""


def require_known_parts(model: "nn.Module", name: str) -> None:
    """UserError where a weight belongs to no known part, or a part is missing."""
    parts = {weight: part_of(weight) for weight, _ in model.named_parameters()}
    unknown = [weight for weight, part in parts.items() if not part]
    missing = [part for part in PARTS if part not in parts.values()]
    if unknown or missing:
        problem = f"{unknown[0]} belongs to none" if unknown else f"it has no {missing[0]}"
        raise UserError(
            f"{name} is a captioner whose parts ({', '.join(PARTS)}) cannot be told by their names "
            f"({problem}): name a captioner of the Qwen-VL, LLaVA, SmolVLM, Gemma 3, PaliGemma, "
            "BLIP-2 or Florence-2 family with --model"
        )


def topmost_modules(model: "nn.Module", part: str) -> list[str]:
    """Full names of the modules that make up a part, none within another; lists by their items."""
    from torch import nn

    found: list[str] = []
    for name, module in model.named_modules():
        is_within = any(name.startswith(f"{above}.") for above in found)
        is_list = isinstance(module, nn.ModuleList | nn.ModuleDict)
        has_weights = any(True for _ in module.parameters())
        if has_weights and not is_within and not is_list and part_of(name) == part:
            found.append(name)
    return found


def linear_modules(model: "nn.Module", part: str) -> list[str]:
    """Full names of the linear layers of a part, but for the one that gives the words."""
    from torch import nn

    words = model.get_output_embeddings()  # ty: ignore[not-callable]  # of transformers
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not words and part_of(name) == part
    ]


def part_sizes(model: "nn.Module") -> list[PartSize]:
    """All parts of a captioner, with what is taught of them, in the order of PARTS.

    Copies of modules that are taught whole count once.
    """
    parameters = dict.fromkeys(PARTS, 0)
    trained = dict.fromkeys(PARTS, 0)
    for name, weight in model.named_parameters():
        part = part_of(name)
        size = full_size(weight)
        if weight.requires_grad:
            trained[part] += size
        if not is_beside(name):
            parameters[part] += size
    return [PartSize(part, parameters[part], trained[part]) for part in PARTS]


def is_beside(name: str) -> bool:
    """Whether a weight is none of the captioner's own, but stands beside one of them."""
    return ".lora_" in name or ".modules_to_save." in name


def full_size(weight: "nn.Parameter") -> int:
    """Numbers of a weight; of one in four bits, two of which share a byte, as it was before."""
    state = getattr(weight, "quant_state", None)
    return state.shape.numel() if state is not None else weight.numel()


def table_lines(sizes: list[PartSize]) -> list[str]:
    """The table of all parts and their sum, for a terminal."""
    total = PartSize(
        "all", sum(size.parameters for size in sizes), sum(size.trained for size in sizes)
    )
    lines = [f"  {'part':<10} {'parameters':>15} {'share':>7} {'trained':>13} {'of the part':>12}"]
    for size in [*sizes, total]:
        share = size.parameters / max(1, total.parameters)
        taught = size.trained / max(1, size.parameters)
        lines.append(
            f"  {size.part:<10} {size.parameters:>15,} {share:>7.1%} {size.trained:>13,} "
            f"{taught:>12.2%}"
        )
    return lines
