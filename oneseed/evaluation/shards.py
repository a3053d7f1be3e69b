"""The costly parts of a report by several machines: pairs drawn and judged, measurements made.

    parts = Parts(folder, order)                # None: everything is made here, and nothing kept
    parts.write_pairs(generator, seeds, judge, Shard(2, 4))
    parts.write_sections(measures, Shard(2, 4))
    pairs = parts.pairs(generator, seeds, judge)        # from the files that are there
    section = parts.section("walks", measures["walks"])

Pairs are shared out in blocks, which end where one run's batches do; measurements of prompts,
styles and walks each as a whole. What a file lacks is made by whoever asks for it.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from oneseed.config.evaluation import EvaluateConfig
from oneseed.config.shards import WHOLE, Shard
from oneseed.console.command import UserError
from oneseed.console.flags import flag_of
from oneseed.console.output import progress
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.dataset.notes import read_note
from oneseed.dataset.shard_notes import ShardNotes, config_command
from oneseed.evaluation.judges import SHOWN_AT_ONCE, PictureJudge, is_named_judge, seen_by
from oneseed.evaluation.samples import (
    GENERATED_AT_ONCE,
    ImageCaption,
    generated_pairs,
    timed_pairs,
    training_rows,
)
from oneseed.evaluation.section import Number, Section
from oneseed.file_names import safe_name
from oneseed.files import sweep_partials, whole_file, write_text
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.index import encode_texts
from oneseed.generation.index_file import FINGERPRINT, TEXT, ArrayKind, read_index_file
from oneseed.locks import lock_names, locked, require_free
from oneseed.model.checkpoint_facts import are_plain_texts
from oneseed.synthetic.drawn import Facts
from oneseed.tensor_files import UnusableFileError
from oneseed.workers import chunks

# pairs of a block: whole batches of those who draw and of those who judge
JUDGED_AT_ONCE = max(GENERATED_AT_ONCE, SHOWN_AT_ONCE)
BLOCK_KINDS = {
    "fingerprint": FINGERPRINT,
    "pictures": ArrayKind("B", 4),
    "captions": TEXT,
    "seen": TEXT,
    "seconds": ArrayKind("d", 0),
}
# names that this file gives
PART_NAME = re.compile(r"pairs_\d{10}\.npz|section_[a-z_]+\.json")

# seconds that a shard waits until another one has taught the judge
TEACHING_PATIENCE = 24 * 3600.0
REPORT_LOCK = "report"
WHEN_EVALUATED = "wait until it has ended, or name another: --out DIR"

Measures = Mapping[str, Callable[[], Section]]


class DrawnPairs(NamedTuple):
    """Some generated pairs, in the order of their seeds."""

    pairs: list[ImageCaption]
    # what a picture judge sees in each; [] without one
    seen: list[Facts]
    # that drawing them took
    seconds: float


def judged_pairs(
    generator: MultimodalGenerator, seeds: Sequence[int], judge: PictureJudge | None
) -> DrawnPairs:
    """The pairs of all seeds, drawn now, and what the judge sees in them."""
    pairs, seconds_per_pair = timed_pairs(generator, seeds)
    seen = seen_by(judge, [image for image, _ in pairs]) if judge else []
    return DrawnPairs(pairs, seen, seconds_per_pair * len(seeds))


def judged_block(
    generator: MultimodalGenerator, seeds: Sequence[int], judge: PictureJudge | None
) -> DrawnPairs:
    """The same of a block, without a progress bar of its own."""
    start = time.perf_counter()
    pairs = list(generated_pairs(generator, seeds))
    seconds = time.perf_counter() - start
    seen = seen_by(judge, [image for image, _ in pairs]) if judge else []
    return DrawnPairs(pairs, seen, seconds)


@dataclass(frozen=True)
class Parts:
    """The files of one report's parts in a folder of their own."""

    folder: Path
    # what the parts depend on; those of another order count as missing
    order: Row

    @property
    def digest(self) -> str:
        """Of the order, as the files carry it."""
        return hashlib.sha256(json.dumps(self.order, sort_keys=True).encode()).hexdigest()[:32]

    def write_pairs(
        self,
        generator: MultimodalGenerator,
        seeds: Sequence[int],
        judge: PictureJudge | None,
        shard: Shard,
    ) -> int:
        """Draws and judges the pairs of a shard that no earlier run has -> how many it has now."""
        sweep_partials(self.folder)
        own = chunks(seeds, JUDGED_AT_ONCE)[shard.number - 1 :: shard.count]
        missing = [block for block in own if self.read_block(block, judge) is None]
        count = sum(map(len, own))
        done = count - sum(map(len, missing))
        with progress(label="pairs", total=count, initial=done, unit="pair") as bar:
            for block in missing:
                self.write_block(block, judged_block(generator, block, judge))
                bar.update(len(block))
        return count

    def pairs(
        self, generator: MultimodalGenerator, seeds: Sequence[int], judge: PictureJudge | None
    ) -> DrawnPairs:
        """The pairs of all seeds, from the files that are there; others are drawn now."""
        found = [
            self.read_block(block, judge) or judged_block(generator, block, judge)
            for block in chunks(seeds, JUDGED_AT_ONCE)
        ]
        return DrawnPairs(
            [pair for one in found for pair in one.pairs],
            [facts for one in found for facts in one.seen],
            sum(one.seconds for one in found),
        )

    def write_block(self, seeds: Sequence[int], drawn: DrawnPairs) -> None:
        """Writes the file of a block."""
        pictures = np.stack([np.asarray(image) for image, _ in drawn.pairs])
        with whole_file(self.block_path(seeds)) as partial, open(partial, "wb") as file:
            np.savez(
                file,
                fingerprint=np.array(self.digest),
                pictures=pictures.reshape(*pictures.shape[:3], -1),
                captions=encode_texts([caption for _, caption in drawn.pairs]),
                seen=encode_texts(list(drawn.seen)),
                seconds=np.array(drawn.seconds),
            )

    def read_block(self, seeds: Sequence[int], judge: PictureJudge | None) -> DrawnPairs | None:
        """The pairs of a block; None where its file is missing, damaged or of another order."""
        path = self.block_path(seeds)
        try:
            found = read_index_file(path, BLOCK_KINDS)
        except (OSError, UnusableFileError):
            return None
        captions, seen, pictures = found["captions"], found["seen"], found["pictures"]
        is_own = str(found["fingerprint"]) == self.digest and are_plain_texts(captions)
        if not is_own or len(captions) != len(seeds) or len(pictures) != len(seeds):
            return None
        if pictures.shape[3] not in (1, 3) or not are_seen(seen, len(seeds), judge):
            return None
        images = [
            Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture)
            for picture in pictures
        ]
        return DrawnPairs(list(zip(images, captions)), seen, float(found["seconds"]))

    def block_path(self, seeds: Sequence[int]) -> Path:
        """The file of a block."""
        return self.folder / f"pairs_{seeds[0]:010d}.npz"

    def write_sections(self, measures: Measures, shard: Shard) -> None:
        """Makes the measurements of a shard that no earlier run has."""
        for name in list(measures)[shard.number - 1 :: shard.count]:
            if self.read_section(name) is None:
                note = {"order": self.digest, **section_note(measures[name]())}
                write_text(self.section_path(name), json.dumps(note, ensure_ascii=False) + "\n")

    def section(self, name: str, measure: Callable[[], Section]) -> Section:
        """A measurement, from its file where that is there."""
        return self.read_section(name) or measure()

    def read_section(self, name: str) -> Section | None:
        """What a file says of a measurement; None where there is none of this order."""
        note = read_note(self.section_path(name), is_section_note)
        if note is None or note["order"] != self.digest:
            return None
        numbers = {key: number_of(row) for key, row in note["numbers"].items()}
        return Section(numbers, notes=note["notes"], warnings=note["warnings"])

    def section_path(self, name: str) -> Path:
        """The file of a measurement."""
        return self.folder / f"section_{name}.json"

    def remove(self) -> None:
        """Removes the files, once a report holds what they say."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.folder):
                if PART_NAME.fullmatch(name):
                    (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()


def are_seen(value: Any, count: int, judge: PictureJudge | None) -> bool:
    """Whether a value is what the judge has seen in so many pictures; [] without a judge."""
    if judge is None:
        return value == []
    names = set(judge.attributes)
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(facts, dict) and set(facts) == names for facts in value)
    )


def section_note(section: Section) -> Row:
    """A measurement that is numbers and sentences alone, as JSON."""
    assert not section.examples, "examples hold pictures"
    assert not section.gallery, "the gallery holds pictures"
    return {"numbers": section.rows(), "notes": section.notes, "warnings": section.warnings}


def number_of(row: Row) -> Number:
    """A number as Section.rows gives it -> the number."""
    interval = row["interval"]
    number = Number(**row)
    return replace(number, interval=(interval[0], interval[1])) if interval else number


def is_section_note(value: Any) -> bool:
    """Whether a value is a measurement, as write_sections writes it."""
    keys = set(Number.__dataclass_fields__)
    if not isinstance(value, dict) or not isinstance(value.get("numbers"), dict):
        return False
    are_numbers = all(
        isinstance(one, dict) and set(one) == keys for one in value["numbers"].values()
    )
    return (
        are_numbers
        and isinstance(value.get("order"), str)
        and are_plain_texts(value.get("notes"))
        and are_plain_texts(value.get("warnings"))
    )


def report_parts(
    out: Path, generator: MultimodalGenerator, config: EvaluateConfig
) -> tuple[Parts, ShardNotes]:
    """The parts of a report and the notes of their shards. out: folder of the report."""
    collection = Collection(generator.style, config.data)
    digest = hashlib.sha256()
    for row in training_rows(collection):
        digest.update(f"{row['id']} {row['caption']}\n".encode())
    order = {
        "fingerprint": generator.fingerprint,
        "finish": generator.finish,
        "captions": digest.hexdigest()[:16],
        **{name: getattr(config, name) for name in ("seeds", "first_seed", "judge")},
    }
    command = config_command("evaluation.py", config)
    notes = ShardNotes(out, REPORT_LOCK, order, command, config.shard)
    return Parts(out / ".parts", order), notes


def require_no_others(notes: ShardNotes) -> None:
    """UserError where shards of another report of this model wait in the folder to be gathered.

    Writing this report would remove what they have made.
    """
    if notes.setting:
        return
    for order in notes.other_orders():
        if order.get("fingerprint") == notes.order["fingerprint"]:
            names = ("seeds", "first_seed", "judge", "finish")
            given = [
                f"{flag_of(name)} {order.get(name)}"
                for name in names
                if order.get(name) != notes.order[name]
            ]
            settings = " ".join(given) or "captions or pictures that were others then"
            raise UserError(
                f"{notes.folder.as_posix()} holds what shards of another report have made "
                f"({settings}): gather it with the same flags, write this report elsewhere "
                f"(--out), or have it removed: {notes.command} --shard {WHOLE}"
            )


@contextlib.contextmanager
def locked_report(out: Path, shard: Shard) -> Generator[None]:
    """Within the block this process alone writes the report, or a shard of its parts.

    InUseError where another run does.
    """
    name = REPORT_LOCK
    if not shard.is_whole:
        name = f"{REPORT_LOCK}_{shard.number}_of_{shard.count}"
    with locked(out, name, remedy=WHEN_EVALUATED):
        others = [REPORT_LOCK]
        if shard.is_whole:
            others = lock_names(out, rf"{REPORT_LOCK}_\d+_of_\d+")
        for other in others:
            require_free(out, other, remedy=WHEN_EVALUATED)
        yield


def locked_judge(config: EvaluateConfig) -> contextlib.AbstractContextManager[None]:
    """Within the block no other shard teaches the judge that is read or taught there."""
    file = Path(config.judge)
    if is_named_judge(config.judge):
        return contextlib.nullcontext()
    return locked(file.parent, f"{safe_name(file.stem)}_teaching", remedy=WHEN_EVALUATED)
