"""Epochs and learning rate follow from the collection, and a run ends at rate zero."""

import pytest

import training_loop
from oneseed.config.training import TrainConfig
from oneseed.model import checkpoint
from oneseed.training.schedule import Schedule, passes_per_epoch
from tests.training.test_training_loop import trainer


def schedule(**changes):
    plan = {"peak": 1.0, "steps_per_epoch": 100, "num_epochs": 20, "patience": 4}
    return Schedule(**plan | changes)


def rows(scores):
    """Rows of metrics.json, an epoch each: True where it was the best so far."""
    return [{"epoch": number, "best": best} for number, best in enumerate(scores, 1)]


def test_a_small_folder_is_gone_through_several_times_in_an_epoch():
    """An epoch of 22 pictures was one step, so that patience and saving counted single steps."""
    assert [passes_per_epoch(count, 800) for count in (1, 22, 171, 500, 763, 5400)] == [
        800,
        36,
        5,
        2,
        1,
        1,
    ]
    assert passes_per_epoch(22, 1) == 1


def test_the_rate_rises_stays_and_falls_to_zero_at_the_end():
    plan = schedule()
    assert plan.learning_rate(0) == pytest.approx(0.01)
    assert plan.learning_rate(500) == plan.learning_rate(1000) == 1
    assert plan.learning_rate(1500) == pytest.approx(0.5)
    assert plan.learning_rate(2000) == 0


def test_a_run_cools_down_after_its_patience_and_not_before():
    plan = schedule()
    assert not plan.should_cool_down([])
    assert not plan.should_cool_down(rows([True, True, False, False, False]))
    assert plan.should_cool_down(rows([True, True, False, False, False, False]))
    # at its planned end a run ends
    assert not schedule(num_epochs=6).should_cool_down(rows([True, True] + 4 * [False]))


def test_the_rate_falls_to_zero_over_a_cool_down_from_where_it_stands():
    """A run that was stopped early ended at full speed: its rate had never fallen."""
    plan = schedule()
    plan.begin_cooldown(6)
    assert plan.last_epoch == 8
    assert plan.total_steps == 800
    assert plan.learning_rate(600) == 1
    assert plan.learning_rate(700) == pytest.approx(0.5)
    assert plan.learning_rate(800) == pytest.approx(0)
    # one is enough
    assert not plan.should_cool_down(rows([True] + 20 * [False]))
    late = schedule()
    late.begin_cooldown(19)
    assert late.last_epoch == 20
    assert late.learning_rate(1900) == pytest.approx(0.1)


def test_a_cool_down_is_resumed_and_a_longer_plan_ends_it():
    plan = schedule()
    plan.begin_cooldown(6)
    again = schedule()
    again.load_state_dict(plan.state_dict())
    assert again.learning_rate(650) == plan.learning_rate(650)
    assert again.last_epoch == 8
    longer = schedule(num_epochs=40)
    longer.load_state_dict(plan.state_dict())
    assert longer.last_epoch == 40
    # of a run that never cooled down, or of an older version
    longer.load_state_dict(None)
    assert longer.last_epoch == 40


def test_a_stalled_run_goes_back_to_its_best_epoch_and_ends(builtin_data, tmp_path, monkeypatch):
    """What ended a run early was the cross-entropy of titles that no picture could tell."""
    run = trainer(builtin_data, tmp_path, num_epochs=9, patience=2)
    scores = iter([3.0, 2.0, 4.0, 4.0, 4.0, 1.0])
    monkeypatch.setattr("oneseed.training.monitor.pair_score", lambda *given: next(scores))
    best = {}
    keep = run.folder.keep_best

    def kept(model):
        keep(model)
        best[run.epoch] = checkpoint.digest(run.folder.unsaved_best)

    monkeypatch.setattr(run.folder, "keep_best", kept)
    begun_with = []
    run_epoch = run.run_epoch

    def watched():
        begun_with.append(checkpoint.digest(dict(run.model.state_dict())))
        run_epoch()

    monkeypatch.setattr(run, "run_epoch", watched)
    run.fit()
    assert [row["best"] for row in run.state.metrics] == [True, True, False, False, False]
    # the fifth epoch, the only one of the cool-down, began with the weights of the second
    assert begun_with[4] == best[2]
    assert begun_with[4] != begun_with[3]
    assert run.state.metrics[-1]["learning_rate"] < run.state.metrics[0]["learning_rate"]
    assert "back to the best" in (tmp_path / "training.log").read_text("utf-8")
    # the same command again has nothing to do
    again = trainer(builtin_data, tmp_path, num_epochs=9, patience=2)
    assert again.load_checkpoint()
    again.fit()
    assert len(again.state.metrics) == 5


def test_a_resumed_cool_down_ends_as_the_uninterrupted_one(builtin_data, tmp_path, monkeypatch):
    def pretended(*given):
        return 1.0

    monkeypatch.setattr("oneseed.training.monitor.pair_score", pretended)
    settings = {"num_epochs": 9, "patience": 2}
    trainer(builtin_data, tmp_path / "whole", **settings).fit()
    first = trainer(builtin_data, tmp_path / "parts", **settings)
    for _ in range(3):
        first.run_epoch()
    assert first.schedule.should_cool_down(first.state.metrics)
    first.folder.save_progress(first.state)
    second = trainer(builtin_data, tmp_path / "parts", **settings)
    assert second.load_checkpoint()
    second.fit()
    one, other = (checkpoint.load(tmp_path / name / "best_model.pt") for name in ("whole", "parts"))
    assert checkpoint.digest(one) == checkpoint.digest(other)
    assert len(second.state.metrics) == 4


def test_an_epoch_of_several_passes_shows_every_picture_equally_often(builtin_data, tmp_path):
    run = trainer(builtin_data, tmp_path, epoch_pictures=110, batch_size=8)
    shown = [row for batch in run.train.batch_rows() for row in batch.tolist()]
    assert sorted(shown) == sorted(3 * list(range(36)))
    assert all(len(set(batch.tolist())) == len(batch) for batch in run.train.batch_rows())
    assert len(run.train) == len(run.train.batch_rows()) == 15
    assert run.train.epoch_pairs == 108
    assert run.train.batches_within(0) == 0
    # five batches make a pass: four of eight and one of four
    assert [run.train.batches_within(pairs) for pairs in (8, 32, 36, 44, 108)] == [1, 4, 5, 6, 15]


def test_an_epoch_of_several_passes_resumes_within(builtin_data, tmp_path):
    changes = {"epoch_pictures": 110, "num_epochs": 1}
    whole = trainer(builtin_data, tmp_path / "whole", **changes)
    whole.train_epoch()
    part = trainer(builtin_data, tmp_path / "part", **changes)
    steps = []
    step_once = part.train_step

    def interrupted(batch, step):
        if len(steps) == 7:
            raise KeyboardInterrupt
        steps.append(step)
        return step_once(batch, step)

    part.train_step = interrupted
    with pytest.raises(KeyboardInterrupt), part.folder.saved_on_interrupt(part.state):
        part.train_epoch()
    rest = trainer(builtin_data, tmp_path / "part", **changes)
    assert rest.load_checkpoint()
    rest.train_epoch()
    assert checkpoint.digest(rest.model.state_dict()) == checkpoint.digest(whole.model.state_dict())


def test_training_uses_the_rate_of_its_schedule():
    assert training_loop.Schedule.of(TrainConfig(num_epochs=3), 7).total_steps == 21
