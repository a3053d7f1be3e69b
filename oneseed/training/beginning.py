"""What a new run begins with: the weights of another checkpoint, of the base model, or none.

    other = other_weights(model_config, config)     # before the collection is read; None: none
    load_other_weights(model, other)                # into the model that is built then

Without --init a run begins with the base model where that is of its configuration and has learnt
from pictures like its own: drawn collections have other pictures, and exact judges. Whatever is
wrong with the base model, a run that does not name it begins without it.

Of the base model only the picture networks are taken. It knows how lines go, which is true of other
pictures too; its words are the titles of its own: a caption decoder that has learnt those begins at
twice the loss of one that knows nothing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import NamedTuple

from oneseed.config.base_model import (
    BASE,
    BASE_PRESET,
    NO_INIT,
    checkpoint_file,
    checkpoint_name,
    is_base,
)
from oneseed.config.model import FROZEN, PRESETS, ModelConfig
from oneseed.config.preset_sizes import preset_size
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.next_run import missing_checkpoint
from oneseed.media.kinds import PICTURE
from oneseed.model.base import colour_weights, read_base_facts
from oneseed.model.multimodal import MultimodalModel, differing_settings
from oneseed.model.specs import MODEL_PARTS, describe_widths, within_budget
from oneseed.model.tokenizer import Tokenizer
from oneseed.synthetic.collections import drawn_collection


class OtherWeights(NamedTuple):
    """With what a run begins."""

    model: MultimodalModel
    # of the run; channels may be left open to the collection
    config: ModelConfig
    # as --init names the checkpoint
    path: str
    # whether somebody has asked for it
    is_named: bool

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The vocabulary of the run; None: its own, with text networks that know nothing."""
        return None if is_base(self.path) else self.model.tokenizer

    @property
    def parts(self) -> Sequence[str]:
        """The parts of the model that are taken."""
        if is_base(self.path):
            return ("image_encoder", "image_decoder")
        return [part for part in MODEL_PARTS if part != "sampler"]


def other_weights(model_config: ModelConfig, config: TrainConfig) -> OtherWeights | None:
    """The weights that the settings ask for; None: initial values by the seed.

    UserError where the checkpoint of --init cannot be read, or has another configuration.
    """
    if config.init == NO_INIT:
        return None
    if not config.init:
        return fitting_base(model_config, config)
    if not checkpoint_file(config.init).exists():
        raise UserError(missing_checkpoint(config.init, config.data, option="init"))
    # its weights and vocabulary alone count; its frozen parts may have moved
    other = MultimodalModel.from_checkpoint(config.init, sees=False, writes=False)
    settled = settled_as(other.config, model_config, config.parameters)
    if may_colour(settled, other.config, config.init):
        alike = replace(settled, channels=1, vocab_size=other.config.vocab_size)
        require_same_config(alike, other.config, config.init)
        # the collection decides, where the flags leave it open
        settled = left_open(settled, model_config)
    else:
        require_same_config(settled, other.config, config.init)
    return OtherWeights(other, settled, config.init, is_named=True)


def resolve_model_config(
    model_config: ModelConfig, *, vocab_size: int, channels: int, budget: int
) -> ModelConfig:
    """The configuration that is built.

    Where the preset leaves them open, it takes this vocabulary and these channels. budget:
    parameters that widths are scaled to; 0: they stay.
    """
    if not model_config.vocab_size:
        model_config = replace(model_config, vocab_size=vocab_size)
    if not model_config.channels:
        model_config = replace(model_config, channels=channels)
    if not budget:
        return model_config
    scaled_config = within_budget(model_config, budget)
    print(f"--parameters {budget:,}: {describe_widths(model_config, scaled_config)}")
    return scaled_config


def settled_as(other: ModelConfig, model_config: ModelConfig, budget: int = 0) -> ModelConfig:
    """A run's configuration; what it leaves open is as in that of another model."""
    return resolve_model_config(
        model_config, vocab_size=other.vocab_size, channels=other.channels, budget=budget
    )


def left_open(settled: ModelConfig, model_config: ModelConfig) -> ModelConfig:
    """The same, with channels and vocabulary as the settings say, who may leave them open."""
    return replace(settled, channels=model_config.channels, vocab_size=model_config.vocab_size)


def may_colour(model_config: ModelConfig, other: ModelConfig, path: str) -> bool:
    """Whether the grey weights of the base model may be repeated for pictures in colour."""
    return is_base(path) and other.channels == 1 and model_config.channels in (1, 3)


def fitting_base(model_config: ModelConfig, config: TrainConfig) -> OtherWeights | None:
    """The base model, where it fits a run that names no weights; says why it does not.

    It says so only to those who train a model of its preset and size.
    """
    if drawn_collection(config.style) is not None:
        return None
    if Collection(config.style, config.data).known_medium() != PICTURE:
        # it knows how lines go, and nothing of spectra
        return None
    is_usual = (model_config.preset, model_config.image_size) == (
        BASE_PRESET,
        preset_size(BASE_PRESET),
    )
    try:
        base = read_base_facts(BASE).config
        if (model_config.preset, model_config.image_size) != (base.preset, base.image_size):
            return None
        if difference := difference_to_base(model_config, base, config.parameters):
            print(f"begins with no other weights: {difference}")
            return None
        model = MultimodalModel.from_checkpoint(BASE)
    except UserError as error:
        if is_usual:
            print(f"begins with no other weights: {error}")
        return None
    settled = settled_as(base, model_config)
    if may_colour(settled, base, BASE):
        settled = left_open(settled, model_config)
    return OtherWeights(model, settled, BASE, is_named=False)


def difference_to_base(model_config: ModelConfig, base: ModelConfig, budget: int) -> str:
    """What keeps a run from the weights of the base model, in words; "" for nothing."""
    if budget:
        return "--parameters gives other widths than the base model's"
    settled = settled_as(base, model_config)
    settled = replace(settled, vocab_size=base.vocab_size)
    if may_colour(settled, base, BASE):
        settled = replace(settled, channels=base.channels)
    difference = differing_settings(replace(settled, neck=base.neck), base)
    return f"the base model has another configuration ({difference})" if difference else ""


def require_same_config(model_config: ModelConfig, other: ModelConfig, path: str) -> None:
    """UserError with the flags that are needed where the model of --init is not this run's."""
    if replace(model_config, preset=other.preset, neck=other.neck) == other:
        return
    if other.image_networks != model_config.image_networks:
        raise UserError(
            f"--init {path} is of a version before 0.4, whose picture networks are not trained any "
            "more; leave --init out"
        )
    defaults = {field.name: field.default for field in fields(ModelConfig)}
    usual = defaults | PRESETS.get(other.preset, {})
    flags = [f"--preset {other.preset}"]
    for name, value in asdict(other).items():
        for part in ("encoder", "text_decoder"):
            if getattr(other, part) == FROZEN and name.startswith(part):
                value = "PATH" if name == part else usual[name]
        is_open = name in ("vocab_size", "channels") and not usual[name]
        if name not in ("preset", "neck") and value != usual[name] and not is_open:
            flags.append(f"--{name.replace('_', '-')} {value}")
    raise UserError(
        f"--init {path} has another model configuration than this run; "
        f"give it the same: {' '.join(flags)}"
    )


def load_other_weights(model: MultimodalModel, other: OtherWeights) -> None:
    """Begin with the weights of another model.

    The prior stays new: it is fitted to a collection's codes.
    """
    weights = other.model.state_dict()
    if model.config.channels != other.model.config.channels:
        weights = colour_weights(weights)
    for part in other.parts:
        own = {
            name.removeprefix(f"{part}."): weight
            for name, weight in weights.items()
            if name.startswith(f"{part}.")
        }
        getattr(model, part).load_state_dict(own)
    with open(checkpoint_file(other.path), "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    style = other.model.meta.get("style")
    epoch = other.model.meta.get("epoch")
    model.meta["init"] = {
        "checkpoint": init_name(other.path),
        "sha256": sha256,
        "style": style,
        "epoch": epoch,
    }
    print(described(other, style, epoch))


def described(other: OtherWeights, style: str | None, epoch: int | None) -> str:
    """With what a run begins, in a sentence."""
    if is_base(other.path):
        way_out = "" if other.is_named else f"; --init {NO_INIT} begins without"
        return f"begins with the picture networks of the base model, and its own words{way_out}"
    return (
        f"begins with the weights of {other.path} (style {style}, epoch {epoch}) and its "
        "tokenizer; the sampler is fitted anew"
    )


def init_name(init: str) -> str | None:
    """What a checkpoint says of the --init of its run; None for no other weights."""
    if init == NO_INIT:
        return None
    return checkpoint_name(init if is_base(init) else Path(Path(init).name))


def require_same_beginning(last: Path, begun_with: str | None, init: str) -> None:
    """UserError where a run that goes on began with other weights than --init names.

    last: its file. begun_with: what its checkpoints say of that.
    """
    if not init or begun_with == init_name(init):
        return
    told = f"began with {begun_with}" if init == NO_INIT else f"did not begin with {init}"
    raise UserError(
        f"{last} is a run that {told}: "
        "use --checkpoints DIR for a second run, or --fresh to begin anew"
    )
