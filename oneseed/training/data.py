"""Batches of pictures and captions: the loaders of a prepared collection."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from oneseed.config.model import ModelConfig
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import are_code
from oneseed.dataset.collection import Collection, is_wordless
from oneseed.dataset.colour import colour_share, training_channels
from oneseed.dataset.jsonl import Row
from oneseed.dataset.next_run import next_training
from oneseed.dataset.pixel_store import LimitedFiles
from oneseed.model.caption_length import print_cut
from oneseed.model.further_pictures import FurtherPictures
from oneseed.model.pixels import to_tensor
from oneseed.model.tokenizer import END, PAD, START, UNK, Encoded, Tokenizer
from oneseed.seeds import torch_generator
from oneseed.storage import is_url
from oneseed.synthetic.collections import drawn_collection
from oneseed.training import distributed
from oneseed.training.file_order import by_first_use, by_groups_of_files
from oneseed.training.further_places import further_places
from oneseed.training.pixel_source import (
    fetch_collection,
    files_at_a_time,
    open_pixels,
    training_collection,
)
from oneseed.training.word_weights import WordWeights, told_words, weigh_words

# where batches are until a trainer says otherwise
CPU = torch.device("cpu")

# rows up to which all are taken in their order; of larger collections they are taken at random
MAX_ROWS_IN_ORDER = 6_000
# times that a loader says which files come next, while one is gone through
LOOKS_PER_FILE = 16
# pictures that are copied to a GPU at a time
COPY_CHUNK = 1_024


class Batch(NamedTuple):
    """Pairs as tensors. Of a batch that several processes share, this process's pairs."""

    # float (b, C, S, S) in [-1, 1]
    images: Tensor
    # int64 (b, T), padded with 0
    tokens: Tensor
    # int64 (B,) on the CPU: the rows of the loader that the whole batch has
    rows: Tensor
    # float (b, T), how much each token weighs in the loss, 0 for padding; None: all the same
    word_weights: Tensor | None = None
    # of pairs of several pictures, those behind the first; None: there are no such pairs
    further: FurtherPictures | None = None

    def to(self, device: torch.device) -> "Batch":
        """The same on a device; the rows stay on the CPU."""
        weights = None if self.word_weights is None else self.word_weights.to(device)
        further = self.further and self.further.to(device)
        return Batch(self.images.to(device), self.tokens.to(device), self.rows, weights, further)

    def part(self, rows: slice) -> "Batch":
        """Some of the pairs, as a part of the same whole batch."""
        weights = None if self.word_weights is None else self.word_weights[rows]
        further = self.further and self.further.part(rows)
        return Batch(self.images[rows], self.tokens[rows], self.rows, weights, further)


@dataclass(eq=False)
class PairLoader:
    """Batches of one split.

    The order is a function of seed and epoch alone, so that a resumed run sees the batches that
    the uninterrupted one would have seen.
    """

    # uint8 (P, S, S) or (P, S, S, 3): array, often memory-mapped, or tensor on a GPU
    pixels: Any
    # int (N,): which of the pixels
    rows: np.ndarray
    # a list of token ids for each row
    tokens: Sequence[list[int]]
    _: KW_ONLY
    # rows per batch
    batch_size: int
    # of the images: 1 or 3
    channels: int
    # of the order
    seed: int = 0
    # False: the rows in their order
    shuffle: bool = False
    # times that an epoch shows each row
    passes: int = 1
    # the name of each row's style; empty: none has one
    styles: list[str] = field(default_factory=list)
    # the name of each row's picture; empty: none has one
    ids: list[str] = field(default_factory=list)
    # by which the tokens were made; None where no collection is prepared
    tokenizer: Tokenizer | None = None
    # where the images of a batch are
    device: torch.device = CPU
    # the number of the epoch, from 0
    epoch: int = 0
    # True where the pairs have no captions, and pictures are all there is to learn from
    wordless: bool = False
    # of the tokens; None: all weigh the same
    word_weights: WordWeights | None = None
    # files of the pixels whose pictures are mixed at a time; 0: all
    shuffle_files: int = 0
    # of `expect`: when it looked last
    last_look: int = -1
    # True where captions are code
    is_code: bool = False
    # {row: which of the pixels are its further pictures}, of pairs of several pictures
    further: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.styles = self.styles or [""] * len(self.rows)
        self.ids = self.ids or [""] * len(self.rows)

    def __len__(self) -> int:
        """Batches per epoch."""
        return self.passes * self.batches_per_pass

    @property
    def batches_per_pass(self) -> int:
        """Batches that show each row once. A last row alone is left out: contrast needs two."""
        full, rest = divmod(len(self.rows), self.batch_size)
        return max(1, full + 1 if rest > 1 else full)

    @property
    def epoch_pairs(self) -> int:
        """Pairs that an epoch shows."""
        return self.passes * min(len(self.rows), self.batches_per_pass * self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return self.batches()

    def files_of(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The file of the pixels that each of some rows (M,) lies in, int (M,)."""
        return self.rows[rows] // getattr(self.pixels, "rows_per_file", len(self.pixels))

    def batch_rows(self) -> list[Tensor]:
        """The rows of each batch of this epoch, int64 (B,) each; no row is twice in a batch."""
        self.last_look = -1
        generator = torch_generator(f"{self.seed} {self.epoch}", "order")
        files_generator = torch_generator(f"{self.seed} {self.epoch}", "files")
        batches: list[Tensor] = []
        for _ in range(self.passes):
            if self.shuffle:
                order = torch.randperm(len(self.rows), generator=generator)
            else:
                order = torch.arange(len(self.rows))
            if self.shuffle_files and self.shuffle:
                order = by_groups_of_files(
                    order, self.files_of(), self.shuffle_files, files_generator
                )
            elif self.shuffle_files:
                order = torch.from_numpy(self.files_of().argsort(kind="stable"))
            batches += order.split(self.batch_size)[: self.batches_per_pass]
        return batches

    def expect(self, batch_rows: Sequence[Tensor], index: int) -> None:
        """Files of the pixels that are copied as they are needed: which batch comes next."""
        reader = getattr(self.pixels, "reader", None)
        if not isinstance(reader, LimitedFiles):
            return
        # Looking far ahead takes time: it is done a few times a file.
        per_look = max(1, self.pixels.rows_per_file // self.batch_size // LOOKS_PER_FILE)
        if index // per_look == self.last_look:
            return
        self.last_look = index // per_look
        if not self.shuffle_files:
            reader.expect(range(reader.room))
            return
        ahead = 2 * self.shuffle_files * self.pixels.rows_per_file // self.batch_size
        coming = torch.cat(list(batch_rows[index : index + ahead + per_look + 1]))
        reader.expect(by_first_use(self.files_of(coming.numpy())))

    def batches_within(self, pairs: int) -> int:
        """How many batches of an epoch hold its first `pairs` pairs."""
        return sum(end <= pairs for end in itertools.accumulate(map(len, self.batch_rows())))

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """This epoch's batches from number `first` on.

        Of several processes, each gets its slice of every batch, which may be empty.
        """
        batch_rows = self.batch_rows()
        for index in range(first, len(batch_rows)):
            self.expect(batch_rows, index)
            rows = batch_rows[index]
            local = rows[distributed.local_slice(len(rows))]
            yield self.batch(local.numpy())._replace(rows=rows)

    def batch(self, rows: np.ndarray) -> Batch:
        """The pairs of some rows, int (B,)."""
        images = self.images_at(self.rows[rows])  # (B, C, S, S)
        tokens = padded([self.tokens[row] for row in rows], torch.int64)  # (B, T)
        weights = None
        if self.word_weights is not None:
            weights = padded([self.word_weights[row] for row in rows], torch.float32)  # (B, T)
        return Batch(images, tokens, torch.from_numpy(rows), weights, self.further_of(rows))

    def images_at(self, places: np.ndarray) -> Tensor:
        """Some of the pixels, int (B,) -> pictures (B, C, S, S)."""
        images = to_tensor(self.pixels[places], self.device)  # (B, 1 or 3, S, S)
        if images.shape[1] == self.channels:
            return images
        return images.mean(1, keepdim=True) if self.channels == 1 else images.expand(-1, 3, -1, -1)

    def further_of(self, rows: np.ndarray) -> FurtherPictures | None:
        """The further pictures of some rows (B,), where they have any."""
        pairs = [
            (owner, place)
            for owner, row in enumerate(rows.tolist())
            for place in self.further.get(row, ())
        ]
        if not pairs:
            return None
        owners, places = zip(*pairs)
        return FurtherPictures(
            self.images_at(np.array(places)), torch.tensor(owners, device=self.device)
        )

    def first_rows(self, count: int) -> Batch:
        """The pairs of at most so many rows, from the first on."""
        return self.batch(np.arange(min(count, len(self.rows))))


def padded(lists: Sequence[Sequence[float]], dtype: torch.dtype) -> Tensor:
    """Lists of ids, or of their weights, as rows (B, T); behind shorter ones stands PAD, a 0."""
    longest = max(map(len, lists), default=2)
    rows = torch.full((len(lists), longest), PAD, dtype=dtype)
    for row, numbers in zip(rows, lists):
        row[: len(numbers)] = torch.tensor(numbers, dtype=dtype)
    return rows


def use_device(train: PairLoader, val: PairLoader, device: torch.device) -> None:
    """Batches come on this device from now on; the pixels, which both share, move if they fit."""
    train.device = device
    val.device = device
    # none where only memory is estimated
    if train.pixels is not None:
        train.pixels = on_device_if_it_fits(train.pixels, device)
        val.pixels = train.pixels


def on_device_if_it_fits(pixels: np.ndarray, device: torch.device) -> np.ndarray | Tensor:
    """uint8 array -> the same on a GPU, where it takes less than half of the free memory."""
    reader = getattr(pixels, "reader", None)
    if isinstance(reader, LimitedFiles) and reader.is_limited:
        return pixels
    if device.type != "cuda" or pixels.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
        return pixels
    copied = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for first in range(0, len(pixels), COPY_CHUNK):
        chunk = slice(first, first + COPY_CHUNK)
        copied[chunk] = torch.from_numpy(np.array(pixels[chunk]))
    return copied


def sample_rows(loader: PairLoader, count: int, seed: int) -> Tensor:
    """At most so many rows of a loader, int64 (M,), the same ones every time.

    They are the first of a small collection and random ones of a large one. Fewer are the
    beginning of more.
    """
    total = len(loader.rows)
    if total <= MAX_ROWS_IN_ORDER:
        return torch.arange(total)[:count]
    return torch.randperm(total, generator=torch_generator(seed, "some"))[:count]


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
    is_code = are_code(train)
    print_cut(texts_of(train + val), tokenizer, length, is_code=is_code)
    told = told_words(train)
    channels = model_config.channels or channels_of(collection, model_config)

    def loader_of(rows: list[Row], *, shuffle: bool) -> PairLoader:
        captions = texts_of(rows)
        return PairLoader(
            cache.array,
            np.asarray(cache.rows(row["id"] for row in rows)),
            Encoded(captions, tokenizer, length),
            batch_size=config.batch_size * config.accumulate,
            channels=channels,
            seed=config.seed,
            shuffle=shuffle,
            styles=[requested_style(row) for row in rows],
            ids=[row["id"] for row in rows],
            tokenizer=tokenizer,
            wordless=wordless,
            is_code=is_code,
            word_weights=weigh_words(captions, tokenizer, length, told, config.untold_weight),
            shuffle_files=files_at_a_time(cache, config),
            further=further_places(rows, cache),
        )

    return loader_of(train, shuffle=True), loader_of(val, shuffle=False)


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
    """What --estimate takes for a collection that is not prepared yet.

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
    )
