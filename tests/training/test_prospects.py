"""Before training, a paragraph says what the pictures can give and what the run will cost."""

import pytest
import torch

from oneseed.console.amounts import describe_duration, describe_size
from oneseed.training.prospects import describe_pictures, describe_prospects, estimate_cost
from tests.training.test_training_loop import trainer


def test_few_pictures_promise_little():
    """Three hundred pictures of icons promised nothing and cost a night."""
    assert "learnt by heart" in describe_pictures(22)
    assert "seldom have a name" in describe_pictures(171)
    assert "often have a name" in describe_pictures(2_746)
    assert describe_pictures(5_400) == ""


def test_times_and_sizes_are_told_in_units_that_people_use():
    assert [describe_duration(seconds) for seconds in (41.6, 200, 5_390, 12_600)] == [
        "42 seconds",
        "3 minutes",
        "90 minutes",
        "3.5 hours",
    ]
    assert [describe_size(size) for size in (37.6e6, 1.24e9)] == ["38 MB", "1.2 GB"]


def test_the_paragraph_names_pictures_captions_time_and_disk(builtin_data, tmp_path):
    run = trainer(builtin_data, tmp_path, epoch_pictures=800)
    told = describe_prospects(run.objective, run.train, run.val, run.config, run.schedule)
    assert "36 pictures to train on" in told
    assert "3 epochs of 792 pictures, each picture 22 times" in told
    assert "on this machine; it writes about" in told
    assert f"in {tmp_path.as_posix()}/." in told
    assert "caption" in told


def test_estimating_changes_nothing_of_the_run(builtin_data, tmp_path):
    run = trainer(builtin_data, tmp_path)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    random_state = torch.get_rng_state()
    cost = estimate_cost(run.objective, run.train, run.config, run.schedule)
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(before[name], value) for name, value in run.model.state_dict().items())
    assert all(weight.grad is None for weight in run.model.parameters())
    assert cost.seconds > 0


def test_what_it_says_of_the_disk_is_about_what_is_written(builtin_data, tmp_path, monkeypatch):
    """Twenty-five pictures wrote 144 GB, of which nobody had heard before."""
    import oneseed.model.checkpoint as checkpoint

    run = trainer(builtin_data, tmp_path, num_epochs=4, checkpoint_every=1)
    cost = estimate_cost(run.objective, run.train, run.config, run.schedule)
    written = []
    save = checkpoint.save

    def counted(path, state, keep=None):
        save(path, state, keep)
        written.append(path.stat().st_size)

    monkeypatch.setattr(checkpoint, "save", counted)
    run.fit()
    files = sum(path.stat().st_size for path in tmp_path.glob("*.pt"))
    assert files == pytest.approx(cost.kept, rel=0.5)
    assert sum(written) == pytest.approx(cost.written, rel=0.6)
    # the last three
    names = sorted(path.name for path in tmp_path.glob("checkpoint_epoch_*.pt"))
    assert names == [f"checkpoint_epoch_00{epoch}.pt" for epoch in (2, 3, 4)]
