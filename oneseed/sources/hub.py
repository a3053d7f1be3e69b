"""A data set of the Hugging Face Hub, streamed into a folder.

A data set of the Hugging Face Hub as a source: hf:owner/name, hf:owner/name:split, hf:owner/name:subset:split, or a folder for owner/name.

The library `datasets` streams it, so that nothing is stored twice: the bytes of each picture go as they are into <number>_<name made
harmless> in one flat folder, and metadata.jsonl says what is known of each. After every batch it is noted how far the stream was read,
and a broken download goes on from there. No data set runs code of its own: `datasets` has no such thing from version 4 on.
"""

import contextlib
import itertools
import json
import re
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from oneseed.config.options import STYLES
from oneseed.console import output
from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.dataset import writers
from oneseed.dataset.jsonl import recover_jsonl, write_jsonl
from oneseed.files import write_text
from oneseed.sources import annotations, archive_members, formats, rejections, tables

# hidden: no part of the collection
HUB_JOURNAL = ".rows.jsonl"
HUB_MARKER = ".hub.json"
# raise when fetch() gives another folder: all is fetched again
HUB_VERSION = 1
# rows in memory at once, and files asked for at once
HUB_BATCH = 32
# of any library
UNREACHED = {
    "ConnectionError",
    "TimeoutError",
    "TransportError",
    "TimeoutException",
    "HTTPError",
    "OfflineModeIsEnabled",
}


class Columns(NamedTuple):
    """Names of columns; styles: what the numbers of the style's column mean."""

    picture: str
    caption: str | None
    style: str | None
    styles: tuple = ()


def split_source(source):
    """ "hf:owner/name:split" -> (name or folder, subset, split), None where nothing is said."""
    name = source.removeprefix("hf:")
    words = [name] if Path(name).expanduser().is_dir() else name.split(":")
    name = words[0]
    folder = Path(words[0]).expanduser()
    sound = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or (name and folder.is_dir())
    if (
        not sound
        or len(words) > 3
        or not all(re.fullmatch(r"[\w.+-]+", word) for word in words[1:])
    ):
        raise UserError(
            f"--source {source} names no data set; they read hf:owner/name, hf:owner/name:split or hf:owner/name:subset:split"
        )
    return (
        folder.resolve().as_posix() if folder.is_dir() else name,
        words[1] if len(words) == 3 else None,
        words[-1] if len(words) > 1 else None,
    )


def trouble(error, source):
    """Whatever reading a data set raised -> the sentence for the user."""
    chain = error
    kinds = set()
    text = output.printable(" ".join(str(error).split()))
    while chain is not None:
        kinds |= {kind.__name__ for kind in type(chain).__mro__}
        chain = chain.__cause__
    name = split_source(source)[0]
    choices = re.search(r"\[(.*?)\]", text)
    if "gated" in text or "GatedRepoError" in kinds:
        return UserError(
            f"{source} wants to be asked: accept its terms on https://huggingface.co/datasets/{name}, log in with hf auth login, "
            "and run the same command again"
        )
    if kinds & {"DatasetNotFoundError", "RepositoryNotFoundError"}:
        return UserError(
            f"{source} does not exist, or not for everyone: look for it on https://huggingface.co/datasets, or log in with hf auth login "
            "and run the same command again"
        )
    if choices and text.startswith(("Bad split", "Config name is missing", "BuilderConfig")):
        choice = choices[1].replace("'", "").split(", ")[0]
        form = (
            f"hf:{name}:{choice}" if text.startswith("Bad split") else f"hf:{name}:{choice}:train"
        )
        return UserError(
            f"{source} has no such {'split' if text.startswith('Bad split') else 'subset, or wants one'}; there are {choices[1]}: --source {form}"
        )
    if "scripts are no longer supported" in text:
        return UserError(
            f"{source} can be read only by running its own code, which is never done: download its pictures and name their folder, "
            "--source PATH"
        )
    if kinds & UNREACHED:
        return UserError(
            f"{source} cannot be reached ({type(error).__name__}): run the same command again with a network; what has arrived is kept"
        )
    return UserError(
        f"{source} cannot be read ({type(error).__name__}: {text[:200]}): name another, or download its pictures and name their folder, "
        "--source PATH"
    )


@contextlib.contextmanager
def user_errors(source):
    """Any error inside ends as one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # of datasets, huggingface_hub, httpx, fsspec and pyarrow, without a common class
        raise trouble(error, source) from error


def open_rows(source):
    """-> (state of the data set there, stream of rows, the split's length or None)."""
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            f"{source} needs the library datasets: pip install 'datasets>=4', then run the same command again"
        ) from error
    if int(datasets.__version__.split(".")[0]) < 4:
        raise UserError(
            f"{source} needs datasets 4 or newer, since older ones run code of strangers: pip install --upgrade datasets"
        )
    name, subset, split = split_source(source)
    with user_errors(source):
        builder = datasets.load_dataset_builder(name, subset)
        streams = builder.as_streaming_dataset(split=split)
        # a dict of all splits
        if split is None:
            split = "train" if "train" in streams else next(iter(streams))
            if len(streams) > 1:
                print(
                    f"{source}: split {split} of {', '.join(streams)}; another one: --source {source}:NAME",
                    flush=True,
                )
            streams = streams[split]
        known = (builder.info.splits or {}).get(split)
        if not streams.features:
            raise UserError(
                f"{source} does not say which of its columns holds pictures; download them and name their folder, --source PATH"
            )
        return builder.hash, streams.decode(False), known and known.num_examples


def columns_of(features, source):
    """-> Columns: the first picture, caption, text or title, else the only column of text; style, or labels that are styles."""
    import datasets

    def kind(feature):
        return getattr(feature, "dtype", None) in ("string", "large_string")

    pictures = sorted(
        (name for name in features if isinstance(features[name], datasets.Image)),
        key=lambda name: name not in tables.IMAGE,
    )
    if not pictures:
        raise UserError(
            f"{source} has no column of pictures, only {', '.join(map(output.printable, features))}: name another"
        )
    texts = [
        name
        for name in features
        if kind(features[name])
        or (isinstance(features[name], datasets.List) and kind(features[name].feature))
    ]
    words = [name for name in texts if name not in ("style", *tables.IMAGE)]
    caption = next(
        (name for name in tables.CAPTION if name in texts), words[0] if len(words) == 1 else None
    )
    named = {
        name: tuple(feature.names)
        for name, feature in features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    known = {style.rstrip("s") for style in STYLES}
    labels = [
        name
        for name, names in named.items()
        if known & {label.lower().rstrip("s") for label in names}
    ]
    style = next((name for name in ("style", *labels) if name in named or name in texts), None)
    print(
        f"{source}: pictures from column {pictures[0]}, captions from {caption or 'none'}, styles from {style or 'none'}",
        flush=True,
    )
    return Columns(pictures[0], caption, style, named.get(style, ()))


def picture_of(value, name):
    """A value of the picture's column -> (bytes, its name in the data set). ValueError says what is wrong with it: a path may lead to nothing
    but the data set's own files, in a .zip of its own too."""
    image = formats.one_image({"image": value})
    inside = value.get("path") or "" if isinstance(value, dict) else ""
    if isinstance(image, str):
        import fsspec

        root = (
            f"{name}/"
            if name.startswith("/") or re.match("[A-Za-z]:", name)
            else f"hf://datasets/{name}@"
        )
        *outer, file = image.replace("\\", "/").split("::")
        if (
            not file.startswith(root)
            or ".." in file.split("/")
            or not all(part.startswith("zip://") for part in outer)
        ):
            raise ValueError("the image lies outside of the data set")
        try:
            with fsspec.open(image, "rb") as opened_file:
                image = opened_file.read(archive_members.MAX_MEMBER_BYTES + 1)
        except FileNotFoundError as error:
            raise ValueError("image not found") from error
        except zipfile.BadZipFile as error:
            raise ValueError("damaged (BadZipFile)") from error
        inside = (
            outer[0].removeprefix("zip://")
            if outer
            else file.removeprefix(root).partition("/")[2]
            if root.startswith("hf:")
            else file.removeprefix(root)
        )
    if len(image) > archive_members.MAX_MEMBER_BYTES:
        raise ValueError(f"larger than {archive_members.MAX_MEMBER_BYTES:,} bytes")
    return image, inside


def row_of(found, columns, name):
    """A row of the data set -> (bytes, row for metadata.jsonl), or (None, what is wrong with it)."""
    try:
        image, inside = picture_of(found[columns.picture], name)
        said = found.get(columns.caption)
        caption = formats.one_caption(
            {"caption": next(iter(said), None) if isinstance(said, list) else said}
        )
        style = found.get(columns.style)
        if isinstance(style, int):
            style = columns.styles[style] if 0 <= style < len(columns.styles) else None
        style = formats.sound(style) if isinstance(style, str) else ""
        return image, {
            "member": formats.sound(inside),
            **({"caption": caption} if caption else {}),
            **({"style": style} if style.strip() else {}),
        }
    except ValueError as error:
        return None, str(error)


def download(source, folder, most, known, rows):
    """Goes on after `rows` as `known` says, until the data set ends or `most` pictures are there -> all rows. Every batch is noted once it is
    written: what a killed run wrote after its last note is written again."""
    there, stream, length = open_rows(source)
    columns = columns_of(stream.features, source)
    name = split_source(source)[0]
    if known and known["there"] == there:
        stream.load_state_dict(known["state"])
    else:
        # nothing yet, or the data set has changed since
        shutil.rmtree(folder, ignore_errors=True)
        rows = []
        known = {"bytes": 0}
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / HUB_JOURNAL, rows)
    finished = False
    have = sum("file_name" in row for row in rows)
    size = known["bytes"]
    batches = iter(stream)
    with (
        open(folder / HUB_JOURNAL, "a", encoding="utf-8") as log,
        ThreadPoolExecutor(HUB_BATCH) as threads,
        progress(
            label="fetching", total=min(filter(None, (most, length)), default=None), initial=have
        ) as bar,
    ):
        while not finished and not (most and have >= most):
            wanted = min(HUB_BATCH, most - have) if most else HUB_BATCH
            with user_errors(source):
                batch = list(itertools.islice(batches, wanted))
                found = list(
                    threads.map(row_of, batch, itertools.repeat(columns), itertools.repeat(name))
                )
            finished = len(batch) < wanted
            before = len(rows)
            for image, row in found:
                if image is None:
                    rows.append(rejections.rejection(source, row, source, len(rows) + 1))
                    continue
                rows.append(
                    {
                        "file_name": f"{len(rows):06}_{archive_members.harmless(row['member'])}{annotations.suffix_inside(image)}",
                        **row,
                    }
                )
                (folder / rows[-1]["file_name"]).write_bytes(image)
                have = have + 1
                size = size + len(image)
            if not finished and (
                len(rows) >= archive_members.MAX_MEMBERS or size > archive_members.MAX_TOTAL_BYTES
            ):
                finished = True
                rows.append(
                    rejections.rejection(
                        source,
                        f"more than {archive_members.MAX_MEMBERS:,} rows or {archive_members.MAX_TOTAL_BYTES:,} bytes: {archive_members.REST}",
                        source,
                        0,
                    )
                )
            log.write(writers.json_lines(rows[before:]))
            log.flush()
            known = {
                "version": HUB_VERSION,
                "source": source,
                "there": there,
                "rows": len(rows),
                "bytes": size,
                "finished": finished,
                "state": stream.state_dict(),
            }
            write_text(folder / HUB_MARKER, json.dumps(known))
            bar.update(sum(image is not None for image, _ in found))
    ours = {row.get("file_name") for row in rows}
    for path in folder.iterdir():
        if not path.name.startswith(".") and path.name not in ours:
            path.unlink()
    return rows


def fetch_hub(source, folder, most=0):
    """Data set -> (lost, seen), as formats.describe has them; `folder` gets its pictures, with metadata.jsonl. most: how many pictures are
    enough, the first ones; where more are wanted later, it goes on after them. A finished download asks nobody again."""
    known = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads((folder / HUB_MARKER).read_text("utf-8"))
    if (known.get("version"), known.get("source")) != (HUB_VERSION, source):
        known = {}
    rows = recover_jsonl(folder / HUB_JOURNAL)[: known["rows"]] if known else []
    if not known.get("finished") and not (most and sum("file_name" in row for row in rows) >= most):
        rows = download(source, folder, most, known, rows)
    pictures = [row for row in rows if "file_name" in row]
    text = writers.json_lines(pictures)
    path = folder / "metadata.jsonl"
    if not path.exists() or path.read_bytes() != text.encode():
        write_text(path, text)
    return [row for row in rows if "reason" in row], [
        {"file": source, "format": "datasets", "confidence": 1.0, "rows": len(pictures)}
    ]
