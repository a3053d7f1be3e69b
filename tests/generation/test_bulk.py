"""A hundred thousand pairs: each once, in whole files, whatever stops the run."""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inference
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.dataset import containers
from oneseed.generation import bulk, cards
from oneseed.generation.generator import MultimodalGenerator

ROOT = Path(__file__).resolve().parents[2]


def write(run, out, **flags):
    return inference.main(
        InferenceConfig(
            checkpoint=str(run / "best_model.pt"),
            out=str(out),
            device="cpu",
            **{**dict(count=20, pairs_per_file=8, batch_size=3), **flags},
        )
    )


def pairs_in(out):
    """{seed: (PNG bytes, caption, facts)} of all .tar files; a seed that is there twice fails."""
    found = {}
    for path in sorted(out.glob("*.tar")):
        with tarfile.open(path) as file:
            members = {member.name: file.extractfile(member).read() for member in file}
        pictures = [name for name in members if name.endswith(".png")]
        assert pictures == sorted(pictures)
        for name in members:
            if name.endswith(".json"):
                stem = name[:-5]
                facts = json.loads(members[name])
                assert facts["seed"] not in found
                assert stem == f"{facts['seed']:010d}"
                found[facts["seed"]] = (
                    members[f"{stem}.png"],
                    members[f"{stem}.txt"].decode(),
                    facts,
                )
    return found


def test_every_pair_is_there_once_and_is_the_one_that_its_seed_gives(tiny_run, tmp_path, capsys):
    write(tiny_run, tmp_path / "out", seeds="5")
    found = pairs_in(tmp_path / "out")
    generator = MultimodalGenerator(tiny_run / "best_model.pt", device="cpu")
    assert sorted(found) == list(range(5, 25))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {".order.json", "0000000005.tar", "0000000013.tar", "0000000021.tar"}
    for seed, (png, caption, facts) in found.items():
        image, words = generator(seed)
        assert caption == facts["caption"] == words
        stored = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=int)
        assert np.abs(stored - np.asarray(image, dtype=int)).max() <= 1
    (tmp_path / "card.png").write_bytes(found[9][0])
    assert not cards.differences(generator, tmp_path / "card.png")
    assert "holds all 20 now" in capsys.readouterr().out


def test_parquet_files_hold_the_same_pairs(tiny_run, tmp_path):
    write(tiny_run, tmp_path / "tar", prompt="a ship", best_of=2)
    write(tiny_run, tmp_path / "parquet", prompt="a ship", best_of=2, format="parquet")
    import pyarrow.parquet

    rows = [
        row
        for path in sorted((tmp_path / "parquet").glob("*.parquet"))
        for row in pyarrow.parquet.read_table(path).to_pylist()
    ]
    with tarfile.open(tmp_path / "tar" / "0000000008.tar") as file:
        image, caption = (file.extractfile(f"0000000009.{kind}").read() for kind in ("png", "txt"))
    assert rows[9]["image"] == {"bytes": image, "path": "0000000009.png"}
    assert rows[9]["text"] == caption.decode()
    assert len({row["image"]["path"] for row in rows}) == 20
    assert min(row["match"] for row in rows) >= 0
    assert all(-1 <= row["cosine"] <= 1 for row in rows)


def test_parquet_files_open_as_a_data_set_with_pictures(tiny_run, tmp_path):
    load_dataset = pytest.importorskip("datasets").load_dataset
    write(tiny_run, tmp_path / "parquet", format="parquet")
    loaded = load_dataset(
        "parquet",
        data_dir=str(tmp_path / "parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert loaded[9]["image"].size == (32, 32)
    assert loaded[9]["seed"] == 9
    assert loaded[9]["near_training"] is None


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_every_exported_pair_says_who_wrote_its_caption(run_with_source, tmp_path, kind, capsys):
    """Whoever trains on the export must be able to leave borrowed captions out."""
    import pyarrow.parquet

    out = tmp_path / "out"
    write(run_with_source("nearest"), out, count=3, format=kind)
    if kind == "webdataset":
        sources = [facts["caption_source"] for *_, facts in pairs_in(out).values()]
    else:
        (path,) = out.glob("*.parquet")
        sources = pyarrow.parquet.read_table(path).column("caption_source").to_pylist()
    assert sources == ["nearest"] * 3
    assert "has not learnt to write captions" in capsys.readouterr().out


def test_shares_make_the_whole_and_a_run_without_them_names_those_that_lack(
    tiny_run, tmp_path, capsys
):
    for share in ("1/2", "2/2"):
        write(tiny_run, tmp_path / "shares", count=26, shard=share)
    assert sorted(pairs_in(tmp_path / "shares")) == list(range(26))
    write(tiny_run, tmp_path / "rest", count=26, shard="3/3")
    assert sorted(pairs_in(tmp_path / "rest")) == list(range(16, 24))
    assert "3 files of other shares" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"of 3 shards 2 are not done \(1/3, 2/3\): .*--shard 1/3"):
        write(tiny_run, tmp_path / "rest", count=26)
    assert sorted(pairs_in(tmp_path / "rest")) == list(range(16, 24))
    write(tiny_run, tmp_path / "rest", count=26, shard="1/1")
    assert "18 pairs in" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (tmp_path / "rest").glob("*.tar")} == {
        path.name: path.read_bytes() for path in (tmp_path / "shares").glob("*.tar")
    }


def test_a_finished_order_makes_nothing_and_another_one_is_refused(tiny_run, tmp_path, monkeypatch):
    write(tiny_run, tmp_path / "out")
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    monkeypatch.setattr(
        MultimodalGenerator, "generate_batch", lambda *args: pytest.fail("made again")
    )
    write(tiny_run, tmp_path / "out")
    for other in (
        dict(count=21),
        dict(prompt="a ship"),
        dict(pairs_per_file=9),
        dict(format="parquet"),
        dict(seeds="1"),
        dict(passes=3),
    ):
        with pytest.raises(UserError, match="holds another order .*--out DIR"):
            write(tiny_run, tmp_path / "out", **other)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == times


def test_an_order_that_cannot_be_made_does_not_bind_the_folder(tiny_run, tmp_path):
    """A mistyped style would have made the right one "another order"."""
    with pytest.raises(UserError, match="no style"):
        write(tiny_run, tmp_path / "out", style="lime")
    write(tiny_run, tmp_path / "out", style="line", count=3)
    assert sorted(pairs_in(tmp_path / "out")) == [0, 1, 2]


def test_pictures_are_encoded_while_the_next_are_made_and_few_wait(tmp_path, monkeypatch):
    """A queue without an end would hold a hundred thousand pictures.

    It does on a machine that draws faster than it encodes.
    """
    made = 0
    done = 0
    most_waiting = 0
    real = cards.encode_card

    def slow(*args, **options):
        nonlocal done
        time.sleep(0.02)
        done += 1
        return real(*args, **options)

    def make(seeds):
        nonlocal made, most_waiting
        made += len(seeds)
        most_waiting = max(most_waiting, made - done)
        return [({"seed": seed, "caption": ""}, Image.new("L", (8, 8))) for seed in seeds]

    monkeypatch.setattr(cards, "encode_card", slow)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    bulk.write_shards(
        tmp_path,
        dict(count=60, first=0, pairs_per_file=20, format="webdataset"),
        make,
        batch_size=3,
    )
    assert 3 < most_waiting <= (bulk.BATCHES_AHEAD + 2) * 3
    assert sorted(pairs_in(tmp_path)) == list(range(60))


@pytest.mark.parametrize("file_format", ["webdataset", "parquet"])
@pytest.mark.parametrize(
    "kills",
    [
        1,
        pytest.param(
            20, marks=pytest.mark.skipif(not os.environ.get("LONG"), reason="LONG=1 runs it")
        ),
    ],
)
def test_a_killed_run_goes_on_and_every_pair_is_there_once(tiny_run, tmp_path, kills, file_format):
    out = tmp_path / "out"
    suffix = {"webdataset": ".tar", "parquet": ".parquet"}[file_format]
    flags = dict(count=40 * (kills + 2), pairs_per_file=40, format=file_format)
    command = [
        sys.executable,
        str(ROOT / "inference.py"),
        "--checkpoint",
        str(tiny_run / "best_model.pt"),
        "--out",
        str(out),
        "--device",
        "cpu",
        *(
            word
            for name, value in flags.items()
            for word in (f"--{name.replace('_', '-')}", str(value))
        ),
    ]
    for kill in range(kills):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # in the middle of a file
            while not list(out.glob(f".*{suffix}.{run.pid}-*.partial")) and run.poll() is None:
                time.sleep(0.01)
            time.sleep(0.02 * (kill % 7))
        finally:
            run.kill()
            run.wait()
    before = {path.name: path.stat().st_mtime_ns for path in out.glob(f"*{suffix}")}
    write(tiny_run, out, batch_size=32, **flags)
    names = [f"{start:010d}{suffix}" for start in range(0, flags["count"], 40)]
    assert sorted(path.name for path in out.glob(f"*{suffix}")) == names
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert sorted(path.name for path in out.iterdir()) == [".order.json", *names]
    write(tiny_run, tmp_path / "whole", batch_size=32, **flags)
    for name in names:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    if file_format == "parquet":
        seeds = [
            row["seed"]
            for path in sorted(out.glob("*.parquet"))
            for row in containers.pyarrow_parquet().read_table(path, columns=["seed"]).to_pylist()
        ]
        assert seeds == list(range(flags["count"]))
    else:
        assert sorted(pairs_in(out)) == list(range(flags["count"]))
