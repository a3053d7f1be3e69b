"""Ways to harm a file. Each takes its random numbers from outside, and says what it did."""

import json
import os
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

# what stands in the guarded folder beside a trial, as a stranger's file would name it
OUTSIDE = ("../guard/precious.txt", "../../guard/precious.txt", "../../../guard/secret.png")
NAMES = (
    *OUTSIDE,
    "{root}/guard/precious.txt",
    "{root}/guard/secret.png",
    "..\\guard\\precious.txt",
    "C:\\precious.txt",
    "a:b",
    ".",
    "..",
    "",
    "/",
    "/dev/zero",
    "/dev/stdin",
    "/proc/self/environ",
    "con.png",
    "NUL",
    "sub/folder.png",
    "x\x00y.png",
    "\x1b]0;title\x07\x1b[31mred.png",
    "line\nbreak.png",
    "\x9b31m\u202egnp.exe",
    "\ud800.png",
    "caf\udce9.png",
    "n" * 300 + ".png",
    "ü" * 200,
    "-rf",
    "~",
    "$(touch pwned)",
    "'; touch pwned; '",
    "<img src=x onerror=alert(1)>.png",
)
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 1e308, -1e-308, 0.5)
NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))
OTHER_KINDS: tuple[Any, ...] = (
    *(None, True, False, "", "word", [], {}, [None], [[]], {"": None}, {"a": {"b": [1]}}),
    *NUMBERS,
    *NO_NUMBERS,
)
CONTROL_TEXT = "\x1b[2J\x1b]0;x\x07bell \x08back \x7f\x9b5m end"
TEXTS = (
    CONTROL_TEXT,
    "x" * 100_000,
    "\ud83d",
    "\u202ereversed",
    "\u0000",
    " ",
    "\n\n",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "a\u0301" * 300,
    "漢字かな交じり文",
)

Rng = random.Random
BytesHarm = Callable[[Rng, bytes, bytes], bytes]


# ---- bytes ---------------------------------------------------------------------------------------


def flip_bits(rng: Rng, data: bytes, other: bytes) -> bytes:
    harmed = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 20))):
        if harmed:
            harmed[rng.randrange(len(harmed))] ^= 1 << rng.randrange(8)
    return bytes(harmed)


def flip_early_bits(rng: Rng, data: bytes, other: bytes) -> bytes:
    """Headers stand at the beginning."""
    return flip_bits(rng, data[:64], other) + data[64:]


def flip_late_bits(rng: Rng, data: bytes, other: bytes) -> bytes:
    """The lists of zip files and Parquet files stand at the end."""
    return data[:-200] + flip_bits(rng, data[-200:], other)


def cut_end(rng: Rng, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def cut_few(rng: Rng, data: bytes, other: bytes) -> bytes:
    return data[: -rng.randint(1, 9)]


def cut_begin(rng: Rng, data: bytes, other: bytes) -> bytes:
    return data[rng.randint(1, 20) :]


def make_empty(rng: Rng, data: bytes, other: bytes) -> bytes:
    return b""


def fill_zeros(rng: Rng, data: bytes, other: bytes) -> bytes:
    begin, end = span(rng, data)
    return data[:begin] + bytes(end - begin) + data[end:]


def all_zeros(rng: Rng, data: bytes, other: bytes) -> bytes:
    """What a power cut can leave."""
    return bytes(len(data))


def fill_ones(rng: Rng, data: bytes, other: bytes) -> bytes:
    begin, end = span(rng, data[:4000])
    return data[:begin] + b"\xff" * (end - begin) + data[end:]


def repeat_part(rng: Rng, data: bytes, other: bytes) -> bytes:
    begin, end = span(rng, data)
    return data[:end] + data[begin:end] * rng.choice((1, 1, 5)) + data[end:]


def swap_parts(rng: Rng, data: bytes, other: bytes) -> bytes:
    middle, end = span(rng, data)
    begin = rng.randrange(middle + 1)
    return data[:begin] + data[middle:end] + data[begin:middle] + data[end:]


def delete_part(rng: Rng, data: bytes, other: bytes) -> bytes:
    begin, end = span(rng, data)
    return data[:begin] + data[end:]


def insert_noise(rng: Rng, data: bytes, other: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + rng.randbytes(rng.choice((1, 4, 300))) + data[place:]


def be_noise(rng: Rng, data: bytes, other: bytes) -> bytes:
    return rng.randbytes(rng.choice((1, 16, 5000)))


def be_other_file(rng: Rng, data: bytes, other: bytes) -> bytes:
    return other


def mix_files(rng: Rng, data: bytes, other: bytes) -> bytes:
    place = rng.randrange(len(data) + 1)
    return data[:place] + other[place:] if rng.random() < 0.5 else data + other


def span(rng: Rng, data: bytes) -> tuple[int, int]:
    """Begin and end of some part of the bytes."""
    begin = rng.randrange(len(data) + 1)
    return begin, min(len(data), begin + rng.choice((1, 8, 64, 1000, len(data) + 1)))


BYTES_HARMS: tuple[BytesHarm, ...] = (
    *(flip_bits, flip_bits, flip_early_bits, flip_early_bits, flip_late_bits, cut_end, cut_end),
    *(cut_few, cut_begin, make_empty, fill_zeros, all_zeros, fill_ones, repeat_part, swap_parts),
    *(delete_part, insert_noise, be_noise, be_other_file, mix_files),
)


def harm_bytes(rng: Rng, path: Path, other: bytes = b"PK\x03\x04not this") -> str:
    """Writes the file with harmed bytes -> what was done."""
    harm = rng.choice(BYTES_HARMS)
    path.write_bytes(harm(rng, path.read_bytes(), other))
    return f"{path.name}: {harm.__name__}"


# ---- text ----------------------------------------------------------------------------------------


def harm_text(rng: Rng, path: Path) -> str:
    """Writes a text file as other programs and systems write it -> what was done."""
    data = path.read_bytes()
    text = data.decode("utf-8", "replace")
    ways: dict[str, Callable[[], bytes]] = {
        "UTF-8 with a mark": lambda: b"\xef\xbb\xbf" + data,
        "UTF-16": lambda: text.encode("utf-16", "replace"),
        "UTF-16 without a mark": lambda: text.encode("utf-16-be", "replace"),
        "UTF-32": lambda: text.encode("utf-32", "replace"),
        "Latin-1": lambda: (text + "é").encode("latin-1", "replace"),
        "bytes that are no UTF-8": lambda: data[: len(data) // 2] + b"\xff\xc3" + data[5:],
        "CRLF": lambda: data.replace(b"\n", b"\r\n"),
        "CR": lambda: data.replace(b"\n", b"\r"),
        "NUL bytes": lambda: data.replace(b" ", b"\x00"),
        "control characters": lambda: (text + CONTROL_TEXT).encode("utf-8", "replace"),
        "one long line": lambda: data.replace(b"\n", b" ") * 50,
        "blank lines": lambda: b"\n\n \n" + data.replace(b"\n", b"\n\n"),
        "no last line end": lambda: data.rstrip(b"\n"),
        "decomposed letters": lambda: unicodedata.normalize("NFD", text).encode("utf-8", "replace"),
        "a line more": lambda: (
            data + rng.choice((b"null", b"[]", b"{}", b'"x"', b"7", b"{")) + b"\n"
        ),
        "a line twice": lambda: data + data.splitlines(keepends=True)[-1] if data else b"\n",
        "a hundred thousand brackets": lambda: b"[" * 100_000,
        "a line of brackets": lambda: data + b'{"a":' * 50_000 + b"\n",
    }
    way = rng.choice(sorted(ways))
    path.write_bytes(ways[way]())
    return f"{path.name}: {way}"


# ---- JSON ----------------------------------------------------------------------------------------


def harm_value(rng: Rng, value: Any, root: str) -> tuple[Any, str]:
    """A JSON value -> one with one place harmed, and what was done."""
    places = list(places_in(value))
    parent, key = rng.choice(places) if places and rng.random() < 0.93 else (None, None)
    if parent is None:
        return rng.choice(OTHER_KINDS), "another kind as a whole"
    before = parent[key]
    what = rng.choice(("kind", "kind", "name", "text", "missing", "extra", "deep", "many", "key"))
    if what == "kind":
        parent[key] = rng.choice(OTHER_KINDS)
    elif what == "name":
        parent[key] = rng.choice(NAMES).replace("{root}", root)
    elif what == "text":
        parent[key] = rng.choice(TEXTS)
    elif what == "missing":
        del parent[key]
    elif what == "extra":
        if isinstance(parent, dict):
            parent[rng.choice(("", "__class__", "left_out", "x", CONTROL_TEXT))] = before
        else:
            parent.insert(0, rng.choice((before, None, 7)))
    elif what == "deep":
        deep: Any = before
        for _ in range(rng.choice((5, 500))):
            deep = [deep] if rng.random() < 0.5 else {"a": deep}
        parent[key] = deep
    elif what == "many":
        parent[key] = [before] * rng.choice((2, 1000))
    elif isinstance(parent, dict):
        # the name of a key: of a row, or of a file in a list of files
        parent[rng.choice(NAMES).replace("{root}", root)] = parent.pop(key)
    else:
        parent[key] = [key]
    return value, f"{what} at {key!r}, which was {type(before).__name__}"


def places_in(value: Any, depth: int = 0) -> Any:
    """(parent, key) of each value inside; of long lists the first and the last values."""
    if isinstance(value, dict):
        keys: list[Any] = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
        keys = keys[:4] + keys[4:][-2:]
    else:
        return
    for key in keys:
        yield value, key
        if depth < 6:
            yield from places_in(value[key], depth + 1)


def dump(value: Any) -> str:
    """JSON that may hold NaN, and lone surrogates as escapes."""
    return json.dumps(value)


def harm_json(rng: Rng, path: Path, root: str) -> str:
    """Writes the JSON file, or one line of a JSON Lines file, with one place harmed."""
    text = path.read_text("utf-8")
    if path.suffix in (".jsonl", ".log"):
        lines = text.splitlines()
        number = rng.randrange(len(lines)) if rng.random() < 0.7 else 0
        value, done = harm_value(rng, json.loads(lines[number]), root)
        lines[number] = dump(value)
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return f"{path.name} line {number + 1}: {done}"
    if rng.random() < 0.08:
        # the later of two equal keys counts, for most readers
        path.write_text(text.replace("{", '{"id": 1, "id": [], "filename": "x", ', 1), "utf-8")
        return f"{path.name}: keys twice"
    value, done = harm_value(rng, json.loads(text), root)
    path.write_text(dump(value), "utf-8")
    return f"{path.name}: {done}"


# ---- what lies there in place of a file ----------------------------------------------------------


def harm_entry(rng: Rng, path: Path, root: str) -> str:
    """Puts something else in the place of the file -> what was done."""
    content = path.read_bytes()
    path.unlink()
    ways: dict[str, Callable[[], Any]] = {
        "missing": lambda: None,
        "a folder": path.mkdir,
        "a folder with a file": lambda: (path.mkdir(), (path / "x.txt").write_text("mine")),
        "a pipe": lambda: os.mkfifo(path),
        "a link to itself": lambda: path.symlink_to(path.name),
        "a link to nothing": lambda: path.symlink_to("nowhere"),
        "a link to a secret": lambda: path.symlink_to(f"{root}/guard/secret.png"),
        "a link to precious text": lambda: path.symlink_to(f"{root}/guard/precious.txt"),
        "a link out to the same": lambda: link_out(path, content, root),
        "a link to the folder above": lambda: path.symlink_to(".."),
        "a link to /dev/zero": lambda: path.symlink_to("/dev/zero"),
        "a link to /dev/null": lambda: path.symlink_to("/dev/null"),
        "without rights": lambda: (path.write_bytes(content), path.chmod(0)),
    }
    way = rng.choice(sorted(ways))
    ways[way]()
    return f"{path.name}: {way}"


def link_out(path: Path, content: bytes, root: str) -> None:
    """The same bytes, but in the guarded folder: they may be read, never written."""
    outside = Path(root) / "guard" / f"same_{path.name}"
    outside.write_bytes(content)
    path.symlink_to(outside)
