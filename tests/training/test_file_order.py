"""Promises about training file by file: with copies within a limit, from a folder or from storage.

What a limit changes is where bytes lie. Losses, weights and resuming stay those of the same order.
"""

import itertools

import numpy as np
import pytest
import torch

from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.dataset.pixel_store import LimitedFiles
from oneseed.seeds import torch_generator
from oneseed.training import setup
from oneseed.training.file_order import by_first_use, by_groups_of_files
from oneseed.training.loaders import create_data_loaders
from tests.conftest import tiny_config
from tests.pixel_collection import FILE_BYTES, STYLE, many_pictures
from training_loop import MultimodalTrainer


@pytest.fixture(scope="module")
def stamps(tmp_path_factory):
    """640 pictures in ten files."""
    return many_pictures(tmp_path_factory.mktemp("stamps") / "data")


def config(data, folder, **changes):
    settings = dict(
        style=STYLE,
        preset="small",
        num_epochs=2,
        epoch_pictures=1,
        batch_size=32,
        sampler_steps=20,
        device="cpu",
        init="none",
        data=str(data),
        checkpoints=str(folder),
    )
    return TrainConfig(**{**settings, **changes})


def trainer(data, folder, **changes):
    settings = config(data, folder, **changes)
    model_config = tiny_config(vocab_size=0)
    model, train, val, _ = setup.build_run(model_config, settings)
    return MultimodalTrainer(model, train, val, settings)


def two_epochs(run):
    """-> losses of two epochs, and the weights after them."""
    losses = []
    for _ in range(2):
        result = run.train_epoch()
        losses.append([result.losses, run.validate(), result.codes])
        run.state.epoch = None
        run.state.metrics = [*run.state.metrics, {"epoch": run.epoch + 1, "best": False}]
    return losses, run.model.state_dict()


def same(one, other):
    (losses, weights), (other_losses, other_weights) = one, other
    for row, other_row in zip(losses, other_losses, strict=True):
        assert row[:2] == other_row[:2]
        assert torch.equal(row[2], other_row[2])
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)


@pytest.fixture(scope="module")
def unlimited(stamps, tmp_path_factory):
    """What a run without a limit finds, one file after another."""
    return two_epochs(trainer(stamps.data, tmp_path_factory.mktemp("free"), shuffle_files=1))


def test_a_limit_of_a_tenth_gives_the_same_losses_bit_for_bit(stamps, unlimited, tmp_path):
    run = trainer(stamps.data, tmp_path, cache_limit=FILE_BYTES)
    reader = run.train.pixels.reader
    assert isinstance(reader, LimitedFiles)
    assert reader.room == 1
    assert run.train.shuffle_files == 1
    same(two_epochs(run), unlimited)
    copies = list((tmp_path / "cache").glob("*/*.npy"))
    assert sum(path.stat().st_size for path in copies) <= FILE_BYTES
    # each epoch goes through the files twice: it trains, and it validates
    assert reader.fetched <= 40


def test_training_from_storage_gives_the_same_losses_bit_for_bit(stamps, unlimited, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").put(f"{stamps.data}/", "/bucket/data", recursive=True)
    run = trainer("memory://bucket/data", tmp_path, cache_limit=3 * FILE_BYTES)
    assert run.train.shuffle_files == 1, "one file is used, one comes"
    same(two_epochs(run), unlimited)
    whole = trainer("memory://bucket/data", tmp_path / "whole", shuffle_files=1)
    same(two_epochs(whole), unlimited)
    assert len(list((tmp_path / "whole" / "cache").glob("*/*.npy"))) == 10


def test_without_a_limit_the_order_is_that_of_one_file(stamps, tmp_path):
    """Whoever sets no limit must find the batches of earlier versions."""
    several = trainer(stamps.data, tmp_path / "several").train
    assert several.shuffle_files == 0
    for epoch in range(2):
        several.epoch = epoch
        order = torch.randperm(576, generator=torch_generator(f"0 {epoch}", "order"))
        assert torch.equal(torch.cat(several.batch_rows()), order)


def test_every_row_comes_once_and_few_files_at_a_time(stamps, tmp_path):
    loader = trainer(stamps.data, tmp_path, shuffle_files=3).train
    orders = []
    for epoch in range(2):
        loader.epoch = epoch
        order = torch.cat(loader.batch_rows()).numpy()
        orders.append(order.tolist())
        assert sorted(order) == list(range(576))
        files = loader.files_of(order)
        groups = [set(files[first : first + 172]) for first in range(0, 576, 172)]
        # ten files of which nine tenths train: groups of three have 172 to 174 rows
        assert all(len(group) <= 6 for group in groups)
        assert len({tuple(by_first_use(files[:170]))}) == 1
        runs = [file for file, _ in itertools.groupby(files)]
        assert len(runs) > 100, "pictures of a group's files are mixed"
    assert orders[0] != orders[1]
    assert loader.batch_rows()[0].tolist() == orders[1][:32]


def test_one_group_of_all_files_is_todays_order():
    order = torch.randperm(100, generator=torch.Generator().manual_seed(3))
    files = np.arange(100) // 10
    generator = torch.Generator().manual_seed(1)
    assert torch.equal(by_groups_of_files(order, files, 10, generator), order)


def run_epochs(run):
    """What `fit` does but for its end, the full fit of the prior."""
    with run.folder.saved_on_interrupt(run.state):
        while run.epoch < run.schedule.last_epoch:
            run.run_epoch()


def test_a_run_within_a_limit_resumes_bit_for_bit(stamps, tmp_path):
    """The second part may have a larger limit: the order stays that of the first."""
    whole = trainer(stamps.data, tmp_path / "whole", cache_limit=2 * FILE_BYTES)
    run_epochs(whole)
    part = trainer(stamps.data, tmp_path / "part", cache_limit=2 * FILE_BYTES)
    part.model.meta["training"] = setup.saved_settings(part.config, "fp32", 1)
    real = part.train_step

    def stopping(batch, step):
        if step == 25:
            raise KeyboardInterrupt
        return real(batch, step)

    part.train_step = stopping
    with pytest.raises(KeyboardInterrupt):
        run_epochs(part)
    rest = trainer(stamps.data, tmp_path / "part", cache_limit=8 * FILE_BYTES)
    assert rest.train.shuffle_files == 1
    assert rest.load_checkpoint()
    assert rest.state.epoch.pairs == 7 * 32
    run_epochs(rest)
    weights = whole.model.state_dict()
    found = rest.model.state_dict()
    # what a checkpoint says of its settings is no weight
    weights.pop("_extra_state")
    assert not [name for name in weights if not torch.equal(weights[name], found[name])]
    for row, other in zip(whole.state.metrics, rest.state.metrics, strict=True):
        assert row | {"images_per_second": 0} == other | {"images_per_second": 0}


def test_more_files_than_the_limit_holds_are_refused(stamps, tmp_path):
    settings = config(stamps.data, tmp_path, shuffle_files=3, cache_limit=2 * FILE_BYTES)
    with pytest.raises(UserError, match="--shuffle-files 3 are more files than --cache-limit"):
        create_data_loaders(tiny_config(vocab_size=0), settings)


def test_what_storage_lacks_is_named(stamps, tmp_path):
    fsspec = pytest.importorskip("fsspec")
    fsspec.filesystem("memory").put(
        f"{stamps.processed}/", "/bare/processed/stamps", recursive=True
    )
    settings = config("memory://bare", tmp_path)
    with pytest.raises(UserError, match=r"memory://bare/captions/stamps_train\.jsonl is not there"):
        create_data_loaders(tiny_config(vocab_size=0), settings)
    with pytest.raises(UserError, match=r"pixels_64\.json is not there; prepare .* at 64 px"):
        create_data_loaders(tiny_config(vocab_size=0, image_size=64), settings)
