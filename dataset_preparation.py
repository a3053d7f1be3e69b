"""Prepare a collection: every readable picture once, at one size, with a record.

Reads   Kaggle, folders of pictures, archives, annotated           --source kaggle | PATH[,PATH] | hf:owner/name | builtin
        data sets, the Hugging Face Hub, or the built-in engravings
Writes  data/raw/<style>/                                          the originals: links to them, what archives held, or the built-in drawings
        data/processed/<style>/resized/<id>.png                    the prepared pictures and nothing else
        data/processed/<style>/pixels_<size>.npy                   the same as one uint8 array, for training
        data/metadata/<style>_{metadata,report}.json               a record per picture; what was found, left out and why
        data/metadata/<style>_check.{json,html}                    of --check instead of all that: what the source holds

    python dataset_preparation.py                                      # Kaggle's engravings at 512 px; expect 800 to 850
    python dataset_preparation.py --source builtin --preset small      # 6,000 drawn engravings at 128 px, no network
    python dataset_preparation.py --source ~/prints --style engraving  # your own pictures, at any depth, any of
                                                                       # jpg jpeg png webp tif tiff bmp gif
    python dataset_preparation.py --source ~/prints --style all        # pictures of every style together, each row with its own
    python dataset_preparation.py --source ~/prints,~/more             # several folders, one collection; a folder whose
                                                                       # name holds a comma is named alone
    python dataset_preparation.py --source prints.zip                  # also .tar .tar.gz .tgz and WebDataset shards
    python dataset_preparation.py --source hf:owner/name:split         # a data set of the Hugging Face Hub; needs pip install datasets
    python dataset_preparation.py --source llava.json --format llava   # also .jsonl .csv .tsv .parquet, pictures beside it
    python dataset_preparation.py --source prints.zip --check          # only look: duplicates, sizes, light, blur, captions, a contact sheet
    python dataset_preparation.py --template llava                     # an example of a format
    python dataset_preparation.py --export llava --out set.zip         # the prepared and captioned pictures in a format

Captions come along from metadata.jsonl (file_name and caption, text or title), from a .txt file with the picture's name, or from
an annotation file of another format (formats.py), which is recognised, or forced with --format.
A picture's style is what its row there says, else the class folder it lies in (drawings, engraving, …).
Run the same command again to go on after an interruption; finished work is never done twice.
"""

import json
import time
from collections import Counter

from oneseed.config.model import PRESETS
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError, run
from oneseed.console.flags import parse_configs
from oneseed.dataset import writers
from oneseed.dataset.collection import Collection
from oneseed.dataset.pixels import write_pixels
from oneseed.files import write_changed
from oneseed.preparation.check import check_source
from oneseed.preparation.duplicates import merge_twins
from oneseed.preparation.examine import prepare_missing
from oneseed.preparation.records import (
    count_reasons,
    export_collection,
    link_originals,
    remove_stale_files,
    to_records,
)
from oneseed.sources import rejections
from oneseed.sources.gather import gather, sample_originals, source_names
from oneseed.sources.tables import SUFFIXES
from oneseed.workers import Workers

__all__ = ["main", "prepare_collection"]


def prepare_collection(config, workers):
    start = time.monotonic()
    collection = Collection(config.style, config.data)

    sources, folder, originals, other, lost, seen = gather(config, workers)
    source = ", ".join(source.name for source in sources)
    where = source_names(sources)
    found = len(originals) + other.total() + len(lost)
    if not found:
        raise UserError(
            f"{where} holds no pictures ({' '.join(sorted(suffix[1:] for suffix in SUFFIXES))}); name another folder: "
            "python dataset_preparation.py --source PATH"
        )
    if not originals and other:
        raise UserError(
            f"none of the {found:,} pictures in {where} is of style {config.style}, they are of {', '.join(sorted(other))}: choose "
            f"one of these, python dataset_preparation.py --source {config.source} --style {other.most_common(1)[0][0]}"
        )
    originals, beyond = sample_originals(originals, config.max_samples)

    prepare_missing(originals, folder, collection, config, workers)
    kept, duplicates, rejected = merge_twins(originals)
    # their memory serves the records
    del originals
    rejected = sorted(rejected + lost, key=lambda row: row["path"])
    report = {
        "style": config.style,
        "source": source,
        "size": config.image_size,
        "smallest": config.smallest,
        "found": found,
        "prepared": len(kept),
        "rejected": len(rejected),
        "duplicates": len(duplicates),
        "other_style": other.total(),
        "beyond_max_samples": beyond,
    }
    if not kept:
        reasons = ", ".join(
            f"{count:,} {reason}"
            for reason, count in Counter(row["reason"] for row in rejected).most_common()
        )
        raise UserError(
            f"none of the {found:,} pictures in {where} can be used ({reasons}); name another folder: "
            "python dataset_preparation.py --source PATH",
            code=1,
        )

    before = Counter()

    def earlier():
        for row in collection.each_metadata():
            before[row["source"]] += 1
            yield row

    records = to_records(kept, earlier())
    report |= {
        "grey": sum(record["grey"] for record in records),
        "with_caption": sum(bool(record["caption"]) for record in records),
        "look_alikes": len(records) - len({record["group"] for record in records}),
        **count_reasons(records, rejected),
        "other_styles": dict(other.most_common()),
        "formats": seen,
        "rejected_files": rejected,
        "duplicate_files": duplicates,
    }
    write_pixels(records, collection, config.image_size, workers)
    collection.write_metadata(records)
    write_changed(collection.report, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    link_originals(records, folder, collection)
    remove_stale_files(records, collection, config.image_size)

    gone = sorted(before.keys() - {source.name for source in sources})
    if gone:
        print(
            f"the collection {config.style} came from {', '.join(gone)} before ({before.total():,} pictures) and is replaced"
        )
    print(
        f"{config.style}, {config.image_size} px, from {source} ({time.monotonic() - start:.1f} s)"
    )
    for label, count, note in (
        ("found", found, ""),
        (
            "other style",
            other.total(),
            ", ".join(f"{count:,} {style}" for style, count in other.most_common()),
        ),
        ("beyond --max-samples", beyond, ""),
        (
            "rejected",
            len(rejected),
            ", ".join(
                f"{count:,} {reason}" for reason, count in report["rejected_by_reason"].items()
            ),
        ),
        ("duplicates", len(duplicates), ""),
        (
            "prepared",
            len(records),
            f"{report['grey']:,} grey, {len(records) - report['grey']:,} colour; {report['with_caption']:,} with a caption",
        ),
    ):
        if count or label in ("found", "rejected", "duplicates"):
            print(f"  {label:<21}{count:>7,}" + (f"   {note}" if note else ""))
    for known in [known for known in seen if known["format"] not in ("imagefolder", "sidecar")][:5]:
        print(
            f"  {known['file']}: {known['format']} (confidence {known['confidence']:.2f}), {known['rows']:,} rows"
        )
    bad = [row for row in rejected if "file" in row]
    for row in bad[:5]:
        print(f"  {rejections.describe_rejection(row)}")
    if len(bad) > 5:
        print(f"  … and {len(bad) - 5:,} more in {collection.report}")
    print(f"  files: {collection.resized}, {collection.metadata}, {collection.report}")
    data = f" --data {config.data}" if config.data != "data" else ""
    print(f"next: python caption_generation.py --style {config.style}{data}")


def main(config):
    if config.template:
        print(writers.template(config.template), end="")
        return None
    if config.export:
        return export_collection(config, Collection(config.style, config.data))
    with Workers(config.workers) as workers:
        (check_source if config.check else prepare_collection)(config, workers)
    return None


if __name__ == "__main__":
    run(main, *parse_configs(PrepareConfig, description=__doc__, presets=PRESETS))
