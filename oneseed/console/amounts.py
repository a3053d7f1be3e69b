"""Seconds and bytes as people say them."""


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
