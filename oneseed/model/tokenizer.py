"""One vocabulary: a byte-level BPE tokenizer for anything in UTF-8.

Every string can be encoded, none needs UNK.

    tokenizer = Tokenizer.train(["An engraving of a ship."], vocab_size=8000)
    tokenizer.decode(tokenizer.encode("An engraving of a ship.", 100))
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from oneseed.config.model import MAX_OWN_VOCABULARY
from oneseed.console.command import UserError
from oneseed.model.caption_length import readable_beginning
from oneseed.model.tokenizer_json import (
    BYTE_OF_LETTER,
    MARKS,
    MAX_TOKEN_LENGTH,
    require_own_vocabulary,
)

if TYPE_CHECKING:
    import tokenizers

# the marks, the first entries of every vocabulary
PAD = 0
START = 1
END = 2
UNK = 3
# captions that a vocabulary is taken from
MAX_LEARNT_CAPTIONS = 20_000


class Tokenizer:
    """Wraps a `tokenizers.Tokenizer`; len() is the number of entries in use."""

    # entries that are never written
    never: tuple[int, ...] = (PAD, START)

    def __init__(self, json_text: str) -> None:
        """json_text: the vocabulary as the library writes it.

        UserError where it is none that `train` could have made.
        """
        from tokenizers import Tokenizer as Library

        require_own_vocabulary(json_text)
        self.json = json_text
        try:
            self.bpe = Library.from_str(json_text)
        except Exception as error:
            # The library knows no other kind.
            raise UserError("its tokenizer cannot be read") from error

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> "Tokenizer":
        """Merge frequent neighbours until `vocab_size` entries, or until nothing occurs twice.

        There are at least 260 entries: four marks and 256 bytes.
        """
        from tokenizers import Tokenizer as Library
        from tokenizers import decoders, models, pre_tokenizers, trainers

        library = Library(models.BPE())
        library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        library.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=2,
            special_tokens=MARKS,
            show_progress=False,
            max_token_length=MAX_TOKEN_LENGTH,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        )
        library.train_from_iterator(texts, trainer)
        return cls(library.to_str())

    @classmethod
    def of_captions(cls, captions: Sequence[str], vocab_size: int) -> "Tokenizer":
        """The tokenizer of a training on these captions; of very many, some from all over.

        vocab_size: of its entries; 0: the usual.
        """
        step = -(-len(captions) // MAX_LEARNT_CAPTIONS) or 1
        return cls.train(captions[::step], vocab_size or MAX_OWN_VOCABULARY)

    def __len__(self) -> int:
        return self.bpe.get_vocab_size()

    def encode(self, text: str, max_length: int) -> list[int]:
        """Text -> ids, START first and END last, at most max_length long.

        A text that is longer is cut where it reads well: see readable_beginning. A mark spelled
        out in the text ("<end>") is text, not a mark.
        """
        return [START, *self.encoding_within(text, max_length).ids, END]

    def encoding_within(self, text: str, max_length: int) -> "tokenizers.Encoding":
        """`encoding` of a text, cut so that ids with START and END are at most max_length long."""
        encoding = self.encoding(text)
        room = max_length - 2
        while len(encoding.ids) > room:
            # characters that the tokens in the room stand for
            limit = encoding.offsets[room][0]
            text = readable_beginning(text, limit)
            encoding = self.encoding(text)
        return encoding

    def length(self, text: str) -> int:
        """How long the text is in ids, START and END counted, where nothing is cut."""
        return len(self.encoding(text).ids) + 2

    def encoding(self, text: str) -> "tokenizers.Encoding":
        """The ids of a text, without START and END, and the characters that each stands for."""
        self.bpe.encode_special_tokens = True
        return self.bpe.encode(text, add_special_tokens=False)

    def bytes_of(self, token: int) -> bytes:
        """The bytes that an entry stands for, b"" of a mark."""
        letters = self.bpe.id_to_token(token) or ""
        return b"" if token <= UNK else bytes(BYTE_OF_LETTER[letter] for letter in letters)

    def decode(self, ids: Iterable[int]) -> str:
        """Ids (START, END, PAD anywhere) -> the text before the first END."""
        tokens = [int(token) for token in ids]
        if END in tokens:
            tokens = tokens[: tokens.index(END)]
        return self.bpe.decode([token for token in tokens if token > UNK])


class Encoded(Sequence[list[int]]):
    """Texts as lists of ids, each encoded when it is first asked for.

    To encode all captions of a large collection would delay the first training step by seconds.
    """

    def __init__(self, texts: Iterable[str], tokenizer: Tokenizer, max_length: int) -> None:
        """max_length: see Tokenizer.encode."""
        # each a text, or its ids
        self.items: list[str | list[int]] = list(texts)
        self.tokenizer = tokenizer
        self.max_length = max_length

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> list[int]:  # ty: ignore[incompatible-method-override]
        # a Sequence would take slices too; nobody asks for one
        item = self.items[i]
        if isinstance(item, str):
            item = self.tokenizer.encode(item, self.max_length)
            self.items[i] = item
        return item
