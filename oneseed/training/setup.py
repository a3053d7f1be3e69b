"""From settings to a run: what is built, with which tokenizer and weights, in which precision."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from oneseed.config.model import MAX_OWN_VOCABULARY, ModelConfig
from oneseed.config.options import CODE_CAPTIONS
from oneseed.config.training import PICTURES_SHOWN, UNSAVED_FIELDS, TrainConfig
from oneseed.console.command import UserError
from oneseed.dataset.phrases import known_phrases
from oneseed.dataset.wording import words
from oneseed.media.kinds import PICTURE
from oneseed.model import checkpoint
from oneseed.model.frozen_encoder import settled_encoder
from oneseed.model.frozen_language import settled_language
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import Tokenizer
from oneseed.synthetic.collections import drawn_collection
from oneseed.training import distributed
from oneseed.training.beginning import (
    load_other_weights,
    other_weights,
    resolve_model_config,
)
from oneseed.training.data import PairLoader
from oneseed.training.loaders import create_data_loaders, placeholder_loader
from oneseed.training.prior_fit import MAX_FIT_CODES, PRIOR_BATCH
from oneseed.training.saved_state import model_facts
from oneseed.training.schedule import passes_per_epoch
from oneseed.training.speed import peak_matmul_flops

# times that the full fit of the prior shows each picture that it learns from: 3,000 steps for 5,400
PRIOR_PASSES = 285
# steps of the full fit, at least
MIN_PRIOR_STEPS = 200
# the same at most, where the number of epochs is left open: a minute of two cores
MAX_QUICK_PRIOR_STEPS = 3_000
# files that a run goes on from, the better one first
SAVED_RUNS = ("last.pt", "last_but_one.pt")
# how many times as fast bf16 has to multiply, to be worth its rounding
WORTH_BF16 = 1.5


# ---- settings that are left open -----------------------------------------------------------------


def resolve_schedule(config: TrainConfig, rows: int) -> TrainConfig:
    """The settings, with the numbers that they leave to the collection's size.

    rows: training pairs.
    """
    epoch_pairs = rows * passes_per_epoch(rows, config.epoch_pictures)
    num_epochs = config.num_epochs or max(1, round(PICTURES_SHOWN / epoch_pairs))
    codes = min(rows, MAX_FIT_CODES)
    passes_steps = 100 * round(PRIOR_PASSES * codes / PRIOR_BATCH / 100)
    if not config.num_epochs:
        passes_steps = min(MAX_QUICK_PRIOR_STEPS, passes_steps)
    sampler_steps = config.sampler_steps or max(MIN_PRIOR_STEPS, passes_steps)
    return replace(config, num_epochs=num_epochs, sampler_steps=sampler_steps)


def resolve_precision(precision: str, device: torch.device, begun: str | None = None) -> str:
    """ "auto" -> "bf16" where it is the faster, else "fp32"; another choice as it is.

    That is on a GPU that has it, and on a processor that multiplies it WORTH_BF16 times as fast.
    begun: that of the run that goes on, which stays.
    """
    if precision != "auto":
        return precision
    if begun in ("bf16", "fp32"):
        return begun
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    if device.type != "cpu":
        return "fp32"
    plain = peak_matmul_flops(device, torch.float32)
    half = peak_matmul_flops(device, torch.bfloat16)
    chosen = "bf16" if half >= WORTH_BF16 * plain else "fp32"
    print(
        f"this processor multiplies {plain / 1e9:,.0f} GFLOP/s in fp32 and {half / 1e9:,.0f} in "
        f"bf16: training in {chosen}"
    )
    return chosen


def micro_batch(config: TrainConfig) -> int:
    """Pairs of a process that are worked at together; 0: all.

    --accumulate divides a step into batches, which several processes share.
    """
    if config.micro_batch or config.accumulate == 1:
        return config.micro_batch
    return -(-config.batch_size // distributed.world_size())


def pairs_together(config: TrainConfig, train: PairLoader) -> int:
    """Pairs of a step that this process works at together."""
    own = -(-train.batch_size // distributed.world_size())
    return min(micro_batch(config) or own, own, len(train.rows))


def saved_settings(
    config: TrainConfig, precision: str, shuffle_files: int = 0
) -> dict[str, object]:
    """The settings of a run that its checkpoints keep.

    shuffle_files: of its loaders, which follow from what a limit holds.
    """
    settings = asdict(replace(config, precision=precision, shuffle_files=shuffle_files))
    return {name: value for name, value in settings.items() if name not in UNSAVED_FIELDS}


def known_from_settings(config: TrainConfig, styles: list[str]) -> dict[str, Any]:
    """What a checkpoint keeps of its collection's name, and of how codes are drawn: plain JSON.

    truncation: where there is any; a drawn collection's own where it is left open.
    """
    known: dict[str, Any] = {"style": config.style, "styles": styles}
    drawn = drawn_collection(config.style)
    kept = config.truncation or (drawn.truncation if drawn else 1.0)
    return known | ({"truncation": kept} if kept < 1 else {})


# ---- the collection ------------------------------------------------------------------------------


def load_pairs(
    model_config: ModelConfig, config: TrainConfig, tokenizer: Tokenizer | None
) -> tuple[PairLoader, PairLoader]:
    """Loaders of training and validation pairs; placeholders where a look ahead finds none."""
    try:
        return create_data_loaders(model_config, config, tokenizer)
    except UserError as error:
        if not (config.estimate or config.plan):
            raise
        print(f"without a collection captions are taken to be as long as they may be ({error})")
        placeholder = placeholder_loader(model_config, config, tokenizer)
        return placeholder, placeholder


def style_names(train: PairLoader, model_config: ModelConfig, style: str) -> list[str]:
    """The names of a collection's styles, in order. UserError where the model holds fewer."""
    names = sorted(set(train.styles))
    if len(names) > model_config.styles:
        raise UserError(
            f"{style} has {len(names)} styles, the model tells {model_config.styles} apart; "
            f"use --styles {len(names)}"
        )
    return names


def style_numbers(train: PairLoader, names: list[str]) -> Tensor:
    """The number of each training pair's style, int (N,)."""
    return torch.tensor([names.index(style) for style in train.styles])


def slots_of(kept: Tensor, rows: int) -> Tensor:
    """The place of each of `rows` rows in what is kept of them, int (N,).

    kept: int (M,), rows; all that are not kept share the place M.
    """
    slots = torch.full((rows,), len(kept))
    slots[kept] = torch.arange(len(kept))
    return slots


def known_from_captions(train: PairLoader, tokenizer: Tokenizer) -> dict[str, Any]:
    """What a checkpoint keeps of the training captions, for prompts: plain JSON.

    words: all of them, in order. phrases: see known_phrases. caption_kind: where they are code.
    medium: where pictures stand for something else.
    """
    captions = [tokenizer.decode(tokens) for tokens in train.tokens]
    found = set().union(*map(words, captions))
    known = {"words": sorted(found), "phrases": known_phrases(captions)}
    if train.is_code:
        known["caption_kind"] = CODE_CAPTIONS
    if train.medium != PICTURE:
        known["medium"] = train.medium
    return known


# ---- the model -----------------------------------------------------------------------------------


class BegunRun(NamedTuple):
    """What a run that goes on has settled, and its collection might not give again."""

    tokenizer: Tokenizer
    # rows of the vocabulary, which the tokenizer need not fill
    vocab_size: int
    channels: int
    # "fp32" or "bf16"; None where its checkpoint does not say
    precision: str | None
    # see PairLoader; 0 where its checkpoint does not say
    shuffle_files: int


def read_begun_run(path: Path, vocab_size: int) -> BegunRun | None:
    """What the run with this last.pt has settled.

    None where there is none, or none for a vocabulary of this size (0: any); loading the
    checkpoint then says what is wrong.
    """
    try:
        facts = model_facts(checkpoint.load(path))
        settings = facts.meta.get("training", {})
        files = settings.get("shuffle_files")
        begun = BegunRun(
            Tokenizer(facts.tokenizer),
            facts.config.vocab_size,
            facts.config.channels,
            settings.get("precision"),
            files if isinstance(files, int) and files > 0 else 0,
        )
    except UserError:
        return None
    is_too_large = vocab_size and len(begun.tokenizer) > vocab_size
    return None if is_too_large else begun


class BuiltRun(NamedTuple):
    """A new model and the pairs that it learns from."""

    model: MultimodalModel
    train: PairLoader
    val: PairLoader
    # of the run that goes on; None: none does
    precision: str | None


def build_run(model_config: ModelConfig, config: TrainConfig) -> BuiltRun:
    """The model of a run, its initial values by the seed or from --init, and its pairs.

    UserError where the collection or the checkpoint of --init does not fit the settings.
    """
    model_config, tower = settled_encoder(model_config)
    model_config, language = settled_language(model_config)
    saved = [Path(config.checkpoints) / name for name in SAVED_RUNS]
    other = tokenizer = precision = None
    if not config.fresh and any(path.exists() for path in saved):
        found = (read_begun_run(path, model_config.vocab_size) for path in saved)
        if begun := next(filter(None, found), None):
            tokenizer = begun.tokenizer
            precision = begun.precision
            # the order stays that of the run's first part
            files = config.shuffle_files or begun.shuffle_files
            config = replace(config, shuffle_files=files)
            model_config = replace(
                model_config,
                vocab_size=model_config.vocab_size or begun.vocab_size,
                channels=model_config.channels or begun.channels,
            )
    elif other := other_weights(model_config, config):
        tokenizer = other.tokenizer
        model_config = other.config
    if language:
        tokenizer = language.tokenizer
    train, val = load_pairs(model_config, config, tokenizer)
    model_config = resolve_model_config(
        model_config,
        vocab_size=len(train.tokenizer) if train.tokenizer else MAX_OWN_VOCABULARY,
        channels=train.channels,
        budget=0 if other else config.parameters,
    )
    torch.manual_seed(config.seed)
    model = MultimodalModel(model_config, train.tokenizer)
    if tower:
        model.set_tower(tower)
        print(tower.describe())
    if language:
        model.set_language(language)
        print(language.describe())
    if other:
        load_other_weights(model, other)
    return BuiltRun(model, train, val, precision)
