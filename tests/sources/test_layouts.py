"""Every layout that docs/data.md shows is prepared as it stands there, pictures and captions."""

import hashlib
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from oneseed.config.preparation import CAPTION_FORMATS
from oneseed.files import suffix_of
from oneseed.sources.survey import folders_above
from tests.preparation.test_dataset_preparation import picture, run_main

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text("utf-8")
LAYOUTS = DOCUMENT[DOCUMENT.index("## Layouts") :].partition("\n## ")[0]
COMMAND = "python dataset_preparation.py --source "
CAPTIONS = {1: "a castle on a hill", 2: "two ships at sea"}


def examples() -> Iterator[pytest.ParameterSet]:
    """(source, lines of files) of each example, under the heading that it stands below."""
    for section in LAYOUTS.split("\n### ")[1:]:
        heading = section.partition("\n")[0]
        for number, block in enumerate(re.findall(r"```text\n(.*?)```", section, re.DOTALL), 1):
            command, _, files = block.partition("\n\n")
            assert command.startswith(COMMAND), command
            yield pytest.param(
                command.removeprefix(COMMAND), files.splitlines(), id=f"{heading} {number}"
            )


EXAMPLES = list(examples())


def png(name):
    """The bytes of the picture of a name: the second where it says 2 or ships, else the first."""
    number = next((int(digit) for digit in re.findall(r"[1-9]", Path(name).stem)), 0)
    file = io.BytesIO()
    picture(2 if "ships" in name else number).save(file, "PNG")
    return file.getvalue()


def files_of(lines):
    """Lines of an example -> {path: lines that the file holds, None of a picture}."""
    found: dict[str, list[str] | None] = {}
    path = ""
    for line in lines:
        if line.startswith("    "):
            held = found[path]
            assert held is not None, f"{path} is a picture"
            held.append(line[4:])
        elif line:
            path = line.removesuffix(":")
            found[path] = [] if line.endswith(":") else None
    return found


def content_of(path, lines):
    """The bytes of a file of an example."""
    suffix = suffix_of(path)
    if lines is None:
        return png(path)
    if suffix in (".zip", ".tar"):
        return archive(
            suffix, {name: content_of(name, held) for name, held in files_of(lines).items()}
        )
    if suffix in (".parquet", ".arrow"):
        return columns(suffix, [json.loads(line) for line in lines])
    return "\n".join(lines).encode()


def archive(suffix, members):
    file = io.BytesIO()
    if suffix == ".zip":
        with zipfile.ZipFile(file, "w") as target:
            for name, content in members.items():
                target.writestr(name, content)
    else:
        with tarfile.open(fileobj=file, mode="w") as target:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                target.addfile(info, io.BytesIO(content))
    return file.getvalue()


def columns(suffix, rows):
    """A Parquet or Arrow file of the rows, where <1.png> stands for a picture's bytes."""
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    for row in rows:
        if isinstance(row.get("image"), dict):
            row["image"]["bytes"] = png(row["image"]["bytes"].strip("<>"))
    table = pyarrow.Table.from_pylist(rows)
    file = io.BytesIO()
    if suffix == ".parquet":
        parquet.write_table(table, file)
    else:
        with pyarrow.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
    return file.getvalue()


def build(folder, lines):
    """Writes the files of an example into a folder."""
    for path, held in files_of(lines).items():
        link, _, target = path.partition(" -> ")
        (folder / link).parent.mkdir(parents=True, exist_ok=True)
        if target:
            (folder / link).symlink_to(folder / target)
        else:
            (folder / path).write_bytes(content_of(path, held))


@pytest.mark.parametrize("source, lines", EXAMPLES)
def test_a_layout_of_the_document_is_prepared_as_it_says(tmp_path, source, lines):
    build(tmp_path, lines)
    sources = ",".join(str(tmp_path / name) for name in source.split(","))
    _, rows, report = run_main(sources, tmp_path / "prepared")
    expected = {
        hashlib.sha256(png(f"{number}.png")).hexdigest(): caption
        for number, caption in CAPTIONS.items()
    }
    assert {row["sha256"]: row["caption"] for row in rows} == expected
    assert (report["found"], report["rejected"], report["passed_over"]) == (2, 0, 0)


def test_the_document_has_an_example_of_every_kind_of_layout():
    suffixes = {suffix_of(path) for path in re.findall(r"[\w./-]+", LAYOUTS)}
    assert suffixes >= {".txt", ".caption", ".json", ".jsonl", ".csv", ".zip", ".tar", ".parquet"}
    assert len(EXAMPLES) >= 30
    missing = [name for name in CAPTION_FORMATS if f"| `{name}` |" not in DOCUMENT]
    assert not missing, "formats that the document does not name"


@pytest.mark.parametrize("folder", ["splits", "data", "annotations", "annotations/v1"])
@pytest.mark.parametrize("more", [(), ("annotations/preview.png",)])
def test_a_table_that_is_the_source_finds_its_pictures_above(tmp_path, folder, more):
    """In a folder of any other name than annotations all its rows were "image not found", and in
    annotations/ a preview was enough.
    """
    table = f"set/{folder}/train.jsonl"
    build(tmp_path, ["set/images/1.png", *(f"set/{path}" for path in more)])
    (tmp_path / table).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / table).write_text('{"image": "1.png", "caption": "a castle"}\n')
    _, rows, report = run_main(tmp_path / table, tmp_path / "prepared")
    assert [row["caption"] for row in rows] == ["a castle"]
    assert (report["found"], report["rejected"]) == (1, 0)


def test_no_home_folder_is_walked_for_the_pictures_of_a_table(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list(folders_above(tmp_path / "set" / "splits")) == [tmp_path / "set"]
    assert not list(folders_above(tmp_path / "splits"))
    assert not list(folders_above(tmp_path))
