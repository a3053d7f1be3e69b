"""A judge that draws the alternatives again: it reads what people read, and no more."""

import numpy as np
import pytest
import torch

from oneseed.console.command import UserError
from oneseed.evaluation.agreement import agreement_numbers
from oneseed.evaluation.attribute_judge import require_pass
from oneseed.evaluation.exact_texts import draws_the_same
from oneseed.evaluation.metrics import agreement_items, feature_distances
from oneseed.evaluation.picture_judges import examined_redrawing
from oneseed.evaluation.redrawing_judge import RedrawingJudge
from oneseed.evaluation.teaching import blurred
from oneseed.model.pixels import to_pixels
from oneseed.synthetic.drawn import ABSENT
from oneseed.synthetic.screens.collection import SCREENS

# the kinds that are drawn soonest
FEW = SCREENS.of_kinds(["query", "table"])


@pytest.fixture(scope="module")
def judge():
    return RedrawingJudge(FEW)


@pytest.fixture(scope="module")
def renders():
    facts = FEW.held_out_facts(24, seed=5)
    return facts, np.stack([np.array(FEW.draw(one, i, 128)) for i, one in enumerate(facts)])


def test_every_fact_of_a_clean_picture_is_read_in_colour_and_in_grey(judge, renders):
    facts, pixels = renders
    assert judge.see(pixels) == facts
    grey = np.rint(pixels @ [0.299, 0.587, 0.114]).astype(np.uint8)
    assert judge.see(grey) == facts
    assert judge.attributes.keys() == facts[0].keys()


def test_pale_dark_and_moved_pictures_are_read_too(judge, renders):
    facts, pixels = renders
    pale = (pixels * 0.5 + 90).astype(np.uint8)
    assert judge.see(pale) == facts
    moved = np.roll(pixels, (1, -1), (1, 2))
    assert judge.see(moved) == facts


def test_no_strongly_blurred_picture_is_read_whole(judge, renders):
    """A judge that reads blurs rewards pictures that nobody can name."""
    facts, pixels = renders
    spoilt = to_pixels(blurred(judge.views(pixels), 3.0))
    seen = judge.see(spoilt)
    assert not any(answer == truth for answer, truth in zip(seen, facts))
    right = [
        seen[i][name] == one[name] != ABSENT
        for i, one in enumerate(facts)
        for name in FEW.kinds[one["kind"]]
    ]
    # lengths of words are still seen
    assert sum(right) / len(right) <= 0.5


def test_collections_are_as_far_from_each_other_as_their_pictures_and_no_farther(judge, renders):
    """Thumbnails of 0 to 255 gave a kernel distance of -84,526,806,824 between two collections."""
    _, pixels = renders
    found = feature_distances(
        judge.features,
        255 - pixels[:8],
        pixels[:8],
        known=pixels[8:16],
        others=pixels[16:],
        network=judge.network,
    )
    assert abs(found.kernel["real"]) < 1
    assert found.kernel["samples"] > found.kernel["real"]


def test_noise_and_plain_paper_are_no_screens(judge):
    noise = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    for answer in judge.see(np.concatenate([noise, np.full_like(noise[:1], 255)])):
        assert set(answer.values()) == {None}


def test_a_judge_of_a_lower_level_says_nothing_of_what_is_not_there():
    facts = FEW.collection(8, level=1)
    pixels = np.stack([np.array(FEW.draw(one, i, 128)) for i, one in enumerate(facts)])
    assert RedrawingJudge(FEW, 1).see(pixels) == facts


def test_it_sits_its_examination_and_refuses_to_score_where_it_fails():
    judge = examined_redrawing(SCREENS.of_kinds(["table"]), 5, exam=20)
    assert judge.about["clean"]["all"] == 1
    judge.about["degraded"]["all"] = 0.5
    with pytest.raises(UserError, match="refuses to score"):
        require_pass(judge)


def test_what_neither_has_is_no_achievement():
    """Form and chart both lack a query's order; counted, the mean of anything would be high."""
    chart, form = (SCREENS.of_kinds([kind]).collection(1)[0] for kind in ("chart", "form"))
    names = tuple(SCREENS.attributes)
    assert agreement_items([chart], [form], names)["mean"].tolist() == [0]
    assert agreement_items([chart], [chart], names)["mean"].tolist() == [1]
    other = {**chart, "chart_first": chart["chart_first"] % 9 + 1}
    assert agreement_items([chart], [other], names)["mean"].tolist() == [1 - 1 / 9]


def test_each_kind_has_its_own_agreement(renders, judge):
    from oneseed.evaluation.agreement import Reading

    facts, _ = renders
    wrong = [{**one, "query_limit": 9} if one["kind"] == "query" else one for one in facts]
    numbers = agreement_numbers(Reading(wrong, facts), tuple(FEW.attributes), {}, "kind")
    assert numbers["joint_strict_table"].value == 1
    assert numbers["joint_strict_query"].value == 0


def test_a_text_is_right_where_it_draws_the_same_pixels():
    for truth in SCREENS.collection(12, seed=8):
        text = SCREENS.tell(truth, 0, 5)
        assert draws_the_same(SCREENS, SCREENS.parse(text), truth, 4)
        other = SCREENS.of_kinds([truth["kind"]]).collection(1, seed=9)[0]
        assert not draws_the_same(SCREENS, other, truth, 4)
        assert not draws_the_same(SCREENS, SCREENS.parse("nothing"), truth, 4)


def test_the_same_picture_is_read_alone_and_among_others(judge, renders):
    facts, pixels = renders
    torch.manual_seed(0)
    assert [judge.see(pixels[i : i + 1])[0] for i in range(3)] == facts[:3]
