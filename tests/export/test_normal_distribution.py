"""The normal distribution in operations that ONNX files know, beside torch's own."""

import torch

from oneseed.export.normal_distribution import NormalDistribution


def test_the_distribution_function_is_torchs():
    x = torch.linspace(-8.3, 8.3, 50_001, dtype=torch.float64)
    assert (NormalDistribution().ndtr(x) - torch.special.ndtr(x)).abs().max() < 1e-14


def test_quantiles_are_torchs_from_one_tail_to_the_other():
    low = torch.logspace(-12, -0.302, 20_001, dtype=torch.float64)
    p = torch.cat([low, 1 - low])
    assert (NormalDistribution().ndtri(p) - torch.special.ndtri(p)).abs().max() < 1e-11
