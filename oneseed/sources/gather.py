"""--source becomes a list of originals."""

import hashlib
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.sources.builtin import draw_builtin
from oneseed.sources.kaggle import fetch_kaggle
from oneseed.sources.resolve import CLASSES, sources_of
from oneseed.sources.survey import survey_all


def gather(config, workers):
    """--source -> its Sources, and what survey_all finds in them. UserError where there is none."""
    if config.source == "builtin":
        sources = [draw_builtin(config, workers)]
    elif config.source == "kaggle":
        if config.style not in (*CLASSES.values(), "all"):
            raise UserError(
                f"the Kaggle collection has no style {config.style}; choose --style {', '.join(CLASSES.values())} or all, or name a folder: "
                f"python dataset_preparation.py --style {config.style} --source PATH"
            )
        sources = [fetch_kaggle(config)]
    else:
        sources = sources_of(config)
    return sources, *survey_all(sources, config.style, Path(config.data).resolve(), config.format)


def source_names(sources):
    """Sources as the user knows them, for a sentence."""
    return ", ".join(
        str(source.folder if source.seen is None else source.name) for source in sources
    )


def sample_originals(originals, most):
    """-> (originals, how many are beyond): a fair sample, and one that only grows with `most`."""
    if not most or len(originals) <= most:
        return originals, 0
    by_chance = sorted(originals, key=lambda row: hashlib.sha256(row["path"].encode()).digest())
    chosen = {row["path"] for row in by_chance[:most]}
    return [row for row in originals if row["path"] in chosen], len(originals) - most
