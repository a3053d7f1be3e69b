"""Settings that are left open follow from the collection and the machine."""

from oneseed.config.training import TrainConfig
from oneseed.training.setup import resolve_model_config, resolve_schedule
from tests.conftest import tiny_config


def test_only_real_pictures_begin_with_a_linear_code_unless_asked_otherwise():
    """Seeds of built-in drawings, whose few facts take few directions, were drawn with ghosts."""
    left_open = tiny_config(linear_dims=-1)
    assert resolve_model_config(left_open, "builtin", 320, 0).linear_dims == 0
    assert resolve_model_config(left_open, "engraving", 320, 0).linear_dims == 32
    assert resolve_model_config(tiny_config(linear_dims=5), "builtin", 320, 0).linear_dims == 5


def test_the_last_fit_is_as_long_as_the_collection_is_large():
    """What is right for 5,400 drawings shows 2,746 engravings twice as often."""

    def steps(rows, **given):
        return resolve_schedule(TrainConfig(**given), rows).sampler_steps

    assert [steps(rows) for rows in (10, 2746, 5400, 21_600)] == [200, 1000, 2000, 8000]
    assert steps(5400, sampler_steps=7) == 7
    assert resolve_schedule(TrainConfig(num_epochs=0), 5400).num_epochs == 4
    assert resolve_schedule(TrainConfig(num_epochs=3), 5400).num_epochs == 3
