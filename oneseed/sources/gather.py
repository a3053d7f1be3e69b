"""--source becomes a list of originals."""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from oneseed.config.preparation import PrepareConfig
from oneseed.config.shards import WHOLE, Shard
from oneseed.console.command import UserError
from oneseed.dataset.commands import prepare_command
from oneseed.dataset.jsonl import Row
from oneseed.locks import patient
from oneseed.sources.drawn import draw_pictures
from oneseed.sources.kaggle import fetch_kaggle
from oneseed.sources.media import of_one_medium, set_medium
from oneseed.sources.resolve import CLASSES, Source, sources_of
from oneseed.sources.survey import Survey, survey_sources
from oneseed.synthetic.collections import drawn_collection
from oneseed.workers import Workers

# seconds that a shard waits until another one has fetched or unpacked what all need
FETCHING_PATIENCE = 24 * 3600.0


def gather(config: PrepareConfig, workers: Workers, shard: Shard = WHOLE) -> Survey:
    """What the sources hold that --source names, fetched, drawn or unpacked as needed.

    shard: of a drawn collection, what alone is drawn. Of several shards the first one fetches or
    unpacks, and the others wait.
    UserError where --source names nothing, or where Kaggle has no such style.
    """
    drawn = drawn_collection(config.source)
    if drawn:
        sources = [draw_pictures(drawn, config, workers, shard)]
    elif config.source == "kaggle":
        if config.style not in (*CLASSES.values(), "all"):
            raise UserError(
                f"the Kaggle collection has no style {config.style}; choose --style "
                f"{', '.join(CLASSES.values())} or all, or name a folder: "
                f"{prepare_command(config.style, config.data)}"
            )
        with patience_of(shard):
            sources = [fetch_kaggle(config)]
    else:
        with patience_of(shard):
            sources = sources_of(config)
    data = Path(config.data).resolve()
    survey = survey_sources(
        sources,
        config.style,
        data,
        format_name=config.format,
        caption_kind=config.caption_kind,
    )
    if drawn:
        set_medium(survey, drawn.medium)
        return survey
    return of_one_medium(survey, config.medium)


def patience_of(shard: Shard) -> contextlib.AbstractContextManager[None]:
    """Within the block a shard waits until another one has fetched or unpacked a source."""
    return contextlib.nullcontext() if shard.is_whole else patient(FETCHING_PATIENCE)


def source_names(sources: Sequence[Source]) -> str:
    """Sources as the user knows them, for a sentence."""
    names = [str(source.folder if source.formats is None else source.name) for source in sources]
    return ", ".join(dict.fromkeys(names))


def sample_originals(originals: list[Row], most: int) -> tuple[list[Row], int]:
    """At most `most` originals (0: all), in their order, and how many are beyond that.

    The sample is fair, for it goes by hashes of the paths; a larger `most` only adds to it.
    """
    if not most or len(originals) <= most:
        return originals, 0
    by_hash = sorted(originals, key=lambda row: hashlib.sha256(row["path"].encode()).digest())
    chosen = {row["path"] for row in by_hash[:most]}
    return [row for row in originals if row["path"] in chosen], len(originals) - most
