"""The picture networks: where they begin, and the tones in which they draw."""

import torch

from oneseed.model.image_networks import linear_code
from oneseed.model.multimodal import MultimodalModel
from tests.conftest import tiny_config


def test_the_linear_code_is_read_back_as_well_as_the_noise_allows():
    """No other sharing of the power, and no plain principal components, are read back better."""
    random = torch.Generator().manual_seed(0)
    scales = 3 * torch.arange(1, 41) ** -1.0
    rows = torch.randn(4000, 40, generator=random) * scales
    rows = rows @ torch.linalg.qr(torch.randn(40, 40, generator=random))[0] + 5
    mean, encoder, decoder = linear_code(rows, 16, 0.25)
    assert encoder.shape == (16, 40)
    assert decoder.shape == (40, 16)
    code = (rows - mean) @ encoder.T
    # mean square 1 a dimension
    assert abs(float(code.square().sum(1).mean()) - 16) < 0.05
    noise = 0.25 * torch.randn(code.shape, generator=random)

    def error(read):
        return float((rows - mean - read).square().sum(1).mean())

    ours = error((code + noise) @ decoder.T)
    variance, directions = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
    best = directions.flip(1)[:, :16]
    scale = variance.flip(0)[:16].sqrt()
    white = (rows - mean) @ best / scale
    assert ours < 0.8 * error((white + noise) / (1 + 0.25**2) * scale @ best.T)
    # another sharing of the power, read by Wiener too
    for _ in range(20):
        power = code.square().mean(0) * (0.3 * torch.randn(16, generator=random)).exp()
        power = 16 * power / power.sum()
        other = (rows - mean) @ best / scale * power.sqrt()
        read = (other + noise) * power.sqrt() / (power + 0.25**2) * scale @ best.T
        assert ours < error(read) + 0.01


def test_fewer_linear_directions_leave_power_to_the_convolutions():
    rows = torch.randn(500, 12, generator=torch.Generator().manual_seed(0))
    mean, encoder, decoder = linear_code(rows, 8, 0.25, max_directions=3)
    assert encoder.any(1).tolist() == [True] * 3 + [False] * 5
    assert ((rows - mean) @ encoder.T).square().mean() < 0.6
    assert not decoder[:, 3:].any()
    assert "image_encoder.linear" not in MultimodalModel(tiny_config(linear_dims=0)).state_dict()


def test_the_tone_curve_gives_pictures_the_greys_of_real_ones():
    """Margins were grey and shadows pale: the mean of black lines on white paper is neither."""
    decoder = MultimodalModel(tiny_config(vocab_size=300)).image_decoder
    random = torch.Generator().manual_seed(0)
    # a sixth is paper, a sixth ink
    real = torch.rand(40, 1, 32, 32, generator=random).mul(3).sub(1.5).clamp(-1, 1)
    drawn = real * 0.5 + 0.2
    images = drawn
    code = torch.randn(3, 32, generator=random)
    with torch.no_grad():
        # before it is fitted, it changes nothing
        assert torch.allclose(decoder.render(code), decoder(code).clamp(-1, 1), atol=1e-6)
        decoder.set_tone(drawn, real)
        decoder.forward = lambda code: images
        rendered = decoder.render(None)
    assert (rendered - real).abs().mean() < 0.03
    assert (decoder.tone.diff() >= 0).all()
    assert decoder.tone[0] >= -1
    assert decoder.tone[-1] <= 1


def test_without_linear_directions_there_is_no_tone_curve():
    model = MultimodalModel(tiny_config(vocab_size=300, linear_dims=0))
    assert not hasattr(model.image_decoder, "tone")


def test_more_numbers_than_pixels_are_no_trouble():
    mean, encoder, decoder = linear_code(torch.randn(50, 12), 32, 0.25)
    assert encoder.shape == (32, 12)
    assert decoder.shape == (12, 32)
    assert not encoder[12:].any()
    assert all(part.isfinite().all() for part in (mean, encoder, decoder))
