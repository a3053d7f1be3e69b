"""The caption networks: what a logit reads, and the cache."""

import torch

from oneseed.model.text_networks import CachedDecoder


def test_caption_logits_depend_on_the_latent_at_every_position(tiny_model):
    """A decoder that forgets z still scores well on formulaic captions.

    Accuracy cannot catch it: move z, watch every position.
    """
    tokens = torch.randint(4, 260, (1, 12))
    here = tiny_model.text_decoder(torch.randn(1, 32), tokens)[..., 4:260]  # (1, T, V)
    there = tiny_model.text_decoder(torch.randn(1, 32), tokens)[..., 4:260]
    blind = torch.isclose(here, there, atol=1e-6).all(dim=-1)  # (1, T)
    assert not blind.any(), (
        f"positions that ignore the latent: {blind[0].nonzero().flatten().tolist()}"
    )


def test_caption_logits_use_every_past_token_and_no_future_one(tiny_model):
    tokens = torch.randint(4, 260, (1, 10))
    code = torch.randn(1, 32)
    before = tiny_model.text_decoder(code, tokens)[..., 4:260]
    for position in range(10):
        changed = tokens.clone()
        changed[0, position] = 4 if tokens[0, position] != 4 else 5
        after = tiny_model.text_decoder(code, changed)[..., 4:260]
        moved = (after - before).abs().amax(-1)[0] > 1e-6  # (T,)
        assert moved.tolist() == [False] * position + [True] * (10 - position)


def test_word_by_word_decoding_matches_teacher_forcing(tiny_model):
    tokens = torch.randint(4, 260, (3, 10))
    code = torch.randn(3, 32)
    at_once = tiny_model.text_decoder(code, tokens)
    with torch.inference_mode():
        writer = CachedDecoder(tiny_model.text_decoder, code, 10)
        steps = torch.stack([writer.next(column) for column in tokens.T], 1)
    assert torch.allclose(at_once[..., 4:260], steps[..., 4:260], atol=1e-5)
