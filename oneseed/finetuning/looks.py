"""A look at what a captioner has learnt: it is asked about held-out pictures, and judged.

    answers = ask(examples.val[:32], captioner, batch_size=8)
    figures_of(answers, judge)      # {"exact": 0.5, "valid": 1.0, "similarity": 0.93, ...}

Exact: the very text. Valid: of a drawn collection whose texts are code, what a parser of their
language reads; of any other, an answer with words in it that came to its end. Similarity: chrF, the
F-score of runs of letters that both texts have (Popović 2015, aclanthology.org/W15-3049).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch

from oneseed.captioning.asking import LoadedCaptioner
from oneseed.captioning.huggingface import caption_pictures
from oneseed.config.options import CODE_CAPTIONS
from oneseed.dataset.jsonl import Row
from oneseed.finetuning.examples import (
    AnswerBatch,
    TaughtExample,
    TaughtExamples,
    answer_logits,
    answer_loss,
    example_pictures,
    make_batch,
)
from oneseed.synthetic.collections import drawn_collection
from oneseed.synthetic.drawn import DrawnCollection
from oneseed.workers import chunks

# held-out pairs whose loss is measured, at most
LOSS_PAIRS = 256
# of figures that a page and a log show, in this order
LOOK_FIGURES = ("exact", "valid", "similarity")


@dataclass(frozen=True)
class HeldOutAnswer:
    """What a captioner said of a held-out picture."""

    example: TaughtExample
    text: str
    # whether the length limit ended it
    is_cut: bool


@dataclass(frozen=True)
class AnswerJudge:
    """How answers about a collection are judged."""

    # whether texts are code: white space counts then
    is_code: bool
    # where the collection is a drawn one, which knows its own texts
    drawn: DrawnCollection | None = None

    def is_exact(self, answer: HeldOutAnswer) -> bool:
        """Whether it is the true text, letter by letter."""
        truth = answer.example.answer
        return answer.text == truth if self.is_code else answer.text.strip() == truth.strip()

    def is_valid(self, answer: HeldOutAnswer) -> bool:
        """Whether it is a text of its kind at all."""
        if answer.is_cut or not answer.text.strip():
            return False
        check = self.drawn.check if self.drawn else None
        return check is None or check(answer.text).is_valid

    def kind_of(self, truth: str) -> str:
        """The kind of picture that a true text tells; "" where a collection has one kind."""
        if self.drawn is None or not self.drawn.kinds:
            return ""
        return str(self.drawn.parse(truth)[self.drawn.main_attribute] or "")


def judge_of(examples: TaughtExamples, style: str) -> AnswerJudge:
    """The judge of a collection's answers."""
    return AnswerJudge(examples.caption_kind == CODE_CAPTIONS, drawn_collection(style))


def ask(
    examples: Sequence[TaughtExample], captioner: LoadedCaptioner, *, batch_size: int
) -> list[HeldOutAnswer]:
    """The answers about the pictures of examples, as caption_generation.py would get them.

    captioner: with its notes.
    """
    assert captioner.notes, "a captioner that was taught says what it is asked"
    notes = captioner.notes
    answers = []
    for batch in chunks(list(examples), batch_size):
        questions = [example.asked(captioner) for example in batch]
        with autocast_of(captioner.model.device):
            texts = caption_pictures(
                example_pictures(batch),
                questions,
                captioner,
                max_new_tokens=notes.max_new_tokens,
                as_code=notes.is_code,
            )
        answers += [HeldOutAnswer(example, text, cut) for example, (text, cut) in zip(batch, texts)]
    return answers


def autocast_of(device: torch.device) -> Any:
    """What a captioner computes in: bfloat16 on a GPU, as its weights are; else as it is."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def on_device(batch: AnswerBatch, device: torch.device, dtype: torch.dtype) -> AnswerBatch:
    """A batch on the device, its pictures in the captioner's own kind of number."""
    inputs = {
        name: value.to(device, dtype if value.is_floating_point() else value.dtype)
        for name, value in batch.inputs.items()
    }
    return AnswerBatch(inputs, batch.labels.to(device), batch.has_decoder_apart)


@torch.no_grad()
def loss_of_answers(
    examples: Sequence[TaughtExample],
    captioner: LoadedCaptioner,
    end: int,
    *,
    batch_size: int,
    dtype: torch.dtype,
) -> float:
    """Mean cross-entropy of a token of the answers, in nats. end: the token behind each answer."""
    device = captioner.model.device
    total = 0.0
    tokens = 0
    for some in chunks(list(examples[:LOSS_PAIRS]), batch_size):
        batch = on_device(make_batch(some, captioner, end), device, dtype)
        with autocast_of(device):
            logits = answer_logits(captioner.model, batch)
        total += float(answer_loss(logits, batch.labels))
        tokens += batch.answer_tokens
    return total / tokens


def figures_of(answers: Sequence[HeldOutAnswer], judge: AnswerJudge) -> dict[str, Any]:
    """How good answers are: shares of exact and valid ones, and the mean similarity.

    Also "kinds", {kind: exact, valid and count} where a collection draws several.
    """
    exact = [judge.is_exact(answer) for answer in answers]
    valid = [judge.is_valid(answer) for answer in answers]
    found: dict[str, Any] = {
        "exact": fmean(exact),
        "valid": fmean(valid),
        "similarity": fmean(similarities(answers)),
        "asked": len(answers),
    }
    told = [judge.kind_of(answer.example.answer) for answer in answers]
    kinds = {}
    for kind in sorted({*told} - {""}):
        rows = [row for row, one in enumerate(told) if one == kind]
        kinds[kind] = {
            "exact": fmean(exact[row] for row in rows),
            "valid": fmean(valid[row] for row in rows),
            "asked": len(rows),
        }
    return found | ({"kinds": kinds} if kinds else {})


def similarities(answers: Sequence[HeldOutAnswer]) -> list[float]:
    """chrF of each answer with its true text, 0 to 1."""
    from torchmetrics.functional.text import chrf_score

    found = []
    for answer in answers:
        score = chrf_score([answer.text], [[answer.example.answer]], n_word_order=0)
        assert isinstance(score, torch.Tensor), "a score, as no sentence's own was asked for"
        found.append(float(score))
    return found


def floor_of(examples: Sequence[TaughtExample], judge: AnswerJudge) -> dict[str, Any]:
    """The figures of answers that are true of another picture, which needs no look at this one."""
    others = [*examples[1:], *examples[:1]]
    return figures_of(
        [HeldOutAnswer(example, other.answer, False) for example, other in zip(examples, others)],
        judge,
    )


def look_line(look: Row, total_steps: int) -> str:
    """A look in one line."""
    train = "" if look["train_loss"] is None else f"loss {look['train_loss']:.4f}, "
    figures = ", ".join(f"{name} {look[name]:.3f}" for name in LOOK_FIGURES)
    best = ", the best so far" if look["is_best"] else ""
    return (
        f"step {look['step']:,}/{total_steps:,} | {train}held out {look['val_loss']:.4f} | "
        f"{look['asked']} held-out answers: {figures}{best}"
    )
