"""--shard: a number from 1 to n, or what Slurm says of a task of an array."""

import pytest

from oneseed.config.preparation import PrepareConfig
from oneseed.config.shards import Shard, parse_shard
from oneseed.console.command import UserError


def slurm(task, first=1, last=4, count=None, step=None):
    """The variables of a task of sbatch --array=first-last."""
    names = dict(ID=task, MIN=first, MAX=last, COUNT=count or last - first + 1, STEP=step)
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in names.items() if value}


@pytest.mark.parametrize(
    ("text", "variables", "shard"),
    [
        ("", slurm(2), Shard(1, 1)),
        ("2/4", slurm(3), Shard(2, 4)),
        ("slurm", slurm(2), Shard(2, 4)),
        ("slurm", {**slurm(1, last=3, count=4), "SLURM_ARRAY_TASK_MIN": "0"}, Shard(2, 4)),
        ("slurm", slurm(7, first=3, last=9, count=4, step=2), Shard(3, 4)),
        # an array of those that failed
        ("slurm/64", slurm(7, first=3, last=7, count=2), Shard(7, 64)),
    ],
)
def test_a_shard_is_read_as_it_is_written_or_as_slurm_counts(text, variables, shard):
    assert parse_shard(text, variables) == shard


@pytest.mark.parametrize(
    ("text", "variables", "said"),
    [
        ("0/4", {}, "1/4, 2/4"),
        ("5/4", {}, "1/4, 2/4"),
        # an array of those that failed would have been taken for two shards of two
        ("slurm", slurm(7, first=3, last=7, count=2), "--shard slurm/4"),
        ("slurm/4", slurm(5, last=5), "tasks 1 to 4"),
    ],
)
def test_what_is_no_shard_is_refused_with_one_that_is(text, variables, said):
    with pytest.raises(ValueError, match=said):
        parse_shard(text, variables)


@pytest.mark.parametrize("text", ["slurm", "slurm/4"])
def test_outside_of_slurm_a_task_of_an_array_is_refused_where_it_begins(text):
    assert PrepareConfig(shard=text).shard == text, "a manual page may show the command"
    with pytest.raises(UserError, match="sbatch --array=1-4"):
        parse_shard(text, {})


def test_every_piece_of_work_is_in_one_shard():
    works = [f"{number}.png" for number in range(1000)]
    shards = [[work for work in works if Shard(i, 4).takes(work)] for i in range(1, 5)]
    assert sorted(work for shard in shards for work in shard) == sorted(works)
    assert min(map(len, shards)) > 200


def test_a_command_shows_the_shard_that_slurm_named(monkeypatch):
    for name, value in slurm(3).items():
        monkeypatch.setenv(name, value)
    assert PrepareConfig(shard="slurm").shard == "3/4"


@pytest.mark.parametrize("engine", ["rai", "ray:", "ray:host", "dask", "ray:a b:1"])
def test_an_engine_that_is_none_is_refused(engine):
    with pytest.raises(ValueError, match="local, ray, ray:auto or ray:HOST:PORT"):
        PrepareConfig(engine=engine)
