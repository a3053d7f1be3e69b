"""Work is done whatever becomes of the processes that do it, here and on a Ray cluster."""

import importlib.util
import os
import signal
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from oneseed.console.command import UserError
from oneseed.preparation.journal import Examination
from oneseed.ray_workers import RayWorkers, workers_of
from oneseed.workers import Workers

HAS_RAY = importlib.util.find_spec("ray") is not None
NEEDS_RAY = "Ray is not installed: pip install -r requirements-ray.txt"
ENGINES = ["local", pytest.param("ray", marks=pytest.mark.skipif(not HAS_RAY, reason=NEEDS_RAY))]


@pytest.fixture(scope="module", params=ENGINES)
def workers(request):
    """Two processes, the same for all tests: to start a cluster takes seconds."""
    with workers_of(2, request.param) as started:
        yield started


def end_this_process():
    os.kill(os.getpid(), signal.SIGKILL)


def doubled(numbers):
    return [2 * number for number in numbers]


def killed_once(task):
    """The process that does it first is killed; the number of tries stands in a file."""
    folder, numbers = task
    tries = Path(folder) / f"{numbers[0]}"
    if numbers[0] == 5 and not tries.exists():
        tries.write_text("")
        end_this_process()
    return doubled(numbers)


def poisoned(numbers):
    if 7 in numbers:
        end_this_process()
    return doubled(numbers)


def examined(paths):
    if "7.png" in paths:
        end_this_process()
    return [{"sha256": path} for path in paths]


def is_finding(row):
    return "sha256" in row or "reason" in row


def refused(numbers):
    raise UserError("no such number", code=1)


def test_each_task_is_yielded_once_with_what_it_gave(workers):
    tasks = [[number, number + 100] for number in range(20)]
    found = {tuple(task): result for task, result in workers.each(doubled, tasks)}
    assert found == {tuple(task): doubled(task) for task in tasks}


def test_a_pool_that_breaks_while_it_starts_a_process_loses_no_task(monkeypatch):
    """On a loaded machine its pipes were closed first: a bare "handle is closed" ended the run."""
    submit = ProcessPoolExecutor.submit
    handed = []

    def breaking(pool, work, task):
        handed.append(task)
        if len(handed) == 2:
            raise OSError("handle is closed")
        return submit(pool, work, task)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", breaking)
    tasks = [[number] for number in range(6)]
    with Workers(2) as started:
        found = {tuple(task): result for task, result in started.each(doubled, tasks)}
    assert found == {tuple(task): doubled(task) for task in tasks}


def test_a_task_whose_process_was_killed_is_done_again(workers, tmp_path):
    """A machine that was lost, or a process that the system ended for want of memory."""
    tasks = [(str(tmp_path), [number]) for number in range(12)]
    found = Counter(result[0] for _, result in workers.each(killed_once, tasks))
    assert found == Counter(range(0, 24, 2))


def test_a_picture_that_no_process_survives_is_left_out_with_a_reason_and_costs_no_other(
    workers, tmp_path
):
    """Eight pictures are a task: the seven others would have been lost with it."""
    journal = tmp_path / "journal.jsonl"
    examination = Examination(journal, {"version": 1}, "examining", examined, is_finding)
    originals = [{"path": f"{number}.png", "bytes": 1, "mtime": 1} for number in range(20)]
    for original in originals:
        original |= dict(style="", caption="", source="")
    examination.run(originals, workers)
    lost = [row["path"] for row in originals if "reason" in row]
    assert lost == ["7.png"]
    assert originals[7]["reason"] == "cannot be opened (it ended each process that read it)"
    assert len([line for line in journal.read_text("utf-8").splitlines() if "sha256" in line]) == 19


def test_a_picture_that_ends_its_process_ends_no_later_run(workers, tmp_path):
    """It alone is tried again: that one task was done by the run itself, which died of it."""
    originals = [
        {"path": "7.png", "bytes": 1, "mtime": 1, "style": "", "caption": "", "source": ""}
    ]
    journal = tmp_path / "journal.jsonl"
    Examination(journal, {"version": 1}, "examining", examined, is_finding).run(originals, workers)
    assert originals[0]["reason"] == "cannot be opened (it ended each process that read it)"


def test_without_a_word_for_it_a_lost_task_ends_the_run_in_one_sentence(workers):
    with pytest.raises(UserError, match="want of memory.*--workers 1") as caught:
        list(workers.each(poisoned, [[number] for number in range(6, 10)]))
    assert caught.value.code == 1


def test_what_the_work_says_reaches_the_user(workers):
    with pytest.raises(UserError, match="^no such number$") as caught:
        list(workers.each(refused, [[1], [2]]))
    assert caught.value.code == 1


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_the_command_that_brings_it_is_named():
    with pytest.raises(UserError, match=r"pip install -r requirements-ray\.txt"):
        workers_of(2, "ray")


def test_processes_of_this_machine_are_the_default():
    assert type(workers_of(3, "local")) is Workers


@pytest.mark.skipif(not HAS_RAY, reason=NEEDS_RAY)
def test_a_cluster_that_is_not_there_ends_in_one_sentence():
    start = time.monotonic()
    with (
        pytest.raises(UserError, match="cannot be reached.*ray start --head"),
        workers_of(2, "ray:127.0.0.1:9") as workers,
    ):
        list(workers.each(doubled, [[1], [2]]))
    assert time.monotonic() - start < 60


def test_workers_limit_the_tasks_of_a_cluster_that_runs_already():
    """Three times as many ran, since such a cluster uses all of its processors."""
    assert RayWorkers(4, "10.0.0.5:6379").most_running == 4
    assert RayWorkers(4).most_running > 4
