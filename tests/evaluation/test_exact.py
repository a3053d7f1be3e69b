"""What exact measurements rest on: the level of a collection, the facts of its training."""

import pytest

from oneseed.evaluation.exact import level_of, trained_facts
from oneseed.synthetic.engravings import attributes


@pytest.mark.parametrize("level", range(1, 6))
def test_level_is_read_from_the_captions(level):
    facts = attributes.collection(50, level)
    captions = [attributes.tell(one, i, level) for i, one in enumerate(facts)]
    assert level_of(captions) == level
    assert level_of([]) == 5


def test_trained_facts_are_those_of_the_complete_captions():
    facts = attributes.collection(20, level=3)
    rows = [{"caption": attributes.tell(one, i, 3)} for i, one in enumerate(facts)]
    assert trained_facts([*rows, {"caption": "An old title"}], 3) == facts
    assert len(trained_facts([], 3)) == 6000
