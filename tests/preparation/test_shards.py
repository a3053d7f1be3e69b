"""Several machines prepare one collection, and what they make is what one run makes."""

import hashlib
import importlib.util
import re

import pytest

import dataset_preparation
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import read_json
from oneseed.preparation import examine
from tests.preparation.test_dataset_preparation import picture


@pytest.fixture
def prints(tmp_path):
    """Fourteen pictures, one of them a copy of another, and a file that is none."""
    folder = tmp_path / "prints"
    folder.mkdir()
    for number in range(13):
        picture(number).save(folder / f"{number}.png")
    (folder / "copy.png").write_bytes((folder / "3.png").read_bytes())
    (folder / "broken.png").write_bytes(b"\x89PNG and no more")
    return folder


def prepare(data, source, **flags):
    settings = dict(source=str(source), image_size=32, workers=1, smallest=32, data=str(data))
    dataset_preparation.main(PrepareConfig(**settings | flags))


def digests(data):
    """{path: digest} of all files but hidden ones, and the journal, which notes times."""
    return {
        path.relative_to(data).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.rglob("[!.]*"))
        if path.is_file() and path.name != "prepared.jsonl"
    }


@pytest.fixture
def examined(monkeypatch):
    """Names of the originals that are examined, in order."""
    names = []
    real = examine.prepare_file

    def noted(path, *arguments):
        names.append(path.name)
        return real(path, *arguments)

    monkeypatch.setattr(examine, "prepare_file", noted)
    return names


@pytest.mark.parametrize("count", [2, 4])
def test_shards_and_a_gathering_run_write_the_files_of_one_run(prints, tmp_path, examined, count):
    prepare(tmp_path / "one", prints)
    examined.clear()
    for number in range(count, 0, -1):
        before = len(examined)
        prepare(tmp_path / "many", prints, shard=f"{number}/{count}")
        assert len(examined) - before < 15, "each does its own part"
    assert sorted(examined) == sorted(path.name for path in prints.iterdir())
    assert not Collection("engraving", tmp_path / "many").metadata.exists()
    prepare(tmp_path / "many", prints)
    assert len(examined) == 15, "the gathering run examines nothing again"
    assert digests(tmp_path / "many") == digests(tmp_path / "one")
    assert read_json(Collection("engraving", tmp_path / "many").report)["rejected"]
    prepare(tmp_path / "many", prints, shard=f"1/{count}")
    prepare(tmp_path / "many", prints)
    assert len(examined) == 15
    assert digests(tmp_path / "many") == digests(tmp_path / "one")


@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: pip install -r requirements-ray.txt",
)
def test_processes_of_ray_write_the_files_of_one_run(prints, tmp_path):
    prepare(tmp_path / "one", prints)
    prepare(tmp_path / "ray", prints, engine="ray", workers=2)
    assert digests(tmp_path / "ray") == digests(tmp_path / "one")


def test_a_drawn_collection_is_drawn_shard_by_shard(tmp_path):
    flags = dict(style="builtin", max_samples=12)
    prepare(tmp_path / "one", "builtin", **flags)
    for shard in ("1/2", "2/2"):
        prepare(tmp_path / "many", "builtin", shard=shard, **flags)
        drawn = len(list(Collection("builtin", tmp_path / "many").raw.glob("*.png")))
        assert 0 < drawn < 12 or shard == "2/2"
    prepare(tmp_path / "many", "builtin", **flags)
    assert digests(tmp_path / "many") == digests(tmp_path / "one")


def test_a_gathering_run_names_the_shards_that_are_missing_and_their_command(
    prints, tmp_path, examined
):
    prepare(tmp_path / "data", prints, shard="2/3")
    first = len(examined)
    with pytest.raises(UserError, match=r"of 3 shards 2 are not done \(1/3, 3/3\)") as caught:
        prepare(tmp_path / "data", prints)
    assert len(examined) == first
    command = re.search(r"run (python .*) --shard 1/3, ", str(caught.value))[1]
    assert f"--source {prints} --image-size 32 --smallest 32 --workers 1" in command
    prepare(tmp_path / "data", prints, shard="1/1")
    assert len(examined) == len(set(examined)) == 15, "and does the rest where it is told to"
    prepare(tmp_path / "data", prints)


def test_a_killed_shard_goes_on_and_counts_as_missing_before(
    prints, tmp_path, examined, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr("oneseed.preparation.journal.EXAMINED_PER_TASK", 1)
        real = examine.prepare_files

        def killed(paths, **settings):
            if len(examined) == 3:
                raise KeyboardInterrupt
            return real(paths, **settings)

        patched.setattr(examine, "prepare_files", killed)
        with pytest.raises(KeyboardInterrupt):
            prepare(tmp_path / "data", prints, shard="1/2")
    prepare(tmp_path / "data", prints, shard="2/2")
    with pytest.raises(UserError, match=r"of 2 shards 1 is not done \(1/2\)"):
        prepare(tmp_path / "data", prints)
    prepare(tmp_path / "data", prints, shard="1/2")
    assert len(examined) == len(set(examined)) == 15
    prepare(tmp_path / "data", prints)
    prepare(tmp_path / "one", prints)
    assert digests(tmp_path / "data") == digests(tmp_path / "one")


def test_shards_of_other_settings_count_as_none(prints, tmp_path):
    """Shards of 32 px would have kept a run of 48 px from beginning."""
    prepare(tmp_path / "data", prints, shard="1/2")
    prepare(tmp_path / "data", prints, image_size=48)
    assert Collection("engraving", tmp_path / "data").pixels(48).exists()
