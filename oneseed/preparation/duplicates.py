"""Twins are merged, look-alikes are grouped."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from oneseed.dataset.code_texts import travelling
from oneseed.dataset.jsonl import Row
from oneseed.media.fingerprint import CONTENT_BYTES, CONTENT_SIDE, HASH_DIGITS, says_much
from oneseed.synthetic.collections import DRAWN_STYLES

# pixels of a picture of the content
CONTENT_CELLS = CONTENT_SIDE**2
# bits of 256 in which two look-alikes differ at most; see similar_hashes
MAX_HASH_DISTANCE = 16
# of the ground's three channels, in grey values, and of the box's four sides, in 64ths: how far
# apart those of look-alikes are at most
PLACE_TOLERANCES = (8, 8, 8, 1, 1, 1, 1)
# pixels of the content that are bright in one of two look-alikes and not in the other, at most
MAX_MASK_DISTANCE = 8
# the contents of look-alikes differ by an eighth of what stands out from the ground at most, ...
INK_PER_DISTANCE = 8
# ... or by so many grey values
MIN_CONTENT_DISTANCE = 1
# pairs that are compared at a time, ...
PAIRS_PER_BLOCK = 2**19
# ... and of pictures of their content
CONTENTS_PER_BLOCK = 2**13


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
            if not twin["caption"]:
                twin |= {"caption": row["caption"], **travelling(row)}
                if "images" in row:
                    twin["images"] = row["images"]
            continue
        first[row["sha256"]] = row
        first[row["pixels"]] = row
        merged.kept.append(row)
    return merged


def first_of_groups(looks: list[str], style: str) -> list[int]:
    """For each picture of a collection the number of the first picture of its group.

    looks: as of look_alikes. style: of the collection.
    Drawings by rule look alike on purpose, so each is a group of its own: of groups that are a
    layout and a colour, some would validate and never be trained on.
    """
    return list(range(len(looks))) if style in DRAWN_STYLES else look_alikes(looks)


def look_alikes(looks: list[str]) -> list[int]:
    """For each picture the number of the first picture of its group.

    looks: of N pictures, see media/fingerprint.py. Pictures that look alike belong together, and so
    do those that a chain of such pairs links. Two whose hashes say little are compared by what they
    show, for the hashes of most sprites and icons are alike.
    """
    # Those with content last.
    order = np.array(sorted(range(len(looks)), key=lambda row: len(looks[row])), np.intp)  # (N,)
    hashes = "".join(looks[row][:HASH_DIGITS] for row in order)
    digits = "".join(looks[row][HASH_DIGITS:] for row in order)
    bits = np.frombuffer(bytes.fromhex(hashes), np.uint64).reshape(-1, 4)  # (N, 4)
    contents = np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, CONTENT_BYTES)  # (S, 199)
    plain = len(looks) - len(contents)
    first = np.arange(len(looks))  # (N,)
    for rows, others in similar_hashes(bits, plain):
        first = join_groups(first, order[rows], order[others])
    sparse = order[plain:]  # (S,)
    return join_groups(first, sparse, sparse[group_contents(contents)]).tolist()


def similar_hashes(bits: np.ndarray, plain: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of rows whose hashes are near, block by block: all pairs at once would take GBs.

    bits: (N, 4) uint64. plain: so many rows come first that have no content; the others are
    compared with those alone, and only where the hash says much. Yields the numbers of both rows,
    (P,) each; a row may be its own pair.

    Of 424 engravings the nearest two differed in 26 bits, and in a median of 70. Stored again as
    JPEG of quality 75, 95 % stayed within 5 bits of themselves, and at two thirds of the size
    within 12 bits; only a fifth and an eighth kept every bit.
    """
    # One column tells most pairs apart.
    quarter = bits[:, 2].copy()  # (N,)
    clear = says_much(bits[:plain])  # (plain,)
    block = max(1, PAIRS_PER_BLOCK // max(1, plain))
    for start in range(0, len(bits), block):
        block_bits = quarter[start : start + block, None]
        stop = min(start + block, plain)
        # In one line: a name for the differences would keep megabytes of them, and cost time.
        near = np.bitwise_count(block_bits ^ quarter[:stop]) <= MAX_HASH_DISTANCE
        rows, others = np.nonzero(near)  # near: (block, stop)
        rows += start
        distances = np.bitwise_count(bits[rows] ^ bits[others]).sum(axis=-1)  # (P,)
        alike = (distances <= MAX_HASH_DISTANCE) & ((rows < plain) | clear[others])
        yield rows[alike], others[alike]


def group_contents(contents: np.ndarray) -> np.ndarray:
    """Sparse pictures that show nearly the same at the same place -> the first row of each's group.

    contents: (S, CONTENT_BYTES) uint8, see fingerprint.content. Ground, box and what is in the box
    must agree. Returns (S,).
    """
    places = contents[:, :7].astype(np.int16)  # (S, 7)
    pixels = contents[:, 7:].reshape(-1, CONTENT_CELLS, 3)  # (S, 64, 3)
    # A channel's values side by side: half of all time went into sums over every third.
    shown = np.ascontiguousarray(pixels.transpose(0, 2, 1))  # (S, 3, 64)
    distances = content_distances(shown, places[:, :3])  # (S,)
    first = np.arange(len(contents))  # (S,)
    for rows, others in near_masks(shown, places[:, :3], distances):
        near = (np.abs(places[rows] - places[others]) <= PLACE_TOLERANCES).all(axis=-1)  # (P,)
        rows = rows[near]
        others = others[near]
        for start in range(0, len(rows), CONTENTS_PER_BLOCK):
            one = rows[start : start + CONTENTS_PER_BLOCK]
            other = others[start : start + CONTENTS_PER_BLOCK]
            # Most pairs of many equal pictures are linked already.
            apart = first[one] != first[other]
            one = one[apart]
            other = other[apart]
            difference = colour_difference(shown[one], shown[other])  # (P,)
            alike = difference <= np.maximum(distances[one], distances[other])
            first = join_groups(first, one[alike], other[alike])
    return first


def near_masks(
    shown: np.ndarray, grounds: np.ndarray, distances: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of contents of near brightness that are bright in the same places, block by block.

    shown: (S, 3, 64) uint8; grounds: (S, 3); distances: (S,), see content_distances. Yields the
    numbers of both rows, (P,) each.
    """
    grey = np.concatenate([shown, grounds[:, :, None]], axis=-1).mean(axis=1)  # (S, 65)
    middle = (grey.min(axis=-1) + grey.max(axis=-1)) / 2  # (S,)
    is_bright = grey[:, :-1] > middle[:, None]  # (S, 64)
    masks = np.packbits(is_bright, axis=-1).view(np.uint64)[:, 0]  # (S,)
    means = grey[:, :-1].mean(axis=-1)  # (S,)
    order = np.argsort(means, kind="stable")  # (S,)
    masks = masks[order]
    # Means are no further apart than pixels are in the mean.
    most = distances.max(initial=0)
    ends = np.searchsorted(means[order], means[order] + most, side="right")  # (S,)
    start = 0
    while start < len(order):
        stop = start + max(1, PAIRS_PER_BLOCK // int(ends[start] - start))
        stop = min(stop, len(order))
        block = masks[start:stop, None]
        near = np.bitwise_count(block ^ masks[start : ends[stop - 1]]) <= MAX_MASK_DISTANCE
        rows, others = np.nonzero(near)
        yield order[rows + start], order[others + start]
        start = stop


def colour_difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean difference of pictures, in the channel in which they differ most.

    one, other: (P, 3, 64), 0 to 255; or one grey value per channel, (P, 3, 1). Returns (P,).
    """
    differences = np.abs(one.astype(np.int16) - other)  # (P, 3, 64)
    return differences.sum(axis=-1, dtype=np.int32).max(axis=-1) / CONTENT_CELLS


def content_distances(shown: np.ndarray, grounds: np.ndarray) -> np.ndarray:
    """How far the contents of look-alikes may be from each, in grey values.

    shown: (S, 3, 64) uint8; grounds: (S, 3). A part of what stands out from the ground. Returns
    (S,).
    """
    distances = np.full(len(shown), MIN_CONTENT_DISTANCE, float)  # (S,)
    for start in range(0, len(shown), CONTENTS_PER_BLOCK):
        part = slice(start, start + CONTENTS_PER_BLOCK)
        ink = colour_difference(shown[part], grounds[part, :, None])  # (block,)
        np.maximum(distances[part], ink / INK_PER_DISTANCE, out=distances[part])
    return distances


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
