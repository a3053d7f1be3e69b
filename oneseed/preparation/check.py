"""A source only looked at: nothing is prepared."""

import functools
import json
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import medium_of_rows
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.files import write_text
from oneseed.media.picture import without_margins
from oneseed.preparation.check_cause import cause
from oneseed.preparation.check_measures import encode_plate, is_measured, measure_picture
from oneseed.preparation.check_page import Plates, check_page, pictures_to_show
from oneseed.preparation.check_report import CheckedSource, check_report, prepared_before
from oneseed.preparation.check_text import check_text
from oneseed.preparation.duplicates import first_of_groups, merge_twins
from oneseed.preparation.examine import examination_header, examine_picture, is_finding
from oneseed.preparation.journal import EXAMINED_PER_TASK, Examination
from oneseed.preparation.report import count_found, names_of, rejected_rows
from oneseed.sources.gather import gather, sample_originals
from oneseed.sources.survey import Survey
from oneseed.workers import Workers, chunks

# longer side of the pictures of the page, in pixels
PLATE_SIZE = 224


def examined(
    paths: list[str], folder: Path, size: int, smallest: int, medium: str
) -> Iterator[tuple[Image.Image | None, Row]]:
    """examine_picture for each path, pictures without their white margins."""
    for path in paths:
        image, finding = examine_picture(folder / path, size, smallest, medium)
        if image is not None:
            image = without_margins(image, finding["width"], finding["height"])
        yield image, finding


def check_files(
    paths: list[str], *, folder: Path, size: int, smallest: int, medium: str
) -> list[Row]:
    """What preparing finds, and what checking measures, in a worker process."""
    findings = []
    for image, finding in examined(paths, folder, size, smallest, medium):
        measured = {} if image is None else measure_picture(image)
        findings.append(finding | measured)
    return findings


def encode_plates(
    paths: list[str], *, folder: Path, smallest: int, medium: str
) -> list[bytes | None]:
    """Small JPEGs for the page, None where a picture is gone, in a worker process."""
    return [
        None if image is None else encode_plate(image)
        for image, _ in examined(paths, folder, PLATE_SIZE, smallest, medium)
    ]


def check_source(config: PrepareConfig, workers: Workers) -> None:
    """Looks at the source as preparing would, writes what it found, and prints it.

    Of the collection itself everything is only read. UserError, once all is written, where nothing
    can be used.
    """
    start = time.monotonic()
    collection = Collection(config.style, config.data)
    survey = gather(config, workers)
    source = examine_survey(survey, config, collection, workers)
    report = check_report(source)
    page = collection.check.with_suffix(".html")
    write_text(collection.check, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    write_text(page, make_page(report, source, survey.folder, config=config, workers=workers))

    seconds = time.monotonic() - start
    print(
        f"{config.style}, looked at as at {config.image_size} px, from {report['source']} "
        f"({seconds:.1f} s)"
    )
    for line in check_text(report, collection.check):
        print(line)
    print(f"  files: {collection.check}, {page}")
    if not source.kept:
        raise UserError(cause(report, survey, config), code=1)
    print(f"next: look at {page}; then the same command without --check prepares them")


def examine_survey(
    survey: Survey, config: PrepareConfig, collection: Collection, workers: Workers
) -> CheckedSource:
    """Examines and measures each original that no earlier check has, and finds twins."""
    originals, beyond = sample_originals(survey.originals, config.max_samples)
    medium = medium_of_rows(originals)
    examination = Examination(
        journal=collection.check.with_suffix(".jsonl"),
        header=examination_header(config, survey.folder, medium),
        label="checking",
        work=functools.partial(
            check_files,
            folder=survey.folder,
            size=config.image_size,
            smallest=config.smallest,
            medium=medium,
        ),
        is_finding=lambda line: is_finding(line) and is_measured(line),
    )
    examination.run(originals, workers)
    merged = merge_twins(originals)
    earlier = prepared_before(collection)
    about = {
        "style": config.style,
        "source": ", ".join(names_of(survey)),
        "preset": config.preset,
        "size": config.image_size,
        "smallest": config.smallest,
        "found": count_found(survey),
        "other_style": survey.other_styles.total(),
        "other_styles": dict(survey.other_styles.most_common()),
        "formats": survey.formats,
        "beyond_max_samples": beyond,
    }
    return CheckedSource(
        about=about,
        originals=originals,
        merged=merged,
        rejected=rejected_rows(merged, survey),
        earlier=earlier,
        group_of_all=first_of_groups(
            [row["look"] for row in [*earlier, *merged.kept]], config.style
        ),
    )


def make_page(
    report: Row, source: CheckedSource, folder: Path, *, config: PrepareConfig, workers: Workers
) -> str:
    """The page of a report, with its pictures."""
    shown = pictures_to_show(report, source.kept)
    work = functools.partial(
        encode_plates,
        folder=folder,
        smallest=config.smallest,
        medium=medium_of_rows(source.originals),
    )
    jpegs: dict[str, bytes | None] = {}
    for paths, encoded in workers.each(work, chunks(shown.paths, EXAMINED_PER_TASK)):
        jpegs.update(zip(paths, encoded))
    rows = {row["path"]: row for row in source.kept}
    return check_page(report, Plates(rows, jpegs), shown.sheet)
