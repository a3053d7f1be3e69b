"""Options that several stages share, and how their texts are read."""

import math
import re

from oneseed.console.flags import option
from oneseed.seeds import LAST_SEED

STYLES = ("engraving", "drawings", "iconography", "painting", "sculpture", "builtin")
NAMED_SIZES = {"imagenet": 224, "clip": 224, "sd": 512, "sd_xl": 1024}
PRESET_NAMES = ("small", "medium", "full")


def parse_image_size(text):
    """ "128" or a name such as "sd" -> pixels."""
    return NAMED_SIZES.get(text) or int(text)


def preset_option():
    return option(
        "full",
        "small: 128 px grey, minutes on two CPU cores; medium: 256 px RGB, for a GPU of 8 GB; full: 512 px RGB, for a larger one",
        choices=PRESET_NAMES,
    )


def parse_parameter_count(text):
    """ "50M", "1.5M", "800k" or "50000000" -> a number of parameters."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kmb]?)", text.strip(), re.IGNORECASE)
    count = (
        round(float(found[1]) * {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}[found[2].lower()])
        if found
        else math.inf
    )
    if count > 10**11:
        raise ValueError(f"a number of parameters is written 50M, 800k or 50000000, not {text!r}")
    return count


def parameters_option():
    return option(
        0,
        "such as 50M: scale the widths until the built model has so many parameters, or up to 5 % fewer; 0: leave them",
        kind=parse_parameter_count,
    )


def style_option():
    return option("engraving", "collection, as named by dataset_preparation.py")


def data_option():
    return option("data", "folder of raw/, processed/, metadata/ and captions/")


def parse_shard(text):
    """ "2/4" -> (2, 4); "" -> (1, 1). ValueError for anything else."""
    i, _, n = (text or "1/1").partition("/")
    if not (
        i.isascii() and i.isdecimal() and n.isascii() and n.isdecimal() and 1 <= int(i) <= int(n)
    ):
        raise ValueError(f"--shard is i/n, for four of them 1/4, 2/4, 3/4 and 4/4, got {text!r}")
    return int(i), int(n)


def parse_seeds(text):
    """ "7", "0-9", "1,5" or a mixture -> list of integers 0 … 2**32 - 1. ValueError names what is no seed."""
    seeds = []
    for part in str(text).split(","):
        first, dash, last = part.strip().partition("-")
        if not (
            first.isascii()
            and first.isdecimal()
            and (not dash or (last.isascii() and last.isdecimal()))
        ):
            raise ValueError(
                f"a seed is an integer from 0 to {LAST_SEED}; write --seeds 7, 0-9 or 1,5, not {text!r}"
            )
        first, last = int(first), int(last if dash else first)
        if not first <= last <= LAST_SEED:
            raise ValueError(
                f"seeds go from 0 to {LAST_SEED}, the smaller first, got {part.strip()!r}"
            )
        if last - first >= 1_000_000:
            raise ValueError(
                f"{part.strip()!r} are more than a million seeds; ask for fewer at once"
            )
        seeds += range(first, last + 1)
    return seeds
