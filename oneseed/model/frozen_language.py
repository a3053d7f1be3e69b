"""Causal language models of others, which stay as they are and write the captions of codes.

    language = FrozenLanguage("models/smollm")          # a folder; UserError where it is none
    decoder = FrozenTextDecoder(config)                 # what is trained: from a code to a prefix
    decoder.language = language
    logits = decoder(code, tokens)                      # (B, T, V)

The prefix is PREFIX embeddings that a linear map makes of the code; the language model goes on from
there, word by word. Tokens are those of its own vocabulary behind our four marks. A model that is
trained so keeps where the folder lies and the SHA-256 of its files, not its weights.
"""

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from oneseed.config.model import FROZEN, MIN_VOCABULARY, OWN_TEXT_DECODER, ModelConfig
from oneseed.console.command import UserError
from oneseed.files import expanded
from oneseed.hub_models import CONFIG_FILE
from oneseed.model.frozen_encoder import MAX_REASON, digest_of_folder, require_transformers
from oneseed.model.tokenizer import END, PAD, START, UNK, Tokenizer
from oneseed.model.tokenizer_json import BYTE_OF_LETTER

if TYPE_CHECKING:
    import tokenizers

# embeddings that stand before the words
PREFIX = 8
# our marks come first
OFFSET = UNK + 1
# of a text that every letter must survive
TRICKY = 'SELECT a,  b\nFROM "t";\n    <p>Été</p>'


class LanguageTokenizer(Tokenizer):
    """The vocabulary of a language model behind our marks, used as our own is."""

    def __init__(self, library: "tokenizers.Tokenizer", end: int) -> None:
        """library: of the language model; end: its mark of the end of a text."""
        self.bpe = library
        # a checkpoint carries none of it
        self.json = Tokenizer.train([], MIN_VOCABULARY).json
        self.never = (PAD, START, UNK, OFFSET + end)

    def __len__(self) -> int:
        return OFFSET + self.bpe.get_vocab_size()

    def encode(self, text: str, max_length: int) -> list[int]:
        """As Tokenizer.encode."""
        ids = self.encoding_within(text, max_length).ids
        return [START, *(OFFSET + one for one in ids), END]

    def decode(self, ids: Iterable[int]) -> str:
        """As Tokenizer.decode."""
        tokens = [int(token) for token in ids]
        if END in tokens:
            tokens = tokens[: tokens.index(END)]
        return self.bpe.decode([token - OFFSET for token in tokens if token > UNK])

    def bytes_of(self, token: int) -> bytes:
        """As Tokenizer.bytes_of; b"" where an entry does not say its bytes."""
        if token in self.never or token <= UNK:
            return b""
        letters = self.bpe.id_to_token(token - OFFSET) or ""
        if not BYTE_OF_LETTER.keys() >= set(letters):
            return b""
        return bytes(BYTE_OF_LETTER[letter] for letter in letters)


class FrozenLanguage:
    """A frozen causal language model. It is no part of a model's weights, and is never trained."""

    def __init__(self, folder: str | Path, sha256: str = "") -> None:
        """sha256: what its files must have; "": whatever they have.

        UserError where it is missing, another, or no causal language model.
        """
        self.folder = expanded(folder).resolve()
        if not (self.folder / CONFIG_FILE).is_file():
            raise UserError(
                f"there is no language model in {folder}, where the model looks for it; where it "
                "has moved, name its folder: --text-decoder PATH"
            )
        self.sha256 = digest_of_folder(self.folder)
        # before anything of it is read: a stranger's model may name any folder
        if sha256 and self.sha256 != sha256:
            raise UserError(
                f"{folder} is not the language model that the model was trained with (its files "
                "have another SHA-256); name the folder of that one: --text-decoder PATH"
            )
        require_transformers()
        try:
            self.network, library = load_language(self.folder)
            ends = self.network.config.eos_token_id
            # some end a turn by another mark than a text
            self.end = int(ends[0] if isinstance(ends, list) else ends)
            self.tokenizer = LanguageTokenizer(library, self.end)
            self.embedding = self.network.get_input_embeddings()
            self.width = self.embedding.embedding_dim
            if self.tokenizer.decode(self.tokenizer.encode(TRICKY, 1000)) != TRICKY:
                raise ValueError("its tokenizer changes texts, and captions stay letter by letter")
        except Exception as error:
            # transformers raises nearly anything on a broken or foreign checkpoint
            raise no_language(self.folder, error) from error
        # of its embeddings, which those of a prefix should not outshout
        self.spread = float(self.embedding.weight.detach().float().std())

    def on(self, device: torch.device) -> "FrozenLanguage":
        """The same on a device."""
        if self.embedding.weight.device != device:
            self.network.to(device)
        return self

    def embedded(self, tokens: torch.Tensor) -> torch.Tensor:
        """Our tokens (B, T) -> the language model's embeddings (B, T, W)."""
        ids = torch.where(tokens == END, self.end, (tokens - OFFSET).clamp(min=0))
        return self.embedding(ids)

    def ours(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits of its vocabulary (B, T, any) -> of ours (B, T, V), -inf of marks but END."""
        own = len(self.tokenizer) - OFFSET
        found = logits.new_full((*logits.shape[:2], OFFSET + own), -torch.inf)
        found[..., OFFSET:] = logits[..., :own]
        found[..., END] = logits[..., self.end]
        found[..., OFFSET + self.end] = -torch.inf
        return found

    def describe(self) -> str:
        """What it is, in a line."""
        count = sum(weight.numel() for weight in self.network.parameters())
        return (
            f"frozen language model: {self.folder.as_posix()}, {self.network.config.model_type}, "
            f"{count / 1e6:.1f} M parameters, {len(self.tokenizer) - OFFSET:,} tokens"
        )


class FrozenTextDecoder(nn.Module):
    """Code (B, D) and the tokens so far (B, T) -> logits of the next (B, T, V), as TextDecoder."""

    unused: torch.Tensor  # (V,) bool
    # what goes on from the prefix
    language: FrozenLanguage | None = None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.width = config.text_decoder_width
        self.connector = nn.Linear(config.latent_dim, PREFIX * self.width)
        unused = torch.zeros(config.vocab_size, dtype=torch.bool)
        self.register_buffer("unused", unused, persistent=False)

    def prefix(self, code: torch.Tensor) -> torch.Tensor:
        """Codes (B, D) -> embeddings (B, PREFIX, W)."""
        flat = self.connector(code) * self.own_language(code).spread
        return flat.unflatten(-1, (PREFIX, self.width))

    def own_language(self, code: torch.Tensor) -> FrozenLanguage:
        """The language model, where the code is. UserError where it is not loaded."""
        if self.language is None:
            raise UserError("its language model is not loaded; name it: --text-decoder PATH")
        return self.language.on(code.device)

    def forward(self, code: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """code (B, D), tokens (B, T) from START on -> logits (B, T, V)."""
        language = self.own_language(code)
        x = torch.cat([self.prefix(code), language.embedded(tokens[:, 1:])], 1)
        logits = language.network(inputs_embeds=x, use_cache=False).logits[:, PREFIX - 1 :]
        return language.ours(logits).masked_fill(self.unused, -torch.inf)

    def writer(self, code: torch.Tensor, length: int) -> "LanguageWriter":
        """Captions of codes (B, D), a token at a time. length: not needed."""
        return LanguageWriter(self, code)


class LanguageWriter:
    """B captions, a token at a time: FrozenTextDecoder.forward of the last position, cached."""

    def __init__(self, decoder: FrozenTextDecoder, code: torch.Tensor) -> None:
        self.decoder = decoder
        self.language = decoder.own_language(code)
        self.device = code.device
        self.coming = decoder.prefix(code)
        # transformers before 5.24 call it by its older name
        known = inspect.signature(self.language.network.forward).parameters
        self.cache_name = "cache" if "cache" in known else "past_key_values"
        self.past: Any = None

    def next(self, tokens: torch.Tensor) -> torch.Tensor:
        """The tokens at the next position, int64 (B,) -> logits (B, V) of those that follow."""
        if self.past is not None:
            self.coming = self.language.embedded(tokens.to(self.device)[:, None])
        past = {self.cache_name: self.past}
        found = self.language.network(inputs_embeds=self.coming, use_cache=True, **past)
        self.past = found[self.cache_name]
        logits = self.language.ours(found.logits[:, -1:])
        return logits[:, 0].masked_fill(self.decoder.unused, -torch.inf)


def settled_language(config: ModelConfig) -> tuple[ModelConfig, FrozenLanguage | None]:
    """The configuration that is built, and the language model where its decoder is a folder."""
    if config.text_decoder in (OWN_TEXT_DECODER, FROZEN):
        return config, None
    language = FrozenLanguage(config.text_decoder)
    vocabulary = len(language.tokenizer)
    return config.with_language(language.sha256, language.width, vocabulary), language


def load_language(folder: Path) -> "tuple[Any, tokenizers.Tokenizer]":
    """A causal language model, in float32 and eval mode on the CPU, and its tokenizer."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    safe = {"local_files_only": True, "trust_remote_code": False}
    network = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, **safe
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, **safe)
    library = getattr(tokenizer, "backend_tokenizer", None)
    if library is None:
        raise ValueError("it has no tokenizer.json")
    return network.eval().requires_grad_(False), library


def no_language(folder: Path, error: Exception) -> UserError:
    """The error of a folder whose checkpoint is no causal language model."""
    reason = " ".join(str(error).split())[:MAX_REASON]
    return UserError(
        f"{folder} is no language model ({type(error).__name__}: {reason}); --text-decoder takes "
        "own, or the folder of a causal language model with model.safetensors and tokenizer.json"
    )
