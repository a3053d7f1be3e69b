"""Texts of the command line, which the system hands over as bytes of any kind."""

import contextlib
import os


def fault_of_text(text: str) -> str:
    """What is wrong with a text of the command line, and what to do; "" where nothing is."""
    if "\0" in text:
        return "holds a zero byte; leave it out"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        pass
    else:
        return ""
    with contextlib.suppress(UnicodeError):
        os.fsencode(text).decode("utf-8")
        return "has letters that this system's setting of languages lacks; set PYTHONUTF8=1"
    return (
        "holds bytes that are no UTF-8; write words in UTF-8, and rename or link a file or folder "
        "that is called so"
    )
