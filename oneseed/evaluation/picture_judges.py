"""The picture judge of a drawn collection: taught, or one that draws the alternatives again."""

import time

from oneseed.evaluation.attribute_judge import lost_by_blur, require_pass
from oneseed.evaluation.attribute_judge_training import (
    EXAM_SEED,
    examination_result,
    examine_attribute_judge,
    load_judge,
)
from oneseed.evaluation.judges import PictureJudge
from oneseed.evaluation.redrawing_judge import RedrawingJudge
from oneseed.evaluation.renders import draw_all
from oneseed.synthetic.drawn import DrawnCollection

# drawings that a judge is examined on which is made anew for each report
REDRAWING_EXAM = 240


def picture_judge(path: str, drawn: DrawnCollection, level: int) -> PictureJudge:
    """The judge of a collection, examined. level: what its pictures show.

    path: file of one that is taught. UserError (code 1) for a judge that failed.
    """
    return examined_redrawing(drawn, level) if drawn.redrawn else load_judge(path, drawn)


def examined_redrawing(
    drawn: DrawnCollection, level: int, exam: int = REDRAWING_EXAM
) -> RedrawingJudge:
    """A judge that draws the alternatives again, examined on pictures that training has not.

    exam: how many. UserError (code 1) where it fails.
    """
    start = time.time()
    judge = RedrawingJudge(drawn, level)
    if level == drawn.last_level:
        facts = drawn.held_out_facts(exam, EXAM_SEED)
    else:
        facts = drawn.collection(exam, level, EXAM_SEED)
    seeds = range(EXAM_SEED, EXAM_SEED + exam)
    pixels = draw_all(drawn, facts, seeds, "examining the picture judge")
    judge.about = {
        "collection": drawn.version,
        "level": level,
        **examine_attribute_judge(judge, pixels, facts),
        "seconds": round(time.time() - start),
    }
    require_pass(judge)
    print(examination_result(judge.about, lost_by_blur(drawn)), flush=True)
    return judge
