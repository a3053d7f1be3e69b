"""Originals become findings and PNG files, in worker processes."""

import hashlib
import itertools
import sys

from oneseed.console.output import progress
from oneseed.dataset.jsonl import each_recovered, to_json, write_jsonl, write_lines
from oneseed.files import nonempty_files, whole_file
from oneseed.media.picture import encode_png, perceptual_hash, prepare_picture
from oneseed.workers import chunks

# of an original: what says that an earlier run's finding is of it
STATE = ("path", "bytes", "mtime")
# of an original: what its source says
SOURCE_KEYS = ("style", "caption", "source")
# raise when prepare() gives other pixels: all is prepared again
PREPARATION_VERSION = 2


def examine_picture(path, size, smallest):
    """Picture file -> (prepared picture, what is known of it: sha256, width, height, grey, pixels (hash of the result) and look), or
    (None, only the reason it was left out)."""
    try:
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            image, found = prepare_picture(file, size, smallest)
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
        "look": perceptual_hash(image, *found),
    }


def prepare_file(path, resized, size, smallest):
    """Picture file -> <id>.png in `resized`, and what examine found."""
    image, finding = examine_picture(path, size, smallest)
    if image is not None:
        with whole_file(resized / f"{finding['sha256'][:16]}.png", sync=False) as partial:
            partial.write_bytes(encode_png(image))
    return finding


def prepare_chunk(task):
    paths, folder, resized, size, smallest = task
    return [prepare_file(folder / path, resized, size, smallest) for path in paths]


def replace_finding(original, finding):
    """Puts what was found of an original into its row, in place of what was known before; of 100,000 every second row would be 100 MB."""
    for key in original.keys() - {*STATE, *SOURCE_KEYS}:
        del original[key]
    original |= {sys.intern(key): value for key, value in finding.items() if key not in STATE}


def journal_row(original):
    """What the journal knows of an original: all but what its source says of it, which may change with every run."""
    return {key: value for key, value in original.items() if key not in SOURCE_KEYS}


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
            replace_finding(original, line)
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
                        replace_finding(of_path[path], finding)
                        log.write(to_json(journal_row(of_path[path])) + "\n")
                    log.flush()
                    bar.update(len(done))
    # sources may overlap
    for original in originals:
        if original is not of_path[original["path"]]:
            replace_finding(original, journal_row(of_path[original["path"]]))
    write_lines(
        journal,
        lambda: (
            to_json(line) + "\n"
            for line in itertools.chain([header], map(journal_row, of_path.values()))
        ),
    )


def prepare_missing(originals, folder, collection, config, workers):
    """Prepares what no earlier run has; afterwards each row holds what prepare_file found."""

    # removed since, or another's duplicate before
    def lacking():
        first = {}
        there = nonempty_files(collection.resized)
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
        "version": PREPARATION_VERSION,
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
