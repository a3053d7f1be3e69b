"""The files of a run: its log, its checkpoints, and what an interrupted run goes on from.

last.pt         everything that an exact resume needs, at the next epoch or within one
last_but_one.pt the last.pt of before, used where last.pt is damaged
last_fit.pt     the fit of the prior at the end of the run, while it goes on
best_model.pt   the model of the best epoch; checkpoint_epoch_NNN.pt those of every few epochs, the
                last three of them
metrics.json    a row for each epoch; training.log what was printed

Epochs of a small folder take seconds. So the best model and last.pt are written at most every two
minutes, and whenever a run ends, is interrupted or fails.
"""

import contextlib
import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from oneseed.config.training import TrainConfig
from oneseed.console.command import Terminated, UserError, release_reader
from oneseed.dataset.jsonl import Row
from oneseed.files import sweep_partials, write_text
from oneseed.locks import locked
from oneseed.model import checkpoint
from oneseed.model.caption_source import NONE, source_of
from oneseed.model.checkpoint_facts import CheckpointFacts, read_facts
from oneseed.model.multimodal import MultimodalModel, differing_settings, require_own_weights
from oneseed.training import distributed
from oneseed.training.beginning import require_same_beginning
from oneseed.training.found_files import require_own_files, require_places
from oneseed.training.run_log import RunLog, move_aside
from oneseed.training.saved_state import require_last_fit, require_progress, require_run
from oneseed.training.state import TrainState

# what a second run may do, as the end of a sentence
OTHER_CHECKPOINTS = "wait until it has ended, or choose another folder: --checkpoints DIR"
# files of a run; judge.pt, which is none, stays
RUN_FILES = ("*.pt", "metrics.json", "checksums.json", "training.log", "tensorboard")
# seconds between two saves at the ends of epochs, at least
MIN_EPOCH_SAVE_INTERVAL = 120
# checkpoint_epoch_NNN.pt files that are kept
KEPT_EPOCHS = 3
# seconds between two saves within an epoch, at least
MIN_SAVE_INTERVAL = 180
# share of the time that saves within an epoch take, at most
MAX_SAVE_SHARE = 0.01


class RunFolder(RunLog):
    """Reads and writes the files of one run; of several processes only the first writes.

    folder = RunFolder(Path("checkpoints"))
    folder.load_checkpoint(state)  # -> True where a run was resumed
    folder.save_if_due(state)
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.next_save = time.monotonic() + MIN_SAVE_INTERVAL
        self.next_epoch_save = time.monotonic()
        # of the best epoch, where best_model.pt has not been written since
        self.unsaved_best: dict[str, Any] | None = None
        # whether an epoch has ended since the last save
        self.has_unsaved_epoch = False

    # ---- metrics ---------------------------------------------------------------------------------

    def write_metrics(self, metrics: list[Row]) -> None:
        """metrics.json: a row for each finished epoch."""
        if distributed.is_first():
            write_text(self.path / "metrics.json", json.dumps(metrics, indent=1) + "\n")
            checkpoint.record(self.path / "metrics.json")

    # ---- saving ----------------------------------------------------------------------------------

    def archive(self) -> None:
        """The files of an earlier run move to the folder previous/, or previous-2/ and so on."""
        files = []
        for pattern in RUN_FILES:
            files += [path for path in self.path.glob(pattern) if path.name != "judge.pt"]
        if not files:
            return
        print(f"the earlier run moved to {move_aside(files, self.path).as_posix()}/")

    def keep_best(self, model: MultimodalModel) -> None:
        """Remember a model as the best one, to be written to best_model.pt when that is due."""
        self.unsaved_best = {key: value.cpu().clone() for key, value in model.state_dict().items()}

    def save_model(self, model: MultimodalModel, name: str) -> None:
        """A checkpoint that holds the model alone, as other programs load it."""
        state = {key: tensor.cpu() for key, tensor in model.state_dict().items()}
        checkpoint.save(self.path / name, state)

    def save_epoch_model(self, model: MultimodalModel, epoch: int) -> None:
        """checkpoint_epoch_NNN.pt; of those that are there the last three stay."""
        self.save_model(model, f"checkpoint_epoch_{epoch:03d}.pt")
        # those of another program are not in the list, and stay
        own = checkpoint.read_checksums(self.path / "checksums.json")
        saved = [path for path in self.path.glob("checkpoint_epoch_*.pt") if path.name in own]
        for path in sorted(saved, key=epoch_of)[:-KEPT_EPOCHS]:
            path.unlink()

    def save_best(self) -> None:
        """best_model.pt, where it is not written yet."""
        if self.unsaved_best is not None and distributed.is_first():
            checkpoint.save(self.path / "best_model.pt", self.unsaved_best)
            self.unsaved_best = None

    def save_checkpoint(self, state: TrainState) -> None:
        """last.pt. The file that was there becomes last_but_one.pt."""
        checkpoint.save(self.path / "last.pt", state.state_dict(), keep="last_but_one.pt")

    def save_progress(self, state: TrainState) -> None:
        """What an interruption at this moment would lose: best_model.pt, last.pt or last_fit.pt."""
        if not distributed.is_first():
            return
        begin = time.monotonic()
        self.save_best()
        self.has_unsaved_epoch = False
        if state.fit_id is None:
            self.save_checkpoint(state)
        elif state.prior_fit is not None:
            checkpoint.save(self.path / "last_fit.pt", state.last_fit_state_dict())
        now = time.monotonic()
        self.next_save = now + max(MIN_SAVE_INTERVAL, (now - begin) / MAX_SAVE_SHARE)

    def save_epoch_if_due(self, state: TrainState) -> bool:
        """Save at the end of an epoch, at most so often -> is it saved?"""
        if time.monotonic() < self.next_epoch_save:
            self.has_unsaved_epoch = True
            return False
        self.save_progress(state)
        self.next_epoch_save = time.monotonic() + MIN_EPOCH_SAVE_INTERVAL
        return True

    def save_if_due(self, state: TrainState) -> None:
        """Save every few minutes, and rarely enough that it takes no more than 1 % of the time."""
        if time.monotonic() >= self.next_save:
            self.save_progress(state)

    @contextlib.contextmanager
    def saved_on_interrupt(self, state: TrainState) -> Generator[None]:
        """A signal, a reader that goes, or a process that is lost: saves what that would lose.

        Then the run ends.
        Any other error saves the best model.
        """
        try:
            release_reader()
            yield
        except (KeyboardInterrupt, Terminated, distributed.LostProcessError):
            self.save_progress(state)
            raise
        except Exception:
            # the error that ends the run is the one that is told
            with contextlib.suppress(OSError):
                self.save_best()
            raise

    # ---- going on --------------------------------------------------------------------------------

    def load_checkpoint(self, state: TrainState) -> bool:
        """Go on where last.pt stands, or, where that is damaged, the one before it.

        False where there is none. UserError where it belongs to another run.
        """
        last = self.path / "last.pt"
        before = self.path / "last_but_one.pt"
        if not (last.exists() or before.exists()):
            return False
        instead = (
            "use --checkpoints DIR for a second run, or --fresh to begin anew "
            f"(this one then moves to {self.path.as_posix()}/previous/)"
        )
        try:
            saved, found = checkpoint.load_first(last, before)
        except UserError as error:
            raise UserError(
                f"neither {last} nor {before.name} is there whole: {instead}"
            ) from error
        path = Path(found)
        try:
            facts = require_run(saved)
            require_same_collection(saved, facts, state, path, instead)
            if difference := differing_settings(state.model.config, facts.config):
                raise OtherRunError(f"{path} is a run of another model ({difference}): {instead}")
            require_progress(saved, facts, state)
        except OtherRunError:
            raise
        except UserError as error:
            raise UserError(
                f"{path} is no run of this program, or of another version of it ({error}): "
                f"{instead}"
            ) from error
        state.load_state_dict(saved)
        if not distributed.is_first():
            return True
        if path == before:
            print(
                f"{last} is damaged or missing: going on from {before}, saved some minutes earlier",
                flush=True,
            )
            # The next save keeps the file that is there, which must be a good one.
            before.replace(last)
        # A kill may have come between the file and its entry in the list.
        checkpoint.record(last)
        return True

    def load_last_fit(self, state: TrainState) -> None:
        """Go on with the fit at the end of the run, if last_fit.pt is good and of this run."""
        path = self.path / "last_fit.pt"
        if not path.exists():
            return
        try:
            saved = checkpoint.load(path)
            require_last_fit(saved, state)
        except UserError:
            self.log(f"{path} is damaged: the last fit of the sampler begins anew")
            return
        state.load_last_fit(saved)

    def forget_last_fit(self) -> None:
        """The run has ended: last_fit.pt goes, and its entry in the list of checksums."""
        (self.path / "last_fit.pt").unlink(missing_ok=True)
        checkpoint.record(self.path / "best_model.pt")

    def best_weights(self, state: TrainState) -> dict[str, Any]:
        """The state of best_model.pt; where that is damaged or gone, what is nearest to it.

        That is its copy, and where there is none the model of the last epoch.
        """
        path = self.path / "best_model.pt"
        last = self.path / "last.pt"
        latest = state.metrics[-1]
        best = next((row for row in reversed(state.metrics) if row["best"]), latest)
        found = path
        weights = whole_model(path, state)
        if weights is None:
            found = self.path / f"checkpoint_epoch_{best['epoch']:03d}.pt"
            weights = whole_model(found, state)
        if weights is None:
            found = last
            state.model.meta["epoch"] = len(state.metrics)
            weights = state.model.state_dict()
        if found == path:
            return weights
        if found != last or best is latest:
            instead = f"the same model from {found}"
        else:
            instead = (
                f"the last epoch's model, {told_score(latest)} from real pairs; "
                f"the lost one, of epoch {best['epoch']}, was {told_score(best)}"
            )
        self.log(f"{path} is damaged or missing: going on with {instead}")
        return weights


def told_score(row: Row) -> str:
    """How far an epoch's pairs were from real ones; rows of older runs do not say it."""
    return f"{row['pair_score']:.4f}" if "pair_score" in row else "an unknown number"


def epoch_of(path: Path) -> int:
    """The number in the name of a checkpoint_epoch_NNN.pt; 0 where there is none."""
    number = path.stem.rpartition("_")[2]
    return int(number) if number.isdecimal() else 0


class OtherRunError(UserError):
    """A saved run that is whole, and not the one that is to go on."""


def require_same_collection(
    saved: dict[str, Any], facts: CheckpointFacts, state: TrainState, path: Path, instead: str
) -> None:
    """OtherRunError where the saved run learnt from other pictures.

    facts: of its model. instead: what to do then.
    """
    if saved["style"] != state.style:
        raise OtherRunError(f"{path} is a run on {saved['style']}, not {state.style}: {instead}")
    was_wordless = source_of(facts.meta) == NONE
    if was_wordless != (source_of(state.model.meta) == NONE):
        before, now = ("without", "with") if was_wordless else ("with", "without")
        raise OtherRunError(f"{path} is a run {before} captions, not {now}: {instead}")
    if saved["samples"] != state.samples:
        raise OtherRunError(
            f"{path} is a run on {saved['samples']} pictures, now there are {state.samples}: "
            f"{instead}"
        )


def whole_model(path: Path, state: TrainState) -> dict[str, Any] | None:
    """The weights in a file; None where it holds no whole model of the run's configuration."""
    try:
        weights = checkpoint.load(path)
        facts = read_facts(weights.get("_extra_state"))
        require_own_weights(facts, weights)
    except UserError:
        return None
    return weights if facts.config == state.model.config else None


@contextlib.contextmanager
def locked_run(path: Path) -> Generator[None]:
    """Within the block this run alone works in the folder; of several processes the first says so.

    Taken before anything of the folder is read or moved. InUseError where another run has it.
    """
    with contextlib.ExitStack() as stack:
        problem: UserError | OSError | None = None
        if distributed.is_first():
            try:
                stack.enter_context(locked(path, "run", remedy=OTHER_CHECKPOINTS))
            except (UserError, OSError) as error:
                problem = error
        code = distributed.broadcast_object(problem and getattr(problem, "code", 1))
        if problem:
            raise problem
        if code:
            # The first process says why.
            raise SystemExit(code)
        if distributed.is_first():
            sweep_partials(path)
            stack.callback(sweep_partials, path)
        yield


def resume_run(folder: RunFolder, state: TrainState, config: TrainConfig) -> bool:
    """Go on with the run of the folder, or move it away with --fresh -> is one resumed?

    UserError where it is another run, or began with other weights than --init says.
    """
    if not distributed.is_first():
        # The first process may have to mend files.
        distributed.broadcast_object(None)
    elif config.fresh:
        folder.archive()
    require_places(folder.path)
    is_resumed = folder.load_checkpoint(state)
    if not is_resumed:
        require_own_files(folder.path)
    if distributed.is_first():
        distributed.broadcast_object(None)
    if is_resumed:
        begun_with = state.model.meta.get("init", {}).get("checkpoint")
        require_same_beginning(folder.path / "last.pt", begun_with, config.init)
    return is_resumed
