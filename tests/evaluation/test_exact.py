"""What exact measurements rest on: the level of a collection, the facts of its training."""

import pytest

from oneseed.evaluation.exact import fresh_facts, level_of, trained_facts
from oneseed.synthetic.collections import DRAWN_STYLES, drawn_collection

COLLECTIONS = [drawn_collection(style) for style in DRAWN_STYLES]


@pytest.fixture(params=COLLECTIONS, ids=DRAWN_STYLES)
def drawn(request):
    return request.param


@pytest.mark.parametrize("level", range(1, 6))
def test_level_is_read_from_the_captions(drawn, level):
    facts = drawn.collection(50, level)
    captions = [drawn.tell(one, i, level) for i, one in enumerate(facts)]
    assert level_of(drawn, captions) == level
    assert level_of(drawn, []) == 5


def test_trained_facts_are_those_of_the_complete_captions(drawn):
    facts = drawn.collection(20, level=3)
    rows = [{"caption": drawn.tell(one, i, 3)} for i, one in enumerate(facts)]
    assert trained_facts(drawn, [*rows, {"caption": "An old title"}], 3) == facts
    assert len(trained_facts(drawn, [], 3)) == drawn.count


def test_fresh_facts_of_the_last_level_are_such_as_training_never_has(drawn):
    assert all(drawn.held_out(facts) for facts in fresh_facts(drawn, 30, drawn.last_level))
    told = drawn.levels[1]
    for facts in fresh_facts(drawn, 30, 1):
        base = drawn.base(facts[drawn.main_attribute])
        assert {name: facts[name] for name in facts if name not in told} == {
            name: base[name] for name in facts if name not in told
        }
