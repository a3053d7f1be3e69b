"""One picture file becomes a finding, and a PNG file where it is usable."""

import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from oneseed.config.preparation import PrepareConfig
from oneseed.dataset.collection import Collection
from oneseed.dataset.colour import in_colour
from oneseed.dataset.jsonl import Row
from oneseed.files import nonempty_files, whole_file
from oneseed.media.decoding import UnusablePictureError
from oneseed.media.fingerprint import fingerprint
from oneseed.media.picture import prepare_picture
from oneseed.media.png import encode_png
from oneseed.preparation.journal import Examination
from oneseed.workers import Workers

# Raise it when prepare_picture gives other pixels, or a finding says more: all pictures are
# prepared again.
PREPARATION_VERSION = 3


def examine_picture(path: Path, size: int, smallest: int) -> tuple[Image.Image | None, Row]:
    """Picture file -> (prepared picture, finding), or (None, {"reason": why it was left out}).

    size: side of the prepared picture; smallest: what the original's short side must have; pixels.
    A finding has: sha256 (of the file), width and height (of the original), grey, colour (see
    colour.in_colour), pixels (a hash of the prepared picture) and look (see
    media/fingerprint.py).
    """
    try:
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
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
    }


def prepared_name(sha256: str) -> str:
    """The file name of a prepared picture, whose id are the first digits of its original's hash."""
    return f"{sha256[:16]}.png"


def prepare_file(path: Path, resized: Path, size: int, smallest: int) -> Row:
    """Picture file -> a PNG file in `resized`, and the finding of examine_picture."""
    image, finding = examine_picture(path, size, smallest)
    if image is not None:
        with whole_file(resized / prepared_name(finding["sha256"]), sync=False) as partial:
            partial.write_bytes(encode_png(image))
    return finding


def prepare_files(
    paths: list[str], *, folder: Path, resized: Path, size: int, smallest: int
) -> list[Row]:
    """`prepare_file` for each path below the folder, in a worker process."""
    return [prepare_file(folder / path, resized, size, smallest) for path in paths]


def paths_without_picture(originals: Iterable[Row], *, resized: Path) -> set[str]:
    """Paths of the originals that merge_twins will keep, but whose prepared picture is not there.

    It was removed since, or the original was another's duplicate before.
    """
    first: dict[str, Row] = {}
    for original in originals:
        if "pixels" in original:
            first.setdefault(original["pixels"], original)
    there = nonempty_files(resized)
    return {
        original["path"]
        for original in first.values()
        if prepared_name(original["sha256"]) not in there
    }


def examination_header(config: PrepareConfig, folder: Path) -> Row:
    """What the findings of a run depend on."""
    return {
        "version": PREPARATION_VERSION,
        "size": config.image_size,
        "smallest": config.smallest,
        "folder": folder.as_posix(),
    }


def prepare_missing(
    originals: list[Row],
    folder: Path,
    collection: Collection,
    *,
    config: PrepareConfig,
    workers: Workers,
) -> None:
    """Prepares the originals that no earlier run has; each row gets its finding.

    folder: where the paths of the originals begin.
    """
    resized = collection.resized
    resized.mkdir(parents=True, exist_ok=True)
    examination = Examination(
        journal=collection.processed / "prepared.jsonl",
        header=examination_header(config, folder),
        label="preparing",
        work=functools.partial(
            prepare_files,
            folder=folder,
            resized=resized,
            size=config.image_size,
            smallest=config.smallest,
        ),
        missing_paths=functools.partial(paths_without_picture, resized=resized),
    )
    examination.run(originals, workers)
