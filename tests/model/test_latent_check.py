"""The check of the latent tells a healthy one from one that is not."""

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
