"""A collection is of one medium: pictures, sounds or clips."""

from collections import Counter
from dataclasses import replace

from oneseed.config.options import AUTO_MEDIUM
from oneseed.dataset.code_texts import medium_of
from oneseed.media.kinds import CLIP, PICTURE, medium_of_name
from oneseed.sources.rejections import rejection
from oneseed.sources.survey import Survey


def of_one_medium(survey: Survey, medium: str) -> Survey:
    """The survey with the originals of one medium; the others are lost, each with a reason.

    medium: one of MEDIA, or AUTO_MEDIUM: that of most originals, pictures where there are as many.
    Among pictures those that move are what their first frames show.
    """
    if medium == AUTO_MEDIUM:
        medium = most_common_medium(survey)
    if medium == PICTURE:
        hold_still(survey)
    kept = [row for row in survey.originals if medium_of(row) == medium]
    others = [row for row in survey.originals if medium_of(row) != medium]
    if not others:
        return survey
    lost = []
    for row in others:
        reason = f"a {medium_of(row)} in a collection of {medium}s"
        lost.append(rejection(row["path"], reason, file=row["path"]))
    return replace(survey, originals=kept, lost=[*survey.lost, *lost])


def most_common_medium(survey: Survey) -> str:
    """What most originals are; pictures where there are as many, or none."""
    counts = Counter(map(medium_of, survey.originals))
    return max(counts, key=lambda medium: (counts[medium], medium == PICTURE), default=PICTURE)


def hold_still(survey: Survey) -> None:
    """Makes pictures of those clips that are no videos."""
    for row in survey.originals:
        if medium_of(row) == CLIP and medium_of_name(row["path"]) != CLIP:
            del row["medium"]


def set_medium(survey: Survey, medium: str) -> None:
    """Says of all originals what they are, such as of drawn spectra of sounds."""
    if medium != PICTURE:
        for row in survey.originals:
            row["medium"] = medium
