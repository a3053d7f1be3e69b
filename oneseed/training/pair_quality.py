"""What the pairs of a model are like: which epoch is the best, and who should write its captions.

The validation loss cannot tell. The titles of most collections cannot be read off the pictures, so
their cross-entropy only rises, and the epoch in which it is lowest has learnt nothing yet.
"""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from oneseed.dataset.wording import words
from oneseed.model import caption_source
from oneseed.model.caption_book import CaptionBook
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import END, PAD
from oneseed.seeds import latents, torch_generator
from oneseed.training.data import PairLoader, sample_rows
from oneseed.training.encoding import encode_codes

# held-out pictures whose captions are compared, and seeds whose captions are looked at
MAX_COMPARED = 100
# part of the written captions that may repeat a word in a row, or have no end
MAX_FAULTY = 0.01
# fewest pictures whose captions can tell which of two is better
LEAST_COMPARED = 3
# keeps a division by a standard error finite
MIN_ERROR = 1e-9
# standard errors by which written captions must be better than copied ones
SIGNIFICANT = 2
# validation pairs among which finding the partner is luck
MIN_CONTRAST_PAIRS = 50
# training pictures whose captions are looked up
MAX_BOOK_ROWS = 6_000


@dataclass(frozen=True)
class CaptionQuality:
    """How captions of held-out pictures agree with the true ones, 0 to 1.

    The agreement is the F1 of their sets of telling words, the mean over pictures. Words that more
    than half of the training captions have tell nothing.
    """

    # of those that the decoder writes
    written: float
    # of those of the nearest training pictures
    nearest: float
    # of the mean difference between the two
    standard_error: float
    # how much likelier the decoder takes the true captions to be than those of the nearest training
    # pictures: the mean difference in nats per token, in units of its standard error
    preference: float
    # part of the written captions, also of seeds, that repeat a word in a row or have no end
    faulty: float

    @property
    def can_write(self) -> bool:
        """Does the decoder write better captions than those that could be copied?

        Or does it know at least that these are the wrong ones?
        """
        is_better = self.written - self.nearest > SIGNIFICANT * self.standard_error
        has_learnt = is_better or self.written == 1 or self.preference > SIGNIFICANT
        return has_learnt and self.faulty <= MAX_FAULTY

    @property
    def gain(self) -> float:
        """What pairs gain from captions that the decoder writes; 0 where these are looked up."""
        return max(0.0, self.written - self.nearest) if self.can_write else 0.0


def word_agreement(one: set[str], other: set[str]) -> float:
    """F1 of two sets of words, 0 to 1; two empty ones agree."""
    if not one and not other:
        return 1.0
    return 2 * len(one & other) / (len(one) + len(other))


def common_words(captions: Sequence[str]) -> set[str]:
    """The words that more than half of the captions have."""
    counts = Counter(word for caption in captions for word in words(caption))
    return {word for word, count in counts.items() if count > len(captions) / 2}


def repeats_a_word(caption: str) -> bool:
    """Does a caption have the same word twice in a row: "an engraving of of"?"""
    found = caption.casefold().split()
    return any(first == second for first, second in itertools.pairwise(found))


def is_faulty(model: MultimodalModel, ids: Sequence[int], *, is_code: bool = False) -> bool:
    """Does a written caption, as ids, lack an end, or repeat a word in a row?

    is_code: code does repeat words: "</div>" and another "</div>".
    """
    return END not in ids or (not is_code and repeats_a_word(model.tokenizer.decode(ids)))


@torch.no_grad()
def measure_quality(
    model: MultimodalModel, book: CaptionBook, val: PairLoader, seed: int
) -> CaptionQuality:
    """Captions for held-out pictures and for seeds, written and looked up in the book.

    The prior must have been fitted to the codes of this model.
    """
    rows = sample_rows(val, MAX_COMPARED, seed)
    codes = encode_codes(model, val, rows)  # (M, D)
    noise = torch.randn(codes.shape, generator=torch_generator(seed, "captions"))
    codes = (codes + model.config.code_noise * noise).to(model.device)
    untold = common_words(book.captions)
    true = [words(model.tokenizer.decode(val.tokens[row])) - untold for row in rows.tolist()]

    def agreements(captions: Sequence[str]) -> np.ndarray:
        """Of M captions with the true ones, (M,)."""
        told = [words(caption) - untold for caption in captions]
        return np.array(list(map(word_agreement, told, true)))

    ids = model.decode_tokens(codes)
    written = agreements([model.tokenizer.decode(row) for row in ids])
    copied = book.nearest(model.leading_coordinates(codes))
    nearest = agreements(copied)
    copied_tokens = [
        model.tokenizer.encode(text, model.config.max_caption_length) for text in copied
    ]
    true_tokens = [val.tokens[row] for row in rows.tolist()]
    preferred = losses_of(model, codes, copied_tokens) - losses_of(model, codes, true_tokens)
    drawn = model.sampler.to_code(latents(range(MAX_COMPARED), model.config.latent_dim))
    all_ids = ids + model.decode_tokens(drawn.to(model.device))
    return CaptionQuality(
        written=float(written.mean()),
        nearest=float(nearest.mean()),
        standard_error=standard_error(written - nearest),
        preference=float(preferred.mean()) / max(standard_error(preferred), MIN_ERROR),
        faulty=sum(is_faulty(model, row, is_code=val.is_code) for row in all_ids) / len(all_ids),
    )


def losses_of(model: MultimodalModel, codes: Tensor, captions: Sequence[list[int]]) -> np.ndarray:
    """What captions, M lists of ids, cost the decoder with codes (M, D): nats per token (M,)."""
    ids = [torch.tensor(caption) for caption in captions]
    tokens = pad_sequence(ids, batch_first=True, padding_value=PAD).to(model.device)  # (M, T)
    logits = model.text_decoder(codes, tokens)[:, :-1].float()
    losses = F.cross_entropy(
        logits.transpose(1, 2), tokens[:, 1:], ignore_index=PAD, reduction="none"
    )  # (M, T - 1)
    return (losses.sum(1) / (tokens[:, 1:] != PAD).sum(1)).cpu().numpy()


def standard_error(values: np.ndarray) -> float:
    """Of the mean of independent values (M,); infinite where they are too few to tell."""
    if len(values) < LEAST_COMPARED:
        return math.inf
    return float(values.std(ddof=1) / len(values) ** 0.5)


def make_book(
    model: MultimodalModel, train: PairLoader, codes: Tensor, rows: Tensor
) -> CaptionBook:
    """The captions of a loader's rows (M,) by the codes (M, D) of their pictures.

    The prior must have been fitted to these codes.
    """
    kept = rows[:MAX_BOOK_ROWS]
    coordinates = model.leading_coordinates(codes[: len(kept)].to(model.device))
    captions = [model.tokenizer.decode(train.tokens[row]) for row in kept.tolist()]
    return CaptionBook(coordinates, captions).to(model.device)


def choose_source(model: MultimodalModel, book: CaptionBook, quality: CaptionQuality) -> None:
    """Let the model write its captions, or look them up where it cannot write."""
    if quality.can_write:
        model.meta["caption_source"] = caption_source.DECODER
        model.caption_book = None
    else:
        model.meta["caption_source"] = caption_source.NEAREST
        model.caption_book = book


def pair_score(
    losses: Mapping[str, float],
    weights: Mapping[str, float],
    val: PairLoader,
    quality: CaptionQuality | None,
) -> float:
    """How far pairs are from real ones, 0 for equal ones: it decides which epoch is the best.

    The picture's losses count as in training. The contrast counts up to what guessing gives, since
    a model that is sure of wrong partners is no worse than one that guesses; among few pairs, where
    luck decides, it counts as guessed. Captions count by what pairs gain over those of the nearest
    training pictures.

    losses, weights: {part: mean over the validation pairs}, {part: weight}; quality: None where
    there are no captions.
    """
    score = 0.0
    for part, weight in weights.items():
        if part == "contrastive":
            guessed = guessing_contrast(val)
            is_luck = len(val.rows) < MIN_CONTRAST_PAIRS
            score += weight * (guessed if is_luck else min(losses[part], guessed))
        elif part != "caption":
            score += weight * losses[part]
    if quality is not None:
        score += weights.get("caption", 0) * (1 - quality.gain)
    return score


def guessing_contrast(val: PairLoader) -> float:
    """InfoNCE of the validation batches where all partners look alike, in nats."""
    sizes = [len(rows) for rows in val.batch_rows()]
    return sum(size * math.log(size) for size in sizes) / sum(sizes)


def describe_captions(quality: CaptionQuality) -> str:
    """Who writes a model's captions and why, in a sentence."""
    numbers = (
        f"they share {quality.written:.0%} of their telling words with the true captions of "
        f"held-out pictures, those of the nearest training pictures {quality.nearest:.0%}"
    )
    if quality.can_write:
        return f"captions: the model writes its own; {numbers}"
    if quality.faulty > MAX_FAULTY:
        numbers += f", and {quality.faulty:.0%} repeat a word or do not end"
    return (
        "captions: the model has not learnt to write, so each pair carries the caption of the "
        f"nearest training picture. Of its own captions: {numbers}"
    )
