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
import hashlib
import itertools
import json
import math
import os
import posixpath
import re
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

import checking
import formats
from cli import UserError, parse, progress, run, whole_file, write_text
from formats import SUFFIXES
from kaggle_source import fetch_kaggle
from pictures import content, look, png, prepare
from records import Collection, each_recovered, read_json, to_json, write_jsonl, write_lines
from settings import PRESETS, PrepareConfig
from sources import CLASSES, UNPACKED, Source, sources_of, survey_all
from workers import Workers

# of an original: what says that an earlier run's finding is of it
STATE = ("path", "bytes", "mtime")
# of an original: what its source says
SAID = ("style", "caption", "source")
# bits of 256; see look_alikes
ALIKE = 16
BUILTIN_COUNT = 6000
# raise when prepare() gives other pixels: all is prepared again
VERSION = 2


# One picture


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
    # no profile, comment or transparency goes into a new file
    image.info.clear()
    pixels = hashlib.sha256(image.mode.encode() + image.tobytes()).hexdigest()
    return image, {
        "sha256": sha256,
        "width": found[0],
        "height": found[1],
        "grey": image.mode == "L",
        "pixels": pixels[:32],
        "look": look(image, *found),
    }


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
    return [
        finding
        if image is None
        else finding | checking.measure(content(image, finding["width"], finding["height"]))
        for image, finding in examined
    ]


def plate_chunk(task):
    """Small JPEGs for a page, None where the picture is gone."""
    paths, folder, size, smallest = task
    examined = (examine(folder / path, size, smallest) for path in paths)
    return [
        None
        if image is None
        else checking.plate(content(image, finding["width"], finding["height"]))
        for image, finding in examined
    ]


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


def filled(folder):
    """Names of the files in folder that hold something; a power cut can leave an empty one."""
    with os.scandir(folder) as entries:
        return {entry.name for entry in entries if entry.stat().st_size}


def chunks(items, length):
    return [items[start : start + length] for start in range(0, len(items), length)]


# Sources that are fetched or drawn first: each ends as a folder of pictures


def draw_builtin(config, workers):
    """Draws what is missing of the built-in collection into data/raw/builtin/ -> Source.

    A file's name holds level, size and a hash of what is drawn, so that a drawing is never taken for another."""
    import scenes

    folder = Collection("builtin", config.data).raw
    drawings = []
    for number, facts in enumerate(
        scenes.collection(config.max_samples or BUILTIN_COUNT, config.level, 0)
    ):
        key = hashlib.sha256(f"{scenes.COLLECTION} {number} {facts!r}".encode()).hexdigest()[:8]
        drawings.append(
            (f"level{config.level}_{config.image_size}px_{number:05}_{key}.png", facts, number)
        )
    folder.mkdir(parents=True, exist_ok=True)
    there = filled(folder)
    # another level or size; can be drawn again
    for name in there - {name for name, _, _ in drawings}:
        if re.fullmatch(r"level\d_\d+px_\d{5}_[0-9a-f]{8}\.png|\..*\.partial", name):
            (folder / name).unlink()
    missing = [drawing for drawing in drawings if drawing[0] not in there]
    if missing:
        tasks = [(chunk, folder, config.image_size) for chunk in chunks(missing, 16)]
        with progress(
            label="drawing", total=len(drawings), initial=len(drawings) - len(missing)
        ) as bar:
            for _, done in workers.each(draw_chunk, tasks):
                bar.update(len(done))
    write_lines(
        folder / "metadata.jsonl",
        lambda: (
            to_json({"file_name": name, "caption": scenes.tell(facts, number, config.level)}) + "\n"
            for name, facts, number in drawings
        ),
    )
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


def find_missing(
    originals, folder, journal, header, label, work, arguments, workers, lacking=lambda: ()
):
    """Does `work` for the originals that no earlier run has, and for those whose path lacking() names; afterwards each row holds its finding.

    Every finding is a line of `journal` at once, known by path, length and time of change, so that a killed run goes on where it was.
    Under another header the journal begins anew."""
    of_path = {original["path"]: original for original in originals}
    lines = each_recovered(journal)
    if next(lines, None) != header:
        lines.close()
        write_jsonl(journal, [header])
    for line in lines:
        original = of_path.get(line["path"])
        if (
            original
            and all(original[key] == line[key] for key in STATE)
            and not line.get("reason", "").startswith("cannot be opened")
        ):
            tell(original, line)
    with open(journal, "a", encoding="utf-8") as log:
        while True:
            gone = lacking()
            todo = [
                path
                for path, original in of_path.items()
                if path in gone or not original.keys() & {"sha256", "reason"}
            ]
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
    # sources may overlap
    for original in originals:
        if original is not of_path[original["path"]]:
            tell(original, line_of(of_path[original["path"]]))
    write_lines(
        journal,
        lambda: (
            to_json(line) + "\n"
            for line in itertools.chain([header], map(line_of, of_path.values()))
        ),
    )


def prepare_missing(originals, folder, collection, config, workers):
    """Prepares what no earlier run has; afterwards each row holds what prepare_file found."""

    # removed since, or another's duplicate before
    def lacking():
        first = {}
        there = filled(collection.resized)
        for original in originals:
            if "pixels" in original:
                # as select() does
                first.setdefault(original["pixels"], original)
        return {
            original["path"]
            for original in first.values()
            if f"{original['sha256'][:16]}.png" not in there
        }

    collection.resized.mkdir(parents=True, exist_ok=True)
    header = {
        "version": VERSION,
        "size": config.image_size,
        "smallest": config.smallest,
        "folder": folder.as_posix(),
    }
    find_missing(
        originals,
        folder,
        collection.processed / "prepared.jsonl",
        header,
        "preparing",
        prepare_chunk,
        (collection.resized, config.image_size, config.smallest),
        workers,
        lacking,
    )


def select(rows):
    """Rows of original and finding, in order -> (kept, duplicates, rejected). Of pictures with equal bytes, or equal pixels once
    prepared, the first is kept and takes the caption of whichever has one."""
    kept = []
    duplicates = []
    rejected = []
    first = {}
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
    bits = np.frombuffer(bytes.fromhex("".join(looks)), np.uint64).reshape(-1, 4)  # (N, 4)
    middle = bits[:, 2].copy()
    first = np.arange(len(bits))
    block = max(1, 2**19 // max(1, len(bits)))
    for start in range(0, len(bits), block):
        stop = min(start + block, len(bits))
        # (block, <= N); a quarter tells most pairs apart
        near = np.bitwise_count(middle[start:stop, None] ^ middle[None, :stop]) <= ALIKE
        rows, others = np.nonzero(near)
        rows += start
        alike = np.bitwise_count(bits[rows] ^ bits[others]).sum(axis=-1) <= ALIKE
        rows = rows[alike]
        others = others[alike]
        # groups that meet become one, under the least number
        while ((one := first[rows]) != (other := first[others])).any():
            np.minimum.at(first, np.maximum(one, other), np.minimum(one, other))
            while ((up := first[first]) != first).any():
                first = up
    return first.tolist()


def to_records(kept, earlier):
    """Kept rows and the records of an earlier run, one after another -> records, each in the place of its row. A caption, a split and a mark of
    the earlier run stay, the caption unless the source's own has changed since."""
    ids = [row["sha256"][:16] for row in kept]
    known = []
    of_id = dict(zip(ids, kept))
    for old in earlier:
        known.append(old["id"])
        if row := of_id.get(old["id"]):
            given = row["caption"]
            changed = given and given != old.get("given", given)
            caption = (
                {"said": old["caption"]}
                if not changed and old.get("caption") not in (None, "", given)
                else {}
            )
            row |= caption | {
                key: old[key]
                for key in ("group", "split", "captioner", "left_out")
                if key in old and not (changed and key == "captioner")
            }
    # so that each row goes as its record comes
    del of_id
    groups = (
        [row["group"] for row in kept]
        if known == ids
        else [ids[first] for first in look_alikes([row["look"] for row in kept])]
    )
    for number, (id, row, group) in enumerate(zip(ids, kept, groups)):
        kept[number] = {
            "id": id,
            "filename": f"{id}.png",
            "width": row["width"],
            "height": row["height"],
            "sha256": row["sha256"],
            "style": row["style"],
            "source": row["source"],
            "original": row["path"],
            "group": group,
            "grey": row["grey"],
            "given": row["caption"],
            "caption": row.get("said", row["caption"]),
            **{key: row[key] for key in ("split", "captioner", "left_out") if key in row},
        }
    return kept


def write_pixels(records, collection, size, workers):
    """The prepared pictures as one uint8 array, (N, size, size) where all are grey, else (N, size, size, 3), and the ids of its rows."""
    path = collection.pixels(size)
    ids_path = collection.pixels_ids(size)
    shape = (
        (len(records), size, size)
        if all(record["grey"] for record in records)
        else (len(records), size, size, 3)
    )
    ids = {"size": size, "ids": [record["id"] for record in records]}
    with contextlib.suppress(OSError, ValueError, UserError):
        stored = np.load(path, mmap_mode="r")
        if read_json(ids_path) == ids and stored.shape == shape and stored.dtype == np.uint8:
            return
    # new pixels beside old ids would pair pictures with wrong captions
    ids_path.unlink(missing_ok=True)

    with whole_file(path) as partial, progress(label="caching", total=len(records)) as bar:
        with open(partial, "wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": shape}
            )
            begin = file.tell()
            each = math.prod(shape[1:])
            file.truncate(begin + each * len(records))
        tasks = [
            (
                [collection.resized / record["filename"] for record in records[first : first + 64]],
                partial,
                begin + each * first,
                "L" if len(shape) == 3 else "RGB",
            )
            for first in range(0, len(records), 64)
        ]
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
    base = folder.as_posix().rstrip("/") + "/"
    ours = raw.as_posix() + "/"
    records = [
        record
        for record in records
        if not (base + record["original"]).startswith(f"{ours}{UNPACKED}/")
    ]
    # a source lies there already
    if any((base + record["original"]).startswith(ours) for record in records):
        return
    listed = collection.processed / "links.json"
    wanted = {
        record["id"]
        + posixpath.splitext(record["original"])[
            1
        ].lower(): f"{folder.as_posix()}/{record['original']}"
        for record in records
    }
    ours = read_json(listed) if listed.exists() else {}
    collection.raw.mkdir(parents=True, exist_ok=True)
    there = set(os.listdir(collection.raw))
    for name in ours.keys() - wanted.keys():
        (collection.raw / name).unlink(missing_ok=True)
    # before the first link, so that none is forgotten
    write_changed(listed, json.dumps(ours | wanted))
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
    sides = np.array([(record["width"], record["height"]) for record in records])  # (N, 2)
    short = sides.min(axis=1)
    long = sides.max(axis=1)
    return {
        "original_sizes": {
            "short_side": {
                "least": int(short.min()),
                "median": int(np.median(short)),
                "most": int(short.max()),
            },
            "long_side": {
                "least": int(long.min()),
                "median": int(np.median(long)),
                "most": int(long.max()),
            },
        },
        "rejected_by_reason": dict(Counter(row["reason"] for row in rejected).most_common()),
    }


def export(config, collection):
    """The collection's pictures and captions as one file in the format of --export. The built-in ones are engravings to others."""
    rows = [row for row in collection.read_metadata() if not row.get("left_out")]
    below = "" if config.export in ("imagefolder", "sidecar", "webdataset") else "images/"
    formats.export(
        config.export,
        [
            {
                "image": below + row["filename"],
                "path": collection.resized / row["filename"],
                "caption": row.get("caption") or "",
                "style": "engraving" if row["style"] == "builtin" else row["style"],
            }
            for row in rows
        ],
        Path(config.out),
    )
    bare = sum(not row.get("caption") for row in rows)
    print(
        f"{config.out}: {len(rows):,} pictures as {config.export}"
        + (
            f", {bare:,} of them without a caption; to write those: "
            f"python caption_generation.py --style {config.style}"
            if bare
            else ""
        )
    )


def gather(config, workers):
    """--source -> its Sources, and what survey_all finds in them. UserError where there is none."""
    if config.source == "builtin":
        sources = [draw_builtin(config, workers)]
    elif config.source == "kaggle":
        if config.style not in (*CLASSES.values(), "all"):
            raise UserError(
                f"the Kaggle collection has no style {config.style}; choose --style {', '.join(CLASSES.values())} or all, or name a folder: "
                f"python dataset_preparation.py --style {config.style} --source PATH"
            )
        sources = [fetch_kaggle(config)]
    else:
        sources = sources_of(config)
    return sources, *survey_all(sources, config.style, Path(config.data).resolve(), config.format)


def shown(sources):
    """Sources as the user knows them, for a sentence."""
    return ", ".join(
        str(source.folder if source.seen is None else source.name) for source in sources
    )


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
    about = {
        "style": config.style,
        "source": ", ".join(source.name for source in sources),
        "size": config.image_size,
        "smallest": config.smallest,
        "found": len(originals) + other.total() + len(lost),
        "other_style": other.total(),
        "other_styles": dict(other.most_common()),
        "formats": seen,
    }
    originals, about["beyond_max_samples"] = sample(originals, config.max_samples)
    limits = {"size": config.image_size, "smallest": config.smallest}
    find_missing(
        originals,
        folder,
        collection.check.with_suffix(".jsonl"),
        {"version": VERSION, **limits, "folder": folder.as_posix()},
        "checking",
        check_chunk,
        tuple(limits.values()),
        workers,
    )
    kept, duplicates, rejected = select(originals)
    earlier = checking.prepared_before(collection)
    alike = look_alikes([row["look"] for row in [*earlier, *kept]])
    found = checking.report(
        about,
        originals,
        kept,
        duplicates,
        sorted(rejected + lost, key=lambda row: row["path"]),
        earlier,
        alike,
    )

    sheet, pictured = checking.wanted(found, kept)
    tasks = [(chunk, folder, checking.PLATE, config.smallest) for chunk in chunks(pictured, 8)]
    plates = {
        path: plate
        for task, done in workers.each(plate_chunk, tasks)
        for path, plate in zip(task[0], done)
    }
    checking.write(collection, found, kept, plates, sheet)

    page = collection.check.with_suffix(".html")
    print(
        f"{config.style}, looked at as at {config.image_size} px, from {about['source']} ({time.monotonic() - start:.1f} s)"
    )
    print("\n".join(checking.text(found, collection.check)))
    print(f"  files: {collection.check}, {page}")
    if not kept:
        raise UserError(
            checking.cause(
                found, folder, shown(sources), " ".join(sorted(suffix[1:] for suffix in SUFFIXES))
            ),
            code=1,
        )
    print(f"next: look at {page}; then the same command without --check prepares them")


def prepare_collection(config, workers):
    start = time.monotonic()
    collection = Collection(config.style, config.data)

    sources, folder, originals, other, lost, seen = gather(config, workers)
    source = ", ".join(source.name for source in sources)
    where = shown(sources)
    found = len(originals) + other.total() + len(lost)
    if not found:
        raise UserError(
            f"{where} holds no pictures ({' '.join(sorted(suffix[1:] for suffix in SUFFIXES))}); name another folder: "
            "python dataset_preparation.py --source PATH"
        )
    if not originals and other:
        raise UserError(
            f"none of the {found:,} pictures in {where} is of style {config.style}, they are of {', '.join(sorted(other))}: choose "
            f"one of these, python dataset_preparation.py --source {config.source} --style {other.most_common(1)[0][0]}"
        )
    originals, beyond = sample(originals, config.max_samples)

    prepare_missing(originals, folder, collection, config, workers)
    kept, duplicates, rejected = select(originals)
    # their memory serves the records
    del originals
    rejected = sorted(rejected + lost, key=lambda row: row["path"])
    report = {
        "style": config.style,
        "source": source,
        "size": config.image_size,
        "smallest": config.smallest,
        "found": found,
        "prepared": len(kept),
        "rejected": len(rejected),
        "duplicates": len(duplicates),
        "other_style": other.total(),
        "beyond_max_samples": beyond,
    }
    if not kept:
        reasons = ", ".join(
            f"{count:,} {reason}"
            for reason, count in Counter(row["reason"] for row in rejected).most_common()
        )
        raise UserError(
            f"none of the {found:,} pictures in {where} can be used ({reasons}); name another folder: "
            "python dataset_preparation.py --source PATH",
            code=1,
        )

    before = Counter()

    def earlier():
        for row in collection.each_metadata():
            before[row["source"]] += 1
            yield row

    records = to_records(kept, earlier())
    report |= {
        "grey": sum(record["grey"] for record in records),
        "with_caption": sum(bool(record["caption"]) for record in records),
        "look_alikes": len(records) - len({record["group"] for record in records}),
        **tally(records, rejected),
        "other_styles": dict(other.most_common()),
        "formats": seen,
        "rejected_files": rejected,
        "duplicate_files": duplicates,
    }
    write_pixels(records, collection, config.image_size, workers)
    collection.write_metadata(records)
    write_changed(collection.report, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    link_originals(records, folder, collection)
    sweep(records, collection, config.image_size)

    gone = sorted(before.keys() - {source.name for source in sources})
    if gone:
        print(
            f"the collection {config.style} came from {', '.join(gone)} before ({before.total():,} pictures) and is replaced"
        )
    print(
        f"{config.style}, {config.image_size} px, from {source} ({time.monotonic() - start:.1f} s)"
    )
    for label, count, note in (
        ("found", found, ""),
        (
            "other style",
            other.total(),
            ", ".join(f"{count:,} {style}" for style, count in other.most_common()),
        ),
        ("beyond --max-samples", beyond, ""),
        (
            "rejected",
            len(rejected),
            ", ".join(
                f"{count:,} {reason}" for reason, count in report["rejected_by_reason"].items()
            ),
        ),
        ("duplicates", len(duplicates), ""),
        (
            "prepared",
            len(records),
            f"{report['grey']:,} grey, {len(records) - report['grey']:,} colour; {report['with_caption']:,} with a caption",
        ),
    ):
        if count or label in ("found", "rejected", "duplicates"):
            print(f"  {label:<21}{count:>7,}" + (f"   {note}" if note else ""))
    for known in [known for known in seen if known["format"] not in ("imagefolder", "sidecar")][:5]:
        print(
            f"  {known['file']}: {known['format']} (confidence {known['confidence']:.2f}), {known['rows']:,} rows"
        )
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
