"""The words that prepared pictures show, put into what a captioner is asked of them: --ocr.

    reader = WordReader(collection.processed, "--ocr")
    asked = row_with_words(row, "Which SQL?", reader.words_of([picture]))
    # asked["question"]: "Which SQL?\nWords in the picture:\nShips\nname"

What was read of a picture is kept in words.jsonl beside resized/, by the hash of its file: reading
takes a second and more, and happens once.
"""

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import Row, recover_jsonl, to_json
from oneseed.dataset.prepared import prepared_bytes
from oneseed.media.words_shown import recogniser, words_shown

WORDS_FILE = "words.jsonl"
WORDS_HEAD = "Words in the picture:"
# a page of print would leave no room for its picture; letters of all words of a row
MAX_WORDS_LETTERS = 2_000
# captioners' own marks are made of these, such as <image> and [INST]: a picture that shows one must
# not add a picture, or end a turn
MARK_LETTERS = re.compile(r"[<>\[\]|]+")


class WordReader:
    """Reads words, those of each picture once."""

    def __init__(self, folder: Path, asker: str) -> None:
        """folder: data/processed/<style>. asker: what needs words, for a sentence.

        UserError without the library, or where words.jsonl is damaged.
        """
        recogniser(asker)
        self.asker = asker
        self.path = folder / WORDS_FILE
        try:
            rows = recover_jsonl(self.path)
        except UserError as error:
            raise UserError(f"{error}; without that file the words are read anew") from error
        self.known = {row["picture"]: row["words"] for row in rows if is_words_row(row)}

    def words_of(self, pictures: Iterable[Path]) -> list[str]:
        """The texts in prepared pictures, in their order. DamagedPreparedError."""
        return [text for path in pictures for text in self.words_of_one(path)]

    def words_of_one(self, picture: Path) -> list[str]:
        """The texts in one picture, from top to bottom; [] where there are none."""
        data = prepared_bytes(picture)
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self.known:
            with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
                words = words_shown(image, self.asker)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(to_json({"picture": digest, "words": words}) + "\n")
            self.known[digest] = words
        return self.known[digest]


def is_words_row(row: Row) -> bool:
    """Whether a line is one that a reader wrote."""
    words = row.get("words")
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return is_list and isinstance(row.get("picture"), str)


def row_with_words(row: Row, question: str, words: Sequence[str]) -> Row:
    """A row that asks what it asked, with the words that its pictures show.

    question: asked where the row asks nothing. Of a picture without words the row stays as it is.
    """
    plain = (" ".join(MARK_LETTERS.sub(" ", word).split()) for word in words)
    told = "\n".join(word for word in plain if word)[:MAX_WORDS_LETTERS].rstrip()
    if not told:
        return row
    behind = f"\n{WORDS_HEAD}\n{told}"
    asked = {"question": (row.get("question") or question) + behind}
    if row.get("marked_question"):
        asked["marked_question"] = row["marked_question"] + behind
    return {**row, **asked}
