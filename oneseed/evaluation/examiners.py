"""Who examines a model, and which measurements of it go each by itself."""

from typing import NamedTuple

from oneseed.config.evaluation import EvaluateConfig
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.evaluation.exact import Exam, level_of, trained_facts
from oneseed.evaluation.exact_conditions import measure_conditions, measure_styles, measure_walks
from oneseed.evaluation.exact_prompts import measure_typed_prompts
from oneseed.evaluation.judges import Judge, PictureJudge, is_named_judge, named_judge
from oneseed.evaluation.picture_judges import picture_judge
from oneseed.evaluation.samples import training_rows
from oneseed.evaluation.shards import Measures
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.caption_source import NONE
from oneseed.synthetic.collections import drawn_collection
from oneseed.synthetic.drawn import DrawnCollection

# conditions of each kind, beside the seeds
CONDITIONS_COUNT = 300


class Examiners(NamedTuple):
    """Who judges, and what the model was trained on."""

    # None of a collection that nobody drew by rule, and without captions
    drawn: DrawnCollection | None
    # that the user names
    own: Judge | None
    # that counts attributes of a drawn collection
    exact: PictureJudge | None
    # of the training captions, [] where they are not on this machine
    rows: list[Row]

    def exam(self, generator: MultimodalGenerator, size: int) -> Exam | None:
        """What the exact measurements need, None where there are none. size: of the pictures."""
        if not (self.drawn and self.exact):
            return None
        level = level_of(self.drawn, [row["caption"] for row in self.rows])
        trained = trained_facts(self.drawn, self.rows, level)
        drawn = self.drawn.of_kinds({facts[self.drawn.main_attribute] for facts in trained})
        return Exam(generator, self.exact, drawn, level, trained, size)


def examiners_of(
    generator: MultimodalGenerator, config: EvaluateConfig, judge: PictureJudge | None = None
) -> Examiners:
    """The judges that the settings name. judge: of a drawn collection, None: the one of its file.

    UserError (code 1) where the judge refuses to score.
    """
    # without captions there is nothing that could agree with the pictures
    has_captions = generator.caption_source != NONE
    drawn = drawn_collection(generator.style) if has_captions else None
    is_named = has_captions and is_named_judge(config.judge)
    own = named_judge(config.judge) if is_named else None
    rows = training_rows(Collection(generator.style, config.data))
    exact = None
    if drawn and not own:
        level = level_of(drawn, [row["caption"] for row in rows])
        exact = judge or picture_judge(config.judge, drawn, level)
    return Examiners(drawn, own, exact, rows)


def further_measures(exam: Exam, pairs: int) -> Measures:
    """What is measured beside the pairs of seeds, each by itself. pairs: how many these are."""
    count = min(pairs, CONDITIONS_COUNT)
    return {
        "conditions": lambda: measure_conditions(exam, count),
        "typed_prompts": lambda: measure_typed_prompts(exam, count),
        "styles": lambda: measure_styles(exam, count),
        "walks": lambda: measure_walks(exam),
    }
