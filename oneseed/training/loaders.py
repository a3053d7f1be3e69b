"""The loaders of a prepared collection: its training pairs and its validation pairs."""

from collections.abc import Sequence

import numpy as np

from oneseed.config.model import ModelConfig
from oneseed.config.options import AUTO_MEDIUM
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import are_code, medium_of_rows
from oneseed.dataset.collection import Collection, is_wordless
from oneseed.dataset.colour import colour_share, training_channels
from oneseed.dataset.jsonl import Row
from oneseed.dataset.next_run import next_training
from oneseed.media.kinds import PICTURE
from oneseed.model.caption_length import print_cut
from oneseed.model.tokenizer import END, START, UNK, Encoded, Tokenizer
from oneseed.storage import is_url
from oneseed.synthetic.collections import drawn_collection
from oneseed.training.data import PairLoader
from oneseed.training.further_places import further_places
from oneseed.training.pixel_source import (
    fetch_collection,
    files_at_a_time,
    open_pixels,
    training_collection,
)
from oneseed.training.word_weights import told_words, weigh_words


def create_data_loaders(
    model_config: ModelConfig, config: TrainConfig, tokenizer: Tokenizer | None = None
) -> tuple[PairLoader, PairLoader]:
    """Loaders of the training and the validation pairs of config.style; both know the tokenizer.

    tokenizer None: that of the training captions. UserError where an earlier stage is missing.
    """
    collection = fetch_collection(config, model_config.image_size)
    train, val = collection.read_captions()
    wordless = is_wordless(train + val)
    remedy = command_to_prepare(model_config, config)
    if not is_url(config.data) and not collection.has_pixels(model_config.image_size):
        raise UserError(
            f"the pictures of {config.style} were not prepared at {model_config.image_size} px; "
            f"make them with: {remedy}{other_size(collection, len(train))}"
        )
    cache = open_pixels(collection, model_config, config)
    if missing := [row["filename"] for row in train + val if row["id"] not in cache]:
        raise UserError(
            f"{len(missing)} captioned pictures are not among the prepared ones ({missing[0]} …); "
            f"deal the pairs again: {collection.deal_command(collection.read_metadata())}"
        )
    if config.max_samples:
        train = train[: config.max_samples]
        val = val[: max(2, config.max_samples // 10)]
    if len(train) < 2 or len(val) < 1:
        raise UserError(
            f"{len(train)} training and {len(val)} validation pairs are too few to train on; "
            f"prepare more pictures: {remedy}"
        )
    if tokenizer is None:
        tokenizer = Tokenizer.of_captions(texts_of(train), model_config.vocab_size)
    length = model_config.max_caption_length
    medium, is_code = required_medium(train, config), are_code(train)
    print_cut(texts_of(train + val), tokenizer, length, is_code=is_code)
    told = told_words(train)
    channels = model_config.channels or channels_of(collection, model_config)

    def loader_of(rows: list[Row], *, shuffle: bool) -> PairLoader:
        captions = texts_of(rows)
        return PairLoader(
            cache.array,
            np.asarray(cache.rows(row["id"] for row in rows)),
            Encoded(captions, tokenizer, length),
            batch_size=config.batch_size * (config.accumulate if shuffle else 1),
            channels=channels,
            seed=config.seed,
            shuffle=shuffle,
            styles=[requested_style(row) for row in rows],
            ids=[row["id"] for row in rows],
            tokenizer=tokenizer,
            wordless=wordless,
            is_code=is_code,
            medium=medium,
            word_weights=weigh_words(captions, tokenizer, length, told, config.untold_weight),
            shuffle_files=files_at_a_time(cache, config),
            further=further_places(rows, cache),
        )

    return loader_of(train, shuffle=True), loader_of(val, shuffle=False)


def required_medium(rows: Sequence[Row], config: TrainConfig) -> str:
    """What the rows are of. UserError where --medium says another."""
    medium = medium_of_rows(rows)
    if config.medium not in (AUTO_MEDIUM, medium):
        raise UserError(
            f"{config.style} is a collection of {medium}s, and not of {config.medium}s; name "
            f"another --style, one of {config.medium}s, or leave --medium out"
        )
    return medium


def channels_of(collection: Collection, model_config: ModelConfig) -> int:
    """Channels that suit a collection: 1, or 3 where enough of it is in colour."""
    share = colour_share(collection, model_config.image_size)
    return training_channels(share, model_config.preset)


def texts_of(rows: Sequence[Row]) -> list[str]:
    """The captions of rows."""
    return [row["caption"] for row in rows]


def command_to_prepare(model_config: ModelConfig, config: TrainConfig) -> str:
    """The command that prepares the pictures that these settings need."""
    collection = training_collection(config)
    return collection.prepare_again(model_config.image_size, model_config.preset)


def other_size(collection: Collection, samples: int) -> str:
    """How to train on the pictures as they are prepared, as the end of a sentence; "" for no way.

    samples: training pairs.
    """
    size = collection.prepared_size()
    if size is None:
        return ""
    return f"; or train on those of {size} px that are there: {next_training(collection, samples)}"


def requested_style(row: Row) -> str:
    """What --style of inference asks for: the row's own style.

    A drawn collection may tell it in the caption, as the engravings tell their technique.
    """
    drawn = drawn_collection(row["style"])
    return drawn.style_told(row["caption"]) if drawn else row["style"]


def placeholder_loader(
    model_config: ModelConfig, config: TrainConfig, tokenizer: Tokenizer | None
) -> PairLoader:
    """What --estimate and --plan take for a collection that is not prepared yet.

    It has no pictures, and one batch of captions that are as long as they may be.
    """
    longest = [START, *[UNK] * (model_config.max_caption_length - 2), END]
    return PairLoader(
        None,
        np.arange(config.batch_size * config.accumulate),
        [longest] * (config.batch_size * config.accumulate),
        batch_size=config.batch_size * config.accumulate,
        channels=model_config.channels or 1,
        tokenizer=tokenizer,
        medium=PICTURE if config.medium == AUTO_MEDIUM else config.medium,
    )
