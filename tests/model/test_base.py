"""A packed model is half as large, is the same model, and is read as carefully as a checkpoint."""

import functools

import pytest
import torch
from safetensors.torch import load_file, save_file

from oneseed.config import base_model
from oneseed.console.command import UserError
from oneseed.model import base, checkpoint
from oneseed.model.base import (
    colour_weights,
    pack_weights,
    read_base_facts,
    read_weights,
    save_base,
)
from oneseed.model.caption_book import CaptionBook
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.packed_pictures import pack_pictures, unpack_pictures
from oneseed.model.tokenizer import Tokenizer
from oneseed.seeds import latents
from oneseed.tensor_files import UnusableFileError
from tests.conftest import CAPTIONS, tiny_config

LATENT_DIM = 96


@pytest.fixture(scope="module")
def model():
    """A model with large tensors, whose prior has a frame of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = tiny_config(latent_dim=LATENT_DIM, text_width=64)
        model = MultimodalModel(config, Tokenizer.train(CAPTIONS, 320)).eval()
        prior = model.sampler
        turn, _ = torch.linalg.qr(torch.randn(LATENT_DIM, LATENT_DIM))
        prior.frame.copy_(turn * torch.linspace(2, 0.25, LATENT_DIM))
        prior.frame_inverse.copy_(torch.linalg.inv(prior.frame.double()))
        for last in (prior.flow.outward, prior.regression[-1]):
            torch.nn.init.normal_(last.weight, std=0.02)
        torch.nn.init.normal_(model.image_decoder.outward.weight, std=0.2)
    # as the fit of styles leaves those that no row has
    prior.style_scores[2:, -1] = -torch.inf
    model.meta = {"style": "prints", "epoch": 3}
    return model


@pytest.fixture
def packed(model, tmp_path):
    """The model, packed -> the path of the file."""
    path = tmp_path / "model.safetensors"
    save_base(model, path)
    return path


def test_the_base_model_travels_with_the_repository():
    assert base_model.BASE_FILE.stat().st_size <= 25_000_000
    model = MultimodalModel.from_checkpoint("base")
    settings = model.config
    assert (settings.preset, settings.image_size, settings.channels) == ("small", 128, 1)
    images, captions = model.decode(latents([1, 2], settings.latent_dim))
    assert images.shape == (2, 3, 128, 128)
    assert images.std() > 0.05
    assert len(captions) == 2
    assert "--checkpoint base" in base_model.BASE_FILE.with_name("README.md").read_text("utf-8")


def test_the_card_of_the_base_model_is_of_this_file():
    text = base_model.BASE_FILE.with_name("README.md").read_text("utf-8")
    assert f"{base_model.BASE_FILE.stat().st_size:,}" in text
    assert MultimodalModel.from_checkpoint("base").fingerprint() in text


def test_a_packed_model_is_the_same_within_the_rounding(model, packed):
    loaded = MultimodalModel.from_checkpoint(packed)
    assert not loaded.training
    before = model.state_dict()
    after = loaded.state_dict()
    assert before.keys() == after.keys()
    halved = []
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype, name
        if torch.equal(after[name], tensor):
            continue
        halved.append(name)
        assert tensor.dtype == torch.float32, name
        if name != base.PRIOR_INVERSE:
            assert tensor.numel() >= base.MIN_HALVED, name
            assert torch.allclose(after[name], tensor, rtol=1e-3, atol=1e-6), name
    assert base.PRIOR_FRAME in halved
    assert loaded.meta == model.meta
    assert loaded.tokenizer.json == model.tokenizer.json


def test_a_packed_model_takes_hardly_more_than_half(model, packed, tmp_path):
    """Its frame's inverse is not in it."""
    assert base.PRIOR_INVERSE not in load_file(packed)
    checkpoint.save(tmp_path / "model.pt", model.state_dict())
    large = sum(t.numel() for t in model.state_dict().values() if t.numel() >= base.MIN_HALVED)
    assert packed.stat().st_size < (tmp_path / "model.pt").stat().st_size - 2 * large


def test_seeds_and_codes_stay_inverse_to_each_other(packed):
    prior = MultimodalModel.from_checkpoint(packed).sampler
    error = prior.frame.double() @ prior.frame_inverse.double() - torch.eye(LATENT_DIM)
    assert error.abs().max() < 1e-6
    z = latents(range(8), LATENT_DIM)
    assert torch.allclose(prior.to_latent(prior.to_code(z)), z, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_fingerprint_does_not_depend_on_the_processor(packed, monkeypatch, seed):
    """Another library of linear algebra gives another last bit in some numbers of the inverse.

    Cards would be another model's then.
    """
    fingerprint = MultimodalModel.from_checkpoint(packed).fingerprint()
    exact = base.inverse_of
    generator = torch.Generator().manual_seed(seed)

    def elsewhere(frame):
        inverse = exact(frame)
        noise = torch.rand(inverse.shape, generator=generator, dtype=torch.float64) * 2 - 1
        return inverse + 0.9 * base.INVERSE_TOLERANCE * noise

    monkeypatch.setattr(base, "inverse_of", elsewhere)
    assert MultimodalModel.from_checkpoint(packed).fingerprint() == fingerprint
    # so much noise moves a number, where none is kept
    monkeypatch.setattr(base, "inverse_of", lambda frame: exact(frame) + 1e-6)
    assert MultimodalModel.from_checkpoint(packed).fingerprint() != fingerprint


def test_the_same_model_is_packed_into_the_same_bytes(model, packed, tmp_path):
    save_base(MultimodalModel.from_checkpoint(packed), tmp_path / "again.safetensors")
    save_base(model, tmp_path / "same.safetensors")
    assert (tmp_path / "same.safetensors").read_bytes() == packed.read_bytes()
    assert (tmp_path / "again.safetensors").read_bytes() == packed.read_bytes()


def test_a_number_that_float16_does_not_hold_keeps_its_tensor_whole(model):
    weights = model.state_dict()
    large = {**weights, base.PRIOR_FRAME: weights[base.PRIOR_FRAME] * 1e6}
    assert pack_weights(large)[base.PRIOR_FRAME].dtype == torch.float32
    assert pack_weights(weights)[base.PRIOR_FRAME].dtype == torch.float16


def test_a_book_of_captions_comes_along(model, tmp_path):
    borrowing = MultimodalModel(model.config, model.tokenizer).eval()
    borrowing.caption_book = CaptionBook(torch.randn(3, 8), ["a", "b", "c"])
    borrowing.meta = {"caption_source": "nearest"}
    save_base(borrowing, tmp_path / "model.safetensors")
    loaded = MultimodalModel.from_checkpoint(tmp_path / "model.safetensors")
    assert loaded.caption_book.captions == ["a", "b", "c"]
    assert loaded.caption_book.coordinates.dtype == torch.float16


# ---- files of strangers --------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.8, 0.999])
def test_one_wrong_bit_is_noticed(packed, share):
    data = bytearray(packed.read_bytes())
    data[int(share * len(data))] ^= 1
    packed.write_bytes(data)
    with pytest.raises(UserError, match=r"model\.safetensors.*damaged|not a checkpoint"):
        MultimodalModel.from_checkpoint(packed)


def test_a_file_that_ends_early_or_is_none_is_refused(packed, tmp_path):
    data = packed.read_bytes()
    for content in (b"", data[:-1], data[: len(data) // 2], data[:7], b"{}" * 40, data + b"0"):
        packed.write_bytes(content)
        with pytest.raises(UserError, match="is damaged or no packed model"):
            read_weights(packed)
    packed.write_bytes(data[:7])
    with pytest.raises(UserError, match="is damaged or no packed model"):
        read_base_facts(packed)
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    with pytest.raises(UserError, match="a folder"):
        read_weights(folder)
    with pytest.raises(UserError, match="is missing; make it with"):
        read_weights(tmp_path / "nowhere.safetensors")


def harmed(weights, change):
    """A file's tensors with a harm, under a digest that is right."""
    found = dict(weights)
    change(found)
    return found, {base.DIGEST: checkpoint.digest(found)}


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda found: found.pop(base.PRIOR_FRAME), "lacks the frame"),
        (lambda found: found.pop(base.BORDER_PLACES), "lacks the frame"),
        (lambda found: found.update({base.PRIOR_FRAME: torch.zeros(96, 96)}), "has no inverse"),
        (lambda found: found.update({base.PRIOR_FRAME: torch.zeros(3)}), "has no inverse"),
        (lambda found: found[base.BORDER_PLACES].add_(2**20), "has no inverse"),
        (lambda found: found.pop("_extra_state"), "carries no configuration"),
        (lambda found: found.pop("sampler.mean"), "lacks the tensor sampler.mean"),
        (lambda found: found["sampler.mean"].fill_(torch.nan), "NaN or infinity"),
        (lambda found: found.update({"more": torch.ones(1)}), "'more' too many"),
        (lambda found: found.update({"sampler.mean": torch.ones(3)}), "has the shape"),
    ],
)
def test_what_is_no_model_is_refused_whatever_its_digest_says(packed, change, sentence):
    tensors, metadata = harmed(load_file(packed), change)
    save_file(tensors, packed, metadata)
    with pytest.raises(UserError, match=sentence):
        MultimodalModel.from_checkpoint(packed)


def test_another_programs_file_is_refused(packed):
    save_file({"weight": torch.ones(3)}, packed)
    with pytest.raises(UserError, match="does not match its digest"):
        MultimodalModel.from_checkpoint(packed)


# ---- the word "base" -----------------------------------------------------------------------------


def test_the_word_names_the_base_model_from_every_folder(
    model, packed, tiny_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(base_model, "BASE_FILE", packed)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert MultimodalModel.from_checkpoint("base").meta == model.meta
    (here / "base").mkdir()
    assert MultimodalModel.from_checkpoint("base").meta == model.meta
    (here / "base").rmdir()
    tiny_model.meta = {"style": "a file of this name"}
    torch.save(tiny_model.state_dict(), here / "base")
    assert MultimodalModel.from_checkpoint("base").meta == model.meta
    for file in ("./base", here / "base", base_model.Path("base")):
        assert MultimodalModel.from_checkpoint(file).meta == tiny_model.meta


def test_a_base_model_that_is_missing_or_damaged_names_what_brings_it_back(packed, monkeypatch):
    monkeypatch.setattr(base_model, "BASE_FILE", packed)
    packed.write_bytes(packed.read_bytes()[:-1])
    with pytest.raises(UserError, match="damaged.*git checkout -- samples/base"):
        MultimodalModel.from_checkpoint("base")
    packed.unlink()
    with pytest.raises(UserError, match="is missing.*git checkout -- samples/base"):
        MultimodalModel.from_checkpoint("base")


# ---- grey weights for pictures in colour ---------------------------------------------------------


@pytest.fixture(params=["cnn", "vit"])
def pair(request):
    """A grey model, and one in colour that begins with its weights."""
    build = functools.partial(tiny_config, encoder=request.param, patch=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        grey = MultimodalModel(build()).eval()
        torch.nn.init.normal_(grey.image_decoder.outward.weight, std=0.2)
        torch.nn.init.normal_(grey.image_decoder.outward.bias, std=0.2)
        colour = MultimodalModel(build(channels=3)).eval()
    weights = colour_weights(grey.state_dict())
    facts = colour.state_dict()["_extra_state"]
    colour.load_state_dict({**weights, "_extra_state": facts})
    return grey, colour


@torch.no_grad()
def test_a_model_in_colour_reads_the_mean_of_the_channels(pair):
    grey, colour = pair
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    mean = images.mean(1, keepdim=True)
    assert torch.allclose(colour.image_encoder(images), grey.image_encoder(mean), atol=1e-5)


@torch.no_grad()
def test_a_model_in_colour_draws_the_grey_picture_in_each_channel(pair):
    grey, colour = pair
    generator = torch.Generator().manual_seed(3)
    code = torch.randn(2, 32, generator=generator)
    noised = torch.randn(2, 3, 32, 32, generator=generator)
    times = torch.tensor([0.0, 0.5])
    drawn = colour.image_decoder(code, noised, times)
    expected = grey.image_decoder(code, noised.mean(1, keepdim=True), times)
    assert expected.std() > 0.05
    assert torch.allclose(drawn, expected.expand(-1, 3, -1, -1), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_carried_pictures_are_packed_as_files_and_come_back_whole(channels):
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (5, channels, 32, 32), dtype=torch.uint8, generator=generator)
    content, ends = pack_pictures(pictures)
    assert torch.equal(unpack_pictures(content, ends), pictures)


def test_carried_pictures_that_are_none_are_refused():
    content, ends = pack_pictures(torch.zeros(3, 1, 32, 32, dtype=torch.uint8))
    for wrong_content, wrong_ends in ((content.flip(0), ends), (content, ends - 9)):
        with pytest.raises(UnusableFileError, match="are none"):
            unpack_pictures(wrong_content, wrong_ends)


def test_pictures_of_other_numbers_or_sizes_are_none():
    """Ends that are no whole numbers were a traceback; one picture may not be larger than all."""
    content, ends = pack_pictures(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))
    larger, end = pack_pictures(torch.zeros(1, 1, 64, 64, dtype=torch.uint8))
    mixed = torch.cat([content, larger]), torch.cat([ends, ends[-1:] + end])
    for wrong in ((content, ends.float()), (content.float(), ends), (content, ends[0]), mixed):
        with pytest.raises(UnusableFileError, match="the pictures that it carries are none"):
            unpack_pictures(*wrong)
