"""--shard: which part of the work a run does, of so many, so that several runs do all of it.

    python dataset_preparation.py --source prints --shard 2/4      # 1/4, 3/4, 4/4 elsewhere
    sbatch --array=1-64 ... python dataset_preparation.py --source prints --shard slurm/64

A shard is a number from 1 to n. The tasks of a Slurm array read it from what Slurm tells them.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from oneseed.console.command import UserError
from oneseed.console.flags import option

# values of --shard that stand for the task of a Slurm array: "slurm", "slurm/64"
SLURM = re.compile(r"slurm(?:/([0-9]{1,6}))?")
NUMBERED = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
# of the variables by which Slurm tells a task of an array who it is
TASK = "SLURM_ARRAY_TASK_ID"
# how a Slurm array's sentence ends
WITHOUT_SLURM = "start it with sbatch --array=1-4, or write --shard 1/4 to 4/4 yourself"


class Shard(NamedTuple):
    """Part `number` of `count` parts, from 1 to count."""

    number: int
    count: int

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the work."""
        return self.count == 1

    def takes(self, identity: str) -> bool:
        """True for one shard of all, whatever else comes or goes. identity: of a piece of work."""
        digest = hashlib.sha256(f"shard {identity}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


# what a run does that was given no shard, or is to do all that others left
WHOLE = Shard(1, 1)


def shard_option(what: str) -> Any:
    """The field `shard`. what: it shares out, as "caption only this share"."""
    return option(
        "",
        f"i/n, from 1/n to n/n: {what}, for several machines or processes side by side; slurm or "
        "slurm/n: as the task of a Slurm array; the same command without it gathers, once all "
        "are done; 1/1: do all here, whatever shards have left",
    )


def parse_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """ "2/4" -> Shard(2, 4); "" -> (1, 1); "slurm", "slurm/64" -> what Slurm says of this task.

    ValueError for anything else, UserError for slurm outside of an array.
    """
    if not text:
        return WHOLE
    if found := SLURM.fullmatch(text):
        return slurm_shard(int(found[1] or 0), environment)
    found = NUMBERED.fullmatch(text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(
            f"--shard is i/n, for four of them 1/4, 2/4, 3/4 and 4/4, or slurm, got {text!r}"
        )
    return Shard(int(found[1]), int(found[2]))


def slurm_shard(count: int, environment: Mapping[str, str]) -> Shard:
    """The shard of this task of a Slurm array (sbatch --array).

    UserError where this process is no task of one, ValueError where it does not fit.
    count: of all shards, so that an array of the missing ones, --array=3,7, means the same ones;
    0: the array's tasks are all shards.
    """
    if TASK not in environment:
        raise UserError(
            f"--shard slurm is for the tasks of a Slurm array, and this is none: {WITHOUT_SLURM}"
        )
    try:
        task = int(environment[TASK])
        tasks = int(environment["SLURM_ARRAY_TASK_COUNT"])
        first = int(environment["SLURM_ARRAY_TASK_MIN"])
        last = int(environment["SLURM_ARRAY_TASK_MAX"])
        step = int(environment.get("SLURM_ARRAY_TASK_STEP") or 1)
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"Slurm says too little of this array ({error}): {WITHOUT_SLURM}"
        ) from error
    if count:
        if not 1 <= task <= count:
            raise ValueError(
                f"--shard slurm/{count} is for the tasks 1 to {count}, and this is task {task}: "
                f"sbatch --array=1-{count}"
            )
        return Shard(task, count)
    steps, rest = divmod(task - first, max(1, step))
    if rest or last - first != (tasks - 1) * step or not 0 <= steps < tasks:
        raise ValueError(
            "the Slurm array leaves numbers out, so --shard slurm cannot say how many shards there "
            f"are: say it, for four of them --shard slurm/4 with --array={task}"
        )
    return Shard(steps + 1, tasks)


def settle_shard(config: Any) -> None:
    """Puts the shard that Slurm names into the config's field `shard`, as i/n. ValueError as above.

    Printed commands name it then. Outside of Slurm "slurm" stays: whoever does the work says so.
    """
    is_outside = SLURM.fullmatch(config.shard) and TASK not in os.environ
    if config.shard and not is_outside:
        object.__setattr__(config, "shard", str(parse_shard(config.shard)))
