"""Batches of pictures and captions, and who loads them."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from oneseed.dataset.pixel_store import LimitedFiles
from oneseed.media.kinds import PICTURE
from oneseed.model.further_pictures import FurtherPictures
from oneseed.model.pixels import to_tensor
from oneseed.model.tokenizer import PAD, Tokenizer
from oneseed.seeds import torch_generator
from oneseed.training import distributed
from oneseed.training.file_order import by_first_use, by_groups_of_files
from oneseed.training.word_weights import WordWeights

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
    # what the images stand for, one of MEDIA
    medium: str = PICTURE
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
