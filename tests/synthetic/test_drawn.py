"""What every drawn collection promises: exact facts, fixed bytes, levels, held-out combinations."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from oneseed.synthetic.collections import DRAWN_CLASSES, DRAWN_STYLES, drawn_collection
from oneseed.synthetic.drawn import ABSENT

# of the engravings' thousands of combinations, and of screens, which sqlite and others parse
MOST_TOLD = 2000
MOST_PARSED = 300


@pytest.fixture(params=DRAWN_STYLES)
def drawn(request):
    return drawn_collection(request.param)


def as_key(drawn, facts):
    return tuple(facts[name] for name in drawn.attributes)


def test_each_style_gives_its_own_collection_and_another_style_none():
    found = [drawn_collection(style) for style in DRAWN_STYLES]
    assert [one.style for one in found] == list(DRAWN_STYLES) == list(DRAWN_CLASSES)
    assert len({one.version for one in found}) == len(DRAWN_STYLES)
    assert drawn_collection("engraving") is None


def test_asking_for_the_names_loads_no_drawings():
    """--help and generating know the styles; the drawings' arrays and shapes are not their own."""
    code = "import sys, oneseed.synthetic.collections; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "numpy" not in loaded
    assert [name for name in loaded if name.startswith("oneseed.synthetic.")] == [
        "oneseed.synthetic.collections"
    ]


def test_each_level_names_more_than_the_one_before(drawn):
    assert list(drawn.levels) == list(range(1, drawn.last_level + 1))
    for level in range(2, drawn.last_level + 1):
        assert set(drawn.levels[level - 1]) < set(drawn.levels[level])
    assert set(drawn.levels[drawn.last_level]) == {*drawn.attributes}


def test_what_a_level_does_not_name_is_constant(drawn):
    for level, names in drawn.levels.items():
        for facts in drawn.collection(50, level):
            assert facts.keys() == drawn.attributes.keys()
            rest = {name: value for name, value in facts.items() if name not in names}
            base = drawn.base(facts[drawn.main_attribute])
            assert rest == {name: base[name] for name in rest}


def test_facts_survive_being_told_at_every_level(drawn):
    """A value above the level must not slip into the words either."""
    for level, names in drawn.levels.items():
        combos = drawn.combinations(level)
        step = len(combos) // (MOST_PARSED if drawn.kinds else MOST_TOLD) + 1
        for seed, facts in enumerate(combos[::step] * (1 if len(combos) > 300 else 3)):
            caption = drawn.tell(facts, seed, level)
            told = [name for name in facts if name in names or facts[name] == ABSENT]
            expected = {name: facts[name] if name in told else None for name in drawn.attributes}
            assert drawn.parse(caption) == expected, caption


def test_pictures_are_of_the_promised_kind_and_the_same_each_time(drawn):
    mode = {1: "L", 3: "RGB"}[drawn.channels]
    for level in drawn.levels:
        facts = drawn.collection(1, level)[0]
        np.random.seed(level)
        first = drawn.draw(facts, 7, drawn.size)
        np.random.seed(0)
        assert (first.mode, first.size) == (mode, (drawn.size, drawn.size))
        assert first.tobytes() == drawn.draw(dict(facts), 7, drawn.size).tobytes()
        assert first.tobytes() != drawn.draw(facts, 8, drawn.size).tobytes()


def test_a_tenth_is_held_out_and_every_value_stays_frequent(drawn):
    parts = {True: [], False: []}
    combos = drawn.combinations(drawn.last_level)
    for facts in combos:
        parts[drawn.held_out(facts)].append(facts)
    assert 0.08 <= len(parts[True]) / len(combos) <= 0.12
    for part in parts.values():
        for name, values in drawn.attributes.items():
            own = drawn.kinds and [kind for kind, names in drawn.kinds.items() if name in names]
            having = [facts for facts in part if not own or facts[drawn.main_attribute] in own]
            share = Counter(facts[name] for facts in having)
            # of sprites 25 combinations are held out
            assert all(share[value] / len(having) > 0.59 / len(values) for value in values), share


def test_held_out_combinations_are_in_no_collection(drawn):
    shown = {as_key(drawn, facts) for facts in drawn.collection()}
    kept = {as_key(drawn, facts) for facts in drawn.held_out_facts(1000)}
    assert kept and not shown & kept
    assert len(drawn.collection()) == drawn.count


def test_every_combination_holds_each_level_s_once(drawn):
    if drawn.kinds:
        drawn = drawn.of_kinds(["table"])
    every = [as_key(drawn, facts) for facts in drawn.every_combination()]
    assert len(every) == len(set(every))
    for level in drawn.levels:
        assert {as_key(drawn, facts) for facts in drawn.combinations(level)} <= set(every)


def test_prompts_are_typed_where_the_collection_knows_how(drawn):
    assert bool(drawn.prompt_kinds) == (drawn.typed_prompt is not None)
    for kind in drawn.prompt_kinds:
        facts = drawn.collection(1)[0]
        assert drawn.typed_prompt(facts, kind, 3).asked.items() <= facts.items()


def test_a_caption_s_style_is_the_attribute_that_names_one():
    engravings = drawn_collection("builtin")
    assert engravings.style_told("An engraving of a ship, in stipple.") == "stipple"
    assert engravings.style_told("An engraving of a ship.") == "builtin"
    assert drawn_collection("sprites").style_told("A drawing of a heart.") == "sprites"
