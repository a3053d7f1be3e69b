"""Promises about storage by URL: what is read and written there, what is refused, what is told."""

import json
import sys
import tarfile

import pytest
from PIL import Image

import dataset_preparation
from oneseed.config.inference import InferenceConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.generation import bulk
from oneseed.generation.bulk_places import Place
from oneseed.sources.archive_members import Limits
from oneseed.sources.stored import fetch_stored
from oneseed.storage import Store, checked_url
from tests.pixel_collection import record_of, write_pictures

fsspec = pytest.importorskip("fsspec")
# of six files
ORDER = dict(count=60, first=0, pairs_per_file=10, format="webdataset")
SECRET = "wJalrXUtnFEMI"


@pytest.fixture
def store():
    """The storage of this process, empty."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


@pytest.mark.parametrize(
    "url",
    [
        f"s3://key:{SECRET}@bucket/data",
        f"s3://bucket/data?X-Amz-Signature={SECRET}",
        f"gs://bucket/data#{SECRET}",
        f"simplecache::s3://{SECRET}",
        f"python://{SECRET}",
        f"ssh://{SECRET}/data",
        f"https://{SECRET}/data",
        f"s3://bucket/../{SECRET}",
        "s3://",
    ],
)
def test_a_url_with_keys_or_of_a_kind_that_may_run_code_is_refused_and_not_repeated(url):
    """What stands in a URL is kept in reports and records, and shown on the page."""
    for make in (
        lambda: TrainConfig(data=url),
        lambda: PrepareConfig(source=url),
        lambda: InferenceConfig(out=url, count=5),
    ):
        with pytest.raises(ValueError) as refusal:
            make()
        assert SECRET not in str(refusal.value)
        assert str(refusal.value).startswith(("--data", "--source", "--out"))


def test_good_urls_are_kept_without_their_last_slash():
    assert checked_url("s3://bucket/data/", "--data") == "s3://bucket/data"
    assert TrainConfig(data="GS://bucket").data == "gs://bucket"
    assert PrepareConfig(source="s3://b/one/,two").source == "s3://b/one,two"


def test_other_commands_say_that_their_data_is_local():
    for kind in (PrepareConfig, InferenceConfig):
        with pytest.raises(ValueError, match="--data is a folder of this machine, and no URL"):
            kind(data="s3://bucket/data")
    with pytest.raises(ValueError, match="--out takes a URL with --count alone"):
        InferenceConfig(out="s3://bucket/pairs")


@pytest.mark.parametrize("absent", ["fsspec", "s3fs"])
def test_without_its_package_a_store_is_one_sentence_with_the_command(monkeypatch, absent):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(UserError, match=r"s3://b needs \w+; install it: pip install -r req"):
        Store.at("s3://b")


def test_errors_of_a_store_name_their_kind_and_repeat_nothing(store, monkeypatch):
    """Libraries put requests with their signatures into the text of errors."""

    def refuse(*_, **__):
        raise RuntimeError(f"request with {SECRET} failed")

    monkeypatch.setattr(store, "find", refuse)
    with pytest.raises(UserError) as told:
        Store.at("memory://bucket").listed()
    assert SECRET not in str(told.value)
    assert "(RuntimeError)" in str(told.value)
    assert told.value.code == 1


def test_a_collection_is_prepared_from_a_url_as_from_a_folder(store, tmp_path):
    local = Collection("local", tmp_path / "made")
    write_pictures(local, [record_of(number) for number in range(6)])
    (local.resized / "captions.jsonl").write_text(
        json.dumps({"file_name": record_of(2)["filename"], "text": "A stamp."}) + "\n"
    )
    store.put(f"{local.resized}/", "/bucket/prints", recursive=True)
    store.pipe("/bucket/prints/.hidden.png", b"x")
    found = {}
    for source in (local.resized.as_posix(), "memory://bucket/prints"):
        data = tmp_path / f"data{len(found)}"
        config = PrepareConfig(
            source=source,
            style="stamps",
            image_size=32,
            smallest=16,
            workers=1,
            data=str(data),
        )
        dataset_preparation.main(config)
        rows = Collection("stamps", data).read_metadata()
        found[source] = [(row["id"], row["caption"]) for row in rows]
    one, other = found.values()
    assert sorted(one) == sorted(other)
    assert ("A stamp." in dict(one).values()) and len(one) == 6
    rows = Collection("stamps", data).read_metadata()
    assert {row["source"] for row in rows} == {"memory://bucket/prints"}


def test_an_interrupted_copy_goes_on_and_bad_names_stay_away(store, tmp_path, monkeypatch):
    for number in range(5):
        store.pipe(f"/bucket/{number}.png", bytes(10 + number))
    store.pipe("/bucket/a\\b.png", b"x")
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / "0.png").write_bytes(bytes(10))
    (folder / "1.png").write_bytes(bytes(3))
    copied = []
    real = Store.fetch
    monkeypatch.setattr(
        Store, "fetch", lambda self, name, path: copied.append(name) or real(self, name, path)
    )
    _, lost = fetch_stored("memory://bucket", folder)
    assert sorted(copied) == ["1.png", "2.png", "3.png", "4.png"]
    assert sorted(path.name for path in folder.iterdir()) == [f"{n}.png" for n in range(5)]
    assert [row["path"] for row in lost] == ["a\\b.png"]
    _, lost = fetch_stored("memory://bucket", tmp_path / "few", Limits(members=2))
    assert len(list((tmp_path / "few").iterdir())) == 2
    assert "beyond what is copied" in lost[0]["reason"]


def test_very_many_pairs_go_to_a_url_and_a_killed_run_goes_on(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = Place.of("memory://bucket/pairs")
    with pytest.raises(KeyboardInterrupt):
        bulk.write_shards(place, ORDER, killed_after(made, 30), batch_size=4)
    there = sorted(file.name for file in Store.at("memory://bucket/pairs").listed())
    assert ".order.json" in there
    assert 1 < len(there) < 6
    calls = []
    bulk.write_shards(
        Place.of("memory://bucket/pairs"),
        ORDER,
        lambda seeds: calls.extend(seeds) or made(seeds),
        batch_size=4,
    )
    bulk.write_shards(tmp_path / "local", ORDER, made, batch_size=4)
    local = {path.name: path.read_bytes() for path in (tmp_path / "local").iterdir()}
    stored = {name.rsplit("/", 1)[1]: store.cat(name) for name in store.find("/bucket/pairs")}
    assert stored == local
    assert len(calls) < ORDER["count"], "files that were sent are not made again"
    assert not list((tmp_path / "outputs" / "sending").glob("*/0*"))
    with tarfile.open(tmp_path / "local" / min(name for name in local if name[0] == "0")) as tar:
        assert tar.getnames()


def made(seeds):
    """A tiny pair for each seed."""
    return [({"seed": seed, "caption": f"{seed}"}, Image.new("L", (8, 8), seed)) for seed in seeds]


def killed_after(make, pairs):
    """A maker that is interrupted after so many pairs."""
    done = []

    def make_some(seeds):
        done.extend(seeds)
        if len(done) > pairs:
            raise KeyboardInterrupt
        return make(seeds)

    return make_some


def test_another_order_at_the_url_is_refused(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bulk.write_shards(Place.of("memory://bucket/pairs"), ORDER, made)
    with pytest.raises(UserError, match="holds another order"):
        bulk.write_shards(Place.of("memory://bucket/pairs"), {**ORDER, "count": 3}, made)
