"""Arithmetic of the report: known answers."""

import numpy as np
import pytest
import torch

from oneseed.evaluation.attribute_judge import AttributeJudge
from oneseed.evaluation.exact_conditions import claimed_by_both
from oneseed.evaluation.metrics import (
    Tone,
    agreement,
    bootstrap_interval,
    distinct,
    feature_distances,
    hits,
    is_fallback,
    shuffled,
    tones,
    total_variation,
    unread_items,
)
from oneseed.generation.memorisation import thumbnail_features
from oneseed.synthetic.engravings.collection import ENGRAVINGS
from tests.evaluation.fakes import NAMES

SIZE = 32


def test_retrieval_counts_the_first_places_only():
    facts = ENGRAVINGS.collection(3)
    cosine = np.array([[0.9, 0.1, 0], [0.9, 0.5, 0.1], [0.5, 0.4, 0.1]])
    shares = [hits(cosine, facts, NAMES, best) for best in (1, 2, 3)]
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])


def test_total_variation_known_answers():
    assert total_variation("ab", "ab") == 0
    assert total_variation("aabb", "ab") == 0
    assert total_variation("aa", "bb") == 1
    assert total_variation("aa", "ab") == 0.5
    assert total_variation("ab", "aa") == 0.5
    # an unread value is a value of its own
    assert total_variation(["a", None], ["a", "a"]) == 0.5


def test_agreement_counts_unread_as_wrong():
    facts = ENGRAVINGS.collection(2)
    silent = dict(facts[1], sky=None)
    assert agreement(facts, facts, NAMES)["strict"] == 1
    found = agreement(facts, [facts[0], silent], NAMES)
    assert found["strict"] == 0.5
    assert found["sky"] == 0.5
    assert found["mean"] == pytest.approx(13 / 14)
    # both blind is no agreement
    assert agreement([silent], [silent], NAMES)["sky"] == 0
    assert distinct([facts[0], facts[0], silent], NAMES) == 1


def test_what_cannot_be_read_is_counted_picture_by_picture():
    facts = ENGRAVINGS.collection(2)
    ghost = {**facts[1], "subject": None, "sky": None}
    assert unread_items([facts[0], ghost, facts[1]], NAMES).tolist() == [0, 1, 0]
    assert unread_items([ghost], ("light",)).tolist() == [0]


def test_an_interval_is_as_wide_as_chance_makes_it():
    """Of 400 shares of .8 the mean has a standard deviation of .02: 95 % lie within .04 of it."""
    items = [1.0] * 320 + [0.0] * 80
    low, high = bootstrap_interval(items)
    assert low == pytest.approx(0.76, abs=0.006)
    assert high == pytest.approx(0.84, abs=0.006)
    assert bootstrap_interval(items) == (low, high), "repeatable"
    few = bootstrap_interval([1.0] * 8 + [0.0] * 2)
    assert few[1] - few[0] > 4 * (high - low)
    assert bootstrap_interval([1.0] * 50) == (1, 1)


@pytest.mark.parametrize(
    "caption, fallback",
    [
        ("", True),
        ("Engraving.", True),
        ("An engraving of a", True),
        ("An engraving of a ship.", False),
    ],
)
def test_fallback_captions(caption, fallback):
    assert is_fallback(caption) == fallback


def test_titles_need_no_full_stop():
    assert not is_fallback("An old title", ends=False)
    assert is_fallback("", ends=False)


def test_tones_tell_pale_and_uniform_pictures_from_real_ones():
    generator = np.random.default_rng(0)
    brightness = generator.integers(60, 200, (200, 1, 1))
    real = brightness + generator.integers(-50, 51, (200, 16, 16))
    real = real.clip(0, 255).astype(np.uint8)
    same = tones(real[::2], real[1::2])
    assert same.keys() == {"luminance", "deviation", "near_white", "near_black"}
    for name in ("luminance", "deviation"):
        assert same[name].is_within, same
        assert same[name].is_wide, same
    pale = tones((real // 8 + 223).astype(np.uint8), real)
    assert not pale["luminance"].is_within
    assert not pale["deviation"].is_wide
    assert pale["luminance"].spread == pytest.approx(1 / 8, abs=0.02)


def test_tones_of_paper_and_ink():
    paper = tones(np.full((4, 8, 8), 240, np.uint8), np.full((4, 8, 8), 39, np.uint8))
    assert paper["near_white"].median == 1
    assert paper["near_white"].quartiles == (0, 0)
    assert paper["near_black"] == Tone(median=0, quartiles=(1, 1), spread=1)
    assert not paper["near_black"].is_within
    assert paper["near_black"].is_wide


def test_tones_of_two_sizes_are_refused():
    pictures = np.zeros((4, 16, 16), np.uint8)
    with pytest.raises(ValueError, match="size"):
        tones(pictures, pictures[:, :8, :8])


def frechet(a, b):
    """Independent: trace of the root of the product by the symmetric root of one factor."""
    cov_a = np.cov(a.T)
    cov_b = np.cov(b.T)
    values, vectors = np.linalg.eigh(cov_a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    roots = np.sqrt(np.linalg.eigvalsh(root @ cov_b @ root).clip(0))
    means = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return means + np.trace(cov_a + cov_b) - 2 * roots.sum()


def kernel(a, b):
    def k(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def own(a):
        return (k(a, a).sum() - np.trace(k(a, a))) / len(a) / (len(a) - 1)

    return own(a) + own(b) - 2 * k(a, b).mean()


def test_distances_are_those_of_the_formulas_with_as_many_pictures_of_each():
    generator = np.random.default_rng(0)
    samples = generator.normal(0.5, 1, (90, 4))
    rebuilt = generator.normal(0.1, 1, (60, 4))
    known = generator.normal(0, 1, (80, 4))
    others = generator.normal(0, 1, (60, 4))
    before = torch.get_rng_state()
    found = feature_distances(
        lambda rows: rows, samples, rebuilt, known=known, others=others, network="themselves"
    )
    assert torch.equal(before, torch.get_rng_state())
    assert found.network == "themselves"
    assert found.pictures == 60

    def thinned(rows):
        return rows[np.linspace(0, len(rows) - 1, 60).round().astype(int)]

    for name, rows in (("samples", samples), ("reconstructions", rebuilt), ("real", others)):
        expected = frechet(thinned(rows), thinned(known))
        assert found.frechet[name] == pytest.approx(expected, rel=1e-3)
        expected = kernel(thinned(rows), thinned(known))
        assert found.kernel[name] == pytest.approx(expected, abs=1e-4)
    assert found.frechet["samples"] > 2 * found.frechet["real"]
    assert found.kernel["samples"] > 0.05
    assert abs(found.kernel["real"]) < 0.05


def test_any_network_can_give_the_features():
    """Noise lies farther from real pictures than other real pictures do."""
    generator = np.random.default_rng(0)
    real = np.full((120, SIZE, SIZE), 230, np.uint8)
    for picture in real:
        top = generator.integers(0, SIZE - 6)
        picture[top : top + 6, 4:28] = generator.integers(20, 80)
    noise = generator.integers(0, 256, (30, SIZE, SIZE), dtype=np.uint8)
    # some initial values hardly tell them apart
    torch.manual_seed(4)
    networks = {
        "an untrained picture judge": AttributeJudge(ENGRAVINGS, 8).features,
        "thumbnails": thumbnail_features,
    }
    for network, features_of in networks.items():
        found = feature_distances(
            features_of, noise, real[:30], known=real[::2], others=real[1::2], network=network
        )
        assert found.frechet["samples"] > 3 * found.frechet["real"], found
        assert found.kernel["samples"] > found.kernel["real"], found


def test_the_floor_of_steps_of_a_walk_is_of_other_walks():
    """Steps of a walk are alike: shuffled among themselves they agreed in a quarter."""
    walks = [{"kind": walk} for walk in range(4) for _ in range(6)]
    assert shuffled(walks, walks, ["kind"])["strict"] > 0.2
    assert shuffled(walks, walks, ["kind"], together=6)["strict"] == 0


def test_what_captions_do_not_tell_is_not_asked_of_a_prompts_pair():
    """A caption of few attributes leaves the rest open, which the picture shows all the same."""
    seen = [{"kind": "ship", "sky": "clear"}, {"kind": "ship", "sky": "clear"}]
    said = [{"kind": "ship", "sky": None}, {"kind": "tree", "sky": None}]
    claimed = claimed_by_both(seen, said, ["kind"])
    assert claimed == [seen[0], {"kind": None, "sky": None}]
    assert claimed_by_both(seen[:1], said[:1], ["kind", "sky"]) == [{"kind": None, "sky": None}]
