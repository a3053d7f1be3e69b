"""What a terminal shows: progress with time left, and text that cannot move the cursor."""

import sys


def progress(items=None, *, label, total=None, unit="picture", initial=0):
    """tqdm on stderr with rate and time left; into a log file it prints a line every 10 seconds instead of redrawing."""
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    return tqdm(
        items,
        desc=label,
        total=total,
        unit=f" {unit}s",
        initial=initial,
        dynamic_ncols=terminal,
        mininterval=0.2 if terminal else 10,
        maxinterval=10,
        leave=True,
        smoothing=0.1,
    )


def printable(text):
    """Text for a terminal or a page: what could move the cursor or turn the text around is written as an escape."""
    return "".join(
        letter
        if letter.isprintable()
        else letter.encode("unicode_escape", "surrogatepass").decode()
        for letter in text
    )
