"""Pairs dealt into training and validation, once and for all: files and metadata."""

from collections.abc import Callable, Iterator, Sequence

from oneseed.dataset.collection import Collection, pair_of, split_rows
from oneseed.dataset.jsonl import Row, to_json, write_lines


def deal_pairs(
    rows: list[Row], dealt: Sequence[Row], collection: Collection, *, wordless: bool = False
) -> bool:
    """Gives each dealt row its split, and writes metadata and caption files -> did pairs change?

    wordless: the pairs have no captions, whatever the metadata keep. Those that are dealt for the
    first time have not changed.
    """
    splits = split_rows(list(dealt), stored_splits(rows, collection))
    for row in dealt:
        row["split"] = splits[row["id"]]
    collection.write_metadata(rows)
    changes = [
        write_lines(path, pair_lines(dealt, split, wordless=wordless))
        for path, split in collection.split_files().items()
    ]
    return any(changes)


def stored_splits(rows: Sequence[Row], collection: Collection) -> dict[str, str]:
    """{id: split} of all earlier runs.

    The caption files decide; the metadata remembers rows that a run with --max-samples left out. A
    picture that stands in both files validates.
    """
    paths = [path for path in collection.split_files() if path.exists()]
    if not paths:
        return {}
    stored = {row["id"]: row["split"] for row in rows if "split" in row}
    for path in paths:
        stored |= {pair["id"]: pair["split"] for pair in collection.each_pair(path)}
    return stored


def pair_lines(dealt: Sequence[Row], split: str, *, wordless: bool) -> Callable[[], Iterator[str]]:
    """What gives the lines of one caption file: of 100,000 pairs a list would be 30 MB."""

    def lines() -> Iterator[str]:
        for row in dealt:
            if row["split"] == split:
                yield to_json(pair_of(row, wordless=wordless)) + "\n"

    return lines
