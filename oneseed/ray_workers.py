"""--engine: the work of Workers.each by the processes of a Ray cluster, where Ray is installed.

    with workers_of(0, "ray:10.0.0.5:6379") as workers:     # "local": processes of this machine
        for task, result in workers.each(work, tasks):
            ...

Ray decides where a task runs, and runs it again where its process or its machine was lost. Tasks
are names of files, and results are what was found of them: the pictures themselves are read from
and written to a disk that all machines share, at the same path as here.
"""

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from oneseed.console.command import UserError
from oneseed.workers import LOST, TASKS_AHEAD, Result, Task, Workers

# the folder that holds this package, where the processes of Ray find it
PACKAGE_PARENT = Path(__file__).resolve().parents[1]
# times that a task runs again whose process was lost
LOST_RETRIES = 3
# of Ray's own memory for objects, in bytes: a task is a few names
OBJECT_STORE_BYTES = 2**27
# seconds between two looks at what is done: signals are heard meanwhile
LOOKING_SECONDS = 0.5
INSTALL_RAY = "pip install -r requirements-ray.txt"


def workers_of(count: int, engine: str) -> Workers:
    """The workers that --workers and --engine ask for. engine: "local", "ray" or "ray:ADDRESS".

    UserError where Ray is asked for and not installed.
    """
    name, _, address = engine.partition(":")
    if name != "ray":
        return Workers(count)
    try:
        import ray  # noqa: F401  # ty: ignore[import-not-found]  # an extra
    except ImportError as error:
        raise UserError(
            f"--engine {engine} needs Ray, which is not installed: {INSTALL_RAY}, "
            "or leave --engine out"
        ) from error
    return RayWorkers(count, address)


class RayWorkers(Workers):
    """Workers whose processes are Ray's."""

    def __init__(self, count: int, address: str = "") -> None:
        """count: tasks at a time, 0 for one per CPU of the cluster.

        address: of a cluster that runs, HOST:PORT or auto; "": one is started on this machine.
        """
        super().__init__(count)
        self.asked: int = count
        self.address: str = address
        self.is_connected: bool = False

    @property
    def most_running(self) -> int:
        """Tasks that Ray has at a time.

        A cluster that runs already may have more CPUs than were asked for, and uses them all.
        """
        is_limited = self.asked and self.address
        return self.count if is_limited else TASKS_AHEAD * self.count

    def __exit__(self, *error: object) -> None:
        if self.is_connected:
            import ray  # ty: ignore[import-not-found]  # an extra

            ray.shutdown()

    def each(
        self,
        work: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        split: Callable[[Task], list[Task]] | None = None,
        lost: Callable[[Task], Result] | None = None,
    ) -> Iterator[tuple[Task, Result]]:
        """As Workers.each. A task whose process was lost again and again is split, and then lost.

        UserError where a task is lost and `lost` says nothing of it.
        """
        if len(tasks) < 2:
            yield from super().each(work, tasks, split=split, lost=lost)
            return
        self.connect()
        import ray  # ty: ignore[import-not-found]  # an extra

        remote = ray.remote(max_retries=LOST_RETRIES)(in_folder)
        # once for all tasks, in Ray's store of objects
        shared = ray.put((work, os.getcwd()))
        waiting = list(reversed(tasks))
        running: dict[Any, Task] = {}
        while waiting or running:
            while waiting and len(running) < self.most_running:
                task = waiting.pop()
                running[remote.remote(shared, task)] = task
            done, _ = ray.wait(list(running), timeout=LOOKING_SECONDS)
            for reference in done:
                task = running.pop(reference)
                try:
                    yield task, result_of(reference)
                except LostTaskError as error:
                    parts = split(task) if split else [task]
                    if len(parts) > 1:
                        waiting += reversed(parts)
                    elif lost:
                        yield task, lost(task)
                    else:
                        raise UserError(LOST, code=1) from error

    def connect(self) -> None:
        """Starts a cluster on this machine, or joins the one at the address. UserError: why not."""
        if self.is_connected:
            return
        # nothing is reported to Ray's makers
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray  # ty: ignore[import-not-found]  # an extra

        settings: dict[str, Any] = {"address": self.address or "local"}
        if not self.address:
            settings |= {
                "num_cpus": self.count,
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
            }
        path = os.pathsep.join(filter(None, [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH")]))
        handlers = stop_handlers()
        try:
            ray.init(
                **settings,
                log_to_driver=False,
                logging_level="ERROR",
                runtime_env={"env_vars": {"PYTHONPATH": path}},
            )
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = f"the Ray cluster {self.address}" if self.address else "Ray"
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"{where} cannot be reached ({reason}): start it with ray start --head, or leave "
                "--engine out"
            ) from error
        finally:
            # Ray takes SIGTERM for itself
            for number, handler in handlers.items():
                signal.signal(number, handler)
        self.is_connected = True
        cpus = int(ray.cluster_resources().get("CPU", 1))
        self.count = min(self.asked, cpus) if self.asked else max(1, cpus)


class LostTaskError(Exception):
    """A task whose process or machine was lost every time; the text says how."""


def result_of(reference: Any) -> Any:
    """What a finished task gave, or the error that it raised. LostTaskError where it was lost."""
    import ray  # ty: ignore[import-not-found]  # an extra
    from ray import exceptions  # ty: ignore[import-not-found]  # an extra

    try:
        return ray.get(reference)
    except exceptions.RayTaskError as error:
        # what the work itself raised, without Ray's wrapping
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
    except (
        exceptions.WorkerCrashedError,
        exceptions.OutOfMemoryError,
        exceptions.NodeDiedError,
        exceptions.ObjectLostError,
    ) as error:
        raise LostTaskError(type(error).__name__) from error
    except exceptions.RayError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"Ray cannot do the work ({type(error).__name__}: {reason}); look at the cluster with "
            "ray status, or leave --engine out"
        ) from error


def in_folder(shared: tuple[Callable[[Any], Any], str], task: Any) -> Any:
    """work(task), in a process of Ray's, as if it ran where the command was started.

    shared: the work, and the folder of the command.
    """
    work, folder = shared
    enter_folder(folder)
    return work(task)


@functools.cache
def enter_folder(folder: str) -> None:
    """Makes a folder of the shared disk the current one, once. UserError where it is not here."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise UserError(
            f"a machine of the Ray cluster does not see {folder} ({error.strerror}): the folder of "
            "the command must lie on a disk that all share, at the same path"
        ) from error


def stop_handlers() -> dict[int, Any]:
    """The handlers of signals that Ray would replace; none outside of the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
