"""The check of the latent tells a healthy one from one that is not."""

import copy
import math

import numpy as np
import pytest
import torch

from oneseed.model import latent_check
from tests.conftest import CAPTIONS


def test_two_sample_check_tells_a_gaussian_from_what_is_none():
    """Where 35 of 1,024 directions matter, a test of all of them has no power.

    It is made where the decoders look.
    """
    random = np.random.default_rng(0)
    assert latent_check.two_sample_auc(random.standard_normal((400, 10))) < latent_check.GATE
    assert latent_check.two_sample_auc(random.standard_normal((400, 10)) * 0.5) > 0.9
    clusters = random.choice([-1, 1], (400, 10)) + 0.2 * random.standard_normal((400, 10))
    assert latent_check.two_sample_auc(clusters) > 0.9


def test_too_few_pictures_are_no_proof_of_health(tiny_model):
    tokens = torch.tensor([tiny_model.tokenizer.encode(CAPTIONS[0], 48)])
    groups = np.arange(6) % 3
    checked = latent_check.check_latent(tiny_model, torch.randn(6, 32), tokens, groups=groups)
    assert checked["auc"] is None
    assert not checked["passed"]
    sentence = latent_check.describe_latent(checked)
    assert "3 held-out pictures are too few" in sentence


# ---- what people are told ------------------------------------------------------------------------

SOUND = {
    "rows": 500,
    "low_power": False,
    "directions": 33,
    "auc": 0.55,
    "auc_all": 0.52,
    "norm": 31.9,
    "caption_spread": 0.4,
    "picture_spread": 0.3,
    "passed": True,
}
# what the check gives of a model that is not sound -> why, in words
DEFECTS = {
    "codes": (
        {"auc": 0.81, "passed": False},
        "the numbers behind a seed are unlike those behind a real",
    ),
    "picture": (
        {"picture_spread": 0.001, "passed": False},
        "the picture hardly changes from seed to seed",
    ),
    "caption": (
        {"caption_spread": 0.001, "passed": False},
        "the caption hardly changes from seed to seed",
    ),
}
FEW = {"rows": 19, "low_power": True}


def test_a_sound_latent_is_told_by_what_pairs_will_look_like():
    """ "two-sample AUC 0.55" says nothing to somebody who trained on 40 holiday pictures."""
    sentence = latent_check.describe_latent(SOUND)
    assert sentence.startswith("Pairs from seeds should look like redrawn pictures. Latent healthy")
    assert "two-sample AUC 0.55 in the 33 directions" in sentence
    assert latent_check.latent_notice(SOUND) == ""
    assert not latent_check.is_failed(SOUND)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_failed_check_says_the_reason_before_the_figures(defect):
    change, reason = DEFECTS[defect]
    health = {**SOUND, **change}
    sentence = latent_check.describe_latent(health)
    assert latent_check.is_failed(health)
    assert sentence.startswith(
        "WARNING: Drawn seeds may look worse than redrawn pictures, because " + reason
    )
    assert sentence.index(reason) < sentence.index("LATENT CHECK FAILED") < sentence.index("AUC")
    assert latent_check.latent_notice(health) == sentence


@pytest.mark.parametrize("defect", DEFECTS)
def test_few_held_out_pictures_warn_calmly_and_give_no_verdict(defect):
    """190 titled engravings have 19 held-out ones: "FAILED" and exit code 1 were a false alarm."""
    change, reason = DEFECTS[defect]
    health = {**SOUND, **FEW, **change}
    sentence = latent_check.latent_notice(health)
    assert not latent_check.is_failed(health)
    assert sentence.startswith("Warning: Drawn seeds may look worse than redrawn pictures, because")
    assert reason in sentence
    assert "19 held-out pictures are too few for a verdict" in sentence
    assert "FAILED" not in sentence
    assert "WARNING" not in sentence


def test_few_held_out_pictures_limit_good_news_too():
    sentence = latent_check.describe_latent({**SOUND, **FEW})
    assert sentence.startswith(
        "Pairs from seeds should look like redrawn pictures, as far as 19 held-out pictures can "
        "tell. Latent healthy"
    )


@pytest.mark.parametrize(
    ("rows", "few"), [(1, "1 held-out picture is"), (4, "4 held-out pictures are")]
)
def test_a_check_that_could_not_be_made_is_told_as_that(rows, few):
    health = {**SOUND, "rows": rows, "low_power": True, "auc": None, "passed": False}
    sentence = latent_check.describe_latent(health)
    assert not latent_check.is_failed(health)
    assert sentence.startswith(f"Warning: {few} too few to tell whether drawn seeds look like")
    assert "no two-sample test below 10 held-out pictures" in sentence
    assert "FAILED" not in sentence


def test_a_run_that_has_not_ended_is_told_nothing():
    assert latent_check.latent_notice(None) == ""


@pytest.mark.parametrize("source", ["nearest", "none"])
def test_a_caption_decoder_that_nobody_hears_is_not_looked_at(tiny_model, source, monkeypatch):
    """Captions come from the training pictures, or there are none: only pictures can fail."""
    model = copy.copy(tiny_model)
    model.meta = {**tiny_model.meta, "caption_source": source}
    z = torch.randn(40, 32, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(
        latent_check, "caption_outputs", lambda *_: pytest.fail("captions were looked at")
    )
    checked = latent_check.check_latent(model, z, torch.zeros(0, 48, dtype=torch.long))
    assert checked["caption_spread"] is None
    assert "the caption hardly changes" not in latent_check.describe_latent(checked)


# ---- the test itself -----------------------------------------------------------------------------


def test_the_coordinate_that_chooses_clusters_is_checked_too(tiny_model, monkeypatch):
    """It chooses by jumps that no gradient shows.

    The directions that the decoders are sensitive to leave it out.
    """
    monkeypatch.setattr(
        latent_check,
        "sensitive_directions",
        lambda outputs, latent_dim, generator: torch.eye(latent_dim)[:, :5],
    )
    tokens = torch.tensor([tiny_model.tokenizer.encode(CAPTIONS[0], 48)])
    z = torch.randn(400, 32, generator=torch.Generator().manual_seed(0))
    assert latent_check.check_latent(tiny_model, z, tokens)["auc"] < latent_check.GATE
    z[:, -1] *= 0.2
    assert latent_check.check_latent(tiny_model, z, tokens)["auc"] > 0.8


def test_sensitive_directions_are_those_that_the_outputs_read():
    reading = torch.zeros(20, 5)
    reading[3, 0] = 1.0
    reading[7, 1] = 2.0
    directions = latent_check.sensitive_directions(
        lambda z: torch.tanh(z @ reading), 20, torch.Generator().manual_seed(0)
    )
    assert directions.shape[1] == 2
    assert torch.linalg.norm(directions[[3, 7]]) == pytest.approx(math.sqrt(2), abs=1e-4)
