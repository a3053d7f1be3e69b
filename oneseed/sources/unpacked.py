"""What an archive held, as a note beside its unpacked pictures says it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneseed.dataset import writers
from oneseed.dataset.jsonl import Row
from oneseed.dataset.notes import open_regular, read_note
from oneseed.files import write_text
from oneseed.media.checksum import checksum
from oneseed.sources.described import FURTHER_COUNTS
from oneseed.sources.rejections import Rejection, is_rejection
from oneseed.sources.walking import UNPACKING_MARKER


@dataclass(frozen=True)
class Unpacked:
    """What an archive held."""

    # members that were left out, and what annotation files say badly
    lost: list[Rejection]
    # what annotation files were read: see annotations.Described
    formats: list[Row]
    # rows for metadata.jsonl: file_name, member, and caption, style, question and domain where
    # they are known; none where an earlier run has written them
    rows: list[Row]


def write_unpacked(folder: Path, stamp: Row, found: Unpacked) -> None:
    """Writes metadata.jsonl and the note. stamp: what the folder's content depends on."""
    described = writers.json_lines(found.rows)
    write_text(folder / "metadata.jsonl", described)
    marker = {
        "stamp": stamp,
        "lost": found.lost,
        "seen": found.formats,
        "checksum": checksum(described.encode()),
    }
    write_text(folder / UNPACKING_MARKER, json.dumps(marker))


def read_unpacked(target: Path, stamp: Row) -> Unpacked | None:
    """What an earlier run found of the same archive; None where it is to be unpacked.

    So it is where the marker is damaged, or the rows of metadata.jsonl are others now.
    """
    known = read_note(target / UNPACKING_MARKER, is_unpacking_marker)
    if known is None or known["stamp"] != stamp:
        return None
    try:
        with open_regular(target / "metadata.jsonl") as file:
            summed = checksum(file.read())
    except OSError:
        return None
    # earlier versions noted none
    if known.get("checksum", summed) != summed:
        return None
    return Unpacked(known["lost"], known["seen"], [])


def is_unpacking_marker(value: Any) -> bool:
    """Whether a note says what an archive held, as unpack writes it."""
    if not isinstance(value, dict) or "stamp" not in value:
        return False
    lost = value.get("lost")
    seen = value.get("seen")
    if not isinstance(lost, list) or not isinstance(seen, list):
        return False
    return all(map(is_rejection, lost)) and all(map(is_known_format, seen))


def is_known_format(value: Any) -> bool:
    """Whether a value is a row of Unpacked.formats."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("file"), str)
        and isinstance(value.get("format"), str)
        and isinstance(value.get("confidence"), (int, float))
        and isinstance(value.get("rows"), int)
        and all(isinstance(value.get(count, 0), int) for count in FURTHER_COUNTS)
    )
