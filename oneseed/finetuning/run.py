"""The files of a captioner's run: what it goes on from, its figures, and what it has taught.

last.pt         everything that an exact resume needs; last_but_one.pt the one before
adapter/        the best adapter so far, as peft reads it
config.json, …  the merged checkpoint, once the run has ended; captioner.json: what it is asked
metrics.json    the looks at held-out pictures, and the figures of the merged checkpoint
report.html     the same with pictures; training.log what was printed; tensorboard/ the curves
"""

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import Terminated, UserError, release_reader
from oneseed.console.output import progress
from oneseed.dataset.jsonl import Row
from oneseed.files import write_text
from oneseed.finetuning.adapter import trained_weights_of
from oneseed.model import checkpoint
from oneseed.model.checkpoint_facts import is_count, is_number
from oneseed.model.weights import require_weights
from oneseed.training import distributed
from oneseed.training.found_files import way_on
from oneseed.training.run_folder import MIN_SAVE_INTERVAL
from oneseed.training.run_log import RunLog, move_aside
from oneseed.training.saved_state import require_optimizer, weight_of

# share of the steps in which the learning rate rises to its peak
RISING_SHARE = 0.03
RUN_KIND = "captioner run 1"
# settings that a run that goes on must share with the one that began
SETTINGS = (
    *("objective", "model", "style", "question", "ocr"),
    *("rank", "alpha", "dora", "rslora", "train", "connector"),
    *("bits", "learning_rate", "num_epochs", "batch_size", "accumulate", "checkpoint_every"),
    *("held_out", "max_new_tokens", "max_length", "seed"),
)
# … and a digest of what its pairs say
PAIRS = "pairs"
# files of a run, which --fresh moves away
RUN_PATTERNS = (
    *("adapter", "tensorboard", "last*.pt", "checksums.json", "metrics.json", "report.html"),
    *("training.log", "README.md", "*.safetensors", "*.json", "*.jinja", "*.model", "*.txt"),
    *("merged", "gguf"),
)
# what a run writes over or removes; without a last.pt nobody knows whose it is
REPLACED_PATTERNS = (
    *("config.json", "model*.safetensors*", "adapter", "merged", "metrics.json", "report.html"),
    *("checksums.json", "captioner.json", "*_config.json", "tokenizer*.json"),
)
# of last.pt, beside its kind
SAVED_PARTS = {"settings": str, "state": str, "weights": dict, "optimizer": dict}


class TaughtPair(Protocol):
    """A picture with what is taught about it."""

    @property
    def taught(self) -> tuple[str, ...]:
        """What makes it another pair when it changes: names and texts."""


@dataclass
class FinetuningState:
    """What a run knows; with the weights and the optimiser all that last.pt holds."""

    # steps that are done
    step: int = 0
    # one for each look at held-out pictures
    looks: list[Row] = field(default_factory=list)
    # since the last look: nats, and the tokens that they were summed over
    loss_sum: float = 0.0
    loss_tokens: int = 0

    @property
    def best(self) -> Row | None:
        """The look at which the captioner was best."""
        return next((look for look in reversed(self.looks) if look["is_best"]), None)


def is_better_look(look: Row, best: Row | None, *, is_code: bool) -> bool:
    """Whether a captioner is better than it has ever been.

    Of words the loss of held-out captions decides, of code first how many texts are exact. What has
    learnt nothing yet is never the best.
    """
    if not look["step"]:
        return False
    if best is None:
        return True
    if is_code and look["exact"] != best["exact"]:
        return look["exact"] > best["exact"]
    return look["val_loss"] < best["val_loss"]


class FinetuningFolder(RunLog):
    """Reads and writes the files of one run; of several processes only the first writes."""

    def __init__(
        self, config: FinetuningConfig, train: Sequence[TaughtPair], val: Sequence[TaughtPair]
    ) -> None:
        """train, val: the pairs of the run."""
        super().__init__(Path(config.checkpoints))
        self.adapter = self.path / "adapter"
        settings = asdict(config)
        self.settings = {name: settings[name] for name in SETTINGS}
        self.settings |= {"samples": [len(train), len(val)], PAIRS: digest_of_pairs(train, val)}
        self.next_save = time.monotonic() + MIN_SAVE_INTERVAL

    def archive(self) -> None:
        """The files of an earlier run move to the folder previous/, or previous-2/ and so on."""
        found = [path for pattern in RUN_PATTERNS for path in self.path.glob(pattern)]
        files = [path for path in dict.fromkeys(found) if not path.name.startswith(".")]
        if not files:
            return
        print(f"the earlier run moved to {move_aside(files, self.path).as_posix()}/")

    # ---- going on --------------------------------------------------------------------------------

    def save(
        self, state: FinetuningState, model: torch.nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        """Write last.pt; the file that was there becomes last_but_one.pt."""
        if not distributed.is_first():
            return
        saved = {
            "kind": RUN_KIND,
            "settings": json.dumps(self.settings),
            "state": json.dumps(asdict(state)),
            "weights": {
                name: weight.detach().cpu() for name, weight in trained_weights_of(model).items()
            },
            "optimizer": optimizer.state_dict(),
        }
        checkpoint.save(self.path / "last.pt", saved, keep="last_but_one.pt")
        self.next_save = time.monotonic() + MIN_SAVE_INTERVAL

    def load(
        self, model: torch.nn.Module, optimizer: torch.optim.Optimizer
    ) -> FinetuningState | None:
        """Go on where last.pt stands -> the state; None where there is no run.

        UserError where it belongs to another run, or where there is none and the folder holds
        somebody's model.
        """
        paths = (self.path / "last.pt", self.path / "last_but_one.pt")
        if not any(path.exists() for path in paths):
            require_no_model(self.path)
            return None
        instead = (
            "use --checkpoints DIR for a second run, or --fresh to begin anew (this one then moves "
            f"to {self.path.as_posix()}/previous/)"
        )
        try:
            saved, found = checkpoint.load_first(*paths)
        except UserError as error:
            raise UserError(
                f"{paths[0]} is damaged, and so is the one before it: {instead}"
            ) from error
        self.require_same_run(saved, str(found), instead)
        weights = trained_weights_of(model)
        if saved["weights"].keys() != weights.keys():
            raise UserError(f"{found} has taught other weights: {instead}")
        try:
            expected = {name: weight_of(weight) for name, weight in weights.items()}
            require_weights(expected, saved["weights"])
            require_optimizer(saved["optimizer"], optimizer)
        except UserError as error:
            raise UserError(f"{found} is no whole run ({error}): {instead}") from error
        with torch.no_grad():
            for name, weight in weights.items():
                weight.copy_(saved["weights"][name])
        optimizer.load_state_dict(saved["optimizer"])
        return FinetuningState(**json.loads(saved["state"]))

    def require_same_run(self, saved: dict[str, Any], name: str, instead: str) -> None:
        """UserError where a saved run is none of a captioner's, or one with other settings."""
        if saved.get("kind") != RUN_KIND:
            raise UserError(f"{name} is no run of this script: {instead}")
        if not is_whole_run(saved):
            raise UserError(
                f"{name} lacks a part of a run, or is of another version of it: {instead}"
            )
        before = json.loads(saved["settings"])
        for key, value in self.settings.items():
            # runs of before were taught without a flag that came later
            begun = before.get(key, getattr(FinetuningConfig, key, None))
            if begun == value or (key == PAIRS and begun is None):
                continue
            if key == PAIRS:
                raise UserError(
                    f"{name} was taught other pairs than {self.settings['style']} has now, whose "
                    f"captions or questions have changed since: {instead}"
                )
            shown = "pairs" if key == "samples" else f"--{key.replace('_', '-')}"
            raise UserError(f"{name} is a run with {shown} {begun!r} and not {value!r}: {instead}")

    # ---- figures ---------------------------------------------------------------------------------

    def write_metrics(self, state: FinetuningState, after: Row | None = None) -> None:
        """metrics.json: all looks, and once the run has ended the figures of what it made."""
        if distributed.is_first():
            found = {"settings": self.settings, "looks": state.looks, "after": after}
            text = json.dumps(found, ensure_ascii=False, indent=1)
            write_text(self.path / "metrics.json", text + "\n")


def require_no_model(folder: Path) -> None:
    """UserError where a run that begins would write over, or remove, what is in its folder."""
    found = [path for pattern in REPLACED_PATTERNS for path in sorted(folder.glob(pattern))]
    if found:
        raise UserError(
            f"{found[0]} is there already, no last.pt says that it is of this run, and teaching "
            f"would write over it: {way_on(folder)}"
        )


def is_whole_run(saved: dict[str, Any]) -> bool:
    """Whether a saved run has all parts, of the right kinds; weights are looked at later."""
    if not all(isinstance(saved.get(name), kind) for name, kind in SAVED_PARTS.items()):
        return False
    try:
        settings = json.loads(saved["settings"])
        state = json.loads(saved["state"])
    except (ValueError, RecursionError):
        return False
    if not isinstance(settings, dict) or not isinstance(state, dict):
        return False
    if state.keys() != asdict(FinetuningState()).keys() or not isinstance(state["looks"], list):
        return False
    numbers = is_count(state["step"]) and is_count(state["loss_tokens"])
    looks = all(
        isinstance(look, dict) and {"step", "is_best"} <= look.keys() for look in state["looks"]
    )
    return numbers and looks and is_number(state["loss_sum"])


def digest_of_pairs(train: Sequence[TaughtPair], val: Sequence[TaughtPair]) -> str:
    """SHA-256, in hex, of what pairs teach."""
    digest = hashlib.sha256()
    for pairs in (train, val):
        digest.update(json.dumps([pair.taught for pair in pairs]).encode())
    return digest.hexdigest()


def is_look_due(trainer: Any) -> bool:
    """Whether held-out pictures are to be asked about before the next step.

    Before the first step, after so many, and after the last one. A signal may have come before the
    look of a step was noted: then it is taken when the run goes on.
    """
    state = trainer.state
    if not state.looks:
        return True
    is_place = state.step % trainer.look_every == 0 or state.step == trainer.total_steps
    return is_place and state.looks[-1]["step"] != state.step


def take_steps(trainer: Any) -> None:
    """All steps of a run that are left, with looks at held-out pictures between them.

    trainer: has folder, state, total_steps, look_every, train_step, look and save.
    """
    state = trainer.state
    with trainer.folder.open_log(), saved_when_stopped(trainer.save):
        if is_look_due(trainer):
            trainer.look()
        bar = progress(label="teaching", total=trainer.total_steps, unit="step", initial=state.step)
        with bar:
            while state.step < trainer.total_steps:
                loss = trainer.train_step()
                bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
                bar.update()
                if is_look_due(trainer):
                    trainer.look()
                elif time.monotonic() > trainer.folder.next_save:
                    trainer.save()


def rate_of_step(step: int, steps: int, peak: float) -> float:
    """The learning rate of a step: it rises over the first ones, then falls to zero by a cosine."""
    rising = max(1, round(RISING_SHARE * steps))
    if step < rising:
        return peak * (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    return peak * (1 + math.cos(math.pi * done)) / 2


@contextlib.contextmanager
def saved_when_stopped(save: Any) -> Generator[None]:
    """A signal, a reader that goes, or a process that is lost: save() comes first."""
    try:
        release_reader()
        yield
    except (KeyboardInterrupt, Terminated, distributed.LostProcessError):
        save()
        raise
