"""Kills at any moment, and two runs in one place: what stands there in the end is whole.

Kills of saves and of training are tried in training/test_never_lost.py, of captioning in
captioning/test_endpoint.py and captioning/test_huggingface.py, of bulk runs in
generation/test_bulk.py; those of preparing here. With LONG=1 all of them are tried more often, and
two runs are started in processes of their own.
"""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import caption_generation
import dataset_preparation
import evaluation
import inference
import training_loop
from oneseed import locks
from oneseed.captioning import captions
from oneseed.config.captioning import CaptionConfig
from oneseed.config.evaluation import EvaluateConfig
from oneseed.config.inference import InferenceConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset import curation
from oneseed.dataset.collection import Collection
from oneseed.generation import bulk, index
from oneseed.generation.generator import MultimodalGenerator
from oneseed.locks import InUseError, locked
from oneseed.sources import unpacking
from oneseed.training import distributed, run_folder
from tests.captioning.prepared import prepared
from tests.conftest import TINY, tiny_config
from tests.preparation.test_dataset_preparation import picture
from tests.training.test_training_loop import config
from training_loop import MultimodalTrainer

ROOT = Path(__file__).resolve().parents[1]
LONG = pytest.mark.skipif(not os.environ.get("LONG"), reason="some minutes; LONG=1 runs it")


def command(script, **flags):
    words = [sys.executable, str(ROOT / f"{script}.py")]
    for name, value in flags.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return words


def contents(folder):
    """{path: bytes} of all files below the folder; of a link its target."""
    return {
        path.relative_to(folder).as_posix(): (
            os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
        )
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


# ---- kills ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A folder of forty pictures and an archive of forty more."""
    folder = tmp_path_factory.mktemp("source")
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        for number in range(80):
            name = f"{number:02}.png"
            picture(number).save(folder / name)
            if number >= 40:
                archive.write(folder / name, name)
                (folder / name).unlink()
    return folder


@pytest.mark.skipif(os.name != "posix", reason="kills a process by a signal")
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=LONG)])
def test_a_preparation_killed_again_and_again_ends_as_if_it_had_not_been(kills, source, tmp_path):
    """A kill while records were written left a file of a strange name behind for ever."""
    flags = dict(source=source, style="engraving", image_size=64, workers=1)
    begin = time.monotonic()
    for data in ("whole", "tried"):
        words = command("dataset_preparation", **flags, data=tmp_path / data)
        if data == "whole":
            subprocess.run(words, check=True, capture_output=True)
            continue
        seconds = time.monotonic() - begin
        moments = random.Random(kills)
        for _ in range(kills):
            run = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(moments.uniform(0.3, 1) * seconds)
            run.kill()
            run.wait()
        subprocess.run(words, check=True, capture_output=True)
    whole = contents(tmp_path / "whole")
    tried = contents(tmp_path / "tried")
    assert not [name for name in tried if "partial" in name or "lock" in name]
    assert tried.keys() == whole.keys()
    for name, found in whole.items():
        # The journal notes when each file of the archive was unpacked.
        if not name.endswith("prepared.jsonl"):
            assert tried[name].replace(b"tried", b"whole") == found, name


# ---- two runs in one place -----------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE", 0.0)


def begun_again(monkeypatch, place, name, again):
    """Within a call of place.name, the whole command `again` is started once more.

    Returns the list that gets the sentence that it ends with.
    """
    real = getattr(place, name)
    said = []

    def call(*arguments, **options):
        if not said:
            with pytest.raises(InUseError) as caught:
                again()
            said.append(str(caught.value))
            assert caught.value.code in (1, 2)
        return real(*arguments, **options)

    monkeypatch.setattr(place, name, call)
    return said


def is_told(said):
    """Whether the second run was refused, with who works there and since when."""
    (sentence,) = said
    return bool(
        re.search(rf"in use by another run \(process {os.getpid()}, for \d+ s\); ", sentence)
    )


def test_a_second_preparation_ends_at_once_and_the_first_is_whole(
    source, tmp_path, monkeypatch, impatient
):
    """It swept away what the first one was writing: that one ended in a traceback."""

    def prepare():
        settings = dict(style="engraving", image_size=32, workers=1, data=str(tmp_path))
        dataset_preparation.main(PrepareConfig(source=str(source), **settings))

    said = begun_again(monkeypatch, dataset_preparation, "write_pixels", prepare)
    prepare()
    assert is_told(said)
    assert len(Collection("engraving", tmp_path).read_metadata()) == 80
    assert not [name for name in contents(tmp_path) if "lock" in name or "holder" in name]


def test_a_check_and_a_preparation_do_not_unpack_the_same_archive_into_each_other(
    source, tmp_path, monkeypatch, impatient
):
    """The second removed the folder that the first was unpacking into."""

    def prepare(**flags):
        settings = dict(style="engraving", image_size=32, workers=1, data=str(tmp_path))
        dataset_preparation.main(PrepareConfig(source=str(source / "set.zip"), **settings, **flags))

    said = begun_again(monkeypatch, unpacking, "unpack_into", lambda: prepare(check=True))
    prepare()
    assert is_told(said)
    said = begun_again(
        monkeypatch, dataset_preparation, "check_source", lambda: prepare(check=True)
    )
    prepare(check=True)
    assert is_told(said)
    assert len(Collection("engraving", tmp_path).read_metadata()) == 40


def test_while_captions_are_written_no_second_run_writes_them_or_prepares(
    tmp_path, monkeypatch, impatient, caption_server, source
):
    """Nor does the page save a caption: the run would write over it."""
    collection = prepared(tmp_path, 5, caption="", pictures=True)
    flags = dict(captioner=caption_server.url, data=str(tmp_path))
    row_id = collection.read_metadata()[0]["id"]
    monkeypatch.setattr(curation, "LOCK_WAIT", 0.0)

    def prepare():
        settings = dict(style="engraving", image_size=32, workers=1, data=str(tmp_path))
        dataset_preparation.main(PrepareConfig(source=str(source), **settings))

    works = {
        "again": lambda: caption_generation.main(CaptionConfig(**flags)),
        "share": lambda: caption_generation.main(CaptionConfig(**flags, shard="1/2")),
        "preparing": prepare,
        "page": lambda: curation.change_row(collection, row_id, caption="A ship"),
    }
    said = {
        name: begun_again(monkeypatch, captions, "caption_jobs", work)
        for name, work in works.items()
    }
    caption_generation.main(CaptionConfig(**flags))
    assert all(map(is_told, said.values())), said
    assert said["page"][0].startswith("The collection engraving is in use by ")
    assert len(list(filter(None, (row["caption"] for row in collection.read_metadata())))) == 5


def test_shares_are_captioned_side_by_side_each_once_and_nobody_prepares_meanwhile(
    tmp_path, monkeypatch, impatient, caption_server, source
):
    collection = prepared(tmp_path, 8, caption="", pictures=True)
    flags = dict(captioner=caption_server.url, data=str(tmp_path))
    settings = dict(style="engraving", image_size=32, workers=1, data=str(tmp_path))

    def share(number):
        return lambda: caption_generation.main(CaptionConfig(**flags, shard=f"{number}/2"))

    prepare = PrepareConfig(source=str(source), **settings)
    of_same = begun_again(monkeypatch, captions, "caption_jobs", share(1))
    of_preparing = begun_again(
        monkeypatch, captions, "caption_jobs", lambda: dataset_preparation.main(prepare)
    )
    real = captions.caption_jobs
    begun = []

    def beside(*arguments):
        if not begun:
            begun.append(True)
            share(2)()
        return real(*arguments)

    monkeypatch.setattr(captions, "caption_jobs", beside)
    share(1)()
    assert is_told(of_same)
    assert "share 1/2, is in use" in of_same[0]
    assert is_told(of_preparing)
    caption_generation.main(CaptionConfig(**flags))
    assert len(caption_server.questions()) == 8
    assert len([row for row in collection.read_metadata() if row["caption"]]) == 8
    assert not [name for name in contents(tmp_path) if "lock" in name or "holder" in name]


def test_a_second_training_in_the_same_folder_ends_at_once(
    builtin_data, tmp_path, monkeypatch, impatient
):
    """Both wrote epochs into one log, and each removed the other's half-written files.

    With --fresh the second would even move the first one's files away.
    """
    flags = dict(
        data=str(builtin_data), checkpoints=str(tmp_path / "run"), num_epochs=1, sampler_steps=5
    )

    def train(**more):
        return training_loop.main(tiny_config(vocab_size=0), config(**flags, **more))

    said = begun_again(monkeypatch, MultimodalTrainer, "fit", lambda: train(fresh=True))
    assert train() in (0, 1)
    assert is_told(said)
    assert "--checkpoints DIR" in said[0]
    log = (tmp_path / "run" / "training.log").read_text("utf-8")
    assert log.count("Epoch 1/1") == 1
    assert not [name for name in contents(tmp_path) if "lock" in name or "holder" in name]


def test_a_look_at_a_run_takes_no_lock_and_writes_nothing(
    builtin_data, tiny_run, monkeypatch, impatient
):
    """--check and --estimate beside a running training, or on a disk that is read-only."""
    before = contents(tiny_run)
    with locked(tiny_run, "run", remedy=""):
        held = contents(tiny_run)
        for look in ("check", "estimate"):
            settings = config(data=str(builtin_data), checkpoints=str(tiny_run), **{look: True})
            assert training_loop.main(tiny_config(vocab_size=0), settings) == 0
        assert contents(tiny_run) == held
    assert contents(tiny_run) == before


@pytest.mark.parametrize("is_first", [True, False])
def test_of_several_processes_the_first_alone_takes_the_lock_and_speaks(
    tmp_path, monkeypatch, impatient, is_first
):
    """Each would refuse the others, or wait for them for ever."""
    told = []

    def broadcast(value):
        told.append(value)
        return value if is_first else 2

    monkeypatch.setattr(distributed, "is_first", lambda: is_first)
    monkeypatch.setattr(distributed, "broadcast_object", broadcast)
    with (
        locked(tmp_path, "run", remedy=""),
        pytest.raises((InUseError, SystemExit)) as ended,
        run_folder.locked_run(tmp_path),
    ):
        pytest.fail("two runs train in one folder")
    assert told == ([2] if is_first else [None])
    assert ended.value.code == 2
    assert isinstance(ended.value, InUseError if is_first else SystemExit)


def test_a_second_bulk_run_ends_at_once_and_shares_run_side_by_side(
    tiny_run, tmp_path, monkeypatch, impatient
):
    out = tmp_path / "out"
    flags = dict(checkpoint=str(tiny_run / "best_model.pt"), out=str(out), device="cpu")

    def write(**more):
        settings = dict(count=16, pairs_per_file=4, batch_size=4) | flags | more
        return inference.main(InferenceConfig(**settings))

    said = begun_again(monkeypatch, bulk, "encoded_batches", lambda: write(shard="1/2"))
    of_whole = begun_again(monkeypatch, bulk, "encoded_batches", write)
    real = bulk.encoded_batches
    begun = []

    def beside(*arguments, **options):
        if not begun:
            begun.append(True)
            write(shard="2/2")
        return real(*arguments, **options)

    monkeypatch.setattr(bulk, "encoded_batches", beside)
    write(shard="1/2")
    assert is_told(said)
    assert "--out DIR" in said[0]
    assert is_told(of_whole)
    names = [f"{start:010d}.tar" for start in range(0, 16, 4)]
    assert sorted(os.listdir(out)) == [".order.json", *names]
    for name in os.listdir(out):
        (out / name).unlink()
    of_share = begun_again(monkeypatch, bulk, "encoded_batches", lambda: write(shard="1/2"))
    write()
    assert is_told(of_share)


def test_two_shares_of_different_orders_do_not_fill_one_folder(
    tiny_run, tmp_path, monkeypatch, impatient
):
    """Both found it empty, and each noted its own order."""
    flags = dict(
        checkpoint=str(tiny_run / "best_model.pt"),
        out=str(tmp_path),
        device="cpu",
        pairs_per_file=4,
        batch_size=4,
    )

    def write(**more):
        return inference.main(InferenceConfig(**flags, **more))

    real = bulk.encoded_batches
    begun = []

    def beside(*arguments, **options):
        if not begun:
            begun.append(True)
            write(count=16, shard="2/2")
        return real(*arguments, **options)

    monkeypatch.setattr(bulk, "encoded_batches", beside)
    with pytest.raises(UserError, match="holds another order"):
        write(count=8, shard="1/2")
    names = [name for name in sorted(os.listdir(tmp_path)) if not name.endswith(".shard.json")]
    assert names == [".order.json", "0000000004.tar", "0000000012.tar"]


def test_a_second_index_of_a_checkpoint_ends_at_once(tiny_run, tmp_path, monkeypatch, impatient):
    checkpoint = tmp_path / "best_model.pt"
    checkpoint.write_bytes((tiny_run / "best_model.pt").read_bytes())
    flags = dict(checkpoint=str(checkpoint), index=8, device="cpu", data=str(tmp_path))

    def build():
        return inference.main(InferenceConfig(**flags))

    said = begun_again(monkeypatch, MultimodalGenerator, "generate_batch", build)
    build()
    assert is_told(said)
    of_training = begun_again(monkeypatch, index, "index_collection", build)
    build()
    assert is_told(of_training)
    assert sorted(os.listdir(tmp_path)) == ["best_model.pt", "best_model.seeds.npz"]


def test_a_second_evaluation_into_the_same_report_ends_at_once(
    tiny_run, tmp_path, monkeypatch, impatient
):
    def evaluate():
        settings = dict(checkpoint=str(tiny_run / "best_model.pt"), out=str(tmp_path / "report"))
        return evaluation.main(EvaluateConfig(**settings))

    said = begun_again(monkeypatch, evaluation, "MultimodalGenerator", evaluate)
    found = evaluation.Evaluation({"numbers": {}, "warnings": [], "notes": []}, [], {})
    monkeypatch.setattr(evaluation, "evaluate", lambda *given, **options: found)
    monkeypatch.setattr(evaluation, "report_page", lambda *given, **options: "page")
    monkeypatch.setattr(evaluation, "text_report", lambda report: "report")
    evaluate()
    assert is_told(said)
    assert sorted(os.listdir(tmp_path / "report")) == ["index.html", "report.json"]
    # by it the card of a model finds out whose report this is
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    fingerprint = MultimodalGenerator(tiny_run / "best_model.pt", "cpu").fingerprint
    assert report["fingerprint"] == fingerprint


# ---- two runs in processes of their own ----------------------------------------------------------


@LONG
@pytest.mark.parametrize("work", ["prepare", "caption", "train", "bulk", "index", "evaluate"])
def test_of_two_at_once_one_works_and_one_ends_with_a_sentence(
    work, source, builtin_data, tiny_run, tmp_path, caption_server
):
    """The same command in two windows."""
    caption_server.replies["all"] = lambda picture: time.sleep(1)
    if work == "caption":
        prepared(tmp_path, 12, caption="", pictures=True)
    checkpoint = tmp_path / "best_model.pt"
    checkpoint.write_bytes((tiny_run / "best_model.pt").read_bytes())
    drawing = dict(checkpoint=checkpoint, device="cpu", data=tmp_path)
    words = {
        "prepare": command(
            "dataset_preparation",
            source=source,
            style="engraving",
            image_size=256,
            workers=1,
            data=tmp_path,
        ),
        "caption": command(
            "caption_generation", captioner=caption_server.url, batch_size=1, data=tmp_path
        ),
        "train": command(
            "training_loop",
            style="builtin",
            num_epochs=300,
            data=builtin_data,
            checkpoints=tmp_path / "run",
            device="cpu",
            precision="fp32",
            **{**TINY, "vocab_size": 300},
        ),
        "bulk": command("inference", **drawing, count=3000, out=tmp_path / "out"),
        "index": command("inference", **drawing, index=3000),
        "evaluate": command("evaluation", **drawing, out=tmp_path / "report"),
    }[work]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    runs = [subprocess.Popen(words, **pipes)]
    first = runs[0]
    try:
        while not list(tmp_path.rglob(".*.holder.json")):
            assert first.poll() is None, "it was too quick to be met at work"
            time.sleep(0.001)
        # However quick it is, it is at work now.
        first.send_signal(signal.SIGSTOP)
        runs.append(subprocess.Popen(words, **pipes))
        _, error = runs[1].communicate(timeout=300)
        lines = error.strip().splitlines()
        assert runs[1].returncode in (1, 2), error
        assert len([line for line in lines if line.startswith("error:")]) == 1, error
        assert f"in use by another run (process {first.pid}, for " in lines[-1], error
        assert "Traceback" not in error
        first.send_signal(signal.SIGCONT)
        is_long = work in ("train", "evaluate")
        if is_long:
            first.send_signal(signal.SIGINT)
        _, error = first.communicate(timeout=900)
        assert first.returncode == (130 if is_long else 0), error
    finally:
        for run in runs:
            run.kill()
            run.communicate()
    assert not list(tmp_path.rglob("*.partial"))
    assert not list(tmp_path.rglob(".*.lock"))
