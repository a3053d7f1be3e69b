"""Which shards of a piece of work have begun, and which are done: small files on their common disk.

    notes = ShardNotes(folder, "prepared", order_of(config), command, config.shard)
    with notes.at_work(Shard(2, 4)):
        ...                         # the work of the shard
    notes.require_all()             # UserError names the shards that are not done, and a command
    ...                             # gathering
    notes.settle()                  # or remove(), where the shards' files went with the gathering

A note is `.NAME_2_of_4.shard.json`. It says what was ordered: shards of another order count as
none. Notes only say what is missing; what a shard has made is looked at in its files.
"""

import contextlib
import dataclasses
import json
import os
import re
import shlex
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from oneseed.config.shards import WHOLE, Shard, parse_shard
from oneseed.console.command import UserError
from oneseed.console.flags import flag_of, option_fields
from oneseed.dataset.commands import script_command
from oneseed.dataset.jsonl import Row
from oneseed.dataset.notes import read_note
from oneseed.files import write_text

# settings that change nothing of what is made: where and how it is done
MACHINE_SETTINGS = ("shard", "workers", "engine", "batch_size", "device", "data")
# settings by which a config settles others
SETTLING = ("preset", "source", "style")
# of a note, in bytes
MAX_SHARD_NOTE_BYTES = 2**20
# shards that a sentence lists
MAX_MISSING_LISTED = 8


def order_of(config: Any, *leave_out: str) -> Row:
    """What a config asks for, as the notes of its shards keep it, without MACHINE_SETTINGS."""
    names = option_fields([type(config)]).keys() - {*MACHINE_SETTINGS, *leave_out}
    return {name: getattr(config, name) for name in sorted(names)}


def config_command(script: str, config: Any, shard: Shard | None = None) -> str:
    """The command that a config came from, with another shard; None: without one."""
    settling = {name: getattr(config, name) for name in SETTLING if hasattr(config, name)}
    bare = type(config)()
    # what the flags leave open as it is settled by these
    usual = type(config)(**settling)
    words = []
    for name, field in option_fields([type(config)]).items():
        value = getattr(config, name)
        is_settled = value == getattr(bare if name in settling else usual, name)
        if name == "shard" or value == field.default or is_settled:
            continue
        if isinstance(value, bool):
            words.append(flag_of(name) if value else f"--no-{flag_of(name)[2:]}")
        else:
            words.append(f"{flag_of(name)} {shlex.quote(str(value))}")
    if shard:
        words.append(f"--shard {shard}")
    return script_command(script, *words)


def no_shard(shard: Shard) -> bool:
    """No file shows that a shard is done."""
    return False


@dataclasses.dataclass(frozen=True)
class ShardNotes:
    """The notes of one piece of work."""

    folder: Path
    # of the work, as part of a file's name
    name: str
    # what was ordered, as JSON has it
    order: Row
    # that gathers, without --shard
    command: str
    # --shard of this run: with "1/1" all is to be done here, whatever shards have left
    setting: str

    @property
    def shard(self) -> Shard:
        """The shard that this run does, 1/1 where it does all."""
        return parse_shard(self.setting)

    def path(self, shard: Shard) -> Path:
        """The note of a shard."""
        return self.folder / f".{self.name}_{shard.number}_of_{shard.count}.shard.json"

    @contextlib.contextmanager
    def at_work(self, shard: Shard) -> Generator[None]:
        """Notes that the shard has begun, and behind the block, unless it failed, that it is done.

        A shard that is the whole work is not noted: it leaves nothing to gather.
        """
        self.begin(shard)
        yield
        if not shard.is_whole:
            self.write(shard, is_done=True)

    def begin(self, shard: Shard) -> None:
        """Notes that the shard has begun."""
        if not shard.is_whole:
            self.write(shard, is_done=False)

    def write(self, shard: Shard, *, is_done: bool) -> None:
        """Writes a shard's note."""
        note = {"order": self.order, "done": is_done}
        write_text(self.path(shard), json.dumps(note, ensure_ascii=False) + "\n")

    def each_noted(self) -> Iterator[tuple[Path, Shard]]:
        """The notes that are there, of whatever order."""
        pattern = re.compile(rf"\.{re.escape(self.name)}_(\d{{1,6}})_of_(\d{{1,6}})\.shard\.json")
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in sorted(os.listdir(self.folder)):
                if found := pattern.fullmatch(name):
                    yield self.folder / name, Shard(int(found[1]), int(found[2]))

    def other_orders(self) -> list[Row]:
        """What the notes that are there order, where that is not what this run does."""
        found = [
            read_note(path, is_note, most_bytes=MAX_SHARD_NOTE_BYTES)
            for path, _ in self.each_noted()
        ]
        return [note["order"] for note in found if note and note["order"] != self.order]

    def unfinished(self) -> list[Shard]:
        """The shards of this order that are not done, as many as were begun with; [] without any.

        Where the work was begun with several numbers of shards, it is that of which most are done.
        """
        done: dict[int, set[int]] = defaultdict(set)
        for path, shard in self.each_noted():
            note = read_note(path, is_note, most_bytes=MAX_SHARD_NOTE_BYTES)
            if note and note["order"] == self.order and 1 <= shard.number <= shard.count:
                done[shard.count].update([shard.number] if note["done"] else [])
        if any(len(numbers) == count for count, numbers in done.items()):
            return []
        if not done:
            return []
        count = max(done, key=lambda count: (len(done[count]) / count, count))
        return [Shard(i, count) for i in range(1, count + 1) if i not in done[count]]

    def require_all(self, has: Callable[[Shard], bool] = no_shard) -> None:
        """UserError where shards have begun this work, and some are not done.

        has: whether the files show that a shard is done, whatever its note says.
        """
        if self.setting:
            return
        missing = [one for one in self.unfinished() if not has(one)]
        if not missing:
            return
        listed = ", ".join(map(str, missing[:MAX_MISSING_LISTED]))
        if len(missing) > MAX_MISSING_LISTED:
            listed += f" and {len(missing) - MAX_MISSING_LISTED:,} others"
        are = "is" if len(missing) == 1 else "are"
        raise UserError(
            f"of {missing[0].count:,} shards {len(missing):,} {are} not done ({listed}): run "
            f"{self.command} --shard {missing[0]}, and so on; or do here what is left: "
            f"{self.command} --shard {WHOLE}"
        )

    def settle(self) -> None:
        """Removes the notes that count no more: of other orders, or of shards that are not done.

        Those of done ones stay, so that one of them may run again; but none where this run has done
        what the others left.
        """
        if self.setting:
            self.remove()
            return
        for path, _ in self.each_noted():
            note = read_note(path, is_note, most_bytes=MAX_SHARD_NOTE_BYTES)
            if not note or note["order"] != self.order or not note["done"]:
                remove_note(path)

    def remove(self) -> None:
        """Removes all notes, those of other orders too."""
        for path, _ in self.each_noted():
            remove_note(path)


def done_sentence(what: str, shard: Shard, command: str) -> str:
    """What a shard says at its end. what: of whose work it is; command: that gathers."""
    return (
        f"{what}, shard {shard} is done; when all {shard.count} are, this gathers them: {command}"
    )


def remove_note(path: Path) -> None:
    """Removes a note, where this user may."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def is_note(value: Any) -> bool:
    """Whether a value is the note of a shard."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("order"), dict)
        and isinstance(value.get("done"), bool)
    )
