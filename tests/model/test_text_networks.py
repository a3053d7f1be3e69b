"""The caption networks: what a logit reads, and the cache."""

import torch

from oneseed.model.text_networks import CachedDecoder, attend


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


def test_attention_of_a_processor_that_trains_in_bf16_is_computed_in_float32():
    """In bfloat16 its backward pass took an eighth of each training step."""
    q, k, v = torch.randn(3, 2, 4, 9, 8, generator=torch.Generator().manual_seed(0))
    plain = attend(q, k, v, causal=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        told = attend(q, k, v, causal=True)
        rounded = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.equal(told, plain)
    assert rounded.dtype == torch.bfloat16
