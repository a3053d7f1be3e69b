"""Trials of what --source names: pictures, captions, tables, archives, columns, odd folders."""

import io
import json
import os
import random
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.fuzzing.harms import NAMES, Rng, harm_bytes, harm_entry, harm_json, harm_text
from tests.fuzzing.material import (
    CHECK,
    PICTURES,
    PICTURES_COUNT,
    PREPARE,
    STYLE,
    Material,
    caption,
    encoded,
    write_parquet,
    write_tar,
    write_zip,
)
from tests.fuzzing.place import Place
from tests.fuzzing.trials import Check, Outcome, Trial

SET = tuple("set" if word == "source" else word for word in PREPARE)
ANNOTATIONS = {
    "jsonl": "set.jsonl",
    "imagefolder": "metadata.jsonl",
    "clip": "set.tsv",
    "llava": "llava.json",
    "qwen": "qwen.jsonl",
    "instruct": "instruct.json",
}


def files_below(folder: Path) -> list[Path]:
    """All files, in order; no links."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def is_whole(at_least: int) -> Check:
    """A check that a prepared collection holds so many pictures, and that all of it can be read."""

    def check(place: Place, outcome: Outcome) -> Iterator[str]:
        if outcome.code != 0 or "--check" in outcome.words:
            return
        yield from wrong_in_collection(place.work / "data", at_least)

    return check


def wrong_in_collection(data: Path, at_least: int) -> Iterator[str]:
    """What of a collection is not whole."""
    import numpy as np
    from PIL import Image

    rows = json.loads((data / f"metadata/{STYLE}_metadata.json").read_text("utf-8"))
    if len(rows) < at_least:
        yield f"{len(rows)} pictures of {at_least} are prepared"
    processed = data / f"processed/{STYLE}"
    pixels = np.load(processed / "pixels_32.npy")
    ids = json.loads((processed / "pixels_32.json").read_text("utf-8"))["ids"]
    if ids != [row["id"] for row in rows] or len(pixels) != len(rows):
        yield "pixels and records differ"
        return
    for row, square in zip(rows, pixels):
        with Image.open(processed / "resized" / row["filename"]) as image:
            mode = "L" if pixels.ndim == 3 else "RGB"
            if not np.array_equal(np.asarray(image.convert(mode)), square):
                yield "a picture differs from its pixels"
                return


def source_pictures(material: Material, rng: Rng) -> Trial:
    """One of many pictures is harmed: only that one is lost."""
    place = material.place
    place.restore(("source",))
    loose = sorted((place.work / "source/loose").glob("red_ship_*"))
    pictures = [path for path in loose if path.suffix != ".txt"]
    path = rng.choice(pictures)
    kept = files_below(place.work / "source")
    if rng.random() < 0.2:
        kept.remove(path)
        done = harm_entry(rng, path, str(place.root))
    else:
        other = rng.choice([other for other in pictures if other != path]).read_bytes()
        done = harm_bytes(rng, path, other)
    words = CHECK if rng.random() < 0.15 else PREPARE
    # a picture that became another one counts once
    whole = is_whole(PICTURES_COUNT - 2)
    return Trial(done, [words], kept=kept, allowed=(0,), check=whole, may_copy=True)


def source_sidecars(material: Material, rng: Rng) -> Trial:
    """One caption file is harmed: no picture is lost."""
    place = material.place
    place.restore(("source",))
    sidecars = sorted((place.work / "source/loose").glob("*.txt"))
    path = rng.choice(sidecars)
    kept = [file for file in files_below(place.work / "source") if file != path]
    harms = (harm_bytes, harm_text, harm_text, lambda *of: harm_entry(*of, str(place.root)))
    done = rng.choice(harms)(rng, path)
    if rng.random() < 0.2 and os.path.lexists(path):
        path = path.rename(path.with_suffix(rng.choice((".caption", ".json", ".TXT"))))
    words = CHECK if rng.random() < 0.15 else PREPARE
    whole = is_whole(PICTURES_COUNT)
    return Trial(done, [words], kept=kept, allowed=(0,), check=whole, may_copy=True)


def source_tables(material: Material, rng: Rng) -> Trial:
    """A table of captions in any format, harmed, with its pictures beside it."""
    from oneseed.dataset import writers

    place = material.place
    place.restore(())
    folder = place.work / "set"
    folder.mkdir()
    names = [f"{number}.png" for number in range(1, 5)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(encoded(number))
    name = rng.choice(sorted(ANNOTATIONS))
    rows = [
        {"image": image, "caption": caption(n), "style": STYLE} for n, image in enumerate(names)
    ]
    texts = {
        "jsonl": writers.jsonl_text,
        "imagefolder": writers.imagefolder_text,
        "clip": writers.clip_text,
    }
    if name in texts:
        text = texts[name](rows)
    else:
        text = "".join(writers.template(name).replace("1.png", image) for image in names[:1])
    path = folder / ANNOTATIONS[name]
    path.write_text(text, "utf-8")
    done = harm_table(rng, path, place)
    flags = ("--format", name) if rng.random() < 0.3 else ()
    source = str(path.relative_to(place.work)) if rng.random() < 0.4 else "set"
    words = tuple(source if word == "set" else word for word in SET) + flags
    if rng.random() < 0.2:
        words = (*words, "--check")
    return Trial(done, [words], kept=files_below(folder), check=is_whole(1))


def harm_table(rng: Rng, path: Path, place: Place) -> str:
    """Harms a table by one of the ways that suit it."""
    if path.suffix in (".json", ".jsonl") and rng.random() < 0.6:
        return harm_json(rng, path, str(place.root))
    if path.suffix in (".tsv", ".csv") and rng.random() < 0.4:
        lines = path.read_text("utf-8").splitlines()
        cells = lines[-1].split("\t")
        cell = rng.choice((*NAMES, '"', '"' * 7, "x" * 200_000, "a\tb", "\x00"))
        cells[rng.randrange(len(cells))] = cell.replace("{root}", str(place.root))
        lines[-1] = "\t".join(cells)
        path.write_text("\n".join(lines) + "\n", "utf-8", errors="surrogatepass")
        return f"{path.name}: a cell {cell[:20]!r}"
    return rng.choice((harm_bytes, harm_text))(rng, path)


def source_archives(material: Material, rng: Rng) -> Trial:
    """A zip or tar, damaged or with names that lead out, alone or among others."""
    place = material.place
    place.restore(())
    folder = place.work / "set"
    folder.mkdir()
    suffix = rng.choice(("zip", "tar", "tar.gz", "tar.xz", "tar.bz2"))
    path = folder / f"prints.{suffix}"
    more: dict[str, bytes] = {}
    for _ in range(rng.choice((0, 1, 3))):
        name = rng.choice(NAMES).replace("{root}", str(place.root))
        more[name.encode("utf-8", "replace").decode()] = rng.choice((encoded(70), b"mine"))
    if rng.random() < 0.3:
        rows = [{"file_name": rng.choice(NAMES).replace("{root}", str(place.root)), "text": "x"}]
        more["metadata.jsonl"] = json.dumps(rows[0]).encode()
    write_archive(path, suffix, more)
    done = f"{path.name} with {list(more)}"
    if suffix.startswith("tar") and rng.random() < 0.3:
        done += add_links(rng, path, place)
    elif rng.random() < 0.5:
        done += " " + harm_bytes(rng, path, b"\x1f\x8b\x08\x00" + bytes(50))
    if rng.random() < 0.4:
        (folder / "1.png").write_bytes(encoded(50))
    source = f"set/{path.name}" if rng.random() < 0.5 else "set"
    words = tuple(source if word == "set" else word for word in SET)
    if rng.random() < 0.2:
        words = (*words, "--check")
    return Trial(done, [words, words], kept=files_below(folder), check=is_whole(1))


def write_archive(path: Path, suffix: str, more: dict[str, bytes]) -> None:
    if suffix == "zip":
        write_zip(path, range(40, 44), more)
    else:
        mode = "w" if suffix == "tar" else f"w:{suffix.removeprefix('tar.')}"
        write_tar(path, range(40, 44), more, mode)


def add_links(rng: Rng, path: Path, place: Place) -> str:
    """Links, devices and pipes as members, and a member behind a link."""
    kind = rng.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE))
    target = rng.choice(("/", str(place.guard), "../../guard", f"{place.guard}/secret.png", "."))
    with tarfile.open(path, "w") as archive:
        link = tarfile.TarInfo("link.png")
        link.type = kind
        link.linkname = target
        archive.addfile(link)
        for name in ("link.png/secret.png", "link.png", "ok.png"):
            info = tarfile.TarInfo(name)
            data = encoded(71)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return f" and a member of kind {kind!r} to {target}"


def source_columns(material: Material, rng: Rng) -> Trial:
    """Parquet and Arrow files, and saved data sets, harmed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = material.place
    place.restore(())
    folder = place.work / "set"
    folder.mkdir()
    path = folder / rng.choice(("rows.parquet", "rows.arrow", "rows.feather"))
    write_parquet(path, range(40, 44))
    if path.suffix != ".parquet":
        table = pq.read_table(path)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    if rng.random() < 0.35:
        done = harm_columns(rng, path, place)
    else:
        done = harm_bytes(rng, path, b"PAR1" + bytes(40) + b"PAR1")
    if rng.random() < 0.2:
        (folder / "state.json").write_text('{"_data_files": [{"filename": "../../guard/x.arrow"}]}')
        (folder / "dataset_info.json").write_text(rng.choice(("{}", "[]", "null", "{")))
    source = f"set/{path.name}" if rng.random() < 0.5 else "set"
    words = tuple(source if word == "set" else word for word in SET)
    return Trial(done, [words], kept=files_below(folder), check=is_whole(1))


def harm_columns(rng: Rng, path: Path, place: Place) -> str:
    """Columns of other kinds, and names that lead out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    outside = rng.choice(NAMES).replace("{root}", str(place.root)).encode("utf-8", "replace")
    columns = {
        "image": rng.choice(
            (
                [outside.decode()] * 2,
                [1, 2],
                [None, None],
                [b"bytes", b"\xff"],
                [{"bytes": None, "path": outside.decode()}] * 2,
                [{"bytes": encoded(60), "path": outside.decode()}] * 2,
                [{"bytes": encoded(60), "path": None}] * 2,
                [[{"bytes": encoded(60), "path": "1.png"}]] * 2,
            )
        ),
        "text": rng.choice((["a", "b"], [1.0, float("nan")], [None, ""], [["a"], ["b", "c"]])),
    }
    pq.write_table(pa.table(columns), path.with_suffix(".parquet"))
    if path.suffix != ".parquet":
        path.unlink()
    return f"{path.name}: {str(columns)[:80]}"


def source_folders(material: Material, rng: Rng) -> Trial:
    """Pipes, loops, devices, odd names and depth in a folder of pictures: the rest is prepared."""
    place = material.place
    place.restore(())
    folder = place.work / "set"
    folder.mkdir()
    for number, suffix in enumerate(list(PICTURES)[:3]):
        kind, mode = PICTURES[suffix]
        (folder / f"{number}.{suffix}").write_bytes(encoded(number, kind, mode))
    kept = files_below(folder)
    done = [odd_entry(rng, folder, place) for _ in range(rng.choice((1, 2, 4)))]
    words = (*SET, "--check") if rng.random() < 0.3 else SET
    return Trial(", ".join(done), [words], kept=kept, allowed=(0,), check=is_whole(3))


def odd_entry(rng: random.Random, folder: Path, place: Place) -> str:
    """Adds one thing to the folder that is not a common file -> what."""
    name = f"odd{rng.randrange(10**6)}"
    raw = os.fsencode(folder)
    ways = {
        "pipe": lambda: os.mkfifo(folder / f"{name}.png"),
        "loop": lambda: (folder / name).symlink_to("."),
        "link to itself": lambda: (folder / f"{name}.jpg").symlink_to(f"{name}.jpg"),
        "link to the root": lambda: (folder / name).symlink_to("/proc/self"),
        "link to zeros": lambda: (folder / f"{name}.png").symlink_to("/dev/zero"),
        "link to a terminal": lambda: (folder / f"{name}.txt").symlink_to("/dev/tty"),
        "caption of a pipe": lambda: os.mkfifo(folder / "0.txt"),
        "no UTF-8": lambda: write_raw(raw + b"/caf\xe9" + name.encode() + b".png", encoded(80)),
        "control": lambda: write_raw(raw + b"/\x1b[31mred\n" + name.encode(), encoded(81)),
        "long": lambda: write_raw(raw + b"/" + b"n" * 251 + b".png", encoded(82)),
        "deep": lambda: deep_folder(folder / name, 200),
        "table that is a folder": lambda: (folder / "metadata.csv").mkdir(),
        "table that is a pipe": lambda: os.mkfifo(folder / f"{name}.jsonl"),
        "archive that is a folder": lambda: (folder / f"{name}.zip").mkdir(),
        "archive that is a pipe": lambda: os.mkfifo(folder / f"{name}.tar"),
        "empty archive": lambda: (folder / f"{name}.zip").write_bytes(b""),
        "sparse giant": lambda: os.truncate(touched(folder / f"{name}.png"), 2**40),
        "sparse table": lambda: os.truncate(touched(folder / f"{name}.jsonl"), 2**40),
        "sparse sidecar": lambda: os.truncate(touched(folder / "1.txt"), 2**36),
        "bomb": lambda: (folder / f"{name}.png").write_bytes(bomb()),
        "zip bomb": lambda: zip_bomb(folder / f"{name}.zip"),
        "notes of ours": lambda: (folder / ".unpacked.json").write_text("[]"),
    }
    what = rng.choice(sorted(ways))
    try:
        ways[what]()
    except FileExistsError:
        return f"{what} (twice)"
    return what


def write_raw(path: bytes, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def touched(path: Path) -> Path:
    path.touch()
    return path


def deep_folder(folder: Path, depth: int) -> None:
    for _ in range(depth):
        folder /= "d"
    folder.mkdir(parents=True)
    (folder / "deep.png").write_bytes(encoded(83))


def bomb() -> bytes:
    """A PNG of 30,000 x 30,000 pixels, which takes a kilobyte."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10**6))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(20):
            archive.writestr(f"{number}.txt", bytes(5 * 10**6))
            archive.writestr(f"{number}.png", bytes(5 * 10**6))
