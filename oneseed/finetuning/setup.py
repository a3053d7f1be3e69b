"""A run before its first step: the captioner with its adapter, and all that is told of it."""

from pathlib import Path

import torch
from torch import nn

from oneseed.captioning.adapters import require_peft
from oneseed.captioning.asking import LoadedCaptioner
from oneseed.captioning.taught import TaughtNotes
from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.files import expanded
from oneseed.finetuning.adapter import add_adapter
from oneseed.finetuning.cost import cost_lines, estimate_cost_of
from oneseed.finetuning.examples import end_of_answer, read_examples
from oneseed.finetuning.loading import load_base, load_outline
from oneseed.finetuning.parts import part_sizes, table_lines
from oneseed.finetuning.preflight import (
    Fitted,
    changed_by_tokens,
    first_batch_lines,
    fit_examples,
    fitted_lines,
)


def prepare_captioner(
    config: FinetuningConfig, device: torch.device
) -> tuple[LoadedCaptioner, Fitted, int]:
    """The captioner with its adapter and notes, its pairs, the end of an answer; all of it shown.

    With --estimate without its weights.
    """
    require_peft("caption_finetuning.py")
    collection = Collection(config.style, config.data)
    examples = read_examples(collection, config.question, config.max_samples, ocr=config.ocr)
    captioner = load_outline(config) if config.estimate else load_base(config, device)
    if config.ocr and captioner.model.config.model_type == "florence2":
        raise UserError(
            f"{config.model} reads the name of a task and no question, so --ocr cannot reach it: "
            "run the same command without it"
        )
    end = end_of_answer(captioner)
    fitted = fit_examples(examples, captioner, end, config)
    model = add_adapter(captioner.model, config)
    for line in (*table_lines(part_sizes(model)), *fitted_lines(fitted)):
        print(line)
    train = fitted.examples.train
    if changed := changed_by_tokens([*train, *fitted.examples.val], captioner):
        print(
            f"  captions that the captioner's tokens change: {len(changed):,}, such as "
            f"{changed[0].answer[:60]!r}"
        )
    print("\n".join(first_batch_lines(train[: config.batch_size], captioner, end)))
    for line in cost_lines(estimate_cost_of(model, fitted, config, device), config):
        print(line, flush=True)
    if config.recompute and not config.estimate:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    notes = TaughtNotes(
        fitted.examples.question,
        fitted.examples.caption_kind,
        fitted.max_new_tokens,
        config.style,
        # the notes travel with the weights; a folder of this machine says nothing elsewhere
        Path(config.model).name if expanded(config.model).is_dir() else config.model,
        config.ocr,
    )
    return LoadedCaptioner(captioner.processor, model, notes), fitted, end


def dtype_of_frozen(model: nn.Module) -> torch.dtype:
    """The kind of number of the frozen weights, which pictures have, too."""
    for weight in model.parameters():
        if not weight.requires_grad and weight.is_floating_point():
            return weight.dtype
    return torch.float32
