"""A source only looked at: nothing is prepared."""

import time

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.media.picture import without_margins
from oneseed.preparation import check_page, check_report, check_text
from oneseed.preparation.duplicates import look_alikes, merge_twins
from oneseed.preparation.examine import PREPARATION_VERSION, examine_picture, find_missing
from oneseed.sources.gather import gather, sample_originals, source_names
from oneseed.sources.tables import SUFFIXES
from oneseed.workers import chunks


def check_chunk(task):
    """What preparing finds, and what checking measures, with nothing written."""
    paths, folder, size, smallest = task
    examined = (examine_picture(folder / path, size, smallest) for path in paths)
    return [
        finding
        if image is None
        else finding
        | check_report.measure_picture(without_margins(image, finding["width"], finding["height"]))
        for image, finding in examined
    ]


def plate_chunk(task):
    """Small JPEGs for a page, None where the picture is gone."""
    paths, folder, size, smallest = task
    examined = (examine_picture(folder / path, size, smallest) for path in paths)
    return [
        None
        if image is None
        else check_report.encode_plate(without_margins(image, finding["width"], finding["height"]))
        for image, finding in examined
    ]


def check_source(config, workers):
    """Looks at the source as preparing would and writes what it found; of the collection itself everything is only read."""
    start = time.monotonic()
    collection = Collection(config.style, config.data)
    sources, folder, originals, other, lost, seen = gather(config, workers)
    about = {
        "style": config.style,
        "source": ", ".join(source.name for source in sources),
        "size": config.image_size,
        "smallest": config.smallest,
        "found": len(originals) + other.total() + len(lost),
        "other_style": other.total(),
        "other_styles": dict(other.most_common()),
        "formats": seen,
    }
    originals, about["beyond_max_samples"] = sample_originals(originals, config.max_samples)
    limits = {"size": config.image_size, "smallest": config.smallest}
    find_missing(
        originals,
        folder,
        collection.check.with_suffix(".jsonl"),
        {"version": PREPARATION_VERSION, **limits, "folder": folder.as_posix()},
        "checking",
        check_chunk,
        tuple(limits.values()),
        workers,
    )
    kept, duplicates, rejected = merge_twins(originals)
    earlier = check_report.prepared_before(collection)
    alike = look_alikes([row["look"] for row in [*earlier, *kept]])
    found = check_report.check_report(
        about,
        originals,
        kept,
        duplicates,
        sorted(rejected + lost, key=lambda row: row["path"]),
        earlier,
        alike,
    )

    sheet, pictured = check_page.pictured_paths(found, kept)
    tasks = [(chunk, folder, check_report.PLATE, config.smallest) for chunk in chunks(pictured, 8)]
    plates = {
        path: plate
        for task, done in workers.each(plate_chunk, tasks)
        for path, plate in zip(task[0], done)
    }
    check_page.write_check(collection, found, kept, plates, sheet)

    page = collection.check.with_suffix(".html")
    print(
        f"{config.style}, looked at as at {config.image_size} px, from {about['source']} ({time.monotonic() - start:.1f} s)"
    )
    print("\n".join(check_text.check_text(found, collection.check)))
    print(f"  files: {collection.check}, {page}")
    if not kept:
        raise UserError(
            check_text.cause(
                found,
                folder,
                source_names(sources),
                " ".join(sorted(suffix[1:] for suffix in SUFFIXES)),
            ),
            code=1,
        )
    print(f"next: look at {page}; then the same command without --check prepares them")
