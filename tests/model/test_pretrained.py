"""A folder for other people is the same model to the last bit, and anything else is refused."""

import json
import os
import shutil
import stat

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, safe_open, save_file

from inference import MultimodalGenerator
from oneseed.config.base_model import checkpoint_file, checkpoint_name
from oneseed.console.command import UserError
from oneseed.hub_models import MODEL_FILES, hub_name
from oneseed.model import base, checkpoint
from oneseed.model.base import save_pretrained
from oneseed.model.caption_book import CaptionBook
from oneseed.model.multimodal import MultimodalModel
from tests.model.test_picture_book import carrying
from tests.model.test_strangers_checkpoints import META

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def model(tiny_model):
    """A model that carries pictures and captions, with a style and a health."""
    tiny_model.caption_book = CaptionBook(torch.randn(3, 8), ["a", "b", "Bären am Fluß"])
    tiny_model.meta = dict(META)
    return carrying(tiny_model)


@pytest.fixture
def folder(model, tmp_path):
    """The model's folder."""
    save_pretrained(model, tmp_path / "model")
    return tmp_path / "model"


def load(folder):
    return MultimodalGenerator.from_pretrained(folder, device="cpu")


def same_pairs(one, other):
    return all(
        first[1] == second[1] and np.array_equal(first[0], second[0])
        for first, second in zip(one.generate_batch(range(8)), other.generate_batch(range(8)))
    )


def cached(folder, cache, sha=SHA, main=SHA):
    """Lays a model's folder into a cache of the Hub's library as owner/name."""
    storage = cache / "models--owner--name"
    (storage / "refs").mkdir(parents=True)
    (storage / "refs" / "main").write_text(main)
    shutil.copytree(folder, storage / "snapshots" / sha)
    return storage / "snapshots" / sha


# ---- the same model ------------------------------------------------------------------------------


def test_a_model_comes_back_with_its_fingerprint_and_the_same_pairs(model, folder, tmp_path):
    checkpoint.save(tmp_path / "model.pt", model.state_dict())
    before = MultimodalGenerator(tmp_path / "model.pt", "cpu")
    after = load(folder)
    assert after.fingerprint == before.fingerprint
    assert after.model.meta == model.meta
    assert after.model.caption_book.captions == model.caption_book.captions
    assert torch.equal(after.model.picture_book.pictures, model.picture_book.pictures)
    assert same_pairs(before, after)
    for name, tensor in model.state_dict().items():
        if name != "_extra_state":
            assert torch.equal(after.model.state_dict()[name], tensor), name


def test_every_way_to_name_a_folder_gives_the_model(model, folder):
    for name in (folder, str(folder), folder / "model.safetensors"):
        assert MultimodalModel.from_checkpoint(name).fingerprint() == model.fingerprint()


def test_the_files_are_those_of_the_hub_and_all_may_read_them(model, folder):
    """The safetensors library's own writer gives files that only their owner can read."""
    umask = os.umask(0o022)
    try:
        save_pretrained(model, folder)
    finally:
        os.umask(umask)
    assert {path.name for path in folder.iterdir()} == set(MODEL_FILES)
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o644, path
    assert (folder / "tokenizer.json").read_bytes() == model.tokenizer.json.encode()
    with safe_open(folder / "model.safetensors", framework="pt") as opened:
        assert opened.metadata() == {"fingerprint": model.fingerprint()}
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert config["meta"] == model.meta
    assert config["config"] == model.config.settings()


def test_a_model_is_written_into_the_same_bytes_each_time(folder, tmp_path):
    save_pretrained(load(folder).model, tmp_path / "again")
    for name in MODEL_FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_the_base_model_stays_small_and_is_not_rounded_once_more(tmp_path):
    """Its inverse is left out, though another processor has rounded some of its numbers."""
    model = MultimodalModel.from_checkpoint("base")
    model.picture_book = model.picture_book.some(4)
    frame = model.sampler.frame_inverse
    places = base.border_of_inverse(model.sampler.frame)[base.BORDER_PLACES].long()
    assert len(places)
    flat = frame.view(-1)
    flat[places] = torch.nextafter(flat[places], torch.zeros(()))
    save_pretrained(model, tmp_path)
    assert MultimodalModel.from_checkpoint(tmp_path).fingerprint() == model.fingerprint()
    assert base.PRIOR_INVERSE not in load_file(tmp_path / "model.safetensors")
    numbers = sum(weight.numel() for weight in model.parameters())
    assert (tmp_path / "model.safetensors").stat().st_size < 3 * numbers


def test_an_inverse_that_was_found_in_another_way_is_kept(model, tmp_path):
    model.sampler.frame_inverse[0, 0] += 1e-3
    save_pretrained(model, tmp_path)
    assert base.PRIOR_INVERSE in load_file(tmp_path / "model.safetensors")
    assert MultimodalModel.from_checkpoint(tmp_path).fingerprint() == model.fingerprint()


# ---- another model, or none ----------------------------------------------------------------------


def rewritten(folder, change, metadata=None):
    """Changes the tensors of a folder. metadata: None: as it was."""
    path = folder / "model.safetensors"
    with safe_open(path, framework="pt") as opened:
        metadata = opened.metadata() if metadata is None else metadata
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata)


def moved_bias(tensors):
    tensors["image_decoder.outward.bias"][0] += 1e-6


@pytest.mark.parametrize(
    "change, sentence",
    [
        (moved_bias, "its fingerprint is that of another model"),
        (lambda found: found.pop("sampler.mean"), "lacks the tensor sampler.mean"),
        (lambda found: found.update({"more": torch.ones(1)}), "'more' too many"),
        (lambda found: found.update({"sampler.mean": torch.ones(3)}), "has the shape"),
        (lambda found: found.update({"sampler.mean": torch.ones(32).int()}), "int32"),
        (lambda found: found["sampler.mean"].fill_(torch.nan), "NaN or infinity"),
        (lambda found: found["picture_book.files"].zero_(), "pictures that it carries are none"),
    ],
)
def test_weights_that_are_not_the_models_are_refused(folder, change, sentence):
    rewritten(folder, change)
    with pytest.raises(UserError, match=sentence) as caught:
        load(folder)
    assert "write it again: " in str(caught.value)


def test_a_file_that_is_short_damaged_or_of_another_program_is_refused(folder):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    for content in (b"", data[:-1], data[: len(data) // 2], data + b"0"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="are no model of this version"):
            load(folder)
    save_file({"weight": torch.ones(3)}, path, {"format": "pt"})
    with pytest.raises(UserError, match="its weights carry no fingerprint"):
        load(folder)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.2, 0.5, 0.8, 0.99])
def test_one_wrong_bit_is_noticed_or_changes_nothing(model, folder, share):
    """A PNG file has some bits at its end that no reader looks at."""
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 1
    path.write_bytes(data)
    try:
        found = load(folder).model
    except UserError as error:
        assert "are no model of this version" in str(error)
    else:
        assert found.fingerprint() == model.fingerprint()
        assert torch.equal(found.picture_book.pictures, model.picture_book.pictures)


def test_weights_of_one_model_beside_the_facts_of_another_are_refused(model, folder, tmp_path):
    """A run that is killed while it writes over another model leaves such a folder."""
    model.meta["styles"] = ["line", "hatching"]
    save_pretrained(model, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "config.json", folder)
    with pytest.raises(UserError, match="its fingerprint is that of another model"):
        load(folder)


def changed_config(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    change(config)
    path.write_text(json.dumps(config), "utf-8")


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda config: config.update(architectures=["ResNet"]), "a field 'architectures'"),
        (lambda config: config["config"].update(depth=3), "a setting 'depth'"),
        (lambda config: config["config"].pop("vocab_size"), "has the shape"),
        (lambda config: config.update(format=9), "checkpoint format 9"),
        (lambda config: config["meta"].update(styles="line"), '"styles" is not a list of names'),
        (lambda config: config.pop("pictures"), "carries none"),
        (lambda config: config.clear(), "checkpoint format None"),
    ],
)
def test_facts_that_this_version_does_not_know_are_refused(folder, change, sentence):
    changed_config(folder, change)
    with pytest.raises(UserError, match=sentence):
        load(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"[1]", b'{"format": NaN}'])
def test_a_file_of_facts_that_is_missing_or_none_is_refused(folder, name, content):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(UserError, match="are no model of this version"):
        load(folder)


def test_a_folder_without_any_of_it_is_no_checkpoint(tmp_path):
    with pytest.raises(UserError, match="a folder"):
        load(tmp_path)


# ---- on the Hub ----------------------------------------------------------------------------------


def test_a_model_in_the_cache_needs_no_network(model, folder, tmp_path):
    cached(folder, tmp_path / "cache")
    found = MultimodalGenerator.from_pretrained(
        "owner/name", cache_dir=tmp_path / "cache", local_files_only=True, device="cpu"
    )
    assert found.fingerprint == model.fingerprint()
    assert found.generate_with_metadata(7)["checkpoint"] == "hub:owner/name"


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("owner/other", "not in the cache of the Hub"),
        ("owner", "not in the cache of the Hub"),
        ("a/b/c", "is no folder, and no name on the Hub"),
        ("gone folder", "is no folder, and no name on the Hub"),
    ],
)
def test_a_model_that_cannot_be_had_is_one_sentence(folder, tmp_path, name, sentence):
    cached(folder, tmp_path / "cache")
    with pytest.raises(UserError, match=sentence):
        MultimodalGenerator.from_pretrained(
            name, cache_dir=tmp_path / "cache", local_files_only=True
        )


def test_a_repository_of_something_else_is_named(folder, tmp_path):
    (cached(folder, tmp_path / "cache") / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"owner/name .* lacks tokenizer\.json"):
        MultimodalGenerator.from_pretrained(
            "owner/name", cache_dir=tmp_path / "cache", local_files_only=True
        )


def test_a_damaged_model_in_the_cache_is_fetched_again(folder, tmp_path):
    changed_config(folder, lambda config: config.update(format=9))
    place = cached(folder, tmp_path / "cache", main="f" * 40)
    with pytest.raises(UserError, match=f"hf download owner/name --revision {SHA} --force"):
        MultimodalModel.from_checkpoint(place)


def test_a_name_of_the_hub_is_said_as_it_is_asked_for(folder, tmp_path):
    """A command that names a folder of the cache would be of use on this machine alone."""
    place = cached(folder, tmp_path / "cache")
    assert checkpoint_name("hub:owner/name@v1") == "hub:owner/name@v1"
    assert checkpoint_name(checkpoint_file(place)) == "hub:owner/name"
    assert hub_name(place / "model.safetensors") == "hub:owner/name"
    other = cached(folder, tmp_path / "other", main="f" * 40)
    assert checkpoint_name(other) == f"hub:owner/name@{SHA}"
    assert hub_name(tmp_path) is None


@pytest.mark.parametrize(
    "name", ["hub:", "hub:owner", "hub:a/b/c", "hub:owner/name@", "hub:../x@ "]
)
def test_what_names_no_model_on_the_hub_is_refused_before_anybody_is_asked(name):
    with pytest.raises(UserError, match="names no model; write hub:owner/name"):
        checkpoint_file(name)


def test_the_model_of_another_program_is_named_and_stays_as_it_is(model, tmp_path):
    """The advice was to write it again, over a captioner that had been taught for hours."""
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "blip-2", "architectures": ["Blip2"]}')
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match="holds a model of another program; name one"):
        MultimodalModel.from_checkpoint(tmp_path)
    with pytest.raises(UserError, match="holds a model of another program; name another folder"):
        save_pretrained(model, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
