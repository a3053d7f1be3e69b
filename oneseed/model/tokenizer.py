"""One vocabulary: byte-level BPE.

One byte-level BPE tokenizer for captions, code and anything else in UTF-8: every string can be encoded, none needs UNK.

tokenizer = Tokenizer.train(["An engraving of a ship."], vocab_size=8000)
tokenizer.decode(tokenizer.encode("An engraving of a ship.", 100))
"""

from collections.abc import Sequence

PAD = 0
START = 1
END = 2
UNK = 3


class Tokenizer:
    """Wraps a `tokenizers.Tokenizer`; ids 0 to 3 are PAD, START, END and UNK. len() is the number of entries in use."""

    def __init__(self, json_text):
        from tokenizers import Tokenizer as Library

        self.json = json_text
        self.bpe = Library.from_str(json_text)

    @classmethod
    def train(cls, texts, vocab_size):
        """Merge frequent neighbours until `vocab_size` entries (at least 260: four marks and 256 bytes) or nothing occurs twice."""
        from tokenizers import Tokenizer as Library
        from tokenizers import decoders, models, pre_tokenizers, trainers

        library = Library(models.BPE())
        library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        library.decoder = decoders.ByteLevel()
        library.train_from_iterator(
            texts,
            trainers.BpeTrainer(
                vocab_size=vocab_size,
                min_frequency=2,
                special_tokens=["<pad>", "<start>", "<end>", "<unk>"],
                show_progress=False,
                initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            ),
        )
        return cls(library.to_str())

    def __len__(self):
        return self.bpe.get_vocab_size()

    def encode(self, text, max_length):
        """str -> list of ids, START first and END last, at most max_length long (cut at the end, END kept). A mark spelled
        out in the text ("<end>") is text, not a mark."""
        self.bpe.encode_special_tokens = True
        return [START, *self.bpe.encode(text, add_special_tokens=False).ids[: max_length - 2], END]

    def decode(self, ids):
        """Ids (START, END, PAD anywhere) -> the text before the first END."""
        ids = [int(id) for id in ids]
        ids = ids[: ids.index(END)] if END in ids else ids
        return self.bpe.decode([id for id in ids if id > UNK])


class Encoded(Sequence):
    """Texts as lists of ids, each encoded when it is first asked for: all of a large collection would keep training from its first step for seconds."""

    def __init__(self, texts, tokenizer, max_length):
        # each a text, or its ids
        self.told = list(texts)
        self.tokenizer = tokenizer
        self.max_length = max_length

    def __len__(self):
        return len(self.told)

    def __getitem__(self, i):
        if isinstance(self.told[i], str):
            self.told[i] = self.tokenizer.encode(self.told[i], self.max_length)
        return self.told[i]
