"""Seconds and bytes as people say them."""

import re

# bytes of a unit, as disks are sold
BYTE_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def describe_duration(seconds: float) -> str:
    """ "40 seconds", "7 minutes", "3.5 hours"."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:,.1f} hours"


def describe_size(count: float) -> str:
    """Bytes -> "90 MB" or "1.2 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def parse_amount(text: str) -> int:
    """ "2 GB", "500MB", "1.5 TB" or "2000000" -> bytes. ValueError for anything else."""
    found = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([kmgt]?b?)", text.strip().lower())
    if found is None or found[2] not in BYTE_UNITS:
        raise ValueError(f"an amount is written 2 GB, 500 MB or 2000000, not {text!r}")
    return round(float(found[1]) * BYTE_UNITS[found[2]])
