"""Prepare a collection: every readable picture once, at one size, with a record.

Reads   what --source names: kaggle, a drawn collection (builtin, sprites, screens, dense-screens,
        sounds, clips), hf:owner/name, or any number of folders, archives and annotation files
Writes  data/raw/<style>/                           the originals: links, what archives held, or
                                                    drawings
        data/processed/<style>/resized/<id>.png     the prepared pictures and nothing else
        data/processed/<style>/pixels_<size>.npy    the same as one uint8 array, for training;
                                                    above 1 GB as several, pixels_<size>_0001.npy
        data/metadata/<style>_metadata.json         a record per picture
        data/metadata/<style>_report.json           what was found, what was left out, and why
        data/metadata/<style>_check.{json,html}     with --check, instead of all that

    python dataset_preparation.py                                      # Kaggle's engravings, 512 px
    python dataset_preparation.py --source builtin --preset small      # drawn ones, without network
    python dataset_preparation.py --source sprites --level 1           # a benchmark, 64 px
    python dataset_preparation.py --source ~/prints --style engraving  # your own, at any depth
    python dataset_preparation.py --source ~/prints --style all        # each row with its own style
    python dataset_preparation.py --source ~/prints --style "Art Nouveau"      # a style of any name
    python dataset_preparation.py --source ~/prints ~/more             # two folders, one collection
    python dataset_preparation.py --source prints.zip                  # also .tar, packed or not
    python dataset_preparation.py --source shards                      # a folder of shards
    python dataset_preparation.py --source hf:owner/name:split         # pip install datasets first
    python dataset_preparation.py --source s3://bucket/prints          # docs/storage.md
    python dataset_preparation.py --source llava.json --format llava   # .jsonl .csv .tsv .parquet
    python dataset_preparation.py --source ~/prints --shard 2/4        # on one of four machines;
                                                                       # at last without --shard
    python dataset_preparation.py --source ~/prints --engine ray:HOST:6379     # on a Ray cluster
    python dataset_preparation.py --source forms --caption-kind code   # captions of HTML, SQL …
    python dataset_preparation.py --source prints.zip --check          # only look at the source
    python dataset_preparation.py --template llava                     # an example of a format
    python dataset_preparation.py --export llava --out set.zip         # pictures and their captions

Expect 800 to 850 pictures of Kaggle, and 6,000 or 15,000 drawn ones, which --preset small makes
at 128 px; sprites are of 64 px unless --image-size says otherwise.
Pictures are jpeg, png, webp, tiff, bmp, gif, avif, jpeg 2000, ppm, tga and ico, whatever their
names say, and heic after pip install pillow-heif. A folder may hold pictures, archives, WebDataset
shards, Parquet files, a saved data set, and links to other folders. Sources may also be listed with
commas. --check tells of duplicates, sizes, light, blur and captions, and shows a contact sheet.

Captions come along from metadata.jsonl (file_name and caption, text or title), from a .txt or
.caption file with the picture's name, or from a table or conversations in another form, which is
recognised, or forced with --format; docs/data.md shows each. What gives no caption is named. A
picture's style is what its row there says, else the class folder it lies in (drawings, engraving).
Run the same command again to go on after an interruption; finished work is never done twice.
"""

if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()
    from oneseed.config.preparation import PrepareConfig
    from oneseed.console.flags import parse_configs

    CONFIGS = parse_configs(PrepareConfig, description=__doc__)

import contextlib
import json
import time
from collections import Counter
from collections.abc import Generator

from oneseed.config.preparation import PrepareConfig
from oneseed.config.shards import Shard, parse_shard
from oneseed.console.command import UserError, run
from oneseed.dataset import writers
from oneseed.dataset.caption_ways import ways_lines
from oneseed.dataset.code_texts import is_code
from oneseed.dataset.collection import Collection
from oneseed.dataset.in_use import (
    WHEN_IT_HAS_ENDED,
    locked_collection,
    locked_preparing,
    named_collection,
)
from oneseed.dataset.jsonl import Row
from oneseed.dataset.languages import looks_like_code
from oneseed.dataset.pixel_writing import FILE_BYTES, write_pixels
from oneseed.dataset.shard_notes import ShardNotes, config_command, done_sentence, order_of
from oneseed.dataset.style_names import require_own_name
from oneseed.file_names import safe_name
from oneseed.files import sweep_partials, write_changed
from oneseed.locks import locked
from oneseed.preparation.check import check_source
from oneseed.preparation.check_cause import no_pictures, no_usable_picture, only_other_styles
from oneseed.preparation.duplicates import merge_twins
from oneseed.preparation.examine import prepare_missing
from oneseed.preparation.export import export_collection
from oneseed.preparation.records import (
    link_originals,
    name_pictures,
    remove_stale_files,
    to_records,
)
from oneseed.preparation.report import (
    Findings,
    count_found,
    prepare_report,
    report_lines,
)
from oneseed.ray_workers import workers_of
from oneseed.sources.gather import gather, sample_originals
from oneseed.sources.resolve import UNPACKED
from oneseed.sources.survey import Survey
from oneseed.workers import Workers

__all__ = ["main", "prepare_collection"]


def prepare_collection(config: PrepareConfig, workers: Workers) -> None:
    """Makes the collection of what --source names, and prints what came of it.

    UserError where nothing can be used; the collection of an earlier run stays then.
    """
    start = time.monotonic()
    collection = Collection(config.style, config.data)
    notes = preparing_notes(collection, config)
    notes.require_all()
    findings = examine_source(config, collection, workers)
    records, earlier_sources = to_records(findings.kept, collection.each_metadata())
    report = prepare_report(config, findings, records)

    write_pixels(
        records, collection, config.image_size, workers, file_bytes=config.cache_file or FILE_BYTES
    )
    collection.write_metadata(records)
    write_changed(collection.report, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    link_originals(records, findings.folder, collection)
    remove_stale_files(records, collection, config.image_size)
    notes.settle()

    print_replaced(config.style, earlier_sources, findings.sources)
    seconds = time.monotonic() - start
    print(f"{config.style}, {config.image_size} px, from {report['source']} ({seconds:.1f} s)")
    for line in report_lines(report, collection.report):
        print(line)
    print_kind(records, config)
    print(f"  files: {collection.resized}, {collection.metadata}, {collection.report}")
    print_ways(records, config)
    print(f"next: {collection.deal_command(records)}")


def prepare_shard(
    config: PrepareConfig, collection: Collection, shard: Shard, workers: Workers
) -> None:
    """Prepares the pictures of a shard; a journal of its own notes what was found of each."""
    start = time.monotonic()
    notes = preparing_notes(collection, config)
    with notes.at_work(shard):
        survey = gather(config, workers, shard)
        require_pictures(survey, config)
        originals, _ = sample_originals(survey.originals, config.max_samples)
        own = [row for row in originals if shard.takes(row["path"])]
        prepare_missing(own, survey.folder, collection, config=config, workers=workers, shard=shard)
        rejected = sum("reason" in row for row in own)
        print(
            f"{config.style}, {config.image_size} px, shard {shard}: {len(own) - rejected:,} "
            f"pictures are prepared, {rejected:,} rejected ({time.monotonic() - start:.1f} s)"
        )
    print(done_sentence(config.style, shard, notes.command))


def preparing_notes(collection: Collection, config: PrepareConfig) -> ShardNotes:
    """Which shards of the preparation have begun, and which are done."""
    command = config_command("dataset_preparation.py", config)
    return ShardNotes(collection.processed, "prepared", order_of(config), command, config.shard)


def print_kind(records: list[Row], config: PrepareConfig) -> None:
    """Prints how many captions are code, or that words look like it; nothing else is done."""
    captioned = [row for row in records if row["caption"]]
    code = sum(map(is_code, captioned))
    if code:
        print(
            f"  captions that are code, and stay letter by letter: {code:,} of {len(captioned):,}"
        )
    elif not config.caption_kind:
        found = looks_like_code([row["caption"] for row in captioned])
        if found:
            kinds = ", ".join(f"{count:,} {language}" for language, count in found.items())
            print(
                f"  captions look like code ({kinds} of those looked at), but are taken for words, "
                "on one line each; the same command with --caption-kind code keeps them letter by "
                "letter, and with --caption-kind words says no more"
            )


def print_ways(records: list[Row], config: PrepareConfig) -> None:
    """Prints the ways to captions, where pictures came without."""
    missing = [row for row in records if not row["caption"] and not row.get("left_out")]
    if missing:
        print(f"  without a caption: {len(missing):,} of {len(records):,}")
        for line in ways_lines(records, config.style, config.data):
            print(f"    {line}")


def examine_source(config: PrepareConfig, collection: Collection, workers: Workers) -> Findings:
    """Gathers the originals, prepares each that no earlier run has, and merges twins."""
    survey = gather(config, workers)
    require_pictures(survey, config)
    originals, beyond = sample_originals(survey.originals, config.max_samples)
    prepare_missing(originals, survey.folder, collection, config=config, workers=workers)
    merged = merge_twins(originals)
    name_pictures(merged.kept, merged.duplicates)
    findings = Findings.of(survey, merged, beyond)
    require_usable(survey, findings, config)
    return findings


def require_pictures(survey: Survey, config: PrepareConfig) -> None:
    """UserError where the sources hold no pictures, or none of the style."""
    if not count_found(survey):
        raise UserError(no_pictures(survey, config))
    if not survey.originals and survey.other_styles:
        raise UserError(only_other_styles(survey, config))


def require_usable(survey: Survey, findings: Findings, config: PrepareConfig) -> None:
    """UserError where no picture can be used."""
    if not findings.kept:
        raise UserError(no_usable_picture(survey, findings.rejected, config.smallest), code=1)


def print_replaced(style: str, earlier: Counter[str], sources: list[str]) -> None:
    """Says that an earlier collection is replaced, where it came from other sources.

    earlier: {source: count} of its pictures; sources: those of now.
    """
    gone = sorted(earlier.keys() - set(sources))
    if gone:
        print(
            f"the collection {style} came from {', '.join(gone)} before "
            f"({earlier.total():,} pictures) and is replaced"
        )


def main(config: PrepareConfig) -> None:
    """Prepares, or does the one other thing that the flags ask for."""
    collection = Collection(config.style, config.data)
    if config.template:
        print(writers.template(config.template), end="")
    elif config.export:
        export_collection(config, collection)
    elif config.check:
        with locked_check(collection), workers_of(config.workers, config.engine) as workers:
            check_source(config, workers)
    else:
        require_own_name(collection)
        shard = parse_shard(config.shard)
        lock = locked_preparation(collection)
        if not shard.is_whole:
            lock = locked_preparing(collection, shard)
        with lock, workers_of(config.workers, config.engine) as workers:
            if shard.is_whole:
                prepare_collection(config, workers)
            else:
                prepare_shard(config, collection, shard, workers)


@contextlib.contextmanager
def locked_preparation(collection: Collection) -> Generator[None]:
    """Within the block this process alone works on the collection; no share is captioned."""
    with locked_collection(collection, alone=True):
        try:
            yield
        finally:
            sweep_partials(collection.raw, collection.raw / UNPACKED)


@contextlib.contextmanager
def locked_check(collection: Collection) -> Generator[None]:
    """Within the block this process alone writes the check of the collection's source."""
    folder = collection.check.parent
    name = f"{safe_name(collection.style)}_check"
    what = f"the check of {named_collection(collection)}"
    with locked(folder, name, what=what, remedy=WHEN_IT_HAS_ENDED):
        try:
            yield
        finally:
            sweep_partials(folder, collection.raw / UNPACKED)


if __name__ == "__main__":
    run(main, *CONFIGS)
