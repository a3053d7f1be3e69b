"""Which pictures train and which validate: nine tenths to one, look-alikes together.

splits = deal(groups)          # groups: lists of ids, in the order in which they are dealt
lines = split_lines(rows)      # what that means, of rows that have their "split"
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from oneseed.dataset.jsonl import Row

# part of the pictures that are trained on
TRAIN_PART = 0.9
# pictures from which on some train and some validate
MIN_FOR_BOTH = 5


def deal(groups: Sequence[Sequence[str]]) -> dict[str, str]:
    """Groups of ids that look alike -> {id: split}; round(0.9 N) of N train where groups permit.

    A group stays together, so that no picture that is trained on has a look-alike among those that
    validate. One that is larger than the validation part is trained on where there is room; else
    it validates, or is divided where it is more than twice as large: too few pictures would be left
    to learn from.
    """
    count = sum(map(len, groups))
    room = round(TRAIN_PART * count)
    for_val = count - room
    splits: dict[str, str] = {}
    # The large ones first, as long as there is room.
    for group in sorted(groups, key=lambda group: len(group) <= for_val):
        trained = len(group) if len(group) <= room else 0
        if len(group) > max(room, 2 * for_val):
            trained = room
        splits |= dict.fromkeys(group[:trained], "train") | dict.fromkeys(group[trained:], "val")
        room -= trained
    return splits


def has_both(splits: Mapping[str, str]) -> bool:
    """Whether some train and some validate, as far as there are enough for that."""
    return len(splits) < MIN_FOR_BOTH or len(set(splits.values())) == 2


def split_lines(rows: Sequence[Row]) -> Iterator[str]:
    """What groups of look-alikes mean for the split of dealt rows; nothing where there are none."""
    parts: dict[str, Counter[str]] = {}
    for row in rows:
        parts.setdefault(row.get("group") or row["id"], Counter())[row["split"]] += 1
    sizes = [part.total() for part in parts.values() if part.total() > 1]
    divided = [part for part in parts.values() if len(part) > 1]
    if sizes:
        yield (
            f"look-alikes: {sum(sizes):,} of {len(rows):,} pictures, in {len(sizes):,} groups, the "
            f"largest of {max(sizes):,}"
        )
    if divided:
        largest = max(divided, key=Counter.total)
        yield (
            f"  {len(divided):,} of the groups both train and validate, the largest with "
            f"{largest['train']:,} and {largest['val']:,}: figures of validation flatter there"
        )
