"""Prepare a collection: every readable picture once, at one size, with a record.

Reads   Kaggle, folders of pictures, archives, annotated           --source kaggle | PATH[,PATH] | hf:owner/name | builtin
        data sets, the Hugging Face Hub, or the built-in engravings
Writes  data/raw/<style>/                                          the originals: links to them, what archives held, or the built-in drawings
        data/processed/<style>/resized/<id>.png                    the prepared pictures and nothing else
        data/processed/<style>/pixels_<size>.npy                   the same as one uint8 array, for training
        data/metadata/<style>_{metadata,report}.json               a record per picture; what was found, left out and why
        data/metadata/<style>_check.{json,html}                    of --check instead of all that: what the source holds

    python dataset_preparation.py                                      # Kaggle's engravings at 512 px; expect 800 to 850
    python dataset_preparation.py --source builtin --preset small      # 6,000 drawn engravings at 128 px, no network
    python dataset_preparation.py --source ~/prints --style engraving  # your own pictures, at any depth, any of
                                                                       # jpg jpeg png webp tif tiff bmp gif
    python dataset_preparation.py --source ~/prints --style all        # pictures of every style together, each row with its own
    python dataset_preparation.py --source ~/prints,~/more             # several folders, one collection; a folder whose
                                                                       # name holds a comma is named alone
    python dataset_preparation.py --source prints.zip                  # also .tar .tar.gz .tgz and WebDataset shards
    python dataset_preparation.py --source hf:owner/name:split         # a data set of the Hugging Face Hub; needs pip install datasets
    python dataset_preparation.py --source llava.json --format llava   # also .jsonl .csv .tsv .parquet, pictures beside it
    python dataset_preparation.py --source prints.zip --check          # only look: duplicates, sizes, light, blur, captions, a contact sheet
    python dataset_preparation.py --template llava                     # an example of a format
    python dataset_preparation.py --export llava --out set.zip         # the prepared and captioned pictures in a format

Captions come along from metadata.jsonl (file_name and caption, text or title), from a .txt file with the picture's name, or from
an annotation file of another format (formats.py), which is recognised, or forced with --format.
A picture's style is what its row there says, else the class folder it lies in (drawings, engraving, …).
Run the same command again to go on after an interruption; finished work is never done twice.
"""
import contextlib
import ctypes
import errno
import functools
import hashlib
import io
import itertools
import json
import logging
import math
import multiprocessing
import os
import posixpath
import re
import shutil
import signal
import struct
import sys
import tarfile
import threading
import time
import warnings
import zipfile
import zlib
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

import checking
import formats
from cli import UserError, parse, progress, run, whole_file, write_text
from formats import SUFFIXES
from records import Collection, each_recovered, read_json, to_json, write_jsonl, write_lines
from settings import PRESETS, PrepareConfig
from sources import CLASSES, UNPACKED, Source, source_of, sources_of, survey_all

KAGGLE = "thedownhill/art-images-drawings-painting-sculpture-engraving"
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")     # what the file must be inside, whatever its suffix says
SPARE = 1.5                                                 # a JPEG is decoded at 1/2, 1/4 or 1/8 as long as that leaves so many times the size wanted
MOST_RATIO, ALWAYS = 1000, 2**26                            # bytes of memory that a picture may decode to, for each of its file; what any may
MOST_SCANS = 12                                             # of a JPEG of the largest size; of a smaller one as many times more
ORIENTATION = ExifTags.Base.Orientation
TURNS = dict(enumerate((Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.TRANSPOSE,
                        Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90), 2))           # what makes each orientation upright
STATE = ("path", "bytes", "mtime")                          # of an original: what says that an earlier run's finding is of it
SAID = ("style", "caption", "source")                       # of an original: what its source says
ALIKE = 16                                                  # bits of 256; see look_alikes
BUILTIN_COUNT = 6000
VERSION = 2                                                 # raise when prepare() gives other pixels: all is prepared again


# One picture

def eight_bits(image):
    """Picture of 16-bit, 32-bit or float samples -> "L" with its range kept; `convert("L")` would clip it to all white or all
    black. 0 to 1, to 255 and to 65,535 are taken as such, any other range is stretched to its minimum and maximum."""
    values = np.asarray(image)
    bands = np.array_split(values, -(-values.size // 2**20))            # views; the whole in float64 would take gigabytes
    ranges = [(finite.min(), finite.max()) for band in bands if (finite := band[np.isfinite(band)]).size]
    if not ranges:
        raise ValueError("no finite value")
    low, high = (float(end(side)) for end, side in zip((min, max), zip(*ranges)))
    tops = (1, 255, 65535) if image.mode == "F" else (255, 65535)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    low, top = (0, top) if top else (low, high)
    result = np.empty(values.shape, np.uint8)
    for band, out in zip(bands, np.array_split(result, len(bands))):
        scaled = (band.astype(np.float64) - low) * (255 / (top - low or 1))
        out[:] = np.rint(np.nan_to_num(scaled, nan=255, posinf=255, neginf=0).clip(0, 255))         # no value: bare paper
    return Image.fromarray(result)


def plain(image):
    """Decoded picture of any mode -> "L", "RGB" or, where it is transparent, "RGBa", which alone can be made smaller without a dark seam."""
    if image.mode == "F" or image.mode.startswith("I"):
        return eight_bits(image)
    if image.has_transparency_data:
        return image.convert("RGBA").convert("RGBa")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def is_grey(image, tolerance=2):
    """True where the channels of every pixel of an RGB picture agree within `tolerance` of 255."""
    for pixels in (image.resize((32, 32), Image.Resampling.NEAREST), image):                # few pixels tell of most coloured pictures
        red, green, blue = (np.asarray(channel, np.int16) for channel in pixels.split())
        if max(np.abs(red - green).max(), np.abs(green - blue).max(), np.abs(red - blue).max()) > tolerance:
            return False
    return True


def orientation_of(image):
    """1 (upright) to 8, as the EXIF data say; broken ones say nothing."""
    with contextlib.suppress(Exception):
        if (found := image.getexif().get(ORIENTATION)) in TURNS:
            return found
    return 1


def bomb(image, file):
    """Why an opened picture is not to be decoded, "" where it may be: a header that promises far more than its file can hold, or a JPEG that is
    drawn over so often that it would take minutes."""
    pixels, length = image.width * image.height, file.seek(0, os.SEEK_END)
    each = 16 if image.format == "WEBP" and image.is_animated else {"1": 1, "L": 1, "P": 1, "I;16": 2}.get(image.mode, 4)          # bytes of memory
    if pixels * each > max(ALWAYS, MOST_RATIO * length):
        return f"decodes to more than {MOST_RATIO:,} times its length"
    if image.format in ("JPEG", "MPO"):
        scans, last = 0, b""
        file.seek(0)
        while block := file.read(2**20):
            scans, last = scans + (last + block).count(b"\xff\xda\0"), block[-2:]          # two bytes would be found in the film behind a telephone's picture
        if scans * pixels > MOST_SCANS * Image.MAX_IMAGE_PIXELS:
            return f"a JPEG of {scans:,} scans"
    return ""


@functools.cache
def hush():
    """Pillow's log and, past Python, libtiff would tell the terminal about every damaged file, in thousands of lines; the report names it once."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    with contextlib.suppress(OSError, AttributeError):      # where libtiff is linked otherwise, it goes on complaining
        ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler(None)


def prepare(file, size, smallest):
    """Open picture file -> ("L" or "RGB" picture of size x size, (width, height) of the original, upright), or (None, the reason it was left out).

    The whole picture is kept, letter-boxed on white: an engraving is a composition up to its border, a crop would cut away
    what the caption names, and most originals are smaller than a 512 px crop would need.
    """
    hush()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                 # broken EXIF and the like: the pixels decide
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                width, height = image.size
                if min(width, height) < smallest:
                    return None, f"smaller than {smallest} px"
                if reason := bomb(image, file):
                    return None, reason
                scale = size / max(width, height)
                drafted = image.draft(None, tuple(max(1, int(SPARE * scale * side)) for side in (width, height)))           # JPEG alone
                image.load()                                # open() alone accepts cut-off files
                orientation, image = orientation_of(image), plain(image)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return None, f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    except Exception as error:                              # Pillow's readers raise nearly anything on damaged bytes
        return None, f"unreadable ({type(error).__name__})"
    fitted = tuple(max(1, round(side * scale)) for side in (width, height))
    box = drafted[1] if drafted else None                   # what of the decoded part is picture: its last row and column are only partly
    image = image.resize(fitted, Image.Resampling.LANCZOS, box=box, reducing_gap=2.0)
    if orientation > 1:
        image = image.transpose(TURNS[orientation])
        width, height = (height, width) if orientation > 4 else (width, height)
    if image.mode == "RGBa":                                # black lines on nothing would become black on black
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    if image.mode == "RGB" and is_grey(image):
        image = image.convert("L")
    return ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, color="white"), (width, height)


@functools.cache
def deflate():
    """ISA-L's compression, or zlib's where its wheel is not there: four times slower, for files that are a sixth shorter."""
    try:
        from isal import isal_zlib
        return isal_zlib.compress
    except ImportError:
        return zlib.compress


def png(image):
    """"L" or "RGB" picture -> a PNG file without metadata, as bytes. Pillow's own writer tries five filters on every row and took half of all
    time; one for all rows (the difference to the left) and the fastest compression make files that are hardly longer."""
    rows, channels = np.asarray(image).reshape(image.height, -1), len(image.getbands())
    lines = np.ones((image.height, 1 + rows.shape[1]), np.uint8)        # each begins with its filter's number, 1
    lines[:, 1:1 + channels] = rows[:, :channels]
    np.subtract(rows[:, channels:], rows[:, :-channels], out=lines[:, 1 + channels:])
    header = struct.pack(">IIBBBBB", *image.size, 8, 2 if channels == 3 else 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", deflate()(lines, 1)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))) for kind, data in chunks)


def content(image, width, height):
    """Prepared picture and its original's size -> what lies between the white margins."""
    size, scale = image.width, image.width / max(width, height)
    right, down = (size - max(1, round(width * scale))) // 2, (size - max(1, round(height * scale))) // 2
    return image.crop((right, down, size - right, size - down))


def look(image, width, height):
    """Prepared picture and its original's size -> 256 bits as 64 hex digits: where a 16 x 16 thumbnail of what lies between the white
    margins grows brighter from left to right (difference hash, Krawetz 2013, hackerfactor.com)."""
    small = np.asarray(content(image.convert("L"), width, height).resize((17, 16), Image.Resampling.BOX), np.int16)         # (16, 17)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()


def examine(path, size, smallest):
    """Picture file -> (prepared picture, what is known of it: sha256, width, height, grey, pixels (hash of the result) and look), or
    (None, only the reason it was left out)."""
    try:
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            image, found = prepare(file, size, smallest)
    except OSError as error:
        return None, {"reason": f"cannot be opened ({error.strerror})"}
    if image is None:
        return None, {"reason": found}
    image.info.clear()                                      # no profile, comment or transparency goes into a new file
    pixels = hashlib.sha256(image.mode.encode() + image.tobytes()).hexdigest()
    return image, {"sha256": sha256, "width": found[0], "height": found[1], "grey": image.mode == "L", "pixels": pixels[:32], "look": look(image, *found)}


def prepare_file(path, resized, size, smallest):
    """Picture file -> <id>.png in `resized`, and what examine found."""
    image, finding = examine(path, size, smallest)
    if image is not None:
        with whole_file(resized / f"{finding['sha256'][:16]}.png", sync=False) as partial:
            partial.write_bytes(png(image))
    return finding


# Many pictures, in worker processes

def prepare_chunk(task):
    paths, folder, resized, size, smallest = task
    return [prepare_file(folder / path, resized, size, smallest) for path in paths]


def check_chunk(task):
    """What preparing finds, and what checking measures, with nothing written."""
    paths, folder, size, smallest = task
    examined = (examine(folder / path, size, smallest) for path in paths)
    return [finding if image is None else finding | checking.measure(content(image, finding["width"], finding["height"])) for image, finding in examined]


def plate_chunk(task):
    """Small JPEGs for a page, None where the picture is gone."""
    paths, folder, size, smallest = task
    examined = (examine(folder / path, size, smallest) for path in paths)
    return [None if image is None else checking.plate(content(image, finding["width"], finding["height"])) for image, finding in examined]


def cache_chunk(task):
    """Some prepared pictures, one after another, into their place of the cache; a map of the file would count as memory."""
    paths, cache, place, mode = task
    with open(cache, "r+b") as file:
        file.seek(place)
        for path in paths:
            with Image.open(path) as image:
                file.write(image.convert(mode).tobytes())


def draw_chunk(task):
    import scenes
    drawings, folder, size = task
    for name, facts, seed in drawings:
        with whole_file(folder / name, sync=False) as partial:
            partial.write_bytes(png(scenes.draw(facts, seed, size)))
    return [None] * len(drawings)


def follow_parent():
    """A worker leaves signals to its parent and ends when the parent is gone, however that came."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


@contextlib.contextmanager
def deaf():
    """Ctrl+C is ignored for the moment, and by processes started meanwhile from their first instruction on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Workers:
    """`count` processes (0: one per core), started when first needed and kept from one phase to the next; one task or worker needs none."""

    def __init__(self, count):
        self.count, self.pool = count or os.cpu_count() or 1, None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.pool:
            self.pool.shutdown(wait=True, cancel_futures=True)

    def each(self, work, tasks):
        """Yields (task, work(task)) as they are done, never more than a few tasks ahead."""
        if self.count == 1 or len(tasks) == 1:
            for task in tasks:
                yield task, work(task)
            return
        self.pool = self.pool or ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), initializer=follow_parent)
        waiting, running = iter(tasks), {}
        try:
            while True:
                with deaf():                                # the first submit starts the processes
                    for task in waiting:
                        running[self.pool.submit(work, task)] = task
                        if len(running) >= 3 * self.count:
                            break
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        except BrokenProcessPool as error:
            raise UserError("a worker process was ended from outside, most likely for want of memory; finished work is kept, run the same "
                            "command again with --workers 1", code=1) from error


def filled(folder):
    """Names of the files in folder that hold something; a power cut can leave an empty one."""
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if entry.stat().st_size}


def chunks(items, length):
    return [items[start:start + length] for start in range(0, len(items), length)]


# Sources that are fetched or drawn first: each ends as a folder of pictures

def reraise_if_ours(error):
    """A full or forbidden disk is no matter of Kaggle's."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM):
        raise error


def is_cut(error):
    """True where a download broke off or stalled: asked again, the server goes on where it stopped."""
    import requests
    return isinstance(error, requests.exceptions.ChunkedEncodingError) or isinstance(error, requests.RequestException) and "Read timed out" in str(error)


def trouble_at_kaggle(error):
    """-> (what went wrong, in words; whether Kaggle's other client may have more luck)."""
    import requests
    from kagglehub.exceptions import DataCorruptionError
    answer = getattr(error, "response", None)
    if answer is not None:
        meaning = {401: "Kaggle refuses it", 403: "Kaggle refuses it", 404: "Kaggle does not know it"}.get(answer.status_code, "Kaggle is in trouble")
        return f"{meaning}, {answer.status_code}", True
    if is_cut(error):
        return "the connection was cut again and again; what has arrived is kept", False
    if isinstance(error, (requests.ConnectionError, requests.Timeout)):
        return "no network", False
    if isinstance(error, (DataCorruptionError, zipfile.BadZipFile)):
        return "the archive arrived damaged and was thrown away", False
    return f"{type(error).__name__}: {error}".partition("\n")[0], True


def from_kagglehub():
    """-> folder in kagglehub's cache; needs no account as long as the data set is public. A broken download is taken up where it stopped."""
    import kagglehub
    handle = f"{KAGGLE}/versions/2"                         # with a version the cache answers without network
    for attempt in range(3):
        try:
            return Path(kagglehub.dataset_download(handle))
        except Exception as error:
            if attempt < 2 and is_cut(error):
                continue
            damaged = isinstance(error, (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError)) or "archive type" in str(error)
            if not damaged:
                raise
            from kagglehub.cache import get_cached_archive_path
            from kagglehub.handle import parse_dataset_handle
            Path(get_cached_archive_path(parse_dataset_handle(handle))).unlink(missing_ok=True)     # kept, it would be taken for the whole by every later run
            raise zipfile.BadZipFile(str(error)) from error


def from_kaggle(folder):
    """-> the archive in folder, fetched by Kaggle's older client, which needs credentials and ends the process where it finds none."""
    archive = folder / f"{KAGGLE.partition('/')[2]}.zip"
    if not archive.exists():
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):      # a page of help
            from kaggle.api.kaggle_api_extended import KaggleApi
            api = KaggleApi()
            api.authenticate()
        partial = folder.with_name(folder.name + ".partial")
        api.dataset_download_files(KAGGLE, path=str(partial), quiet=False)
        if not zipfile.is_zipfile(partial / archive.name):
            shutil.rmtree(partial)
            raise zipfile.BadZipFile("no archive")
        partial.rename(folder)
    return archive


def fetch_kaggle(config):
    """-> Source. UserError with the ways on where Kaggle cannot be had."""
    name = f"kaggle {KAGGLE}"
    print(f"fetching {KAGGLE} from Kaggle (583 MB, once)", flush=True)
    try:
        return Source(from_kagglehub().resolve(), name)
    except Exception as error:                              # requests', kagglehub's and zipfile's own, without a common class
        reraise_if_ours(error)
        trouble, other = trouble_at_kaggle(error)
    try:
        if other:                                           # read member by member; the client itself would unpack wherever the names lead
            return source_of(from_kaggle(Path(config.data) / "raw" / "kaggle").resolve(), config)._replace(name=name)
    except SystemExit:
        trouble += ", and no credentials"
    except Exception as error:
        reraise_if_ours(error)
        trouble += f"; then: {trouble_at_kaggle(error)[0]}"
    raise UserError(f"the Kaggle collection could not be fetched ({trouble}): either set KAGGLE_API_TOKEN, or put kaggle.json into ~/.kaggle (both "
                    "from kaggle.com/settings), and run the same command again with a network, or go on without Kaggle: "
                    "python dataset_preparation.py --source PATH (a folder of pictures) or --source builtin")


def draw_builtin(config, workers):
    """Draws what is missing of the built-in collection into data/raw/builtin/ -> Source.

    A file's name holds level, size and a hash of what is drawn, so that a drawing is never taken for another."""
    import scenes
    folder = Collection("builtin", config.data).raw
    drawings = []
    for number, facts in enumerate(scenes.collection(config.max_samples or BUILTIN_COUNT, config.level, 0)):
        key = hashlib.sha256(f"{scenes.COLLECTION} {number} {facts!r}".encode()).hexdigest()[:8]
        drawings.append((f"level{config.level}_{config.image_size}px_{number:05}_{key}.png", facts, number))
    folder.mkdir(parents=True, exist_ok=True)
    there = filled(folder)
    for name in there - {name for name, _, _ in drawings}:  # another level or size; can be drawn again
        if re.fullmatch(r"level\d_\d+px_\d{5}_[0-9a-f]{8}\.png|\..*\.partial", name):
            (folder / name).unlink()
    missing = [drawing for drawing in drawings if drawing[0] not in there]
    if missing:
        tasks = [(chunk, folder, config.image_size) for chunk in chunks(missing, 16)]
        with progress(label="drawing", total=len(drawings), initial=len(drawings) - len(missing)) as bar:
            for _, done in workers.each(draw_chunk, tasks):
                bar.update(len(done))
    write_lines(folder / "metadata.jsonl", lambda: (to_json({"file_name": name, "caption": scenes.tell(facts, number, config.level)}) + "\n"
                                                    for name, facts, number in drawings))
    return Source(folder.resolve(), f"{scenes.COLLECTION} level {config.level}")


# The collection

def tell(original, finding):
    """Puts what was found of an original into its row, in place of what was known before; of 100,000 every second row would be 100 MB."""
    for key in original.keys() - {*STATE, *SAID}:
        del original[key]
    original |= {sys.intern(key): value for key, value in finding.items() if key not in STATE}


def line_of(original):
    """What the journal knows of an original: all but what its source says of it, which may change with every run."""
    return {key: value for key, value in original.items() if key not in SAID}


def find_missing(originals, folder, journal, header, label, work, arguments, workers, lacking=lambda: ()):
    """Does `work` for the originals that no earlier run has, and for those whose path lacking() names; afterwards each row holds its finding.

    Every finding is a line of `journal` at once, known by path, length and time of change, so that a killed run goes on where it was.
    Under another header the journal begins anew."""
    of_path, lines = {original["path"]: original for original in originals}, each_recovered(journal)
    if next(lines, None) != header:
        lines.close()
        write_jsonl(journal, [header])
    for line in lines:
        original = of_path.get(line["path"])
        if original and all(original[key] == line[key] for key in STATE) and not line.get("reason", "").startswith("cannot be opened"):
            tell(original, line)
    with open(journal, "a", encoding="utf-8") as log:
        while True:
            gone = lacking()
            todo = [path for path, original in of_path.items() if path in gone or not original.keys() & {"sha256", "reason"}]
            if not todo:
                break
            tasks = [(chunk, folder, *arguments) for chunk in chunks(todo, 8)]
            with progress(label=label, total=len(of_path), initial=len(of_path) - len(todo)) as bar:
                for task, done in workers.each(work, tasks):
                    for path, finding in zip(task[0], done):
                        tell(of_path[path], finding)
                        log.write(to_json(line_of(of_path[path])) + "\n")
                    log.flush()
                    bar.update(len(done))
    for original in originals:                              # sources may overlap
        if original is not of_path[original["path"]]:
            tell(original, line_of(of_path[original["path"]]))
    write_lines(journal, lambda: (to_json(line) + "\n" for line in itertools.chain([header], map(line_of, of_path.values()))))


def prepare_missing(originals, folder, collection, config, workers):
    """Prepares what no earlier run has; afterwards each row holds what prepare_file found."""
    def lacking():                                          # removed since, or another's duplicate before
        first, there = {}, filled(collection.resized)
        for original in originals:
            if "pixels" in original:
                first.setdefault(original["pixels"], original)          # as select() does
        return {original["path"] for original in first.values() if f"{original['sha256'][:16]}.png" not in there}

    collection.resized.mkdir(parents=True, exist_ok=True)
    header = {"version": VERSION, "size": config.image_size, "smallest": config.smallest, "folder": folder.as_posix()}
    find_missing(originals, folder, collection.processed / "prepared.jsonl", header, "preparing", prepare_chunk,
                 (collection.resized, config.image_size, config.smallest), workers, lacking)


def select(rows):
    """Rows of original and finding, in order -> (kept, duplicates, rejected). Of pictures with equal bytes, or equal pixels once
    prepared, the first is kept and takes the caption of whichever has one."""
    kept, duplicates, rejected, first = [], [], [], {}
    for row in rows:
        if "reason" in row:
            rejected.append({"path": row["path"], "reason": row["reason"]})
            continue
        twin = first.get(row["sha256"]) or first.get(row["pixels"])
        if twin is not None:
            duplicates.append({"path": row["path"], "same_as": twin["path"]})
            twin["caption"] = twin["caption"] or row["caption"]
            continue
        first[row["sha256"]] = first[row["pixels"]] = row
        kept.append(row)
    return kept, duplicates, rejected


def look_alikes(looks):
    """N looks -> per row the number of the first row of its group. Rows differing in at most ALIKE bits belong together.

    Of 424 engravings the nearest two differed in 26 bits, and in a median of 70; stored again as JPEG of quality 75 or at two thirds
    of the size, 95 % kept within 5 and 12 bits of themselves, but only a fifth and an eighth kept every bit.
    """
    bits = np.frombuffer(bytes.fromhex("".join(looks)), np.uint64).reshape(-1, 4)           # (N, 4)
    middle, first, block = bits[:, 2].copy(), np.arange(len(bits)), max(1, 2**19 // max(1, len(bits)))
    for start in range(0, len(bits), block):
        stop = min(start + block, len(bits))
        near = np.bitwise_count(middle[start:stop, None] ^ middle[None, :stop]) <= ALIKE    # (block, <= N); a quarter tells most pairs apart
        rows, others = np.nonzero(near)
        rows += start
        alike = np.bitwise_count(bits[rows] ^ bits[others]).sum(axis=-1) <= ALIKE
        rows, others = rows[alike], others[alike]
        while ((one := first[rows]) != (other := first[others])).any():                     # groups that meet become one, under the least number
            np.minimum.at(first, np.maximum(one, other), np.minimum(one, other))
            while ((up := first[first]) != first).any():
                first = up
    return first.tolist()


def to_records(kept, earlier):
    """Kept rows and the records of an earlier run, one after another -> records, each in the place of its row. A caption, a split and a mark of
    the earlier run stay, the caption unless the source's own has changed since."""
    ids, known = [row["sha256"][:16] for row in kept], []
    of_id = dict(zip(ids, kept))
    for old in earlier:
        known.append(old["id"])
        if row := of_id.get(old["id"]):
            given = row["caption"]
            changed = given and given != old.get("given", given)
            caption = {"said": old["caption"]} if not changed and old.get("caption") not in (None, "", given) else {}
            row |= caption | {key: old[key] for key in ("group", "split", "captioner", "left_out") if key in old and not (changed and key == "captioner")}
    del of_id                                               # so that each row goes as its record comes
    groups = [row["group"] for row in kept] if known == ids else [ids[first] for first in look_alikes([row["look"] for row in kept])]
    for number, (id, row, group) in enumerate(zip(ids, kept, groups)):
        kept[number] = {"id": id, "filename": f"{id}.png", "width": row["width"], "height": row["height"], "sha256": row["sha256"],
                        "style": row["style"], "source": row["source"], "original": row["path"], "group": group, "grey": row["grey"],
                        "given": row["caption"], "caption": row.get("said", row["caption"]), **{key: row[key] for key in ("split", "captioner", "left_out") if key in row}}
    return kept


def write_pixels(records, collection, size, workers):
    """The prepared pictures as one uint8 array, (N, size, size) where all are grey, else (N, size, size, 3), and the ids of its rows."""
    path, ids_path = collection.pixels(size), collection.pixels_ids(size)
    shape = (len(records), size, size) if all(record["grey"] for record in records) else (len(records), size, size, 3)
    ids = {"size": size, "ids": [record["id"] for record in records]}
    with contextlib.suppress(OSError, ValueError, UserError):
        stored = np.load(path, mmap_mode="r")
        if read_json(ids_path) == ids and stored.shape == shape and stored.dtype == np.uint8:
            return
    ids_path.unlink(missing_ok=True)                        # new pixels beside old ids would pair pictures with wrong captions

    with whole_file(path) as partial, progress(label="caching", total=len(records)) as bar:
        with open(partial, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            begin, each = file.tell(), math.prod(shape[1:])
            file.truncate(begin + each * len(records))
        tasks = [([collection.resized / record["filename"] for record in records[first:first + 64]], partial, begin + each * first, "L" if len(shape) == 3 else "RGB")
                 for first in range(0, len(records), 64)]
        for (paths, *_), _ in workers.each(cache_chunk, tasks):
            bar.update(len(paths))
    write_text(ids_path, json.dumps(ids))


def write_changed(path, text):
    """Writes text unless the file holds it already."""
    if not path.exists() or path.read_bytes() != text.encode():
        write_text(path, text)


def link_originals(records, folder, collection):
    """data/raw/<style>/<id>.<suffix>: a link to each original, or a copy where links are refused (Windows); the user's folder is
    only read. links.json beside resized/ remembers the names, so that nothing else is ever removed."""
    raw = collection.raw.resolve()
    base, ours = folder.as_posix().rstrip("/") + "/", raw.as_posix() + "/"
    records = [record for record in records if not (base + record["original"]).startswith(f"{ours}{UNPACKED}/")]
    if any((base + record["original"]).startswith(ours) for record in records):             # a source lies there already
        return
    listed = collection.processed / "links.json"
    wanted = {record["id"] + posixpath.splitext(record["original"])[1].lower(): f"{folder.as_posix()}/{record['original']}" for record in records}
    ours = read_json(listed) if listed.exists() else {}
    collection.raw.mkdir(parents=True, exist_ok=True)
    there = set(os.listdir(collection.raw))
    for name in ours.keys() - wanted.keys():
        (collection.raw / name).unlink(missing_ok=True)
    write_changed(listed, json.dumps(ours | wanted))        # before the first link, so that none is forgotten
    for name, target in wanted.items():
        if name in there and ours.get(name) == target:
            continue
        link = collection.raw / name
        link.unlink(missing_ok=True)
        try:
            link.symlink_to(target)
        except (OSError, NotImplementedError):
            shutil.copyfile(target, link)
    write_changed(listed, json.dumps(wanted))


def sweep(records, collection, size):
    """Removes what belongs to an earlier source or size from resized/ and beside it."""
    wanted = {record["filename"] for record in records}
    for name in os.listdir(collection.resized):
        if name not in wanted:
            (collection.resized / name).unlink()
    for path in [*collection.processed.glob("pixels_*"), *collection.processed.glob(".*.partial")]:
        if path not in (collection.pixels(size), collection.pixels_ids(size)):
            path.unlink()


def tally(records, rejected):
    """The report's summary of original sizes and of reasons."""
    sides = np.array([(record["width"], record["height"]) for record in records])           # (N, 2)
    short, long = sides.min(axis=1), sides.max(axis=1)
    return {"original_sizes": {"short_side": {"least": int(short.min()), "median": int(np.median(short)), "most": int(short.max())},
                               "long_side": {"least": int(long.min()), "median": int(np.median(long)), "most": int(long.max())}},
            "rejected_by_reason": dict(Counter(row["reason"] for row in rejected).most_common())}


def export(config, collection):
    """The collection's pictures and captions as one file in the format of --export. The built-in ones are engravings to others."""
    rows = [row for row in collection.read_metadata() if not row.get("left_out")]
    below = "" if config.export in ("imagefolder", "sidecar", "webdataset") else "images/"
    formats.export(config.export, [{"image": below + row["filename"], "path": collection.resized / row["filename"], "caption": row.get("caption") or "",
                                    "style": "engraving" if row["style"] == "builtin" else row["style"]} for row in rows], Path(config.out))
    bare = sum(not row.get("caption") for row in rows)
    print(f"{config.out}: {len(rows):,} pictures as {config.export}" + (f", {bare:,} of them without a caption; to write those: "
          f"python caption_generation.py --style {config.style}" if bare else ""))


def gather(config, workers):
    """--source -> its Sources, and what survey_all finds in them. UserError where there is none."""
    if config.source == "builtin":
        sources = [draw_builtin(config, workers)]
    elif config.source == "kaggle":
        if config.style not in (*CLASSES.values(), "all"):
            raise UserError(f"the Kaggle collection has no style {config.style}; choose --style {', '.join(CLASSES.values())} or all, or name a folder: "
                            f"python dataset_preparation.py --style {config.style} --source PATH")
        sources = [fetch_kaggle(config)]
    else:
        sources = sources_of(config)
    return sources, *survey_all(sources, config.style, Path(config.data).resolve(), config.format)


def shown(sources):
    """Sources as the user knows them, for a sentence."""
    return ", ".join(str(source.folder if source.seen is None else source.name) for source in sources)


def sample(originals, most):
    """-> (originals, how many are beyond): a fair sample, and one that only grows with `most`."""
    if not most or len(originals) <= most:
        return originals, 0
    by_chance = sorted(originals, key=lambda row: hashlib.sha256(row["path"].encode()).digest())
    chosen = {row["path"] for row in by_chance[:most]}
    return [row for row in originals if row["path"] in chosen], len(originals) - most


def check(config, workers):
    """Looks at the source as preparing would and writes what it found; of the collection itself everything is only read."""
    start = time.monotonic()
    collection = Collection(config.style, config.data)
    sources, folder, originals, other, lost, seen = gather(config, workers)
    about = {"style": config.style, "source": ", ".join(source.name for source in sources), "size": config.image_size, "smallest": config.smallest,
             "found": len(originals) + other.total() + len(lost), "other_style": other.total(), "other_styles": dict(other.most_common()), "formats": seen}
    originals, about["beyond_max_samples"] = sample(originals, config.max_samples)
    limits = {"size": config.image_size, "smallest": config.smallest}
    find_missing(originals, folder, collection.check.with_suffix(".jsonl"), {"version": VERSION, **limits, "folder": folder.as_posix()},
                 "checking", check_chunk, tuple(limits.values()), workers)
    kept, duplicates, rejected = select(originals)
    earlier = checking.prepared_before(collection)
    alike = look_alikes([row["look"] for row in [*earlier, *kept]])
    found = checking.report(about, originals, kept, duplicates, sorted(rejected + lost, key=lambda row: row["path"]), earlier, alike)

    sheet, pictured = checking.wanted(found, kept)
    tasks = [(chunk, folder, checking.PLATE, config.smallest) for chunk in chunks(pictured, 8)]
    plates = {path: plate for task, done in workers.each(plate_chunk, tasks) for path, plate in zip(task[0], done)}
    checking.write(collection, found, kept, plates, sheet)

    page = collection.check.with_suffix(".html")
    print(f"{config.style}, looked at as at {config.image_size} px, from {about['source']} ({time.monotonic() - start:.1f} s)")
    print("\n".join(checking.text(found, collection.check)))
    print(f"  files: {collection.check}, {page}")
    if not kept:
        raise UserError(checking.cause(found, folder, shown(sources), " ".join(sorted(suffix[1:] for suffix in SUFFIXES))), code=1)
    print(f"next: look at {page}; then the same command without --check prepares them")


def prepare_collection(config, workers):
    start = time.monotonic()
    collection = Collection(config.style, config.data)

    sources, folder, originals, other, lost, seen = gather(config, workers)
    source = ", ".join(source.name for source in sources)
    where = shown(sources)
    found = len(originals) + other.total() + len(lost)
    if not found:
        raise UserError(f"{where} holds no pictures ({' '.join(sorted(suffix[1:] for suffix in SUFFIXES))}); name another folder: "
                        "python dataset_preparation.py --source PATH")
    if not originals and other:
        raise UserError(f"none of the {found:,} pictures in {where} is of style {config.style}, they are of {', '.join(sorted(other))}: choose "
                        f"one of these, python dataset_preparation.py --source {config.source} --style {other.most_common(1)[0][0]}")
    originals, beyond = sample(originals, config.max_samples)

    prepare_missing(originals, folder, collection, config, workers)
    kept, duplicates, rejected = select(originals)
    del originals                                           # their memory serves the records
    rejected = sorted(rejected + lost, key=lambda row: row["path"])
    report = {"style": config.style, "source": source, "size": config.image_size, "smallest": config.smallest, "found": found, "prepared": len(kept),
              "rejected": len(rejected), "duplicates": len(duplicates), "other_style": other.total(), "beyond_max_samples": beyond}
    if not kept:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in Counter(row["reason"] for row in rejected).most_common())
        raise UserError(f"none of the {found:,} pictures in {where} can be used ({reasons}); name another folder: "
                        "python dataset_preparation.py --source PATH", code=1)

    before = Counter()

    def earlier():
        for row in collection.each_metadata():
            before[row["source"]] += 1
            yield row

    records = to_records(kept, earlier())
    report |= {"grey": sum(record["grey"] for record in records), "with_caption": sum(bool(record["caption"]) for record in records),
               "look_alikes": len(records) - len({record["group"] for record in records}), **tally(records, rejected),
               "other_styles": dict(other.most_common()), "formats": seen, "rejected_files": rejected, "duplicate_files": duplicates}
    write_pixels(records, collection, config.image_size, workers)
    collection.write_metadata(records)
    write_changed(collection.report, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    link_originals(records, folder, collection)
    sweep(records, collection, config.image_size)

    gone = sorted(before.keys() - {source.name for source in sources})
    if gone:
        print(f"the collection {config.style} came from {', '.join(gone)} before ({before.total():,} pictures) and is replaced")
    print(f"{config.style}, {config.image_size} px, from {source} ({time.monotonic() - start:.1f} s)")
    for label, count, note in (
            ("found", found, ""),
            ("other style", other.total(), ", ".join(f"{count:,} {style}" for style, count in other.most_common())),
            ("beyond --max-samples", beyond, ""),
            ("rejected", len(rejected), ", ".join(f"{count:,} {reason}" for reason, count in report["rejected_by_reason"].items())),
            ("duplicates", len(duplicates), ""),
            ("prepared", len(records), f"{report['grey']:,} grey, {len(records) - report['grey']:,} colour; {report['with_caption']:,} with a caption")):
        if count or label in ("found", "rejected", "duplicates"):
            print(f"  {label:<21}{count:>7,}" + (f"   {note}" if note else ""))
    for known in [known for known in seen if known["format"] not in ("imagefolder", "sidecar")][:5]:
        print(f"  {known['file']}: {known['format']} (confidence {known['confidence']:.2f}), {known['rows']:,} rows")
    bad = [row for row in rejected if "file" in row]
    for row in bad[:5]:
        print(f"  {formats.sentence(row)}")
    if len(bad) > 5:
        print(f"  … and {len(bad) - 5:,} more in {collection.report}")
    print(f"  files: {collection.resized}, {collection.metadata}, {collection.report}")
    data = f" --data {config.data}" if config.data != "data" else ""
    print(f"next: python caption_generation.py --style {config.style}{data}")


def main(config):
    if config.template:
        print(formats.template(config.template), end="")
        return
    if config.export:
        return export(config, Collection(config.style, config.data))
    with Workers(config.workers) as workers:
        (check if config.check else prepare_collection)(config, workers)


if __name__ == "__main__":
    run(main, *parse(PrepareConfig, description=__doc__, presets=PRESETS))
