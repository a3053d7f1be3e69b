"""A data set of the Hub arrives byte by byte, once, and leads to no file but its own."""

import hashlib
import io
import json
import re
import sys
import zipfile

import pytest

from oneseed.console.command import UserError
from oneseed.dataset.jsonl import read_json, read_jsonl
from oneseed.sources import hub, hub_rows, hub_source
from oneseed.sources.archive_members import DEFAULT_LIMITS, Limits
from oneseed.sources.hub_rows import Columns
from tests.preparation.test_dataset_preparation import picture, run_main

datasets = pytest.importorskip("datasets")

# rows that are read and noted together
BATCH_ROWS = 4


def png(seed):
    file = io.BytesIO()
    picture(seed).save(file, "PNG")
    return file.getvalue()


def write_parquet(folder, shards, labels=("drawings", "engraving")):
    """`shards` files of seven rows with pictures inside; columns image, text, notes and label."""
    import pyarrow
    import pyarrow.parquet

    def value(kind):
        return {"dtype": kind, "_type": "Value"}

    features = {
        "image": {"_type": "Image"},
        "text": value("string"),
        "notes": value("string"),
        "label": {"_type": "ClassLabel", "names": list(labels)},
    }
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema(
        [
            ("image", image),
            ("text", pyarrow.string()),
            ("notes", pyarrow.string()),
            ("label", pyarrow.int64()),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    folder.mkdir()
    for shard in range(shards):
        rows = [
            {
                "image": {"bytes": png(number), "path": f"{number}.png"},
                "text": f"Plate {number}",
                "notes": "",
                "label": number % 2,
            }
            for number in range(7 * shard, 7 * shard + 7)
        ]
        pyarrow.parquet.write_table(
            pyarrow.Table.from_pylist(rows, schema=schema), folder / f"train-{shard}.parquet"
        )
    return folder


def fetch(source, folder, most=0, limits=DEFAULT_LIMITS):
    """-> (lost, {member: (caption, style, hash of the bytes)}) of what lies there."""
    lost, seen = hub.fetch_hub(source, folder, most, limits=limits, batch_rows=BATCH_ROWS)
    rows = read_jsonl(folder / "metadata.jsonl")
    assert seen == [{"file": source, "format": "datasets", "confidence": 1.0, "rows": len(rows)}]
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        row["file_name"] for row in rows
    } | {"metadata.jsonl"}
    return lost, {
        row["member"]: (
            row.get("caption", ""),
            row.get("style", ""),
            hashlib.sha256((folder / row["file_name"]).read_bytes()).hexdigest(),
        )
        for row in rows
    }


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "unpacked"


@pytest.fixture
def asked(monkeypatch):
    """Rows that were really read, in order of arrival; row number `asked.stop` finds no network."""

    class Asked(list):
        stop = None

    asked = Asked()
    real = hub_rows.read_row

    def read_row(row, **rest):
        if row["text"] == f"Plate {asked.stop}":
            raise ConnectionError("reset by peer")
        asked.append(row["text"])
        return real(row, **rest)

    monkeypatch.setattr(hub_rows, "read_row", read_row)
    return asked


# What arrives


def test_pictures_arrive_byte_by_byte_with_caption_and_style(tmp_path, folder):
    source = f"hf:{write_parquet(tmp_path / 'set', 2)}"
    lost, rows = fetch(source, folder)
    assert not lost
    assert rows == {
        f"{number}.png": (
            f"Plate {number}",
            ("drawings", "engraving")[number % 2],
            sha256(png(number)),
        )
        for number in range(14)
    }


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_pictures_and_a_zip_arrive_too(tmp_path, folder, packed):
    place = tmp_path / "set" / "train"
    place.mkdir(parents=True)
    files = {f"engraving/{number}.png": png(number) for number in range(3)}
    files["metadata.jsonl"] = "".join(
        json.dumps({"file_name": name, "text": f"Plate {name[-5]}"}) + "\n" for name in files
    ).encode()
    if packed:
        with zipfile.ZipFile(place.with_suffix(".zip"), "w") as file:
            for name, data in files.items():
                file.writestr(name, data)
    else:
        for name, data in files.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_bytes(data)
    _, rows = fetch(f"hf:{tmp_path / 'set'}", folder)
    assert rows == {
        ("" if packed else "train/") + f"engraving/{number}.png": (
            f"Plate {number}",
            "",
            sha256(png(number)),
        )
        for number in range(3)
    }


def test_it_is_prepared_like_any_source_and_beside_others(tmp_path):
    source = f"hf:{write_parquet(tmp_path / 'set', 1)}"
    (tmp_path / "more").mkdir()
    picture(50).save(tmp_path / "more" / "x.png")
    (tmp_path / "more" / "copy.png").write_bytes(png(3))
    collection, rows, report = run_main(f"{source},{tmp_path / 'more'}", tmp_path)
    assert (report["found"], report["other_style"], report["duplicates"], len(rows)) == (9, 4, 1, 4)
    assert {row["source"] for row in rows} == {source, (tmp_path / "more").as_posix()}
    assert sorted(row["caption"] for row in rows) == ["", "Plate 1", "Plate 3", "Plate 5"]
    assert not any(path.is_symlink() for path in (collection.raw / "unpacked").rglob("*"))
    assert report["formats"][0]["format"] == "datasets"


def test_of_a_large_data_set_only_as_much_is_fetched_as_is_wanted(tmp_path):
    collection, rows, _ = run_main(
        f"hf:{write_parquet(tmp_path / 'set', 2)}", tmp_path, style="all", max_samples=3
    )
    assert len(rows) == 3 == len(list((collection.raw / "unpacked").rglob("*.png")))


def test_columns_are_found_by_name_and_kind(capsys):
    image = datasets.Image()
    text = datasets.Value("string")
    number = datasets.Value("int64")

    def columns(**features):
        return tuple(hub_rows.find_columns(features, "hf:a/b"))[:3]

    assert columns(mask=image, image=image, title=text, caption=text) == ("image", "caption", None)
    assert columns(image=image, title=text, description=text) == ("image", "description", None)
    assert "captions from description, else title" in capsys.readouterr().out
    assert columns(plate=image, prompt=text, year=number) == ("plate", "prompt", None)
    assert columns(plate=image, motto=text, url=text) == ("plate", None, None), (
        "of two columns of text none is guessed"
    )
    assert columns(image=image, file_name=text, caption=datasets.List(text), style=text) == (
        "image",
        "caption",
        "style",
    )
    assert columns(
        image=image,
        genre=datasets.ClassLabel(names=["Portrait"]),
        label=datasets.ClassLabel(names=["Paintings"]),
    ) == ("image", None, "label")
    assert "captions from none" in capsys.readouterr().out
    with pytest.raises(UserError, match="no column of pictures, only text"):
        columns(text=text)


def test_rows_are_judged_one_by_one():
    columns = Columns("image", "text", "label", ("painting", "engraving"))

    def row(**values):
        return hub_rows.read_row(
            {"image": {"bytes": b"\x89PNG", "path": "a/1.png"}, **values}, columns, "a/b"
        )

    assert row(text=["one", "two"], label=1) == (
        b"\x89PNG",
        {"member": "a/1.png", "caption": "one", "style": "engraving"},
    )
    assert row(text=None, label=-1) == (b"\x89PNG", {"member": "a/1.png"}) == row(text=[], label=7)
    assert row(text=3) == "the caption is no text"
    assert row(text="a\ud800") == "text that is no UTF-8"
    assert row(text=["", " "], title="Plate 1") == (b"\x89PNG", {"member": "a/1.png"})
    columns = columns._replace(title="title")
    for empty in (None, "", " ", []):
        assert row(text=empty, title="Plate 1")[1]["caption"] == "Plate 1"
    assert row(text="A ship", title="Plate 1")[1]["caption"] == "A ship"
    assert row(image=None) == "no image is named" == row(image={"bytes": b"", "path": None})


# Once, whatever happens


def test_a_finished_download_asks_nobody_again(tmp_path, folder, monkeypatch):
    source = f"hf:{write_parquet(tmp_path / 'set', 1)}"
    before = fetch(source, folder)
    stamps = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert fetch(source, folder) == before
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == stamps


def test_a_broken_download_goes_on_where_it_stopped(tmp_path, folder, asked):
    """In three places, within a file and between two; what was noted is not asked for again."""
    source = f"hf:{write_parquet(tmp_path / 'set', 4)}"
    for stop, noted in ((10, 8), (17, 16), (28 - 1, 24)):
        asked.stop = stop
        with pytest.raises(
            UserError, match="cannot be reached .ConnectionError.*what has arrived is kept"
        ):
            hub.fetch_hub(source, folder, batch_rows=BATCH_ROWS)
        assert read_json(folder / hub.HUB_MARKER)["rows"] == noted
        # as a kill in the next moment leaves it
        with open(folder / hub.HUB_JOURNAL, "a") as file:
            file.write('{"file_name": "000099_torn.png", "member": "torn"}\n{"file_name": "torn')
        (folder / "000099_torn.png").write_bytes(b"torn")
        asked.clear()
    asked.stop = None
    resumed = fetch(source, folder)
    assert sorted(asked) == [f"Plate {number}" for number in range(24, 28)]
    assert resumed == fetch(source, tmp_path / "whole")
    assert len(resumed[1]) == 28

    def files(place):
        return {
            path.name: path.read_bytes() for path in place.iterdir() if path.name != hub.HUB_MARKER
        }

    assert files(folder) == files(tmp_path / "whole")


@pytest.mark.parametrize("file", [hub.HUB_MARKER, hub.HUB_JOURNAL])
@pytest.mark.parametrize(
    "harm",
    [
        lambda text: "[1]\n" + text.partition("\n")[2],
        lambda text: "[" * 100_000 + "\n",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"Plate 1"', '"Plate 2"').replace('"rows": 7', '"rows": -1'),
        lambda text: text.replace('"rows": 7', '"rows": "7"').replace('"0', '"../0'),
    ],
    ids=["a list", "deep", "half", "another value", "another kind"],
)
def test_a_damaged_note_of_a_download_costs_the_download_and_nothing_else(
    tmp_path, folder, file, harm
):
    """A line that is a list ended every later run, and a changed one went into the captions."""
    source = f"hf:{write_parquet(tmp_path / 'set', 1)}"
    before = fetch(source, folder)
    text = (folder / file).read_text("utf-8")
    harmed = harm(text)
    assert harmed != text
    (folder / file).write_text(harmed, "utf-8")
    assert fetch(source, folder) == before
    assert (folder / file).read_text("utf-8") == text


def test_max_samples_takes_the_first_and_more_later(tmp_path, folder, asked):
    source = f"hf:{write_parquet(tmp_path / 'set', 3)}"
    assert len(fetch(source, folder, 6)[1]) == 6 == len(asked)
    assert len(fetch(source, folder, 5)[1]) == 6 == len(asked), "it is there, so it is kept"
    assert len(fetch(source, folder, 9)[1]) == 9 == len(asked)
    assert fetch(source, folder) == fetch(source, tmp_path / "whole")
    assert len(asked) == 42


def test_a_data_set_that_changed_meanwhile_begins_anew(tmp_path, folder, asked, monkeypatch):
    """The place in the old version would skip pictures of the new one, and take others twice."""
    source = f"hf:{write_parquet(tmp_path / 'set', 3)}"
    fetch(source, folder, 9)
    real = datasets.load_dataset_builder

    def changed(*arguments):
        builder = real(*arguments)
        builder.hash = "another"
        return builder

    monkeypatch.setattr(datasets, "load_dataset_builder", changed)
    asked.clear()
    assert len(fetch(source, folder)[1]) == 21 == len(asked)


# Strangers


@pytest.mark.parametrize(
    "name, path",
    [
        ("a/b", "/etc/passwd"),
        ("a/b", "file:///etc/passwd"),
        ("a/b", "../x.png"),
        ("a/b", "x.png"),
        ("a/b", "hf://datasets/a/other@1/x.png"),
        ("a/b", "hf://datasets/a/b@1/../../other@1/x.png"),
        ("a/b", "file:///etc/passwd::hf://datasets/a/b@1/x.zip"),
        ("a/b", "hf://datasets/a/b"),
        ("a/b", "zip://x.png::file:///etc/x.zip"),
        ("a/b", "s3://bucket/x.png"),
        ("a/b", "zip://x.png::zip://y.zip::https://x.org/z.zip"),
        ("/sets/one", "/sets/two/x.png"),
        ("/sets/one", "/sets/one/../two/x.png"),
        ("/sets/one", "zip://x.png::/sets/one/../x.zip"),
        ("/sets/one", "/sets/one"),
    ],
)
def test_a_path_leads_to_nothing_but_the_data_set_s_own_files(name, path, monkeypatch):
    """A stranger may name any path in place of bytes: a file of ours, a server of our network."""
    import fsspec

    monkeypatch.setattr(
        fsspec, "open", lambda *arguments: pytest.fail(f"{arguments[0]} was opened")
    )
    with pytest.raises(ValueError, match="lies outside of the data set"):
        hub_rows.read_picture({"bytes": None, "path": path}, name)
    with pytest.raises(ValueError, match="web address"):
        hub_rows.read_picture({"bytes": None, "path": "http://169.254.169.254/latest"}, name)


@pytest.mark.parametrize(
    "name, path, inside",
    [
        ("a/b", "hf://datasets/a/b@0123abc/train/engraving/1.png", "train/engraving/1.png"),
        ("a/b", "zip://engraving/1.png::hf://datasets/a/b@0123abc/train.zip", "engraving/1.png"),
        ("/sets/one", "/sets/one/1.png", "1.png"),
    ],
)
def test_its_own_files_are_read_up_to_the_limit(name, path, inside, monkeypatch):
    import fsspec

    monkeypatch.setattr(fsspec, "open", lambda path, mode: io.BytesIO(b"12345678"))
    assert hub_rows.read_picture({"bytes": None, "path": path}, name) == (b"12345678", inside)
    with pytest.raises(ValueError, match="larger than 7 bytes"):
        hub_rows.read_picture({"bytes": None, "path": path}, name, Limits(member_bytes=7))

    def gone(path, mode):
        raise FileNotFoundError(path)

    monkeypatch.setattr(fsspec, "open", gone)
    with pytest.raises(ValueError, match="image not found"):
        hub_rows.read_picture({"bytes": None, "path": path}, name)


@pytest.mark.parametrize(
    "limits, kept, reason",
    [
        (Limits(member_bytes=500), 0, "larger than 500 bytes"),
        (Limits(members=4), 4, "more than 4 rows"),
        (Limits(total_bytes=9000), 4, "more than .*9,000 bytes: nothing was read from here on"),
    ],
)
def test_a_data_set_fills_no_disk(tmp_path, folder, asked, limits, kept, reason):
    source = f"hf:{write_parquet(tmp_path / 'set', 1)}"
    lost, rows = fetch(source, folder, limits=limits)
    assert len(rows) == kept
    assert re.match(reason, lost[-1]["reason"])
    assert lost[-1]["file"] == source
    asked.clear()
    assert fetch(source, folder, limits=limits) == (lost, rows)
    assert not asked, "what met a limit is finished"


def test_a_stranger_s_name_for_a_file_is_no_name_of_ours(folder):
    import pyarrow
    import pyarrow.parquet

    place = folder.parent / "set"
    place.mkdir()
    names = ["../../../evil.png", "/etc/evil.png", "a\x00b\u202e.png", "", None]
    table = pyarrow.table(
        {"image": [{"bytes": png(number), "path": name} for number, name in enumerate(names)]},
        metadata={"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})},
    )
    pyarrow.parquet.write_table(table, place / "train.parquet")
    hub.fetch_hub(f"hf:{place}", folder)
    stems = [path.stem for path in sorted(folder.iterdir()) if path.suffix == ".png"]
    assert stems == ["000000_evil", "000001_evil", "000002_a_b_", "000003_", "000004_"]
    assert {path.name for path in folder.parent.iterdir()} <= {"set", "unpacked", "cache"}


# The user's mistakes, and others'

NotFound = datasets.exceptions.DatasetNotFoundError
ERRORS = [
    (
        NotFound("Dataset 'a/b' doesn't exist on the Hub or cannot be accessed."),
        "hf:a/b does not exist, or not for everyone.*hf auth login",
    ),
    (
        NotFound(
            "Dataset 'a/b' is a gated dataset on the Hub. You must be authenticated to access it."
        ),
        "accept its terms on https://huggingface.co/datasets/a/b, log in with hf auth login",
    ),
    (
        ConnectionError("Couldn't reach 'a/b' on the Hub (LocalEntryNotFoundError)"),
        "hf:a/b cannot be reached.*same command again with a network",
    ),
    (
        RuntimeError("Dataset scripts are no longer supported, but found b.py"),
        "running its own code, which is never done",
    ),
    (
        ValueError(
            "Config name is missing.\nPlease pick one among the available configs: ['en', 'de']\n"
            "Example of usage:\n\t`load_dataset('a/b', 'en')`"
        ),
        "there are 'en', 'de': --source hf:a/b:en:train",
    ),
    (
        ValueError("Bad split: x. Available splits: ['train', 'test']"),
        "has no such split; there are 'train', 'test': --source hf:a/b:train",
    ),
    (
        datasets.data_files.EmptyDatasetError(
            "The directory at hf://datasets/a/b@1 doesn't contain any data files\x1b"
        ),
        r"be read .EmptyDatasetError.*\\x1b",
    ),
]


@pytest.mark.parametrize("error, sentence", ERRORS)
def test_what_goes_wrong_is_one_sentence_with_a_way_on(folder, monkeypatch, error, sentence):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(datasets, "load_dataset_builder", fail)
    with pytest.raises(UserError, match=sentence) as caught:
        hub.fetch_hub("hf:a/b", folder)
    assert caught.value.code == 2
    assert "\n" not in str(caught.value)
    assert not folder.exists()


def test_errors_of_any_network_library_are_known_by_their_kind():
    import httpx

    for error in (httpx.ConnectError("x"), httpx.ReadTimeout("x"), TimeoutError("x")):
        wrapped = OSError("wrapped")
        wrapped.__cause__ = error
        assert "cannot be reached" in str(hub_source.hub_error(error, "hf:a/b"))
        assert "cannot be reached" in str(hub_source.hub_error(wrapped, "hf:a/b"))


def test_a_wrong_split_or_subset_names_those_there_are_and_none_means_train(
    tmp_path, folder, monkeypatch, capsys
):
    place = write_parquet(tmp_path / "set", 1)
    with pytest.raises(UserError, match="has no such split; there are 'train'"):
        hub.fetch_hub(f"hf:{place}:test", folder)
    with pytest.raises(UserError, match="no such subset, or wants one; there are 'default'"):
        hub.fetch_hub(f"hf:{place}:de:train", folder)
    (place / "train-0.parquet").rename(place / "test-0.parquet")
    assert len(fetch(f"hf:{place}", folder)[1]) == 7, "the only split needs no name"

    def split_of(source):
        return next(iter(hub.open_rows(source).stream))["text"]

    write_parquet(tmp_path / "other", 2)
    (tmp_path / "other" / "train-0.parquet").rename(place / "train-0.parquet")
    (tmp_path / "other" / "train-1.parquet").replace(place / "test-0.parquet")
    assert (
        split_of(f"hf:{place}"),
        split_of(f"hf:{place}:train"),
        split_of(f"hf:{place}:test"),
    ) == ("Plate 0", "Plate 0", "Plate 7")
    assert split_of(f"hf:{place}:default:test") == "Plate 7"
    real = datasets.load_dataset_builder

    def reversed_splits(*arguments):
        builder = real(*arguments)
        given = builder.as_streaming_dataset
        builder.as_streaming_dataset = lambda split: dict(reversed(given(split).items()))
        return builder

    monkeypatch.setattr(datasets, "load_dataset_builder", reversed_splits)
    capsys.readouterr()
    assert split_of(f"hf:{place}") == "Plate 0"
    assert "split train of test, train; another one" in capsys.readouterr().out


@pytest.mark.parametrize(
    "source",
    ["hf:", "hf:a/b/c", "hf:a/b:", "hf:a b", "hf:../nowhere/x", "hf:a/b:c:d:e", "hf:http://x.org"],
)
def test_what_names_no_data_set_is_said(source, folder):
    with pytest.raises(UserError, match="names no data set; they read hf:owner/name"):
        hub.fetch_hub(source, folder)


def test_without_the_library_or_with_one_that_runs_code_the_command_is_named(folder, monkeypatch):
    monkeypatch.setattr(datasets, "__version__", "3.6.0")
    with pytest.raises(UserError, match="pip install --upgrade datasets"):
        hub.fetch_hub("hf:a/b", folder)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="pip install 'datasets>=4'"):
        hub.fetch_hub("hf:a/b", folder)
