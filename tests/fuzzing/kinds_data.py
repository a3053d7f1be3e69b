"""Trials of what lies in data/: records, captions, logs, and what only saves work."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.fuzzing.harms import Rng, harm_bytes, harm_entry, harm_json, harm_text
from tests.fuzzing.kinds_source import files_below, wrong_in_collection
from tests.fuzzing.material import (
    CHECK,
    DEAL,
    DRAW,
    EXPORTS,
    FIND_TRAINING,
    FROM_NAMES,
    PICTURES_COUNT,
    PREPARE,
    REVIEW,
    RUN,
    SOURCE,
    STYLE,
    TRAIN,
    TRAIN_CHECK,
    Material,
)
from tests.fuzzing.place import Place, content_of
from tests.fuzzing.trials import Outcome, Trial, Words

METADATA = f"data/metadata/{STYLE}_metadata.json"
REPORT = f"data/metadata/{STYLE}_report.json"
CHECKED = f"data/metadata/{STYLE}_check.json"
QUALITY = f"data/captions/{STYLE}_quality.json"
CAPTIONS = (f"data/captions/{STYLE}_train.jsonl", f"data/captions/{STYLE}_val.jsonl")
PROCESSED = f"data/processed/{STYLE}"
FIND_CAPTIONS = (
    *("inference.py", "--find", CAPTIONS[0], "--image", "outputs/000000.png"),
    *("--out", "outputs/new"),
)
# what a collection is; a file that only saves work must not change it
COMPARED = ("metadata", "processed", "captions", "raw")
# whose order, or what nobody reads, may differ; the ids of the pixels are compared otherwise
NOTES = (".jsonl", "pixels_32.json", ".unpacked.json")


def harm_any(rng: Rng, path: Path, place: Place, *, entries: bool = True) -> str:
    """Harms a file of text or JSON by any of the ways."""
    ways: list[Callable[[], str]] = [
        lambda: harm_json(rng, path, str(place.root)),
        lambda: harm_bytes(rng, path),
        lambda: harm_text(rng, path),
        lambda: harm_entry(rng, path, str(place.root)),
    ]
    (way,) = rng.choices(ways, weights=(6, 2, 2, 1 if entries else 0))
    return way()


def harm_fitting(rng: Rng, path: Path, place: Place) -> str:
    """Harms a file by the ways that suit what it holds."""
    if path.suffix in (".json", ".jsonl"):
        return harm_any(rng, path, place)
    if rng.random() < 0.15:
        return harm_entry(rng, path, str(place.root))
    others = sorted(path.parent.glob(f"*{path.suffix}"))
    return harm_bytes(rng, path, rng.choice(others).read_bytes())


def unchanged_where_refused(paths: Iterable[Path]) -> Callable[[Place, Outcome], Iterator[str]]:
    """A check: a command that does not do its work leaves the user's files as they are."""
    contents = {path: content_of(path) for path in paths}
    before = {path: content for path, content in contents.items() if content is not None}

    def check(place: Place, outcome: Outcome) -> Iterator[str]:
        if outcome.code == 0:
            return
        for path, content in before.items():
            if content_of(path) != content:
                yield f"{path.name} changed, though the command ended with {outcome.code}"

    return check


def data_metadata(material: Material, rng: Rng) -> Trial:
    """The records, which hold captions that people mended."""
    place = material.place
    place.restore(("source", *RUN))
    path = place.work / METADATA
    done = harm_any(rng, path, place)
    commands: tuple[Words, ...] = (
        *(PREPARE, PREPARE, PREPARE, DEAL, DEAL, REVIEW, FROM_NAMES, material.captioner, CHECK),
        *(rng.choice(EXPORTS), rng.choice(EXPORTS), DRAW, TRAIN_CHECK, FIND_TRAINING),
    )
    words = rng.choice(commands)
    refused = unchanged_where_refused([path])
    earlier = mended_captions(path)

    def check(place: Place, outcome: Outcome) -> Iterator[str]:
        yield from refused(place, outcome)
        if outcome.code == 0 and words in (PREPARE, DEAL, FROM_NAMES):
            rows = json.loads(path.read_text("utf-8"))
            now = {row["id"]: row.get("caption") for row in rows}
            for picture_id, caption in earlier.items():
                if picture_id in now and not now[picture_id]:
                    yield f"the caption {caption[:60]!r} of {picture_id} is gone"

    kept = files_below(place.work / "source")
    return Trial(done, [words], kept=kept, check=check)


def mended_captions(path: Path) -> dict[str, str]:
    """{id: caption} of the harmed records, as far as they can be read: nobody may lose them."""
    try:
        rows = json.loads(content_of(path) or b"[]")
    except (ValueError, RecursionError, OSError):
        return {}
    found: dict[str, str] = {}
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("id"), str):
            caption = row.get("caption")
            if isinstance(caption, str) and caption.strip().isprintable() and caption.strip():
                found[row["id"]] = caption
    return found


def data_reports(material: Material, rng: Rng) -> Trial:
    """Reports that the next run of the same command writes anew."""
    place = material.place
    place.restore(("source", *RUN))
    path = place.work / rng.choice((REPORT, CHECKED, QUALITY))
    done = harm_any(rng, path, place, entries=False)
    words = rng.choice((PREPARE, CHECK, DEAL, REVIEW, TRAIN_CHECK, rng.choice(EXPORTS)))
    allowed = (0, 1) if words is TRAIN_CHECK else (0,)
    return Trial(done, [words], kept=files_below(place.work / "source"), allowed=allowed)


def data_captions(material: Material, rng: Rng) -> Trial:
    """The pairs: read by training, searching and dealing."""
    place = material.place
    place.restore(RUN)
    path = place.work / rng.choice(CAPTIONS)
    done = harm_any(rng, path, place)
    words = rng.choice((TRAIN, TRAIN_CHECK, DEAL, FIND_CAPTIONS, FIND_TRAINING, PREPARE))
    kept = [place.work / METADATA] if words is not DEAL else []
    refused = unchanged_where_refused([path])
    return Trial(done, [words], kept=kept, check=refused)


def data_logs(material: Material, rng: Rng) -> Trial:
    """What a captioner wrote, some of it in hours: nothing of it is ever lost."""
    place = material.place
    place.restore(SOURCE)
    (path,) = (place.work / "data/captions").glob("*_generated.jsonl")
    if rng.random() < 0.3:
        path = path.rename(path.with_stem(f"{path.stem}_2of3"))
    done = harm_any(rng, path, place)
    extended = [path] if path.is_file() and not path.is_symlink() else []
    words = rng.choice(
        (material.captioner, material.captioner, (*material.captioner, "--shard", "1/2"))
    )
    if rng.random() < 0.5:
        forget_captions(place.work / METADATA)
    return Trial(done, [words], extended=extended)


def forget_captions(path: Path) -> None:
    """As after a kill: the log has the captions, the records do not."""
    rows = json.loads(path.read_text("utf-8"))
    for row in rows:
        if row.pop("captioner", None):
            row["caption"] = ""
    path.write_text(json.dumps(rows), "utf-8")


def work_files(place: Place) -> list[Path]:
    """What only saves work: lists, journals, pixels, prepared pictures, notes of unpacking."""
    processed = sorted((place.work / PROCESSED).rglob("*"))
    notes = sorted((place.work / f"data/raw/{STYLE}").rglob(".*"))
    found = [path for path in [*processed, *notes] if path.is_file() and not path.is_symlink()]
    if not found:
        raise RuntimeError("nothing that saves work")
    return found


def choose_work_file(rng: Rng, place: Place) -> Path:
    """Each sort of them as often as the others."""
    sorts: dict[tuple[Any, ...], list[Path]] = {}
    for path in work_files(place):
        sorts.setdefault((path.suffix, path.name if path.suffix == ".json" else ""), []).append(
            path
        )
    return rng.choice(sorts[rng.choice(sorted(sorts))])


def tree_of(data: Path) -> dict[str, bytes]:
    """{path: content} of a collection; of links their target. Journals are left out."""
    found: dict[str, bytes] = {}
    for part in COMPARED:
        for path in sorted((data / part).rglob("*")):
            name = path.relative_to(data).as_posix()
            if path.is_symlink():
                found[name] = str(path.readlink()).encode()
            elif not name.endswith(("_report.json", "_check.json", ".html")):
                found[name] = content_of(path) or b""
    return found


def data_work(material: Material, rng: Rng) -> Trial:
    """What only saves work is made again: the same collection as from undamaged files."""
    place = material.place
    place.restore(SOURCE)
    whole = tree_of(place.work / "data")
    path = choose_work_file(rng, place)
    done = harm_fitting(rng, path, place)
    kept = [
        *files_below(place.work / "source"),
        *(place.work / name for name in CAPTIONS),
        *(place.work / "data/captions").glob("*_generated.jsonl"),
    ]

    def check(place: Place, outcome: Outcome) -> Iterator[str]:
        if outcome.code != 0:
            return
        yield from wrong_in_collection(place.work / "data", PICTURES_COUNT)
        now = tree_of(place.work / "data")
        changed = [name for name in now.keys() | whole.keys() if now.get(name) != whole.get(name)]
        changed = [name for name in changed if not name.endswith(NOTES)]
        if changed:
            yield f"not the same collection as before: {sorted(changed)[:3]}"

    # a folder may hold something of the user's, and a pipe is nobody's doing: they are named
    allowed = (0, 2) if any(what in done for what in (": a folder", ": a pipe")) else (0,)
    return Trial(done, [PREPARE], kept=kept, allowed=allowed, check=check)


def data_shards(material: Material, rng: Rng) -> Trial:
    """Journals and a note of shards: what they know is taken over, or found out again."""
    place = material.place
    place.restore(SOURCE)
    whole = tree_of(place.work / "data")
    folder = place.work / PROCESSED
    journals = [folder / f"prepared_{number}_of_2.jsonl" for number in (1, 2)]
    content = (folder / "prepared.jsonl").read_bytes()
    (folder / "prepared.jsonl").unlink()
    for journal in journals:
        journal.write_bytes(content)
    note = folder / ".prepared_1_of_2.shard.json"
    note.write_text(json.dumps({"order": {"source": "source"}, "done": False}), "utf-8")
    done = harm_any(rng, rng.choice((*journals, note)), place)

    def check(place: Place, outcome: Outcome) -> Iterator[str]:
        if outcome.code != 0:
            return
        now = tree_of(place.work / "data")
        changed = [name for name in now.keys() | whole.keys() if now.get(name) != whole.get(name)]
        changed = [name for name in changed if not name.endswith((*NOTES, note.name))]
        if changed:
            yield f"not the same collection as before: {sorted(changed)[:3]}"

    return Trial(
        done, [PREPARE], kept=files_below(place.work / "source"), allowed=(0, 2), check=check
    )


def data_work_used(material: Material, rng: Rng) -> Trial:
    """The same files harmed, and read by the other commands: done, or the way to mend it."""
    place = material.place
    place.restore(RUN)
    done = harm_fitting(rng, choose_work_file(rng, place), place)
    words = rng.choice(
        (TRAIN, TRAIN_CHECK, DEAL, REVIEW, FIND_TRAINING, DRAW, *EXPORTS, index_words(rng))
    )
    kept = [place.work / name for name in (METADATA, *CAPTIONS)] if words is TRAIN else []
    return Trial(done, [words], kept=kept)


def index_words(rng: Rng) -> Words:
    return ("inference.py", "--index", str(rng.randint(1, 12)))
