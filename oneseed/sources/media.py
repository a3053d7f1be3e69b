"""A collection is of one medium: pictures, or sounds."""

from collections import Counter
from dataclasses import replace

from oneseed.config.options import AUTO_MEDIUM
from oneseed.dataset.code_texts import medium_of
from oneseed.media.kinds import PICTURE
from oneseed.sources.rejections import rejection
from oneseed.sources.survey import Survey


def of_one_medium(survey: Survey, medium: str) -> Survey:
    """The survey with the originals of one medium; the others are lost, each with a reason.

    medium: one of MEDIA, or AUTO_MEDIUM: that of most originals, pictures where there are as many.
    """
    if medium == AUTO_MEDIUM:
        medium = most_common_medium(survey)
    kept = [row for row in survey.originals if medium_of(row) == medium]
    others = [row for row in survey.originals if medium_of(row) != medium]
    if not others:
        return survey
    reason = f"a {medium_of(others[0])} in a collection of {medium}s"
    lost = [rejection(row["path"], reason, file=row["path"]) for row in others]
    return replace(survey, originals=kept, lost=[*survey.lost, *lost])


def most_common_medium(survey: Survey) -> str:
    """What most originals are; pictures where there are as many, or none."""
    counts = Counter(map(medium_of, survey.originals))
    return max(counts, key=lambda medium: (counts[medium], medium == PICTURE), default=PICTURE)


def set_medium(survey: Survey, medium: str) -> None:
    """Says of all originals what they are, such as of drawn spectra of sounds."""
    if medium != PICTURE:
        for row in survey.originals:
            row["medium"] = medium
