"""One picture file becomes a finding, and a PNG file where it is usable."""

import functools
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from oneseed.config.preparation import PrepareConfig
from oneseed.config.shards import WHOLE, Shard
from oneseed.dataset.code_texts import medium_of_rows
from oneseed.dataset.collection import Collection
from oneseed.dataset.colour import in_colour
from oneseed.dataset.jsonl import Row
from oneseed.dataset.notes import open_regular
from oneseed.dataset.pixel_writing import refuse_folder
from oneseed.dataset.prepared import MAX_PREPARED_BYTES
from oneseed.dataset.rows import is_seconds
from oneseed.files import whole_file
from oneseed.media.checksum import checksum
from oneseed.media.clip import prepare_clip
from oneseed.media.decoding import UnusablePictureError
from oneseed.media.fingerprint import CONTENT_BYTES, HASH_DIGITS, fingerprint
from oneseed.media.kinds import CLIP, PICTURE, SOUND
from oneseed.media.moving import medium_inside
from oneseed.media.picture import prepare_picture
from oneseed.media.png import encode_png
from oneseed.media.sound import prepare_sound
from oneseed.preparation.journal import Examination, Missing
from oneseed.workers import Workers

# Raise it when prepare_picture gives other pixels, or a finding says more: all pictures are
# prepared again.
PREPARATION_VERSION = 5
# of a sound or clip, as findings tell them: a hundredth is the least that they can say
SHORTEST_SECONDS = 0.01
LONGEST_SECONDS = 86_400.0
# of a picture's file: a sparse one may claim more bytes than can be read in a day
MAX_ORIGINAL_BYTES = 2**31
# of a finding of a picture that can be used, each value's kind; see examine_picture
FINDING_KINDS = {
    "sha256": str,
    "width": int,
    "height": int,
    "grey": bool,
    "colour": bool,
    "pixels": str,
    "look": str,
}
# of a prepared picture's file: length, time of change and checksum
STORED = re.compile(r"\d{1,12} -?\d{1,20} \d{1,10}")
JOURNAL = re.compile(r"prepared(_\d{1,6}_of_\d{1,6})?\.jsonl")
# its values that are digits
SHA256_DIGITS = re.compile("[0-9a-f]{64}")
PIXELS_DIGITS = re.compile("[0-9a-f]{32}")
LOOK_DIGITS = re.compile(f"[0-9a-f]{{{HASH_DIGITS}}}([0-9a-f]{{{2 * CONTENT_BYTES}}})?")


def examine_picture(
    path: Path, size: int, smallest: int, medium: str = PICTURE
) -> tuple[Image.Image | None, Row]:
    """File -> (prepared picture, finding), or (None, {"reason": why it was left out}).

    A sound becomes its spectrum, see media/mel.py, and what moves in a collection of clips a sheet
    of its frames, see media/clip.py.

    size: side of the prepared picture; smallest: what the original's short side must have; pixels.
    medium: of the collection.
    A finding has: sha256 (of the file), width and height (of the original), grey, colour (see
    colour.in_colour), pixels (a hash of the prepared picture) and look (see
    media/fingerprint.py); that of a sound or clip also seconds, and its width and height are
    `size`.
    """
    lasting = {}
    try:
        if path.stat().st_size > MAX_ORIGINAL_BYTES:
            return None, {"reason": f"larger than {MAX_ORIGINAL_BYTES / 2**30:.0f} GiB"}
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            inside = medium_inside(path)
            if inside == SOUND or inside == medium == CLIP:
                prepare = {SOUND: prepare_sound, CLIP: prepare_clip}[inside]
                image, seconds = prepare(file, size, path.name)
                width = height = size
                lasting = {
                    "seconds": min(max(round(seconds, 2), SHORTEST_SECONDS), LONGEST_SECONDS)
                }
            else:
                image, width, height = prepare_picture(file, size, smallest, path.name)
    except OSError as error:
        return None, {"reason": f"cannot be opened ({error.strerror})"}
    except UnusablePictureError as error:
        return None, {"reason": str(error)}
    # No profile, comment or transparency goes into a new file.
    image.info.clear()
    pixels = hashlib.sha256(image.mode.encode() + image.tobytes()).hexdigest()
    return image, {
        "sha256": sha256,
        "width": width,
        "height": height,
        "grey": image.mode == "L",
        "colour": in_colour(image),
        "pixels": pixels[:32],
        "look": fingerprint(image, width, height),
        **lasting,
    }


def prepared_name(sha256: str) -> str:
    """The file name of a prepared picture, whose id are the first digits of its original's hash."""
    return f"{sha256[:16]}.png"


def prepare_file(path: Path, resized: Path, size: int, smallest: int, medium: str) -> Row:
    """Picture file -> a PNG file in `resized`, and the finding of examine_picture."""
    image, finding = examine_picture(path, size, smallest, medium)
    if image is not None:
        prepared = resized / prepared_name(finding["sha256"])
        png = encode_png(image)
        with whole_file(prepared, sync=False) as partial:
            partial.write_bytes(png)
        finding["stored"] = f"{stored_state(os.stat(prepared))} {checksum(png)}"
    return finding


def stored_state(state: os.stat_result) -> str:
    """Length (bytes) and time of change (ns) of a prepared picture: unchanged, it is still whole.

    To read 6,000 pictures again instead would take a run that finds nothing new 3 % longer.
    """
    return f"{state.st_size} {state.st_mtime_ns}"


def is_finding(line: Row) -> bool:
    """Whether a row has what examine_picture finds, each value of its kind."""
    if "reason" in line:
        return isinstance(line["reason"], str)
    return (
        all(type(line.get(key)) is kind for key, kind in FINDING_KINDS.items())
        and SHA256_DIGITS.fullmatch(line["sha256"]) is not None
        and PIXELS_DIGITS.fullmatch(line["pixels"]) is not None
        and LOOK_DIGITS.fullmatch(line["look"]) is not None
        and min(line["width"], line["height"]) > 0
        and is_seconds(line.get("seconds", SHORTEST_SECONDS))
    )


def is_prepared(line: Row) -> bool:
    """Whether a row has what prepare_file finds, each value of its kind."""
    if "reason" in line:
        return is_finding(line)
    stored = line.get("stored")
    return is_finding(line) and isinstance(stored, str) and bool(STORED.fullmatch(stored))


def prepare_files(
    paths: list[str], *, folder: Path, resized: Path, size: int, smallest: int, medium: str
) -> list[Row]:
    """`prepare_file` for each path below the folder, in a worker process."""
    return [prepare_file(folder / path, resized, size, smallest, medium) for path in paths]


def without_picture(originals: Iterable[Row], *, resized: Path) -> Missing:
    """The originals that merge_twins will keep, but whose prepared picture is not there.

    It was removed or damaged since, or the original was another's duplicate before.
    """
    first: dict[str, Row] = {}
    for original in originals:
        if "pixels" in original:
            first.setdefault(original["pixels"], original)
    missing = set()
    changed = 0
    for original in first.values():
        name = prepared_name(original["sha256"])
        known_state, _, summed = original["stored"].rpartition(" ")
        state = state_there(resized / name)
        if state == known_state:
            continue
        if state and is_as_stored(resized / name, int(summed)):
            # a copy of the folder, say, has other times
            original["stored"] = f"{state} {summed}"
            changed += 1
        else:
            missing.add(original["path"])
    return Missing(missing, changed)


def state_there(path: Path) -> str | None:
    """stored_state of a prepared picture; None where it is not there, as of a broken link."""
    try:
        return stored_state(os.stat(path))
    except OSError:
        return None


def is_as_stored(path: Path, summed: int) -> bool:
    """Whether a prepared picture is byte for byte as it was written. summed: its checksum then."""
    refuse_folder(path)
    try:
        with open_regular(path) as file:
            return checksum(file.read(MAX_PREPARED_BYTES)) == summed
    except OSError:
        return False


def examination_header(config: PrepareConfig, folder: Path, medium: str) -> Row:
    """What the findings of a run depend on. medium: of the originals."""
    # a moving picture may be either
    of_clips = {"medium": medium} if medium == CLIP else {}
    return {
        "version": PREPARATION_VERSION,
        "size": config.image_size,
        "smallest": config.smallest,
        "folder": folder.as_posix(),
        **of_clips,
    }


def prepare_missing(
    originals: list[Row],
    folder: Path,
    collection: Collection,
    *,
    config: PrepareConfig,
    workers: Workers,
    shard: Shard = WHOLE,
) -> None:
    """Prepares the originals that no earlier run has; each row gets its finding.

    folder: where the paths of the originals begin. shard: whose originals they are; it has a
    journal of its own. The whole takes over what the journals of shards have, and removes them.
    """
    resized = collection.resized
    resized.mkdir(parents=True, exist_ok=True)
    journal = journal_of(collection, shard)
    others = [path for path in journals(collection) if path != journal]
    medium = medium_of_rows(originals)
    examination = Examination(
        journal=journal,
        header=examination_header(config, folder, medium),
        label="preparing",
        work=functools.partial(
            prepare_files,
            folder=folder,
            resized=resized,
            size=config.image_size,
            smallest=config.smallest,
            medium=medium,
        ),
        is_finding=is_prepared,
        find_missing=functools.partial(without_picture, resized=resized),
        others=others,
    )
    examination.run(originals, workers)
    if shard.is_whole:
        for path in others:
            path.unlink(missing_ok=True)


def journal_of(collection: Collection, shard: Shard) -> Path:
    """The journal of a shard, or of the whole."""
    part = "" if shard.is_whole else f"_{shard.number}_of_{shard.count}"
    return collection.processed / f"prepared{part}.jsonl"


def journals(collection: Collection) -> list[Path]:
    """The journals of a collection, those of all shards."""
    names = os.listdir(collection.processed)
    return [collection.processed / name for name in sorted(names) if JOURNAL.fullmatch(name)]
