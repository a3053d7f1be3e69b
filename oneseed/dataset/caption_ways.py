"""The ways to captions that work now: for these pictures, on this machine.

    print(ways_sentence(rows, "engraving", "data"))
    print(first_options(rows))                          # of the way that comes first

Without captions a model would have to look at every picture, which needs a GPU or hours, and its
weights. File names, folders, a table, one's own words, or no words at all need neither.
"""

import os
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from oneseed.config.captioning import BLIP2, EXISTING, FOLDERS, NAMES, NONE, SMALLER
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import medium_of_rows
from oneseed.dataset.commands import caption_command, page_command
from oneseed.dataset.jsonl import Row
from oneseed.dataset.name_words import folder_caption, name_caption
from oneseed.files import expanded
from oneseed.media.kinds import CLIP, PICTURE, SOUND

# share of the pictures whose names must say something before names are the way that comes first
ENOUGH_NAMES = 0.5
# what they do not know of the other media
UNKNOWN_TO_CAPTIONERS = {SOUND: "hear nothing", CLIP: "see nothing move"}


class Way(NamedTuple):
    """One way to captions."""

    # as it is typed behind the command, such as "--captioner names"; "" for the default
    options: str
    # in words
    about: str


class CaptionState(NamedTuple):
    """How far the pictures of a collection say something, and where."""

    pictures: int
    # with a caption
    captioned: int
    # what file names and folders say, "" left out
    names: list[str]
    folders: list[str]
    # NAMES or FOLDERS, where most captions came that way; "" for another
    way: str

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "CaptionState":
        """rows: of the metadata; those that are marked as left out do not count."""
        kept = [row for row in rows if not row.get("left_out")]
        captioned = [row for row in kept if row.get("caption")]
        ways = Counter(row.get("captioner", "") for row in captioned).most_common(1)
        way = ways[0][0] if ways else ""
        names = [words_of_row(row, NAMES) for row in kept]
        folders = [words_of_row(row, FOLDERS) for row in kept]
        return cls(
            pictures=len(kept),
            captioned=len(captioned),
            names=[*filter(None, names)],
            folders=[*filter(None, folders)],
            way=way if way in (NAMES, FOLDERS) else "",
        )

    def has_enough(self, captions: Sequence[str]) -> bool:
        """Do so many of them say something that this way may come first?"""
        return len(captions) >= ENOUGH_NAMES * self.pictures > 0


def words_of_row(row: Row, way: str) -> str:
    """What a picture's file name (NAMES) or folder (FOLDERS) says, "" for nothing."""
    path = row.get("member") or row.get("original", "")
    return name_caption(path) if way == NAMES else folder_caption(path, row.get("source", ""))


def caption_ways(rows: Sequence[Row], *, model: bool = True) -> list[Way]:
    """The ways for these pictures, those that work at once first; never none.

    model: False where a captioner has just been found missing. None of them hears sounds, or sees
    what moves.
    """
    state = CaptionState.of(rows)
    ways = []
    if state.captioned:
        rest = state.pictures - state.captioned
        left_out = f"; {rest:,} of the pictures are left out" if rest else ""
        about = f"the captions there are, {state.captioned:,}{left_out}"
        ways.append(Way(f"--captioner {EXISTING}", about))
    for way, captions, what in (
        (NAMES, state.names, "file names"),
        (FOLDERS, state.folders, "folders' names"),
    ):
        if captions:
            some = "" if len(captions) == state.pictures else f", {len(captions):,} say something"
            ways.append(Way(f"--captioner {way}", f'{what}, such as "{captions[0]}"{some}'))
    ways.append(Way("--captions FILE", "a table beside them: .csv .tsv .json .jsonl"))
    if model and medium_of_rows(rows) == PICTURE:
        ways.append(captioner_way())
    ways.append(Way(f"--captioner {NONE}", f"{medium_of_rows(rows)}s alone, without words"))
    return ways


def captioner_way() -> Way:
    """A model that looks at the pictures, and what it needs on this machine."""
    if has_gpu():
        here = "" if is_downloaded(BLIP2) else ", to be downloaded"
        return Way("", f"a model, {BLIP2}{here}")
    here = "on this machine" if is_downloaded(SMALLER) else "to be downloaded"
    return Way(f"--captioner {SMALLER}", f"a model, {here}, without a GPU")


def first_options(rows: Sequence[Row]) -> str:
    """The options of the way that works here and now; "" where the command needs none."""
    state = CaptionState.of(rows)
    captioner_is_ready = has_gpu() and (is_downloaded(BLIP2) or not is_offline())
    if state.captioned == state.pictures or captioner_is_ready:
        return ""
    if state.way:
        return f"--captioner {state.way}"
    if 2 * state.captioned >= state.pictures:
        return f"--captioner {EXISTING}"
    if state.has_enough(state.names):
        return f"--captioner {NAMES}"
    if state.has_enough(state.folders):
        return f"--captioner {FOLDERS}"
    return f"--captioner {EXISTING if state.captioned else NONE}"


def ways_sentence(rows: Sequence[Row], style: str, data: str | Path, *, model: bool = True) -> str:
    """All ways, for an error: the command once, its options, and the page for one's own hand.

    model: as in caption_ways.
    """
    ways = caption_ways(rows, model=model)
    options = [f"{way.options or 'no option'} ({way.about})" for way in ways]
    return (
        f"{caption_command(style, data)} with {', '.join(options)}; or write them by hand: "
        f"{page_command(data=data)}, tab Collection"
    )


def refuse_all_but_pictures(
    rows: Sequence[Row], missing: Sequence[Row], style: str, data: str | Path
) -> None:
    """UserError where rows without a caption are sounds or clips: captioners look at pictures."""
    medium = medium_of_rows(missing)
    if medium != PICTURE:
        raise UserError(
            f"{len(missing):,} of {len(rows):,} {medium}s of {style} have no caption, and "
            f"captioners look at pictures and {UNKNOWN_TO_CAPTIONERS[medium]}; ways to captions: "
            f"{ways_sentence(rows, style, data)}"
        )


def ways_lines(rows: Sequence[Row], style: str, data: str | Path) -> list[str]:
    """All ways, for the screen: a line each."""
    ways = caption_ways(rows)
    width = max(len(way.options) for way in ways)
    return [
        f"captions, {caption_command(style, data)} with:",
        *(f"  {way.options or '(no option)':<{width}}  {way.about}" for way in ways),
        f"or by hand: {page_command(data=data)}, tab Collection",
    ]


# ---- this machine --------------------------------------------------------------------------------


def has_gpu() -> bool:
    """Is there a GPU that captioners run on, as far as can be told without loading torch?

    Apple's is none: they run on cuda or cpu, see device.pick_device.
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        return torch.cuda.is_available()
    return Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is not None


def is_offline() -> bool:
    """Has the user said that the Hugging Face hub is not to be asked?"""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in names)


def is_downloaded(checkpoint: str) -> bool:
    """Does the cache of the Hugging Face hub hold this checkpoint?"""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    cache = expanded(os.environ.get("HF_HUB_CACHE") or home / "hub")
    snapshots = cache / f"models--{checkpoint.replace('/', '--')}" / "snapshots"
    return any(snapshots.glob("*/config.json"))
