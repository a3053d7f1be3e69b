"""Several machines or processes caption one collection, and nothing is captioned twice."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import caption_generation
from oneseed.captioning.shares import gathering_command
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.shards import Shard
from oneseed.console.command import UserError
from oneseed.console.flags import parse_configs
from oneseed.dataset.jsonl import read_jsonl
from oneseed.dataset.shard_notes import config_command
from tests.captioning.prepared import prepared, run_main, sides

ROOT = Path(__file__).resolve().parents[2]


def test_every_picture_is_in_one_share_and_stays_there():
    ids = [row * 4 for row in map("{:04x}".format, range(2000))]
    shares = [{picture for picture in ids if Shard(i, 4).takes(picture)} for i in range(1, 5)]
    assert set.union(*shares) == set(ids)
    assert sum(map(len, shares)) == 2000
    assert all(400 < len(share) < 600 for share in shares)
    assert Shard(1, 1).takes("0")


@pytest.mark.parametrize("recaption", [False, True])
def test_shards_and_a_gathering_run_write_what_one_run_writes(recaption, tmp_path, blip2, counted):
    flags = dict(captioner=blip2, max_new_tokens=6, recaption=recaption)
    caption = "An engraving of castle {}" if recaption else ""
    collection = prepared(tmp_path, 12, caption=caption, pictures=True)
    before = collection.metadata.read_bytes()
    for shard in ("3/3", "1/3", "2/3"):
        run_main(tmp_path, shard=shard, **flags)
        assert collection.metadata.read_bytes() == before, "a shard writes no pairs and no metadata"
        assert not collection.train.exists(), "a shard writes no pairs and no metadata"
    logs = sorted(path.name for path in (tmp_path / "captions").glob("[!.]*"))
    assert logs == [f"engraving_generated_{i}of3.jsonl" for i in (1, 2, 3)]
    assert len(counted) == len(set(counted)) == 12
    run_main(tmp_path, **flags)
    assert len(counted) == 12, "the gathering run captions nothing again"
    other = prepared(tmp_path / "one", 12, caption=caption, pictures=True)
    run_main(tmp_path / "one", **flags)
    assert collection.read_metadata() == other.read_metadata()
    assert collection.read_captions() == other.read_captions()
    assert any(row.get("captioner") == blip2 for row in collection.read_metadata())


def test_a_lost_shard_is_named_by_the_gathering_run_and_done_where_it_is_told_to(
    tmp_path, blip2, counted
):
    """A gathering run on the machine that people log in to captioned millions of pictures alone."""
    collection = prepared(tmp_path, 12, caption="", pictures=True)
    flags = dict(captioner=blip2, max_new_tokens=6)
    run_main(tmp_path, shard="1/3", **flags)
    first = len(counted)
    with pytest.raises(UserError, match=r"of 3 shards 2 are not done \(2/3, 3/3\)") as caught:
        run_main(tmp_path, **flags)
    assert len(counted) == first
    said = str(caught.value)
    assert "--shard 2/3" in said
    assert "--shard 1/1" in said
    run_main(tmp_path, shard="1/1", **flags)
    assert 0 < first < 12
    assert len(counted) == len(set(counted)) == 12
    assert len(sides(collection)) > 8


def test_another_number_of_shards_captions_nothing_twice(tmp_path, blip2, counted):
    prepared(tmp_path, 12, caption="", pictures=True)
    for shard in ("1/2", "1/3", "2/3", "3/3", "2/2"):
        run_main(tmp_path, shard=shard, captioner=blip2, max_new_tokens=6)
    assert len(counted) == len(set(counted)) == 12


def test_a_log_that_another_shard_is_writing_is_read_and_left_alone(tmp_path, blip2, counted):
    """Cutting its unfinished last line off would tear what the other process is just writing."""
    collection = prepared(tmp_path, 8, caption="", pictures=True)
    run_main(tmp_path, shard="2/2", captioner=blip2, max_new_tokens=6)
    log = tmp_path / "captions" / "engraving_generated_2of2.jsonl"
    done = len(counted)
    log.write_bytes(log.read_bytes() + '{"id": "half a lin…'.encode()[:-1])
    before = log.read_bytes()
    run_main(tmp_path, shard="1/2", captioner=blip2, max_new_tokens=6)
    run_main(tmp_path, captioner=blip2, max_new_tokens=6)
    assert 0 < done < 8
    assert len(counted) == 8
    assert log.read_bytes() == before
    assert collection.train.exists()


def test_ranks_of_torchrun_are_shards_and_name_the_command_that_gathers(
    tmp_path, blip2, counted, monkeypatch, capsys
):
    collection = prepared(tmp_path, 8, caption="", pictures=True)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in "10":
        monkeypatch.setenv("RANK", rank)
        run_main(tmp_path, captioner=blip2, max_new_tokens=6, device="cpu")
        assert (tmp_path / "captions" / f"engraving_generated_{int(rank) + 1}of2.jsonl").exists()
    with pytest.raises(UserError, match="leave --shard out"):
        run_main(tmp_path, captioner=blip2, shard="1/2")
    for flags in (dict(captioner="existing"), dict(captioner=blip2, review="sheet.html")):
        with pytest.raises(UserError, match="without --shard and torchrun"):
            run_main(tmp_path, **flags)
    monkeypatch.delenv("WORLD_SIZE")
    said = [line for line in capsys.readouterr().out.splitlines() if "this gathers them" in line]
    command = shlex.split(said[0].partition("gathers them: ")[2])
    assert len(said) == 2
    assert len(counted) == 8
    assert command[:2] == ["python", "caption_generation.py"]
    (config,) = parse_configs(CaptionConfig, description="", argv=command[2:])
    assert not caption_generation.main(config)
    assert len(counted) == 8
    assert len(sides(collection)) > 6


@pytest.mark.skipif(not os.environ.get("LONG"), reason="a minute; LONG=1 runs it")
def test_torchrun_captions_with_two_processes(tmp_path, blip2):
    collection = prepared(tmp_path, 12, caption="", pictures=True)
    flags = [
        "--captioner",
        blip2,
        "--max-new-tokens",
        "6",
        "--device",
        "cpu",
        "--data",
        str(tmp_path),
    ]
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            "2",
            str(ROOT / "caption_generation.py"),
            *flags,
        ],
        text=True,
        capture_output=True,
    )
    assert ran.returncode == 0, ran
    assert (
        ran.stdout.count("this gathers them: python caption_generation.py --style engraving") == 2
    ), ran
    logs = [read_jsonl(tmp_path / "captions" / f"engraving_generated_{i}of2.jsonl") for i in (1, 2)]
    assert all(logs)
    assert sorted(row["id"] for log in logs for row in log) == sorted(
        row["id"] for row in collection.read_metadata()
    )


def test_the_gathering_command_says_what_the_captions_are(tmp_path):
    """Without it the code that the shards wrote was put on one line, behind "A picture of"."""
    config = CaptionConfig(style="forms", caption_kind="code", captioner="x", shard="1/2")
    assert "--caption-kind code" in gathering_command(config)
    assert "--caption-kind" not in gathering_command(CaptionConfig(style="forms", shard="1/2"))


def test_the_command_of_a_missing_shard_says_what_another_preset_would_not():
    """512 px is the size of one preset: said for another it was left out, and the named command
    prepared all pictures at 256."""
    config = PrepareConfig(source="prints", preset="medium", image_size=512, shard="1/4")
    command = config_command("dataset_preparation.py", config, Shard(2, 4))
    assert "--image-size 512" in command
    assert "--preset medium" in command
