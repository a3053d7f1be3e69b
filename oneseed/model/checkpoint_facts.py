"""What a checkpoint says of itself, checked by kind where it is opened.

    facts = read_facts(weights["_extra_state"])     # UserError for the first that is wrong

Whoever reads a model's facts afterwards trusts them: generator, page, evaluation, a run that goes
on. Facts of a kind that this version does not know stay, and nobody reads them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeGuard

import torch

from oneseed.config.model import ENCODERS, MIN_VOCABULARY, TEXT_DECODERS, ModelConfig
from oneseed.config.options import CAPTION_KINDS, FINISHES, PLAIN
from oneseed.console.command import UserError
from oneseed.console.flags import plain_type
from oneseed.dataset.segmentation import WORD
from oneseed.media.kinds import MEDIA
from oneseed.model.caption_source import NEAREST, source_of
from oneseed.model.tokenizer_json import require_own_vocabulary
from oneseed.tensor_files import json_of_tensor

# of the extra state in best_model.pt
CHECKPOINT_FORMAT = 2
# of a setting that is a size, and of one that counts layers, each of which takes a while to build
MAX_SIZE = 2**24
# of settings whose flags take folders, too
FROZEN_CHOICES = {"encoder": ENCODERS, "text_decoder": TEXT_DECODERS}
# letters of a name, such as a style's
MAX_NAME = 500
# of the scale of match scores
PERCENTILES = 101
# figures of the latent check; those of OPEN_FIGURES may be null
HEALTH_COUNTS = ("rows", "directions")
HEALTH_FIGURES = ("mean", "std", "norm", "picture_spread")
OPEN_FIGURES = ("auc", "auc_all", "caption_spread")


@dataclass(frozen=True)
class CheckpointFacts:
    """What a checkpoint says of its model, checked."""

    config: ModelConfig
    # the text of the vocabulary
    tokenizer: str
    # style, epoch, health, ...
    meta: dict[str, Any]
    # of the caption book; None where the model has none
    captions: list[str] | None
    # the names of those in the picture book; None where the model has none
    pictures: list[str] | None = None


def read_facts(extra_state: torch.Tensor | None) -> CheckpointFacts:
    """The extra state of a model, uint8 (N,) -> its facts.

    UserError where it is missing, of another format, or wrong.
    """
    if extra_state is None:
        raise UserError(
            "the state dict carries no configuration; it was not written by training_loop.py"
        )
    state = json_of_tensor(extra_state)
    if not isinstance(state, dict):
        raise UserError("its facts are no table of JSON")
    found = state.get("format")
    if type(found) is not int or found != CHECKPOINT_FORMAT:
        raise UserError(
            f"checkpoint format {str(found)[:40]}, this program reads {CHECKPOINT_FORMAT}"
        )
    config = config_of_settings(state.get("config"))
    tokenizer = state.get("tokenizer")
    if not is_plain_text(tokenizer):
        raise UserError("its tokenizer is no text")
    if require_own_vocabulary(tokenizer) > config.vocab_size:
        raise UserError(f"its tokenizer has more entries than its vocab_size {config.vocab_size}")
    meta = state.get("meta")
    require_meta(meta)
    if len(meta.get("styles", [])) > config.styles:
        raise UserError(f"it names more styles than the {config.styles} that it tells apart")
    captions = state.get("captions")
    if captions is not None and not are_plain_texts(captions):
        raise UserError("the captions of its book are no list of texts")
    if captions is None and source_of(meta) == NEAREST:
        raise UserError("its captions are those of training pictures, and it has none of them")
    return CheckpointFacts(config, tokenizer, meta, captions, carried_pictures(state, meta, config))


def carried_pictures(state: dict[str, Any], meta: dict[str, Any], config: ModelConfig) -> Any:
    """The names of the pictures in a model's book, a list of texts, or None; see read_facts."""
    pictures = state.get("pictures")
    if pictures is None:
        if meta.get("finish", PLAIN) != PLAIN:
            raise UserError("its seeds are engraved from training pictures, and it carries none")
        return None
    if not are_plain_texts(pictures) or not pictures or config.image_networks != "flow":
        raise UserError("the pictures of its book are no list of names")
    return pictures


def config_of_settings(saved: Any) -> ModelConfig:
    """The settings of a checkpoint, checked by kind and bounds; younger ones have their default."""
    if not isinstance(saved, dict):
        raise UserError("its configuration is no table of JSON")
    known = {field.name: field for field in fields(ModelConfig)}
    # version 0.4 brought both the other picture networks and this setting
    usual = "flow" if "blocks" in saved else "regression"
    settings: dict[str, Any] = {"image_networks": usual, **saved}
    for name, value in settings.items():
        if name not in known:
            raise UserError(f"it has a setting {name[:40]!r}, of which this version knows nothing")
        kind = plain_type(known[name])
        if not is_of_kind(value, kind):
            raise UserError(f"its {name} is no {kind.__name__}")
        # a folder is a flag's value, and none of a checkpoint
        choices = FROZEN_CHOICES.get(name) or known[name].metadata["choices"]
        if choices and value not in choices:
            raise UserError(f"its {name} is {str(value)[:40]!r}, not one of {choices}")
        if kind is not str and value > MAX_SIZE:
            raise UserError(f"its {name} is above {MAX_SIZE:,}")
    try:
        config = ModelConfig(**settings)
    except ValueError as error:
        raise UserError(str(error)) from error
    if config.vocab_size < MIN_VOCABULARY or not config.channels:
        raise UserError("its configuration leaves vocab_size or channels open")
    return config


# ---- kinds of values -----------------------------------------------------------------------------


def is_of_kind(value: Any, kind: type) -> bool:
    """Whether a value of JSON is of the kind of a setting; a whole number is a float too."""
    if kind is float:
        return is_number(value)
    if kind is str:
        return is_plain_text(value, MAX_NAME)
    return type(value) is kind


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number, and no truth value."""
    # The longest whole number that a float can hold has 309 digits.
    return type(value) in (int, float) and abs(value) <= 10**300 and math.isfinite(value)


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number, 0 or more, of at most 63 bits."""
    return type(value) is int and 0 <= value < 2**63


def is_plain_text(value: Any, most: int | None = None) -> TypeGuard[str]:
    """Whether a value is a text that UTF-8 can say. most: letters."""
    if not isinstance(value, str) or (most is not None and len(value) > most):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def are_plain_texts(value: Any) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(map(is_plain_text, value))


def is_match_scale(value: Any) -> bool:
    """Whether a value is the scale of match scores: none, or percentiles that do not fall."""
    if not isinstance(value, list) or len(value) not in (0, PERCENTILES):
        return False
    return all(map(is_number, value)) and value == sorted(value)


def is_phrases(value: Any) -> bool:
    """Whether a value is what known_phrases gives: {"followers": {word: [text]}, "apart": ...}.

    Each text that follows a word has a word itself.
    """
    if not isinstance(value, dict) or not value.keys() <= {"followers", "apart"}:
        return False
    for table in value.values():
        if not isinstance(table, dict) or not are_plain_texts([*table]):
            return False
        if not all(map(are_plain_texts, table.values())):
            return False
    followers = value.get("followers", {}).values()
    return all(WORD.search(text) for texts in followers for text in texts)


def is_health(value: Any) -> bool:
    """Whether a value is what check_latent gives."""
    if not isinstance(value, dict):
        return False
    return (
        value.keys() >= {*OPEN_FIGURES}
        and all(value[name] is None or is_number(value[name]) for name in OPEN_FIGURES)
        and all(type(value.get(name)) is bool for name in ("passed", "low_power"))
        and all(is_count(value.get(name)) for name in HEALTH_COUNTS)
        and all(is_number(value.get(name)) for name in HEALTH_FIGURES)
    )


def is_beginning(value: Any) -> bool:
    """Whether a value says with which weights a run began: a file's name, its hash, what it is."""
    if not isinstance(value, dict):
        return False
    style = value.get("style")
    epoch = value.get("epoch")
    is_named = is_plain_text(value.get("checkpoint"), MAX_NAME) and is_plain_text(
        value.get("sha256"), 64
    )
    is_style = style is None or is_plain_text(style, MAX_NAME)
    return is_named and is_style and (epoch is None or is_count(epoch))


def is_share(value: Any) -> bool:
    """Whether a value is a number above 0, up to 1."""
    return is_number(value) and 0 < value <= 1


def is_style_list(value: Any) -> bool:
    """Whether a value is the names of a model's styles, each once."""
    if not are_plain_texts(value) or len(set(value)) < len(value):
        return False
    return all(len(name) <= MAX_NAME for name in value)


# fact -> whether a value can be it, and what it is in words
META: dict[str, tuple[Callable[[Any], bool], str]] = {
    "style": (
        lambda value: bool(value) and is_plain_text(value, MAX_NAME),
        "the name of a collection",
    ),
    "styles": (is_style_list, "a list of names"),
    "caption_source": (is_plain_text, "a word"),
    "truncation": (is_share, "a number above 0, up to 1"),
    "finish": (lambda value: value in FINISHES, f"one of {', '.join(FINISHES)}"),
    "caption_kind": (lambda value: value in CAPTION_KINDS, f"one of {', '.join(CAPTION_KINDS)}"),
    "medium": (lambda value: value in MEDIA, f"one of {', '.join(MEDIA)}"),
    "words": (are_plain_texts, "a list of words"),
    "phrases": (is_phrases, "what follows which word"),
    "health": (is_health, "what the latent check finds"),
    "match": (is_match_scale, f"{PERCENTILES} numbers that rise"),
    "text_decoder_path": (is_plain_text, "the folder of its language model"),
    "encoder_path": (is_plain_text, "the folder of its picture encoder"),
    "epoch": (is_count, "a number of epochs"),
    "init": (is_beginning, "what a run began with"),
    "training": (lambda value: isinstance(value, dict), "the settings of a run"),
}
# facts that are left out or null until training has ended
OPEN_FACTS = ("health", "match")


def require_meta(meta: Any) -> None:
    """UserError for the first fact of a model that is of another kind than readers take it for."""
    if not isinstance(meta, dict):
        raise UserError('its "meta" is no table of JSON')
    for name, (is_right, what) in META.items():
        value = meta.get(name)
        is_open = name not in meta or (value is None and name in OPEN_FACTS)
        if not is_open and not is_right(value):
            raise UserError(f'its "{name}" is not {what}')
    # UserError for one of another version
    source_of(meta)
