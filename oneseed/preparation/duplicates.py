"""Twins are merged, look-alikes are grouped."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from oneseed.dataset.jsonl import Row

# bits of 256 in which two look-alikes differ at most; see look_alikes
MAX_HASH_DISTANCE = 16
# pairs that are compared at a time
PAIRS_PER_BLOCK = 2**19


@dataclass(frozen=True)
class MergedTwins:
    """Examined originals, each picture once."""

    # rows of original and finding, in order
    kept: list[Row]
    # rows of path and same_as, the path of the picture that was kept
    duplicates: list[Row]
    # rows of path and reason
    rejected: list[Row]


def merge_twins(originals: list[Row]) -> MergedTwins:
    """Keeps the first of pictures with equal bytes, or with equal pixels once prepared.

    originals: rows of original and finding, in order. A row that is kept takes over the caption of
    a twin where it has none of its own.
    """
    merged = MergedTwins(kept=[], duplicates=[], rejected=[])
    first: dict[str, Row] = {}
    for row in originals:
        if "reason" in row:
            merged.rejected.append({"path": row["path"], "reason": row["reason"]})
            continue
        twin = first.get(row["sha256"]) or first.get(row["pixels"])
        if twin is not None:
            merged.duplicates.append({"path": row["path"], "same_as": twin["path"]})
            twin["caption"] = twin["caption"] or row["caption"]
            continue
        first[row["sha256"]] = row
        first[row["pixels"]] = row
        merged.kept.append(row)
    return merged


def look_alikes(hashes: list[str]) -> list[int]:
    """For each picture the number of the first picture of its group.

    hashes: of N pictures, see media.picture.perceptual_hash. Pictures that differ in at most
    MAX_HASH_DISTANCE bits belong together, and so do those that a chain of such pairs links.

    Of 424 engravings the nearest two differed in 26 bits, and in a median of 70. Stored again as
    JPEG of quality 75, 95 % stayed within 5 bits of themselves, and at two thirds of the size
    within 12 bits; only a fifth and an eighth kept every bit.
    """
    bits = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(-1, 4)  # (N, 4)
    first = np.arange(len(bits))  # (N,)
    for rows, others in similar_pairs(bits):
        first = join_groups(first, rows, others)
    return first.tolist()


def similar_pairs(bits: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows that look alike, block by block: all pairs at once would take GBs.

    bits: (N, 4) uint64. Yields the numbers of both rows, (P,) each; every row is its own pair too.
    """
    # One column tells most pairs apart.
    quarter = bits[:, 2].copy()  # (N,)
    block = max(1, PAIRS_PER_BLOCK // max(1, len(bits)))
    for start in range(0, len(bits), block):
        stop = min(start + block, len(bits))
        # In one line: a name for the differences would keep megabytes of them, and cost time.
        near = np.bitwise_count(quarter[start:stop, None] ^ quarter[:stop]) <= MAX_HASH_DISTANCE
        rows, others = np.nonzero(near)  # near: (block, stop)
        rows += start
        distances = np.bitwise_count(bits[rows] ^ bits[others]).sum(axis=-1)  # (P,)
        alike = distances <= MAX_HASH_DISTANCE
        yield rows[alike], others[alike]


def join_groups(first: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Joins the groups of the pairs (rows[i], others[i]) -> the first row of each row's group.

    first: the same before, (N,). A joined group goes by its least number.
    """
    while True:
        one = first[rows]
        other = first[others]
        if (one == other).all():
            return first
        first = first.copy()
        np.minimum.at(first, np.maximum(one, other), np.minimum(one, other))
        # Rows of a group that was joined to another follow it.
        while ((followed := first[first]) != first).any():
            first = followed
