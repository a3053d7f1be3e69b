"""Tells whether bytes are still those that were written: CRC-32.

It notices damage: a bit that flipped, a part that is gone or another file's. It is no guard against
somebody who means to deceive.
"""

import functools
import zlib
from collections.abc import Callable
from typing import Any


@functools.cache
def fastest_crc32() -> Callable[[Any, int], int]:
    """ISA-L's CRC-32 of (data, that of what came before), or zlib's where its wheel is not there.

    Both give the same numbers. 98 MB took 4 ms and 23 ms.
    """
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.crc32
    return isal_zlib.crc32


def checksum(data: Any, before: int = 0) -> int:
    """CRC-32 of bytes, 0 to 2**32 - 1. before: that of the bytes that came before."""
    return fastest_crc32()(data, before)
