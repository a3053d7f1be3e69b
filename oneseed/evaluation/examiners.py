"""Who examines a model, and which measurements of it go each by itself."""

from typing import NamedTuple

from oneseed.config.evaluation import EvaluateConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.dataset.jsonl import Row
from oneseed.evaluation.exact import FIRST_RENDER, Exam, level_of, trained_facts
from oneseed.evaluation.exact_conditions import measure_conditions, measure_styles, measure_walks
from oneseed.evaluation.exact_prompts import measure_typed_prompts
from oneseed.evaluation.judges import Judge, PictureJudge, is_named_judge, named_judge
from oneseed.evaluation.picture_judges import picture_judge
from oneseed.evaluation.samples import generated_pairs, training_rows
from oneseed.evaluation.shards import Measures
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.caption_source import NONE
from oneseed.synthetic.collections import drawn_collection
from oneseed.synthetic.drawn import DrawnCollection

# conditions of each kind, beside the seeds
CONDITIONS_COUNT = 300
# captions that a model writes, to see what they tell
OWN_CAPTIONS = 64


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
    # that tell what the collection tells: the training captions, else some that the model writes
    captions: list[str]

    def exam(self, generator: MultimodalGenerator, size: int) -> Exam | None:
        """What the exact measurements need, None where there are none. size: of the pictures."""
        if not (self.drawn and self.exact):
            return None
        level = level_of(self.drawn, self.captions)
        told = trained_facts(self.drawn, [{"caption": one} for one in self.captions], level)
        drawn = self.drawn.of_kinds({facts[self.drawn.main_attribute] for facts in told})
        # a few of the model's own captions are no collection to compare with
        trained = told if self.rows else drawn.collection(level=level)
        return Exam(generator, self.exact, drawn, level, trained, size)


def examiners_of(
    generator: MultimodalGenerator, config: EvaluateConfig, judge: PictureJudge | None = None
) -> Examiners:
    """The judges that the settings name. judge: of a drawn collection, None: the one of its file.

    UserError (code 1) where the judge refuses to score.
    """
    # without captions there is nothing that could agree with the pictures
    has_captions = generator.caption_source != NONE
    if is_named_judge(config.judge) and not has_captions:
        raise UserError(
            f"--judge {config.judge} judges pairs, and this model of pictures alone writes no "
            "captions; leave the flag out"
        )
    drawn = drawn_collection(generator.style) if has_captions else None
    own = named_judge(config.judge) if is_named_judge(config.judge) else None
    rows = training_rows(Collection(generator.style, config.data))
    captions = [row["caption"] for row in rows]
    exact = None
    if drawn and not own:
        captions = captions or own_captions(generator)
        level = level_of(drawn, captions)
        exact = judge or picture_judge(config.judge, drawn, level)
    return Examiners(drawn, own, exact, rows, captions)


def own_captions(generator: MultimodalGenerator) -> list[str]:
    """Captions that the model writes: they tell as many attributes as those it has learnt."""
    pairs = generated_pairs(generator, range(FIRST_RENDER, FIRST_RENDER + OWN_CAPTIONS))
    return [caption for _, caption in pairs]


def further_measures(exam: Exam, pairs: int) -> Measures:
    """What is measured beside the pairs of seeds, each by itself. pairs: how many these are."""
    count = min(pairs, CONDITIONS_COUNT)
    return {
        "conditions": lambda: measure_conditions(exam, count),
        "typed_prompts": lambda: measure_typed_prompts(exam, count),
        "styles": lambda: measure_styles(exam, count),
        "walks": lambda: measure_walks(exam),
    }
