"""One generator per seed and purpose; nothing touches the global one. Any word is a seed, too.

Generators of torch live on the CPU, since those of CPU and GPU differ for equal seeds.
torch and numpy are imported inside the functions: processes that only draw engravings must not
load torch, and the settings, which know LAST_SEED, neither.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING

from oneseed.console.command import UserError

if TYPE_CHECKING:
    import numpy as np
    import torch

# seeds of pairs are integers from 0 to this
LAST_SEED = 2**32 - 1
# characters
MAX_WORD_LENGTH = 100


def is_word(text: str) -> bool:
    """Can this text be a seed as a word? It begins with a letter, and lists part at a comma."""
    is_short = len(text) <= MAX_WORD_LENGTH
    return is_short and text[:1].isalpha() and text.isprintable() and "," not in text


def seed_of_word(word: str) -> int:
    """The seed for which a word stands: "Anna" -> 3209678038.

    The first four bytes of the SHA-256 of the word in UTF-8, big-endian. The word is brought into
    the normal form NFC first: an "é" is the same letter in whichever way it was typed.
    """
    assert is_word(word), f"{word[:MAX_WORD_LENGTH]!r} is no word"
    digest = hashlib.sha256(unicodedata.normalize("NFC", word).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def seeds_from(first: int, count: int) -> range:
    """`count` seeds from `first` on; fewer where seeds end."""
    return range(first, min(first + count, LAST_SEED + 1))


def torch_generator(seed: int | str, purpose: str) -> "torch.Generator":
    """Random numbers for one purpose ("latent", "words", …) of one seed, whatever the batch.

    seed: any integer, or a text that names a run and a step.
    """
    import torch

    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def latents(seeds: Sequence[int], latent_dim: int) -> "torch.Tensor":
    """B seeds -> z (B, D), float32 standard normal on the CPU; row i depends on seeds[i] alone.

    UserError for a seed that is no integer from 0 to LAST_SEED.
    """
    import torch

    for seed in seeds:
        is_integer = isinstance(seed, Integral) and not isinstance(seed, bool)
        if not is_integer or not 0 <= seed <= LAST_SEED:
            raise UserError(f"a seed is an integer from 0 to {LAST_SEED}, got {seed!r}")
    rows = [
        torch.randn(latent_dim, generator=torch_generator(int(seed), "latent")) for seed in seeds
    ]
    return torch.stack(rows)


def numpy_generator(seed: int | str, purpose: str) -> "np.random.Generator":
    """Random numbers for one purpose ("picture", "words", "collection") of one seed."""
    import numpy as np

    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
