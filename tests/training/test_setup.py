"""Settings that are left open follow from the collection and the machine."""

from oneseed.config.training import TrainConfig
from oneseed.training.setup import resolve_model_config, resolve_schedule
from tests.conftest import tiny_config


def test_only_real_pictures_begin_with_a_linear_code_unless_asked_otherwise():
    """Seeds of built-in drawings, whose few facts take few directions, were drawn with ghosts."""

    def linear_dims(style, given):
        config = tiny_config(linear_dims=given)
        settled = resolve_model_config(config, style, vocab_size=320, channels=1, budget=0)
        return settled.linear_dims

    assert linear_dims("builtin", -1) == 0
    assert linear_dims("engraving", -1) == 32
    assert linear_dims("builtin", 5) == 5


def test_the_last_fit_is_as_long_as_the_collection_is_large():
    """What is right for 5,400 drawings shows 2,746 engravings twice as often."""

    def steps(rows, **given):
        return resolve_schedule(TrainConfig(**given), rows).sampler_steps

    assert [steps(rows) for rows in (10, 2746, 5400, 21_600)] == [200, 1300, 2500, 10100]
    assert steps(5400, sampler_steps=7) == 7
    assert resolve_schedule(TrainConfig(num_epochs=0), 5400).num_epochs == 4
    assert resolve_schedule(TrainConfig(num_epochs=3), 5400).num_epochs == 3


def test_a_small_folder_has_as_many_epochs_as_one_of_800_pictures():
    """Twenty-five pictures planned 982 epochs, each of which ended with 130 MB of files."""

    def epochs(rows):
        return resolve_schedule(TrainConfig(num_epochs=0), rows).num_epochs

    assert [epochs(rows) for rows in (2, 22, 171, 763, 5400)] == [27, 27, 25, 28, 4]
    assert resolve_schedule(TrainConfig(), 22).num_epochs == 50
    assert resolve_schedule(TrainConfig(num_epochs=0, epoch_pictures=1), 216).num_epochs == 100
