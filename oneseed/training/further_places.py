"""Where the further pictures of pairs of several pictures lie."""

from collections.abc import Sequence

from oneseed.dataset.jsonl import Row
from oneseed.dataset.pixels import PixelCache
from oneseed.dataset.rows import PREPARED_SUFFIX


def further_places(rows: Sequence[Row], cache: PixelCache) -> dict[int, list[int]]:
    """{number of a row of several pictures: where the others lie in the pixels}.

    Pictures that are not there any more are left out.
    """
    found = {}
    for number, row in enumerate(rows):
        others = [name.removesuffix(PREPARED_SUFFIX) for name in row.get("images", ())[1:]]
        if there := [one for one in others if one in cache]:
            found[number] = cache.rows(there)
    return found
