"""Annotated pictures in the formats that other tools write: recognised, read row by row, and written again.

imagefolder   metadata.jsonl or .csv: {"file_name": "1.png", "text": "a castle"}            datasets, diffusers
jsonl         any .jsonl or .json list: {"image": "1.png", "caption": "a castle"}           datasets
sidecar       1.png beside 1.txt                                                            kohya
webdataset    the same, with 1.json, in a .tar                                              webdataset, open_clip, img2dataset
clip          .csv or .tsv with a header: filepath, title                                   open_clip
llava         .json list: {"image": "1.png", "conversations": [{"from": "gpt", …}]}         LLaVA
qwen          .json or .jsonl: {"images": ["1.png"], "messages": [{"role": …}]}             Qwen2-VL, TRL, LLaMA-Factory
instruct      .json list: {"image_path": "1.png", "instruction": "…", "output": "a castle"}
parquet       columns image (struct of bytes and path, or a path) and text                  datasets

A row in: {"image": path below the file's folder, or bytes, "caption": "" where there is none, "style": where one is said}.
A bad row is never fatal: it becomes {"path", "reason", "file", "line"}. A caption is read and written letter by letter.
"""

import contextlib
import csv
import io
import itertools
import json
import os
import posixpath
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from cli import UserError, whole_file

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"}
TABLES = {".jsonl", ".json", ".csv", ".tsv", ".parquet"}
NOTES = TABLES | {".txt"}
IMAGE = ("file_name", "filename", "image", "image_path", "filepath", "file_path", "img")
CAPTION = ("caption", "text", "title")
QUESTION = "Describe this picture in one sentence."
# read from Parquet
COLUMNS = {
    *IMAGE,
    *CAPTION,
    "style",
    "images",
    "messages",
    "conversations",
    "instruction",
    "output",
}
# rows that decide which format a file has
SAMPLE = 50
# bytes of an annotation file that is no Parquet
LONGEST_FILE = 2**30
MAGIC = {
    ".png": b"\x89PNG",
    ".webp": b"RIFF",
    ".gif": b"GIF8",
    ".bmp": b"BM",
    ".tif": (b"II*\0", b"MM\0*"),
}
EXAMPLE = [
    {"image": "1.png", "caption": "An engraving of a castle on a hill", "style": "engraving"},
    {
        "image": "2.png",
        "caption": 'A drawing of two ships, "Aurora" and another',
        "style": "drawings",
    },
]


def suffix_of(name):
    return posixpath.splitext(str(name))[1].lower()


def rejected(path, reason, file, line):
    """The report's row for a bad one; also what sentence() turns into "captions.csv, line 12: image not found: x.png"."""
    return {"path": path, "reason": reason, "file": file, "line": line}


def printable(text):
    """Text for a terminal or a page: what could move the cursor or turn the text around is written as an escape."""
    return "".join(
        letter
        if letter.isprintable()
        else letter.encode("unicode_escape", "surrogatepass").decode()
        for letter in text
    )


def sentence(row):
    """A row of the report in words."""
    where = row["file"] + (f", line {row['line']}" if row["line"] else "")
    return printable(
        (f"{where}: {row['reason']}" + (f": {row['path']}" if row["path"] != row["file"] else ""))[
            :200
        ]
    )


# Tables: a file's rows one by one as (line, dict), or (line, reason) where there is none


def text_of(data):
    """Bytes that are no UTF-8 become lone surrogates, so that only their own row is refused."""
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def json_rows(data):
    """A list of objects or one object a line. A list is read object by object, so that what stands before a damage is kept."""
    if not data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        # splits at \n alone, and never holds the text as a whole
        for number, line in enumerate(io.BytesIO(data), 1):
            if line.strip():
                try:
                    row = json.loads(text_of(line))
                    yield number, row if isinstance(row, dict) else "no JSON object"
                except (ValueError, RecursionError):
                    yield number, "no JSON"
        return
    text = text_of(data)
    decoder = json.JSONDecoder()
    space = re.compile(r"[\s,]*")
    at = text.index("[") + 1
    line = 1
    line += text.count("\n", 0, at)
    while True:
        start = space.match(text, at).end()
        line += text.count("\n", at, start)
        if text[start : start + 1] == "]":
            return
        try:
            row, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            yield line, "no JSON, or cut off: nothing was read from here on"
            return
        yield line, row if isinstance(row, dict) else "no JSON object"
        line += text.count("\n", start, at)


def csv_rows(data):
    """With a header; separated by tabs where the header holds one, else by commas or semicolons."""
    text = text_of(data)
    header = text.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter="\t" if "\t" in header else ";" if ";" in header and "," not in header else ",",
    )
    csv.field_size_limit(LONGEST_FILE)
    columns = None
    line = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            yield line, "no CSV"
            return
        if cells is None:
            return
        if columns is None:
            columns = [cell.strip() for cell in cells]
        elif cells and len(cells) > len(columns):
            yield line, f"more columns than the {len(columns)} of the header"
        elif cells:
            yield (
                line,
                {
                    column: re.sub(r"^'(?='*[=+\-@\t\r])", "", cell)
                    for column, cell in zip(columns, cells)
                },
            )
        line = reader.line_num + 1


def pyarrow_parquet():
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise UserError(
            "Parquet files need pyarrow: pip install pyarrow, then run the same command again"
        ) from error
    return pyarrow.parquet


def parquet_rows(path):
    """In batches; other columns are not read."""
    parquet = pyarrow_parquet()
    import pyarrow

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(
                batch_size=16, columns=[name for name in file.schema_arrow.names if name in COLUMNS]
            ):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        yield (
            number + 1,
            f"no Parquet, or damaged ({type(error).__name__}): nothing was read from here on",
        )


def table(name, path):
    """Rows of the annotation file at `path`, whose name decides how. UserError where it cannot be read at all."""
    suffix = suffix_of(name)
    if suffix == ".parquet":
        return parquet_rows(path)
    try:
        if path.stat().st_size > LONGEST_FILE:
            raise UserError(
                f"{path} is longer than {LONGEST_FILE:,} bytes; split it and name the parts: python dataset_preparation.py --source A,B"
            )
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); name another: python dataset_preparation.py --source PATH"
        ) from error
    return csv_rows(data) if suffix in (".csv", ".tsv") else json_rows(data)


# One row -> (image, caption). ValueError says what is wrong with it


def sound(text):
    if re.search("[\ud800-\udfff]", text):
        raise ValueError("text that is no UTF-8")
    return text


def one_image(row, keys=IMAGE):
    """A path, or the bytes themselves."""
    image = next((row[key] for key in keys if row.get(key)), None)
    if isinstance(image, list):
        if len(image) > 1:
            raise ValueError(f"{len(image)} images, one is wanted")
        image = image[0] if image else None
    if isinstance(image, dict):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, bytes) and image:
        return image
    if not image:
        raise ValueError("no image is named")
    if not isinstance(image, str):
        raise ValueError("the image is no path")
    if re.match(r"https?://", image):
        raise ValueError("the image is a web address")
    return sound(image.removeprefix("file://"))


def one_caption(row, keys=CAPTION):
    """The first of the keys that says something, "" where none does."""
    values = [row[key] for key in keys if row.get(key) not in (None, "")]
    said = next((value for value in values if isinstance(value, str) and value.strip()), None)
    if said is None and any(not isinstance(value, str) for value in values):
        raise ValueError("the caption is no text")
    return sound(said or "")


def turns(row, key, speaker, words):
    """Conversation -> pairs of (who, what); what is a text or a list of parts."""
    said = row.get(key)
    if not isinstance(said, list) or not all(isinstance(turn, dict) for turn in said):
        raise ValueError(f"{key} is no list of turns")
    return [(turn.get(speaker), turn.get(words)) for turn in said]


def plain_row(row):
    return one_image(row), one_caption(row)


def llava_row(row):
    said = turns(row, "conversations", "from", "value")
    answer = next((words for who, words in said if who in ("gpt", "assistant")), "")
    return one_image(row), one_caption({"caption": answer})


def qwen_row(row):
    said = turns(row, "messages", "role", "content")
    lists = [
        (who, words if isinstance(words, list) else [{"type": "text", "text": words}])
        for who, words in said
    ]
    parts = [(who, part) for who, words in lists for part in words if isinstance(part, dict)]
    named = [
        part["image"] for _, part in parts if part.get("type") == "image" and part.get("image")
    ]
    answer = next(
        (
            part.get("text")
            for who, part in parts
            if who == "assistant" and part.get("type") == "text"
        ),
        "",
    )
    return one_image(
        {"images": row.get("images") or row.get("image") or named}, ("images",)
    ), one_caption({"caption": answer})


def instruct_row(row):
    return one_image(row, ("image_path", "images", *IMAGE)), one_caption(row, ("output",))


READ = {
    "imagefolder": plain_row,
    "jsonl": plain_row,
    "clip": plain_row,
    "llava": llava_row,
    "qwen": qwen_row,
    "instruct": instruct_row,
    "parquet": plain_row,
}
# of the others: .json .jsonl .parquet
TABLES_OF = {"imagefolder": {".jsonl", ".csv"}, "clip": {".csv", ".tsv"}, "parquet": {".parquet"}}
NAMES = (*READ, "sidecar", "webdataset")


def fits(name, row):
    """How surely a row of the file `name` is of each format, 0 to 1; the first of equals counts."""
    suffix = suffix_of(name)
    picture = any(row.get(key) for key in IMAGE)
    pair = (1 if any(key in row for key in CAPTION) else 0.5) if picture else 0
    talks = {
        "llava": "conversations" in row,
        "qwen": "messages" in row,
        "instruct": {"instruction", "output"} <= row.keys(),
    }
    folder = {"imagefolder": pair if is_metadata(name) else 0}
    if suffix in (".csv", ".tsv"):
        return folder | {"clip": pair}
    return talks | ({"parquet": pair} if suffix == ".parquet" else folder | {"jsonl": pair})


def is_metadata(name):
    return posixpath.basename(str(name)) in ("metadata.jsonl", "metadata.csv")


def detect(name, rows):
    """Name and first rows of an annotation file -> (format or None, confidence 0 to 1: the mean certainty over its readable rows)."""
    rows = [row for _, row in rows if isinstance(row, dict)]
    certainty = Counter()
    for row in rows:
        certainty.update(fits(name, row))
    best = max(certainty, key=certainty.get, default=None)
    return (best, certainty[best] / len(rows)) if best and certainty[best] else (None, 0.0)


# A folder or an archive


def listed(folder, data):
    """{path relative to folder, with /: None, or state_of a picture} of pictures and annotation files at any depth. Hidden files and our
    own `data` folder are passed over."""
    listing = {}
    for base, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith((".", "__MACOSX")) and (Path(base) / name).resolve() != data
        ]
        below = Path(base).relative_to(folder).as_posix()
        for name in names:
            suffix = suffix_of(name)
            if not name.startswith(".") and suffix in SUFFIXES | NOTES:
                # a dangling link is no picture
                with contextlib.suppress(FileNotFoundError):
                    listing[posixpath.normpath(posixpath.join(below, name))] = (
                        state_of(os.path.join(base, name)) if suffix in SUFFIXES else None
                    )
    return listing


def state_of(path):
    """File -> (bytes, time of its last change); what os.stat returns takes ten times the memory."""
    state = os.stat(path)
    return state.st_size, state.st_mtime_ns


def describe(names, path_of, format="auto", keep=None, base=""):
    """What is known of pictures -> (rows, lost, seen).

    names: paths (with /) of pictures and annotation files, below one root. path_of(name) -> Path to read an annotation file from.
    format: "auto", or the one that all annotation files have. keep(name, bytes): stores a picture that lies inside a Parquet file.
    base: the root's absolute path, so that absolute names below it are found.
    rows: {path of a picture, which may be missing: row with caption, file, line and perhaps style}; the first of several rows counts.
    lost: bad rows; seen: what was read: {"file", "format", "confidence", "rows"}.
    """
    names = set(names)
    stems = {posixpath.splitext(name)[0] for name in names if suffix_of(name) in SUFFIXES}
    beside = lambda name: suffix_of(name) == ".json" and posixpath.splitext(name)[0] in stems
    rows = {}
    lost = []
    seen = []
    tables = sorted(
        (name for name in names if suffix_of(name) in TABLES and not beside(name)),
        key=lambda name: (not is_metadata(name), name),
    )
    for name in tables if format not in ("sidecar", "webdataset") else ():
        if format != "auto" and suffix_of(name) not in TABLES_OF.get(
            format, {".json", ".jsonl", ".parquet"}
        ):
            continue
        try:
            found = table(name, path_of(name))
            first = list(itertools.islice(found, SAMPLE))
        except UserError as error:
            if len(names) == 1:
                raise
            lost.append(rejected(name, str(error), name, 0))
            continue
        known, certainty = detect(name, first)
        known, certainty = (
            (format, 1.0)
            if format != "auto"
            else ("imagefolder", certainty)
            if is_metadata(name) and not known
            else (known, certainty)
        )
        # some other table that lies about
        if known is None or certainty <= 0.5 and len(names) > 1 and not is_metadata(name):
            continue
        count = 0
        for line, row in itertools.chain(first, found):
            try:
                if isinstance(row, str):
                    raise ValueError(row)
                image, caption = READ[known](row)
                path = (
                    embedded(name, line, image, keep)
                    if isinstance(image, bytes)
                    else located(name, image, base)
                )
                style = row.get("style")
                style = {"style": sound(style)} if isinstance(style, str) and style.strip() else {}
                member = {"member": row["member"]} if isinstance(row.get("member"), str) else {}
                rows.setdefault(
                    path, {"caption": caption, **style, **member, "file": name, "line": line}
                )
                count += 1
            except ValueError as error:
                lost.append(rejected(name, str(error), name, line))
        seen.append(
            {"file": name, "format": known, "confidence": round(certainty, 2), "rows": count}
        )
    lost += (
        sidecars(names, path_of, rows, seen) if format in ("auto", "sidecar", "webdataset") else []
    )
    return rows, lost, seen


def located(name, image, base):
    """Path of a picture that the annotation file `name` names. ValueError where it leads out of the root."""
    root = base.rstrip("/") + "/"
    image = image.replace("\\", "/")
    below = base and image.startswith(root)
    path = posixpath.normpath(
        image.removeprefix(root) if below else posixpath.join(posixpath.dirname(name), image)
    )
    if (
        path.startswith(("/", "../"))
        or path == ".."
        or re.match(r"[A-Za-z]:", path)
        or "\0" in path
    ):
        raise ValueError("the image lies outside of the folder")
    return path


def suffix_inside(image):
    """Suffix for a picture's bytes, by how they begin."""
    return next((suffix for suffix, mark in MAGIC.items() if image.startswith(mark)), ".jpg")


def embedded(name, line, image, keep):
    if keep is None:
        raise ValueError("holds the picture itself; name the file as --source")
    path = f"{name}/{line:06}{suffix_inside(image)}"
    keep(path, image)
    return path


def sidecars(names, path_of, rows, seen):
    """Fills rows from the .txt or .json with the picture's name; a caption that a table gave stays -> bad ones."""
    lost = []
    count = 0
    pictures = sorted(name for name in names if suffix_of(name) in SUFFIXES)
    for picture in pictures:
        stem = posixpath.splitext(picture)[0]
        row = rows.get(picture, {})
        found = {}
        if stem + ".json" in names:
            try:
                known = json.loads(text_of(path_of(stem + ".json").read_bytes()))
                if not isinstance(known, dict):
                    raise ValueError("no JSON object")
                found = {
                    "caption": one_caption(known),
                    **{
                        key: sound(known[key])
                        for key in ("style",)
                        if isinstance(known.get(key), str)
                    },
                }
            except (OSError, ValueError, RecursionError) as error:
                reason = (
                    "no JSON"
                    if isinstance(error, (json.JSONDecodeError, RecursionError))
                    else str(error)
                )
                lost.append(rejected(picture, reason, stem + ".json", 0))
        if not row.get("caption") and stem + ".txt" in names:
            text = (
                path_of(stem + ".txt")
                .read_bytes()
                .removeprefix(b"\xef\xbb\xbf")
                .decode("utf-8", "replace")
            )
            found = {**found, "caption": text if text.strip() else found.get("caption", "")}
        if found:
            count += 1
            rows[picture] = {
                "file": stem,
                "line": 0,
                **found,
                **row,
                "caption": row.get("caption") or found.get("caption", ""),
            }
    if count:
        seen.append(
            {
                "file": "",
                "format": "sidecar",
                "confidence": round(count / len(pictures), 2),
                "rows": count,
            }
        )
    return lost


def holds_pictures(path):
    """True for a Parquet file with the pictures' bytes inside. UserError without pyarrow, or where the file is none."""
    first = list(itertools.islice(parquet_rows(path), SAMPLE))
    if first and isinstance(first[0][1], str):
        raise UserError(
            f"{path} is {first[0][1]}; name another: python dataset_preparation.py --source PATH"
        )
    values = [
        row.get(key) for _, row in first if isinstance(row, dict) for key in (*IMAGE, "images")
    ]
    values += [part for value in values if isinstance(value, list) for part in value]
    return any(
        isinstance(value.get("bytes") if isinstance(value, dict) else value, bytes)
        for value in values
    )


# Out


def json_lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def json_list(rows):
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n"


def with_style(row, values):
    return values | ({"style": row["style"]} if row.get("style") else {})


def clip_text(rows):
    """Every cell quoted; one that a spreadsheet would compute is led by an apostrophe, which csv_rows takes off again."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["filepath", "title", "style"])
    for row in rows:
        writer.writerow(
            [
                re.sub(r"^(?='*[=+\-@\t\r])", "'", cell)
                for cell in (row["image"], row["caption"], row.get("style", ""))
            ]
        )
    return file.getvalue()


def llava_values(row):
    return {
        "id": posixpath.splitext(posixpath.basename(row["image"]))[0],
        "image": row["image"],
        "conversations": [
            {"from": "human", "value": f"<image>\n{QUESTION}"},
            {"from": "gpt", "value": row["caption"]},
        ],
    }


def qwen_values(row):
    return {
        "images": [row["image"]],
        "messages": [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]},
            {"role": "assistant", "content": [{"type": "text", "text": row["caption"]}]},
        ],
    }


def instruct_values(row):
    return {"image_path": row["image"], "instruction": QUESTION, "output": row["caption"]}


WRITE = {
    "imagefolder": (
        "metadata.jsonl",
        lambda rows: json_lines(
            with_style(row, {"file_name": row["image"], "text": row["caption"]}) for row in rows
        ),
    ),
    "jsonl": (
        "captions.jsonl",
        lambda rows: json_lines(
            with_style(row, {"image": row["image"], "caption": row["caption"]}) for row in rows
        ),
    ),
    "clip": ("captions.tsv", clip_text),
    "llava": (
        "llava.json",
        lambda rows: json_list(with_style(row, llava_values(row)) for row in rows),
    ),
    "qwen": (
        "messages.jsonl",
        lambda rows: json_lines(with_style(row, qwen_values(row)) for row in rows),
    ),
    "instruct": (
        "instruct.json",
        lambda rows: json_list(with_style(row, instruct_values(row)) for row in rows),
    ),
}


def beside_values(format, row):
    """{suffix: bytes} of what lies beside a picture."""
    found = {".txt": row["caption"].encode()} if row["caption"] else {}
    if format == "webdataset":
        found[".json"] = json.dumps(
            with_style(row, {"caption": row["caption"]}), ensure_ascii=False
        ).encode()
    return found


def template(format):
    """A valid example of the format, as text: the annotation file, or for sidecars and Parquet what makes it."""
    if format in WRITE:
        return WRITE[format][1](EXAMPLE)
    if format == "parquet":
        rows = ",\n    ".join(
            f"{{'image': {{'bytes': open({row['image']!r}, 'rb').read(), 'path': {row['image']!r}}}, 'text': {row['caption']!r}, "
            f"'style': {row['style']!r}}}"
            for row in EXAMPLE
        )
        return (
            "import pyarrow\nimport pyarrow.parquet\n\n"
            f"rows = [\n    {rows}]\npyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), 'pictures.parquet')\n"
        )
    return "".join(
        f"{row['image']}\n"
        + "".join(
            f"{row['image'][:-4]}{suffix}: {value.decode()}\n"
            for suffix, value in beside_values(format, row).items()
        )
        for row in EXAMPLE
    )


@contextlib.contextmanager
def parquet_writer(path, further):
    """-> add(rows) for a file with the columns image ({"bytes", "path"}), text and the further ones, {name: Arrow's name of its kind}. Written some hundred
    rows at a time, and described as `datasets` wants it, so that pictures show as such."""
    parquet = pyarrow_parquet()
    waiting = []
    import pyarrow

    kinds = {"text": "string", **further}
    described = {
        "image": {"_type": "Image"},
        **{name: {"dtype": kind, "_type": "Value"} for name, kind in kinds.items()},
    }
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema(
        [("image", image), *((name, pyarrow.type_for_alias(kind)) for name, kind in kinds.items())],
        metadata={"huggingface": json.dumps({"info": {"features": described}})},
    )
    with parquet.ParquetWriter(path, schema) as writer:

        def flush(least):
            if len(waiting) >= least:
                writer.write_table(pyarrow.Table.from_pylist(waiting, schema=schema))
                waiting.clear()

        def add(rows):
            waiting.extend(rows)
            flush(256)

        yield add
        flush(1)


def write_parquet(path, rows):
    """rows: with "path", the picture's file."""
    with parquet_writer(path, {"style": "string"}) as add:
        for row in rows:
            add(
                [
                    {
                        "image": {"bytes": Path(row["path"]).read_bytes(), "path": row["image"]},
                        "text": row["caption"],
                        "style": row.get("style"),
                    }
                ]
            )


def export(format, rows, out):
    """Rows with image (the name inside), path (the picture's file), caption and style -> `out`, a .zip, of webdataset a .tar; equal rows give
    equal bytes. UserError for another suffix, without pyarrow, or where a picture is gone."""
    wanted = ".tar" if format == "webdataset" else ".zip"
    if suffix_of(out) != wanted:
        raise UserError(
            f"--export {format} writes a {wanted} file, not {out}: python dataset_preparation.py --export {format} --out set{wanted}"
        )
    gone = next((row["path"] for row in rows if not Path(row["path"]).exists()), None)
    if gone:
        raise UserError(
            f"{gone} is missing; prepare the pictures again: python dataset_preparation.py --source PATH"
        )
    if format == "parquet":
        pyarrow_parquet()
    with (
        whole_file(out) as partial,
        (tar_writer if wanted == ".tar" else zip_writer)(partial) as add,
    ):
        if format == "parquet":
            with tempfile.TemporaryDirectory(dir=partial.parent) as folder:
                inside = Path(folder, "pictures.parquet")
                write_parquet(inside, rows)
                add(inside.name, inside)
        for row in rows if format != "parquet" else ():
            add(row["image"], Path(row["path"]))
            for suffix, value in (
                beside_values(format, row).items() if format in ("sidecar", "webdataset") else ()
            ):
                add(posixpath.splitext(row["image"])[0] + suffix, value)
        if format in WRITE:
            name, text = WRITE[format]
            add(name, text(rows).encode())


def stream(content):
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")


@contextlib.contextmanager
def zip_writer(path):
    """-> add(name, bytes, which are deflated, or the Path of what is compressed already). Dated 1980, whatever the clock says."""
    with zipfile.ZipFile(path, "w") as file:

        def add(name, content):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o644 << 16
            info.compress_type = (
                zipfile.ZIP_DEFLATED if isinstance(content, bytes) else zipfile.ZIP_STORED
            )
            with file.open(info, "w", force_zip64=True) as inside, stream(content) as outside:
                shutil.copyfileobj(outside, inside)

        yield add


@contextlib.contextmanager
def tar_writer(path):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:

        def add(name, content):
            info = tarfile.TarInfo(name)
            info.size = len(content) if isinstance(content, bytes) else content.stat().st_size
            with stream(content) as outside:
                file.addfile(info, outside)

        yield add
