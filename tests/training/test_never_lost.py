"""Whatever ends a run, nothing of it is lost.

Kills, signals, damaged files, full disks, numbers that are not finite.
"""

import ast
import contextlib
import errno
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

import training_loop
from oneseed.console import command
from oneseed.console.command import UserError
from oneseed.model import checkpoint, latent_check
from oneseed.model.multimodal import MultimodalModel
from oneseed.training import augmentation, prior_fit, run_folder
from oneseed.training.encoding import encode_codes
from oneseed.training.losses import MultimodalLoss
from oneseed.training.optimizers import Muon
from oneseed.training.run_folder import RunFolder
from tests.conftest import tiny_config
from tests.training.test_training_loop import config, trainer
from training_loop import MultimodalTrainer

ROOT = Path(__file__).resolve().parents[2]
LONG = bool(os.environ.get("LONG"))
FULL_COUNT = pytest.mark.skipif(not LONG, reason="some minutes; LONG=1 runs it")
# of one whole run of `train`
EVENTS = 66
# what two equal runs may differ in
TIMELESS = "images_per_second", "seconds"


# ---- runs in processes of their own --------------------------------------------------------------


@pytest.fixture(scope="module")
def processes():
    """processes(function, folder, *arguments) -> the started process.

    What it prints goes to output.txt in the folder.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "tests.training.test_never_lost",
            "torch._dynamo",
            "torch.utils.tensorboard",
            "sklearn.cluster",
        ]
    )

    def start(function, *arguments):
        process = context.Process(target=function, args=arguments, daemon=True)
        process.start()
        return process

    yield start
    del os.environ["PYTHONPATH"]
    if before is not None:
        os.environ["PYTHONPATH"] = before


def redirect(folder):
    folder.mkdir(parents=True, exist_ok=True)
    output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # for the life of the process
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = sys.stdout


def train(folder, data, stop=0, number=0, limit=0):
    """A whole run as the script makes it, two epochs and a last fit.

    It saves after every third step, and sends itself signal `number` at event `stop`: in a loss, or
    in the midst of an update. limit: no file may become larger, in bytes. steps.txt tells which
    steps saw which pictures.
    """
    redirect(folder)
    torch.set_num_threads(1)
    # two views of each picture, not fifty-five, and no latent check: quicker
    augmentation.AUGMENT_BELOW = 72
    latent_check.POWER_ROWS = 8
    latent_check.check_latent = lambda *_, **__: {
        "auc": 0.5,
        "auc_all": 0.5,
        "rows": 4,
        "low_power": True,
        "directions": 1,
        "mean": 0.0,
        "std": 1.0,
        "norm": 1.0,
        "caption_spread": 1.0,
        "picture_spread": 1.0,
        "passed": True,
    }
    events = itertools.count(1)
    calls = itertools.count(1)

    def watched(method):
        def call(*arguments, **further):
            if next(events) == stop:
                os.kill(os.getpid(), number)
            return method(*arguments, **further)

        return call

    def noted(self, batch, step, method=MultimodalTrainer.train_step):
        result = method(self, batch, step)
        seen = batch.images.numpy().tobytes() + batch.tokens.numpy().tobytes()
        with open(folder / "steps.txt", "a") as file:
            print(step, hashlib.sha256(seen).hexdigest(), file=file)
        return result

    def save_every_third_time(self, state):
        if next(calls) % 3 == 0:
            self.save_progress(state)

    MultimodalLoss.forward = watched(MultimodalLoss.forward)
    Muon.step = watched(Muon.step)
    prior_fit.prior_loss = watched(prior_fit.prior_loss)
    MultimodalTrainer.train_step = noted
    RunFolder.save_if_due = save_every_third_time
    run_folder.MIN_EPOCH_SAVE_INTERVAL = 0
    if limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    settings = config(
        data=str(data), checkpoints=str(folder / "checkpoints"), num_epochs=2, sampler_steps=10
    )
    with contextlib.suppress(SystemExit):
        try:
            command.run(training_loop.main, tiny_config(vocab_size=0), settings)
        finally:
            print(f"{next(events) - 1} events")
            sys.stdout.flush()
            code = sys.exc_info()[1].code
    os._exit(code)


def ends(process, code, seconds=3000):
    process.join(seconds)
    assert process.exitcode == code


def result(folder):
    """All that a run leaves -> {file: SHA-256 of its content}; equal for equal runs."""

    def timeless(value):
        if isinstance(value, dict):
            return {key: timeless(item) for key, item in value.items() if key not in TIMELESS}
        return [timeless(item) for item in value] if isinstance(value, (list, tuple)) else value

    folder = folder / "checkpoints"
    files = {
        path.name: checkpoint.load(path)
        for path in folder.glob("*.pt")
        if path.name != "last_but_one.pt"
    }
    files["metrics.json"] = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert timeless(files["metrics.json"]) == timeless(files["last.pt"]["metrics"])
    return {name: checkpoint.digest(timeless(content)) for name, content in files.items()}


@pytest.fixture(scope="module")
def whole(processes, builtin_data, tmp_path_factory):
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    ends(processes(train, folder, builtin_data), 0)
    assert f"{EVENTS} events" in (folder / "output.txt").read_text("utf-8")
    return folder


def steps(folder):
    return (folder / "steps.txt").read_text().splitlines()


def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(
    processes, builtin_data, whole, tmp_path
):
    """In mid-epoch, in the fit that ends an epoch, in the last fit.

    Two kills leave time to save, and then no step is made twice.
    """
    # three steps are timed before the first; an event of odd number here is half an update
    ends(processes(train, tmp_path, builtin_data, 13, signal.SIGTERM), 143)
    assert steps(tmp_path) == steps(whole)[:5]
    ends(processes(train, tmp_path, builtin_data, 6, signal.SIGINT), 130)
    ends(processes(train, tmp_path, builtin_data, 11, signal.SIGKILL), -signal.SIGKILL)
    ends(processes(train, tmp_path, builtin_data, 28, signal.SIGTERM), 143)
    assert (tmp_path / "checkpoints" / "last_fit.pt").exists()
    ends(processes(train, tmp_path, builtin_data), 0)
    assert result(tmp_path) == result(whole)
    assert list(dict.fromkeys(steps(tmp_path))) == steps(whole)
    printed = (tmp_path / "output.txt").read_text("utf-8")
    assert printed.count("run the same command again to go on") == 3
    assert "Traceback" not in printed


@FULL_COUNT
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("stop", random.Random(0).sample(range(1, EVENTS + 1), 20))
def test_a_run_stopped_at_any_step_ends_as_if_it_had_not_been(
    processes, builtin_data, whole, tmp_path, stop, number
):
    ends(
        processes(train, tmp_path, builtin_data, stop, number),
        143 if number == signal.SIGTERM else -number,
    )
    ends(processes(train, tmp_path, builtin_data), 0)
    assert result(tmp_path) == result(whole)
    assert (
        steps(tmp_path) if number == signal.SIGTERM else list(dict.fromkeys(steps(tmp_path)))
    ) == steps(whole)


@FULL_COUNT
@pytest.mark.parametrize("trial", range(20))
def test_a_terminated_script_has_saved_and_is_gone_within_five_seconds(
    builtin_data, tmp_path, trial
):
    """The script itself, at any moment of its training.

    The scheduler of a cluster kills what stays longer.
    """
    flags = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in asdict(tiny_config(vocab_size=0)).items()
    ]
    command = [
        sys.executable,
        "training_loop.py",
        *flags,
        "--style=builtin",
        f"--data={builtin_data}",
        f"--checkpoints={tmp_path}",
        "--num-epochs=1000",
        "--epoch-pictures=1",
        "--patience=1000",
        "--sampler-steps=50",
        "--device=cpu",
    ]
    with open(tmp_path / "output.txt", "w") as output:
        running = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
        while not (tmp_path / "last.pt").exists():
            assert running.poll() is None
            time.sleep(0.05)
        time.sleep(random.Random(trial).uniform(0, 3))
        saved = (tmp_path / "last.pt").stat().st_mtime_ns
        begin = time.monotonic()
        running.terminate()
        assert running.wait(60) == 143
        assert time.monotonic() - begin <= 5
    assert (tmp_path / "last.pt").stat().st_mtime_ns > saved
    assert checkpoint.load(tmp_path / "last.pt")


def test_an_epoch_is_saved_every_few_minutes_at_no_more_than_a_hundredth_of_the_time(
    builtin_data, tmp_path, monkeypatch
):
    run = trainer(builtin_data, tmp_path)
    run.train_epoch()
    assert not (tmp_path / "last.pt").exists()
    now = [1000.0]
    saves = []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def save_for_ten_seconds(state):
        saves.append(now[0])
        now[0] += 10

    monkeypatch.setattr(run.folder, "save_checkpoint", save_for_ten_seconds)
    run.folder.next_save = 1100
    for now[0] in (1099, 1100, 1111, 2109, 2111):
        run.folder.save_if_due(run.state)
    assert saves == [1100, 2111]


def test_signals_wait_until_what_they_would_break_is_done():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with command.defer_signals():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("the update")
        done.append("the next one")
    assert done == ["the update"]
    with pytest.raises(KeyboardInterrupt):
        # as before
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


# ---- saving --------------------------------------------------------------------------------------


def save_forever(folder, connection, number):
    torch.set_num_threads(1)
    while True:
        number += 1
        checkpoint.save(
            folder / "last.pt",
            {"number": number, "tensor": torch.full((100_000,), float(number))},
            keep="last_but_one.pt",
        )
        connection.send(number)


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=FULL_COUNT)])
def test_a_kill_in_a_save_leaves_a_checkpoint_no_older_than_the_last(processes, tmp_path, kills):
    """torch.save to the file itself was broken by ten of ten kills."""
    number = 0
    for trial in range(kills):
        ours, theirs = multiprocessing.Pipe(duplex=False)
        running = processes(save_forever, tmp_path, theirs, number)
        theirs.close()
        number = ours.recv()
        time.sleep(random.Random(trial).uniform(0, 0.03))
        running.kill()
        running.join()
        with contextlib.suppress(EOFError):
            while True:
                number = ours.recv()
        state, _ = checkpoint.load_first(tmp_path / "last.pt", tmp_path / "last_but_one.pt")
        assert number <= state["number"] <= number + 1
        assert (state["tensor"] == state["number"]).all()
        # what the next save, here or of another file, clears away
        assert len(list(tmp_path.glob("*.partial"))) <= 2
        assert json.loads((tmp_path / "checksums.json").read_text())
        number = state["number"]
    checkpoint.save(tmp_path / "other.pt", {})
    assert not list(tmp_path.glob("*.partial"))


def test_a_save_is_on_the_disk_before_it_gets_its_name_and_so_is_the_name(tmp_path, monkeypatch):
    """Else a power cut leaves a new name without content."""
    done = []
    fsync = os.fsync
    replace = Path.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda file: (
            fsync(file),
            done.append(
                "folder"
                if isinstance(file, int) and stat.S_ISDIR(os.fstat(file).st_mode)
                else "file"
            ),
        ),
    )
    monkeypatch.setattr(
        Path,
        "replace",
        lambda self, other: (replace(self, other), done.append(Path(other).name))[0],
    )
    checkpoint.save(tmp_path / "last.pt", {"number": 1}, keep="last_but_one.pt")
    checkpoint.save(tmp_path / "last.pt", {"number": 2}, keep="last_but_one.pt")
    for name in ("last.pt", "checksums.json"):
        last = len(done) - 1 - done[::-1].index(name)
        assert done[last - 1] == "file", done
        assert done[last + 1] == "folder", done
    assert done.index("last_but_one.pt") > done.index("last.pt")
    assert done[done.index("last_but_one.pt") - 1] == "file"


def test_every_file_of_a_run_is_listed_with_its_checksum(whole):
    folder = whole / "checkpoints"
    listed = json.loads((folder / "checksums.json").read_text())
    assert listed == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [*folder.glob("*.pt"), folder / "metrics.json"]
    }
    files = {"best_model.pt", "last.pt", "last_but_one.pt", "checkpoint_epoch_002.pt"}
    assert files <= listed.keys()
    assert not (folder / "last_fit.pt").exists()


# ---- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("trials", [40, pytest.param(1000, marks=FULL_COUNT)])
def test_no_flipped_bit_and_no_cut_is_loaded_silently(tiny_model, tmp_path, trials, capsys):
    """torch.load took 200 of 200 files with a flipped bit for good.

    Also as the documentation shows it, without our own reader.
    """
    path = tmp_path / "best_model.pt"
    drawn = random.Random(0)
    checkpoint.save(path, tiny_model.state_dict())
    good = path.read_bytes()
    wanted = checkpoint.digest(OrderedDict(checkpoint.load(path)))
    refused = 0
    for trial in range(trials):
        content = bytearray(good)
        if trial % 5 == 4:
            del content[drawn.randrange(len(content)) :]
        else:
            # half of them in what describes the tensors: its names, shapes and places
            first, last = [
                (0, len(good)),
                (0, len(good)),
                (0, 20_000),
                (len(good) - 10_000, len(good)),
            ][trial % 5]
            bit = drawn.randrange(8 * first, 8 * last)
            content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        try:
            assert checkpoint.digest(OrderedDict(checkpoint.load(path))) == wanted, f"trial {trial}"
        except UserError as error:
            assert "best_model.pt is damaged" in str(error)
            assert "\n" not in str(error)
            refused += 1
        loaded = MultimodalModel(tiny_model.config, tiny_model.tokenizer)
        try:
            loaded.load_state_dict(torch.load(path, weights_only=True))
        except Exception:
            continue
        assert checkpoint.digest(loaded.state_dict()) == checkpoint.digest(
            tiny_model.state_dict()
        ), f"trial {trial}"
    assert refused > trials / 2


def damage(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    # one alone may hit the filling between two tensors
    content[middle : middle + 200] = bytes(byte ^ 1 for byte in content[middle : middle + 200])
    path.write_bytes(content)


def test_a_damaged_last_pt_gives_way_to_the_one_before_it(
    builtin_data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(run_folder, "MIN_SAVE_INTERVAL", 0)
    monkeypatch.setattr(run_folder, "MAX_SAVE_SHARE", float("inf"))
    one = trainer(builtin_data, tmp_path)
    one.folder.next_save = 0
    one.train_epoch()
    damage(tmp_path / "last.pt")
    other = trainer(builtin_data, tmp_path)
    assert other.load_checkpoint()
    # four of five steps of eight
    assert other.state.epoch.pairs == 32
    assert "last.pt is damaged or missing: going on from" in capsys.readouterr().out
    # in its place, so that the next save does not push out the good one
    assert checkpoint.load(tmp_path / "last.pt")["within"]["seen"] == 32
    other.train_epoch()
    assert checkpoint.digest(other.model.state_dict()) == checkpoint.digest(one.model.state_dict())
    for name in ("last.pt", "last_but_one.pt"):
        damage(tmp_path / name)
    with pytest.raises(
        UserError, match="neither .*last.pt nor last_but_one.pt is there whole.*--fresh"
    ):
        trainer(builtin_data, tmp_path).load_checkpoint()


def test_a_damaged_best_model_is_replaced_by_its_copy_or_by_the_last_epoch_and_says_so(
    builtin_data, tmp_path, capsys
):
    run = trainer(builtin_data, tmp_path)
    run.state.metrics = [
        {"epoch": 1, "best": False, "pair_score": 3.0},
        {"epoch": 2, "best": True, "pair_score": 1.25},
        {"epoch": 3, "best": False, "pair_score": 2.5},
    ]
    for name in ("best_model.pt", "checkpoint_epoch_002.pt"):
        run.folder.save_model(run.model, name)
    same = checkpoint.digest(run.folder.best_weights(run.state))
    damage(tmp_path / "best_model.pt")
    assert checkpoint.digest(run.folder.best_weights(run.state)) == same
    assert re.search(
        r"best_model.pt is damaged or missing: "
        r"going on with the same model from \S+checkpoint_epoch_002.pt",
        capsys.readouterr().out,
    )
    (tmp_path / "checkpoint_epoch_002.pt").unlink()
    assert checkpoint.digest(run.folder.best_weights(run.state)) == checkpoint.digest(
        run.model.state_dict()
    )
    assert (
        "the last epoch's model, 2.5000 from real pairs; the lost one, of epoch 2, was 1.2500"
        in capsys.readouterr().out
    )


def test_a_last_fit_that_is_damaged_or_of_another_run_is_not_gone_on_with(
    builtin_data, tmp_path, capsys
):
    run = trainer(builtin_data, tmp_path)
    state = run.state
    codes = encode_codes(run.model, run.train, run.kept)
    prior_fit.fit_prior_briefly(run.prior_fitter, codes, run.kept, steps=2, epoch=0)
    state.fit_id = ["this one"]
    run.folder.save_progress(state)
    state.prior_fit = None
    run.folder.load_last_fit(state)
    assert state.prior_fit.step == 2
    state.fit_id = ["another"]
    state.prior_fit = None
    run.folder.load_last_fit(state)
    assert state.prior_fit is None
    assert not capsys.readouterr().out
    damage(tmp_path / "last_fit.pt")
    run.folder.load_last_fit(state)
    assert state.prior_fit is None
    sentence = "last_fit.pt is damaged: the last fit of the sampler begins anew"
    assert sentence in capsys.readouterr().out


READERS = (
    "torch.load",
    "torch.hub.load_state_dict_from_url",
    "np.load",
    "numpy.load",
)


def reader_calls():
    """(path, call) of every call that reads a file of tensors or arrays."""
    for path in [*ROOT.glob("*.py"), *ROOT.glob("benchmarks/*.py"), *ROOT.glob("oneseed/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in READERS:
                yield path, node


def test_every_reader_in_the_tree_is_told_to_read_data_only():
    """torch's default was another before 2.6 and can be set by the environment."""
    found = list(reader_calls())
    # one place reads files of tensors: what is looked at there is looked at in all of them
    own = [path for path, call in found if path.is_relative_to(ROOT / "oneseed")]
    assert [path.name for path in own if "torch.load" in path.read_text()] == ["tensor_files.py"]
    for path, call in found:
        where = f"{path.name}: {ast.unparse(call)}"
        options = {word.arg: ast.unparse(word.value) for word in call.keywords}
        if "torch" in ast.unparse(call.func):
            assert options.get("weights_only") == "True", where
        else:
            assert "allow_pickle" not in options, where


# ---- numbers that are none -----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_stops_before_the_update_with_a_diagnosis_and_a_way_on(
    builtin_data, tmp_path, monkeypatch, where, value
):
    run = trainer(builtin_data, tmp_path, learning_rate=3e-3)
    batches = list(run.train)
    for step in range(3):
        run.train_step(batches[step], step)
    run.save_checkpoint()
    if where == "loss":
        loss = run.objective.loss
        forward = loss.forward

        def broken(*arguments, **further):
            losses = forward(*arguments, **further)
            return {
                **losses,
                "caption": losses["caption"] * value,
                "total": losses["total"] + losses["caption"] * value,
            }

        monkeypatch.setattr(loss, "forward", broken)
    else:
        run.model.text_decoder.bias.register_hook(lambda gradient: gradient * value)

    def digest():
        optimizers = [optimizer.state_dict()["state"] for optimizer in run.state.optimizers]
        return checkpoint.digest([run.model.state_dict(), *optimizers])

    before = digest()
    with pytest.raises(UserError, match="no longer a number at step 3, batch 4 of epoch 1") as stop:
        run.train_step(batches[3], 3)
    assert digest() == before
    message = str(stop.value)
    assert stop.value.code == 1
    reason = f"the caption loss is {value}" if where == "loss" else "first in text_decoder.bias"
    assert reason in message
    for part in (
        "gradient norm",
        "learning rate 0.00012",
        "builtin_train.jsonl",
        "run again with --learning-rate 0.001",
        "last.pt",
        "--fresh",
    ):
        assert part in message
    lines = re.search(r"lines ([\d, ]+)", message)[1].split(", ")
    assert [int(line) - 1 for line in lines] == run.train.batch_rows()[3].tolist()


def test_a_sampler_s_loss_that_is_none_stops_too(builtin_data, tmp_path, monkeypatch):
    """It would have been fitted on to the end, and no state of it kept."""
    run = trainer(builtin_data, tmp_path)
    loss = prior_fit.prior_loss

    def broken(*arguments):
        factor = float("nan") if run.state.prior_fit.step == 3 else 1
        return loss(*arguments) * factor

    monkeypatch.setattr(prior_fit, "prior_loss", broken)
    codes = encode_codes(run.model, run.train, run.kept)
    with pytest.raises(
        UserError,
        match="sampler's loss or its gradient is no longer a number at step 3 of 10.*--seed",
    ) as stop:
        prior_fit.fit_prior_briefly(run.prior_fitter, codes, run.kept, steps=10, epoch=0)
    assert stop.value.code == 1
    assert all(weight.isfinite().all() for weight in run.model.sampler.parameters())


# ---- the disk ------------------------------------------------------------------------------------


def one_sentence(capsys, action):
    """What cli.run prints when `action` fails; it must exit with 1."""
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        command.run(action)
    signal.signal(signal.SIGTERM, handler)
    printed = capsys.readouterr().err
    assert end.value.code == 1
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    return printed


@contextlib.contextmanager
def file_size_limit(size):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_last_checkpoint_whole_and_says_so(builtin_data, tmp_path, capsys):
    """torch.save itself says "unexpected pos 896 vs 854" then."""
    run = trainer(builtin_data, tmp_path)
    run.save_checkpoint()
    size = (tmp_path / "last.pt").stat().st_size
    for share in (0, 0.01, 0.3, 0.6, 0.9, 0.999):
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with file_size_limit(int(size * share)):
            assert "last.pt: File too large" in one_sentence(capsys, run.save_checkpoint)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    run.state.metrics = [{"epoch": 1}]
    run.save_checkpoint()
    assert checkpoint.load(tmp_path / "last.pt")["metrics"] == [{"epoch": 1}]


@pytest.mark.parametrize(
    "share",
    [
        0.8,
        *(
            pytest.param(share, marks=FULL_COUNT)
            for share in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9, 0.95)
        ),
    ],
)
def test_a_run_that_filled_the_disk_goes_on_afterwards(
    processes, builtin_data, whole, tmp_path, share
):
    size = (whole / "checkpoints" / "last_but_one.pt").stat().st_size
    ends(processes(train, tmp_path, builtin_data, 0, 0, int(share * size)), 1)
    printed = (tmp_path / "output.txt").read_text("utf-8")
    assert "error: " in printed
    assert os.strerror(errno.EFBIG) in printed
    assert "Traceback" not in printed
    assert "Done" not in printed
    ends(processes(train, tmp_path, builtin_data), 0)
    assert result(tmp_path) == result(whole)


def test_a_folder_that_may_not_be_written_is_one_sentence(builtin_data, capsys):
    # pytest's own are closed to other users
    with tempfile.TemporaryDirectory() as folder:
        run = trainer(builtin_data, folder)
        run.save_checkpoint()
        before = (Path(folder) / "last.pt").read_bytes()
        Path(folder).chmod(0o555)
        user = os.geteuid()
        # whom no permission stops
        if user == 0:
            os.seteuid(65534)
        try:
            assert "Permission denied" in one_sentence(capsys, run.save_checkpoint)
            assert "Permission denied" in one_sentence(capsys, run.fit)
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o755)
        assert (Path(folder) / "last.pt").read_bytes() == before
        (Path(folder) / "file").touch()
        run = trainer(builtin_data, Path(folder) / "file")
        assert "file: " in one_sentence(capsys, run.fit)
