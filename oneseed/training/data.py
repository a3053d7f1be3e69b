"""Batches of pictures and captions.

Captioned pictures as batches: the loaders of a prepared collection, and what is done to pictures and captions on the way.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from oneseed.config.model import MAX_OWN_VOCABULARY, PRESETS
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.pixels import PixelCache
from oneseed.model.pixels import to_tensor
from oneseed.model.tokenizer import END, PAD, START, UNK, Encoded, Tokenizer
from oneseed.seeds import torch_generator
from oneseed.synthetic.engravings import attributes
from oneseed.training import distributed

# captions that the vocabulary is taken from
MAX_LEARNT_CAPTIONS = 20_000


class PairLoader:
    """Batches of one split: images float (B, C, S, S) in [-1, 1], tokens int64 (B, T) padded with 0, row numbers (B,).

    pixels: uint8 (N, S, S) or (N, S, S, 3), memory-mapped; rows: which of them; tokens: a sequence of id lists, one per row. The order is a
    function of seed and epoch alone, so a resumed run sees the batches that the uninterrupted one would have seen. The images come on `device`.
    """

    device = torch.device("cpu")

    def __init__(
        self, pixels, rows, tokens, batch_size, channels, seed=0, shuffle=False, styles=None
    ):
        self.pixels = pixels
        self.rows = np.asarray(rows)
        self.tokens = tokens
        # the name of each row's style
        self.styles = styles or [""] * len(rows)
        self.batch_size = batch_size
        self.channels = channels
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def __len__(self):
        # no batch of one
        return max(
            1, math.ceil(len(self.rows) / self.batch_size) - (len(self.rows) % self.batch_size == 1)
        )

    def __iter__(self):
        return self.batches()

    def parts(self):
        """The positions in `rows` of each batch of this epoch."""
        order = (
            torch.randperm(
                len(self.rows), generator=torch_generator(f"{self.seed} {self.epoch}", "order")
            )
            if self.shuffle
            else torch.arange(len(self.rows))
        )
        return order.split(self.batch_size)[: len(self)]

    def batches(self, first=0):
        """This epoch's batches from number `first` on; of several processes, this one's slices, which may be empty."""
        for part in self.parts()[first:]:
            yield self.batch(part[distributed.local_slice(len(part))].numpy())

    def batch(self, part):
        """part: positions in `rows` -> images, tokens, part."""
        images = to_tensor(self.pixels[self.rows[part]], self.device)  # (B, 1 or 3, S, S)
        if images.shape[1] != self.channels:
            images = (
                images.mean(1, keepdim=True) if self.channels == 1 else images.expand(-1, 3, -1, -1)
            )
        told = [self.tokens[i] for i in part]
        tokens = torch.full((len(part), max(map(len, told), default=2)), PAD)
        for row, ids in zip(tokens, told):
            row[: len(ids)] = torch.tensor(ids)
        return images, tokens, torch.from_numpy(part)


def on_device_if_it_fits(pixels, device):
    """uint8 array -> the same on a GPU of whose free memory it takes less than half; else as it is."""
    if device.type != "cuda" or pixels.nbytes > torch.cuda.mem_get_info(device)[0] / 2:
        return pixels
    there = torch.empty(pixels.shape, dtype=torch.uint8, device=device)
    for first in range(0, len(pixels), 1024):
        there[first : first + 1024] = torch.from_numpy(np.array(pixels[first : first + 1024]))
    return there


def create_data_loaders(model_config, config, tokenizer=None):
    """-> (train, val) PairLoaders of config.style. tokenizer None: one is trained on the training captions. UserError where an
    earlier stage is missing or made pictures of another size."""
    collection = Collection(config.style, config.data)
    train, val = collection.read_captions()
    size = model_config.image_size
    source = (
        " --source builtin"
        if config.style == "builtin"
        else f" --style {config.style} --source PATH"
    )
    again = f"python dataset_preparation.py{source} --preset {model_config.preset}" + (
        f" --image-size {size}"
        if size != PRESETS[model_config.preset].get("image_size", 512)
        else ""
    )
    cache = PixelCache.of(collection, size)
    if cache is None:
        raise UserError(
            f"the pictures of {config.style} were not prepared at {size} px; make them with: {again}"
        )
    if missing := [row["filename"] for row in train + val if row["id"] not in cache]:
        raise UserError(
            f"{len(missing)} captioned pictures are not among the prepared ones ({missing[0]} …); write the captions again: "
            f"python caption_generation.py --style {config.style}"
        )
    if config.max_samples:
        train = train[: config.max_samples]
        val = val[: max(2, config.max_samples // 10)]
    if len(train) < 2 or len(val) < 1:
        raise UserError(
            f"{len(train)} training and {len(val)} validation pairs are too few to train on; prepare more pictures: {again}"
        )
    tokenizer = tokenizer or Tokenizer.train(
        [row["caption"] for row in train[:: math.ceil(len(train) / MAX_LEARNT_CAPTIONS)]],
        model_config.vocab_size or MAX_OWN_VOCABULARY,
    )
    return tuple(
        PairLoader(
            cache.array,
            cache.rows(row["id"] for row in rows),
            Encoded([row["caption"] for row in rows], tokenizer, model_config.max_caption_length),
            config.batch_size,
            model_config.channels,
            config.seed,
            rows is train,
            [style_of(row) for row in rows],
        )
        for rows in (train, val)
    ), tokenizer


def style_of(row):
    """What --style asks for afterwards: the row's own style; in the built-in collection, all engravings, the technique."""
    return (
        attributes.claimed(row["caption"].lower(), "technique") or row["style"]
        if row["style"] == "builtin"
        else row["style"]
    )


def drop_words(caption, generator):
    """A caption with some runs of words left out, as people write prompts."""
    told = caption.split()
    # runs of four words on average, kept and left out in turn
    switch = torch.rand(len(told), generator=generator) < 0.25
    kept = [
        word
        for word, gone in zip(
            told, switch.cumsum(0) % 2 == int(torch.randint(2, (1,), generator=generator))
        )
        if not gone
    ]
    return " ".join(kept or told)


def random_zoom(images, generator, zoom=0.15, length=0, mine=slice(None)):
    """Each picture zoomed in by up to `zoom` and moved within its old frame: (B, C, S, S) -> the same shape. What a caption says
    stays true; nothing is mirrored, since captions say left and right. The pictures may be a slice, `mine`, of a batch of `length`."""
    scale = 1 - zoom * torch.rand(length or len(images), generator=generator)  # (B,)
    shift = (torch.rand(len(scale), 2, generator=generator) * 2 - 1) * (1 - scale)[:, None]
    scale = scale[mine]
    shift = shift[mine]
    theta = torch.zeros(len(images), 2, 3)
    theta[:, 0, 0] = scale
    theta[:, 1, 1] = scale
    theta[:, :, 2] = shift
    return F.grid_sample(
        images,
        F.affine_grid(theta, images.shape, align_corners=False).to(images),
        padding_mode="border",
        align_corners=False,
    )


def no_pictures(model_config, config):
    """What --estimate takes for a collection that is not prepared yet: a batch whose captions are as long as they may be."""
    tokens = [START, *[UNK] * (model_config.max_caption_length - 2), END]
    return PairLoader(
        None,
        range(config.batch_size),
        [tokens] * config.batch_size,
        config.batch_size,
        model_config.channels,
    )
