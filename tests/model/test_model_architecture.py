"""The model keeps its word: every part learns, both outputs read z and only z, and nothing depends on the neighbours in a batch."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import model_architecture
from oneseed.config.model import ModelConfig, SpecsConfig
from oneseed.console.command import UserError
from oneseed.model import checkpoint, specs
from oneseed.model.image_networks import ImageDecoder, ImageEncoder, linear_code
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.pixels import to_pixels, to_tensor
from oneseed.model.prior import Prior
from oneseed.model.text_networks import CachedDecoder, TextDecoder, TextEncoder
from oneseed.model.tokenizer import END, PAD, START, Encoded, Tokenizer
from oneseed.seeds import latents, torch_generator
from oneseed.training.losses import MultimodalLoss
from tests.conftest import CAPTIONS, tiny_config

ROOT = Path(__file__).resolve().parents[2]


def pictures(count, seed=0, config=tiny_config()):
    return (
        torch.rand(
            count,
            config.channels,
            config.image_size,
            config.image_size,
            generator=torch.Generator().manual_seed(seed),
        )
        * 2
        - 1
    )


def test_every_parameter_receives_a_gradient(tiny_model):
    """The first public attempt left 12.6 million transformer parameters without one, and generated with them untrained."""

    images = pictures(4)
    tokens = torch.tensor(
        [tiny_model.tokenizer.encode(caption, 48)[:8] for caption in CAPTIONS[:4]]
    )
    code, drawn, logits = tiny_model.autoencode(images, tokens, torch.randn(4, 32))
    MultimodalLoss()(drawn, images, logits, tokens, code, tiny_model.text_encoder(tokens))[
        "total"
    ].backward()
    silent = [
        name
        for name, weight in tiny_model.named_parameters()
        if not name.startswith("sampler.") and (weight.grad is None or not weight.grad.any())
    ]
    assert not silent
    tiny_model.sampler.loss(torch.randn(64, 31), torch.Generator(), torch.randn(64, 32)).backward()
    assert all(
        weight.grad is not None and weight.grad.any() for weight in tiny_model.sampler.parameters()
    )


def test_caption_logits_depend_on_the_latent_at_every_position(tiny_model):
    """A decoder that forgets z still scores well on formulaic captions, so accuracy cannot catch it: move z, watch every position."""
    tokens = torch.randint(4, 260, (1, 12))
    # (1, T, V)
    here, there = (
        tiny_model.text_decoder(torch.randn(1, 32), tokens)[..., 4:260] for _ in range(2)
    )
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
        # (T,)
        moved = (tiny_model.text_decoder(code, changed)[..., 4:260] - before).abs().amax(-1)[
            0
        ] > 1e-6
        assert moved.tolist() == [False] * position + [True] * (10 - position)


def test_word_by_word_decoding_matches_teacher_forcing(tiny_model):
    tokens = torch.randint(4, 260, (3, 10))
    code = torch.randn(3, 32)
    whole = tiny_model.text_decoder(code, tokens)
    with torch.inference_mode():
        writing = CachedDecoder(tiny_model.text_decoder, code, 10)
        steps = torch.stack([writing.next(column) for column in tokens.T.tolist()], 1)
    assert torch.allclose(whole[..., 4:260], steps[..., 4:260], atol=1e-5)


def test_captions_with_and_without_cache_are_equal(tiny_model):
    z = torch.randn(6, 32)
    assert tiny_model.decode_tokens(z) == tiny_model.decode_tokens(z, use_cache=False)


def test_pixels_survive_the_round_trip():
    """One range, converted in one place: the first public attempt trained on [0, 1] and drew from [-1, 1]."""
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert (to_pixels(to_tensor(values))[..., 0] == values).all()
    assert to_tensor(values).min() == -1 and to_tensor(values).max() == 1


def test_decoder_output_covers_the_target_range_and_stays_in_it(tiny_model):
    images = tiny_model.decode_image(torch.randn(64, 32) * 3)
    assert images.shape == (64, 3, 32, 32) and images.min() == -1 and images.max() == 1


def test_a_latent_far_from_all_seeds_still_has_a_picture(tiny_model):
    """Beyond 8.3 the distribution function is 1 to the last digit, an interval of no cluster: the picture was not a number."""
    assert (
        tiny_model.decode_image(torch.full((1, 32), 9.0)).isfinite().all()
        and tiny_model.decode_image(torch.full((1, 32), -9.0)).isfinite().all()
    )


def test_same_latent_same_pair_alone_or_in_a_batch(tiny_model):
    z = latents(range(7), 32)
    together = tiny_model.decode_image(z)
    words = tiny_model.decode_text(z)
    for i in range(7):
        assert (
            to_pixels(tiny_model.decode_image(z[i : i + 1])).astype(int)
            - to_pixels(together[i : i + 1])
        ).__abs__().max() <= 1
        assert tiny_model.decode_text(z[i : i + 1]) == words[i : i + 1]


def test_the_caption_is_unchanged_when_the_picture_decoder_is_destroyed(tiny_model):
    """Not picture -> caption in disguise: each output needs z alone."""
    z = latents([1, 2], 32)
    caption = tiny_model.decode_text(z)
    with torch.no_grad():
        for part in (tiny_model.image_decoder, tiny_model.image_encoder):
            for weight in part.parameters():
                weight.fill_(float("nan"))
    assert tiny_model.decode_text(z) == caption


def test_the_picture_is_unchanged_when_the_caption_decoder_is_destroyed(tiny_model):
    z = latents([1, 2], 32)
    image = tiny_model.decode_image(z)
    with torch.no_grad():
        for part in (tiny_model.text_decoder, tiny_model.text_encoder):
            for weight in part.parameters():
                weight.fill_(float("nan"))
    assert torch.equal(tiny_model.decode_image(z), image)


def test_encode_is_the_same_for_equal_pixels_and_in_the_space_of_seeds(tiny_model):
    images = pictures(3)
    z = tiny_model.encode(images)
    assert z.shape == (3, 32) and torch.allclose(tiny_model.encode(images[1:2]), z[1:2], atol=1e-4)
    assert torch.equal(tiny_model.encode(images), z)


def test_the_map_between_seeds_and_codes_is_a_bijection(tiny_model):
    tiny_model.sampler.set_frame(torch.randn(200, 32) @ torch.randn(32, 32))
    z = torch.randn(16, 32)
    assert torch.allclose(tiny_model.sampler.to_latent(tiny_model.sampler.to_code(z)), z, atol=1e-3)


def test_an_unfitted_sampler_is_the_identity():
    z = torch.randn(4, 32)
    assert torch.allclose(MultimodalModel(tiny_config()).sampler.to_code(z), z, atol=1e-6)


def test_sampled_codes_look_like_training_codes(tiny_model):
    """The first public attempt sampled 39 times outside its latents. Two clusters, fitted: samples fall into both and nowhere else."""
    sampler = tiny_model.sampler
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(400, 32, generator=generator) * 0.1
    codes[:, 3] += torch.where(torch.arange(400) % 2 == 0, 4.0, -4.0)
    leading = sampler.set_frame(codes)
    optimizer = torch.optim.AdamW(sampler.parameters(), lr=3e-3)
    for _ in range(800):
        optimizer.zero_grad()
        sampler.loss(leading[torch.randint(400, (256,), generator=generator)], generator).backward()
        optimizer.step()
    side = sampler.to_code(latents(range(500), 32))[:, 3]
    assert 0.35 < (side > 0).float().mean() < 0.65
    assert (side.abs() - 4).abs().lt(2).float().mean() > 0.85, "seeds land between the clusters"


def test_a_turned_frame_keeps_the_flow_nearly_right(tiny_model):
    """Between epochs the principal directions swap and flip; the flow fitted before must not become nonsense."""
    codes = torch.randn(300, 32) @ torch.diag(torch.linspace(3, 0.2, 32))
    before = tiny_model.sampler.set_frame(codes)
    after = tiny_model.sampler.set_frame(codes * torch.linspace(1, 1.2, 32), before)
    assert F.cosine_similarity(before.flatten(), after.flatten(), dim=0) > 0.95


def test_seeds_have_generators_of_their_own():
    torch.manual_seed(1)
    first = latents([5, 6], 16)
    torch.manual_seed(2)
    torch.rand(100)
    assert torch.equal(latents([6, 5], 16), first.flip(0))
    assert not torch.equal(torch.randn(16, generator=torch_generator(5, "words")), first[0])


@pytest.mark.parametrize("seed", [-1, 2**32, 3.7, True, "7", None, float("nan")])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(UserError, match="a seed is an integer"):
        latents([seed], 16)


def test_captions_end_within_the_limit_and_unused_words_are_never_chosen(tiny_model):
    used = len(tiny_model.tokenizer)
    for ids in tiny_model.decode_tokens(
        torch.randn(32, 32),
        temperature=3.0,
        generators=[torch_generator(i, "words") for i in range(32)],
    ):
        assert (
            len(ids) <= tiny_model.config.max_caption_length
            and max(ids) < used
            and PAD not in ids
            and START not in ids[1:]
        )


def test_near_ties_go_to_the_lower_id(tiny_model):
    with torch.no_grad():
        tiny_model.text_decoder.tokens.weight.zero_()
        tiny_model.text_decoder.bias.zero_()
        tiny_model.text_decoder.bias[50] = 1.0
        tiny_model.text_decoder.bias[70] = 1.0 + 1e-5
    assert set(tiny_model.decode_tokens(torch.randn(1, 32))[0][1:]) == {50}


def test_a_state_dict_restores_the_model_and_refuses_another_preset(tiny_model, tmp_path):
    torch.save(tiny_model.state_dict(), tmp_path / "model.pt")
    twin = MultimodalModel(tiny_model.config).eval()
    twin.load_state_dict(torch.load(tmp_path / "model.pt"))
    z = latents([3], 32)
    assert twin.decode_text(z) == tiny_model.decode_text(z) and torch.equal(
        twin.decode_image(z), tiny_model.decode_image(z)
    )
    with pytest.raises(UserError, match="from_checkpoint"):
        MultimodalModel(tiny_config(width=8)).load_state_dict(torch.load(tmp_path / "model.pt"))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut"])
def test_a_damaged_checkpoint_is_named_not_loaded(tmp_path, content):
    path = tmp_path / "best_model.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match="best_model.pt"):
        MultimodalModel.from_checkpoint(path)


def test_a_checkpoint_from_before_a_setting_is_a_model_still(tmp_path):
    """--encoder came later; a model trained before it is one of convolutions."""
    model = MultimodalModel(tiny_config(vit_width=384, vit_layers=6))
    state = json.loads(bytes(model.get_extra_state().tolist()))
    for name in ("encoder", "vit_width", "vit_layers"):
        del state["config"][name]
    checkpoint.save(
        tmp_path / "old.pt",
        {
            **model.state_dict(),
            "_extra_state": torch.frombuffer(
                bytearray(json.dumps(state).encode()), dtype=torch.uint8
            ),
        },
    )
    old = MultimodalModel.from_checkpoint(tmp_path / "old.pt")
    assert all(map(torch.equal, old.parameters(), model.parameters()))
    with pytest.raises(UserError, match="encoder 'cnn' against 'vit'"):
        MultimodalModel(tiny_config(encoder="vit", vit_width=384, vit_layers=6)).load_state_dict(
            checkpoint.load(tmp_path / "old.pt")
        )


def test_a_hostile_checkpoint_executes_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "owned",))

    torch.save({"weights": Hostile()}, tmp_path / "best_model.pt")
    with pytest.raises(UserError):
        MultimodalModel.from_checkpoint(tmp_path / "best_model.pt")
    assert not (tmp_path / "owned").exists()


def test_full_preset_has_45_to_55_million_parameters_and_every_listed_size():
    with torch.device("meta"):
        counts = {
            name: sum(weight.numel() for weight in part.parameters())
            for name, part in (
                ("encoder", ImageEncoder(ModelConfig())),
                ("decoder", ImageDecoder(ModelConfig())),
                ("text encoder", TextEncoder(ModelConfig())),
                ("text decoder", TextDecoder(ModelConfig())),
                ("sampler", Prior(ModelConfig())),
            )
        }
    assert 45e6 <= sum(counts.values()) <= 55e6, counts


@pytest.mark.parametrize("size", [64, 96, 128, 224])
def test_decoder_depth_follows_from_the_size(size):
    model = MultimodalModel(tiny_config(image_size=size, channels=3))
    z, image, logits = model(torch.zeros(2, 3, size, size), torch.ones(2, 5, dtype=torch.int64))
    assert z.shape == (2, 32) and image.shape == (2, 3, size, size) and logits.shape == (2, 5, 320)


def test_model_specs_are_current():
    assert (ROOT / "docs/model_specs.md").read_text("utf-8") == specs.specs(), (
        "stale: run python model_architecture.py --write-specs"
    )


def test_tokenizer_brings_every_caption_back():
    """The first public attempt built its vocabulary from raw words and encoded stripped ones: some entries could never be reached."""
    tokenizer = Tokenizer.train(CAPTIONS, 400)
    for text in [
        *CAPTIONS,
        "Größe, 版画 \U0001f600",
        "<end> spelled out <pad>",
        "a\u2028b\tc",
        "def f(x):\n    return x",
        "SELECT * FROM t;",
        "",
    ]:
        ids = tokenizer.encode(text, 200)
        assert (
            tokenizer.decode(ids) == text
            and ids[0] == START
            and ids[-1] == END
            and not set(ids[1:-1]) & {0, 1, 2, 3}
        )
    assert len(tokenizer.encode("x" * 500, 48)) == 48
    assert list(Encoded(CAPTIONS, tokenizer, 9)) == [
        tokenizer.encode(caption, 9) for caption in CAPTIONS
    ]


def test_every_vocabulary_entry_can_be_reached():
    tokenizer = Tokenizer.train(CAPTIONS, 400)
    reached = {id for caption in CAPTIONS for id in tokenizer.encode(caption, 100)}
    for id in range(260, len(tokenizer)):
        text = tokenizer.bpe.decode([id])
        assert (
            id in tokenizer.bpe.encode(text, add_special_tokens=False).ids
            or id in reached
            or any(
                id in tokenizer.bpe.encode(caption[:cut], add_special_tokens=False).ids
                for caption in CAPTIONS
                for cut in range(1, len(caption))
            )
        ), text


@pytest.mark.parametrize(
    "preset, budget",
    [("full", 50_000_000), ("full", 20_000_000), ("medium", 30_000_000), ("small", 2_500_000)],
)
def test_a_parameter_budget_is_met_within_five_per_cent(preset, budget):
    config = specs.preset_config(preset)
    inside = specs.within_budget(config, budget)
    with torch.device("meta"):
        built = sum(specs.parameter_counts(MultimodalModel(inside)).values())
    assert 0.95 * budget <= built <= budget
    kept = {field.name for field in dataclasses.fields(ModelConfig)} - set(specs.SCALED_WIDTHS)
    assert all(getattr(inside, name) == getattr(config, name) for name in kept)
    assert (
        all(getattr(inside, name) % 8 == 0 for name in specs.SCALED_WIDTHS)
        and inside.vit_width % 32 == 0
        and inside.text_width % (8 * inside.text_heads) == 0
    )


def test_a_budget_that_no_width_can_meet_is_refused():
    with pytest.raises(
        UserError,
        match="--parameters 100,000 cannot be reached: the narrowest model of these settings has [0-9,]+;",
    ) as refused:
        specs.within_budget(specs.preset_config("small"), 100_000)
    least = int(re.search(r"has ([0-9,]+);", str(refused.value))[1].replace(",", ""))
    assert specs.built_size(specs.within_budget(specs.preset_config("small"), least)) == least


def test_the_size_that_is_counted_is_the_size_that_is_built():
    config = tiny_config()
    assert specs.built_size(config) == sum(
        weight.numel() for weight in MultimodalModel(config).parameters()
    )


def test_the_shape_check_takes_a_budget(capsys):
    config = tiny_config(image_size=64)
    assert not model_architecture.main(config, SpecsConfig(parameters=120_000))
    shown = capsys.readouterr().out
    assert "--parameters 120,000: " in shown and " -> " in shown and "All shapes correct" in shown
    assert 114_000 <= int(re.search(r"total +([0-9,]+)", shown)[1].replace(",", "")) <= 120_000


def test_the_linear_code_is_read_back_as_well_as_the_noise_allows():
    """Where picture networks begin: no other power of directions of the same sum, and no plain principal components, are read back better."""
    random = torch.Generator().manual_seed(0)
    scales = 3 * torch.arange(1, 41) ** -1.0
    rows = (
        torch.randn(4000, 40, generator=random)
        * scales
        @ torch.linalg.qr(torch.randn(40, 40, generator=random))[0]
        + 5
    )
    mean, encoder, decoder = linear_code(rows, 16, 0.25)
    assert encoder.shape == (16, 40) and decoder.shape == (40, 16)
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
        assert (
            ours < error((other + noise) * power.sqrt() / (power + 0.25**2) * scale @ best.T) + 0.01
        )


def test_fewer_linear_directions_leave_power_to_the_convolutions():
    rows = torch.randn(500, 12, generator=torch.Generator().manual_seed(0))
    mean, encoder, decoder = linear_code(rows, 8, 0.25, most=3)
    assert (
        encoder.any(1).tolist() == [True] * 3 + [False] * 5
        and ((rows - mean) @ encoder.T).square().mean() < 0.6
        and not decoder[:, 3:].any()
    )
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
        assert torch.allclose(decoder.printed(code), decoder(code).clamp(-1, 1), atol=1e-6)
        decoder.set_tone(drawn, real)
        decoder.forward = lambda code: images
        printed = decoder.printed(None)
    assert (
        (printed - real).abs().mean() < 0.03
        and (decoder.tone.diff() >= 0).all()
        and decoder.tone[0] >= -1
        and decoder.tone[-1] <= 1
    )
    assert not hasattr(
        MultimodalModel(tiny_config(vocab_size=300, linear_dims=0)).image_decoder, "tone"
    )


def test_more_numbers_than_pixels_are_no_trouble():
    mean, encoder, decoder = linear_code(torch.randn(50, 12), 32, 0.25)
    assert (
        encoder.shape == (32, 12)
        and decoder.shape == (12, 32)
        and not encoder[12:].any()
        and all(part.isfinite().all() for part in (mean, encoder, decoder))
    )
