"""What files of captions say of pictures."""

from dataclasses import dataclass, field

from oneseed.dataset.jsonl import Row
from oneseed.sources.rejections import Rejection

# what the rows of a file hold beyond one picture, one question and one answer
FURTHER_COUNTS = ("further_captions", "further_pictures", "further_turns", "unused_turns")


@dataclass(frozen=True)
class Described:
    """What annotation files say."""

    # {path of a picture, which may be missing: row with caption, file, line and perhaps style,
    # question, domain, caption_kind; of a row of several pictures images, the paths of all of them;
    # of a picture that only stands beside others is_beside}
    rows: dict[str, Row] = field(default_factory=dict)
    # rows and files that say nothing of use
    lost: list[Rejection] = field(default_factory=list)
    # a row for each annotation file that was read: file, format, confidence (0 to 1), rows, and
    # FURTHER_COUNTS, where there are more than those that are used
    formats: list[Row] = field(default_factory=list)

    def add(self, other: "Described") -> None:
        """Takes over what another file says; the first caption of a picture stays."""
        further = 0
        for path, row in other.rows.items():
            earlier = self.rows.get(path)
            if earlier is None or not earlier["caption"]:
                self.rows[path] = {**(earlier or {}), **row}
            else:
                further += bool(row["caption"]) and row["caption"] != earlier["caption"]
        self.lost.extend(other.lost)
        self.formats.extend(other.formats)
        if further:
            last = self.formats[-1]
            last["further_captions"] = last.get("further_captions", 0) + further


def format_row(
    file: str,
    format_name: str,
    *,
    confidence: float,
    rows: int,
    **further: int,
) -> Row:
    """A row of Described.formats. further: counts, by the names of FURTHER_COUNTS."""
    assert further.keys() <= set(FURTHER_COUNTS), further
    found = {
        "file": file,
        "format": format_name,
        "confidence": round(confidence, 2),
        "rows": rows,
    }
    return found | {name: count for name, count in further.items() if count}
