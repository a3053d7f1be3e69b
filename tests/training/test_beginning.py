"""Training on own pictures begins with the base model where that fits, and says so."""

import io
import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

import caption_generation
import dataset_preparation
import training_loop
from oneseed.config import base_model
from oneseed.config.captioning import CaptionConfig
from oneseed.config.model import PRESETS, ModelConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.console.command import UserError
from oneseed.model.base import save_base
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import Tokenizer
from oneseed.training.beginning import fitting_base
from tests.conftest import CAPTIONS, tiny_config
from tests.training.test_init import config, started

__all__ = ["started"]


def write_pictures(folder, *, in_colour):
    """24 pictures of boxes with a caption each."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(int(in_colour))
    for number in range(24):
        values = torch.randint(256, (5, 5, 3), generator=generator, dtype=torch.uint8)
        values = values if in_colour else values[..., :1].expand(-1, -1, 3).contiguous()
        file = io.BytesIO()
        picture = Image.fromarray(values.numpy()).resize((40, 40), Image.Resampling.NEAREST)
        picture.save(file, "PNG")
        (folder / f"{number}.png").write_bytes(file.getvalue())
        (folder / f"{number}.txt").write_text(f"A castle, plate {number}.", "utf-8")


def prepared_prints(folder, *, in_colour=False):
    """A collection "prints" of 32 px in a data folder -> its path."""
    write_pictures(folder / "source", in_colour=in_colour)
    data = str(folder / "data")
    dataset_preparation.main(
        PrepareConfig(
            source=str(folder / "source"),
            style="prints",
            preset="small",
            image_size=32,
            smallest=16,
            workers=1,
            data=data,
        )
    )
    caption_generation.main(CaptionConfig(style="prints", captioner="existing", data=data))
    return data


@pytest.fixture(scope="module")
def prints(tmp_path_factory):
    return prepared_prints(tmp_path_factory.mktemp("grey"))


@pytest.fixture(scope="module")
def paintings(tmp_path_factory):
    """The same in colour."""
    return prepared_prints(tmp_path_factory.mktemp("colour"), in_colour=True)


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A base model of 32 px, grey."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = MultimodalModel(tiny_config(), Tokenizer.train(CAPTIONS, 320)).eval()
    model.meta = {"style": "all", "epoch": 9}
    path = tmp_path / "base.safetensors"
    save_base(model, path)
    monkeypatch.setattr(base_model, "BASE_FILE", path)
    return MultimodalModel.from_checkpoint("base")


def left_open(**changes):
    """The tiny model as the small preset has it: vocabulary and channels follow from the pairs."""
    return tiny_config(**{"vocab_size": 0, "channels": 0, **changes})


@pytest.fixture
def begin(prints, tmp_path, started, capsys):
    """begin(model config, settings): starts a run that does not train -> (it, lines printed)."""

    def start(model_config=None, **changes):
        usual = {"style": "prints", "data": prints, "checkpoints": str(tmp_path / "run")}
        training_loop.main(model_config or left_open(), config(**usual | changes))
        told = [line for line in capsys.readouterr().out.splitlines() if "begins with" in line]
        return started[-1], told

    return start


def is_begun_with(run, base):
    """Whether the weights of a run's picture networks are those of the base model."""
    own = dict(run.model.named_parameters())
    return all(
        torch.equal(own[name], weight)
        for name, weight in base.named_parameters()
        if name.startswith(("image_encoder", "image_decoder"))
    )


def test_training_on_own_pictures_begins_with_the_base_model(base, begin):
    run, told = begin()
    assert is_begun_with(run, base)
    # words that the base model has learnt say nothing of other pictures
    assert run.model.tokenizer.json != base.tokenizer.json
    assert torch.equal(run.model.sampler.frame, torch.eye(32))
    beginning = run.model.meta["init"]
    assert beginning["checkpoint"] == "base"
    assert (beginning["style"], beginning["epoch"], len(beginning["sha256"])) == ("all", 9, 64)
    assert told == [
        "begins with the picture networks of the base model, and its own words; "
        "--init none begins without"
    ]


@pytest.mark.parametrize("init", ["", "base"])
def test_a_collection_in_colour_begins_with_the_grey_weights_repeated(base, begin, paintings, init):
    run, told = begin(data=paintings, init=init)
    own_words = run.model.config.vocab_size
    assert run.model.config == replace(base.config, channels=3, vocab_size=own_words)
    assert len(told) == 1
    images = run.train.first_rows(4).images
    assert images.shape[1] == 3
    assert not torch.equal(images[:, 0], images[:, 1])
    run.model.eval()
    with torch.no_grad():
        code = run.model.image_encoder(images)
        expected = base.image_encoder(images.mean(1, keepdim=True))
    assert torch.allclose(code, expected, atol=1e-5)


def test_init_none_begins_with_no_other_weights(base, begin):
    run, told = begin(init="none")
    assert not is_begun_with(run, base)
    assert run.model.tokenizer.json != base.tokenizer.json
    assert "init" not in run.model.meta
    assert not told


def test_a_drawn_collection_begins_with_the_base_model_only_where_that_is_named(
    base, begin, builtin_data
):
    drawn = {"style": "builtin", "data": str(builtin_data)}
    run, told = begin(**drawn)
    assert "init" not in run.model.meta
    assert not told
    run, told = begin(**drawn, init="base", fresh=True)
    assert is_begun_with(run, base)
    assert "--init none" not in told[0]


def test_another_width_begins_with_no_other_weights_and_says_why(base, begin):
    run, told = begin(left_open(width=8))
    assert "init" not in run.model.meta
    assert told == [
        "begins with no other weights: the base model has another configuration "
        "(width 16 against 8)"
    ]


def test_a_number_of_parameters_begins_with_no_other_weights_and_says_why(base, begin):
    run, told = begin(parameters=200_000)
    assert "init" not in run.model.meta
    assert len(told) == 1
    assert "--parameters gives other widths" in told[0]


@pytest.mark.parametrize("change", [{"preset": "medium"}, {"image_size": 64}])
def test_whoever_trains_another_preset_or_size_is_told_nothing(base, capsys, change):
    settings = config(style="prints")
    assert fitting_base(left_open(**change), settings) is None
    assert not capsys.readouterr().out


def test_init_base_with_another_width_is_refused_with_the_flags_that_mend_it(base, begin):
    with pytest.raises(UserError, match="--init base has another model configuration.*--width 16"):
        begin(left_open(width=8), init="base")


@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_a_base_model_that_cannot_be_read_hinders_no_run_that_does_not_name_it(
    base, begin, capsys, harm
):
    file = base_model.BASE_FILE
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1])
    run, _ = begin()
    assert "init" not in run.model.meta
    with pytest.raises(UserError, match=harm):
        begin(init="base", fresh=True)
    # of the base model's preset and size; no other hears of it
    small = ModelConfig(
        **{name: value for name, value in PRESETS["small"].items() if hasattr(ModelConfig, name)},
        preset="small",
    )
    capsys.readouterr()
    assert fitting_base(small, config(style="prints")) is None
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("begins with no other weights: the base model, ")
    assert harm in line


def test_a_run_that_goes_on_keeps_what_it_began_with(base, begin, tmp_path):
    run, _ = begin()
    tokenizer = run.model.tokenizer.json
    run.save_checkpoint()
    # another version of the program has another base model, or none
    base_model.BASE_FILE.unlink()
    again, told = begin()
    assert not told
    assert again.model.tokenizer.json == tokenizer
    assert again.model.meta["init"]["checkpoint"] == "base"
    assert begin(init="base")[0].model.meta["init"]["checkpoint"] == "base"
    with pytest.raises(UserError, match="began with base.*--fresh"):
        begin(init="none")
    # the file of before stands in for one that is gone
    again.save_checkpoint()
    (tmp_path / "run" / "last.pt").unlink()
    third, told = begin()
    assert not told
    assert third.model.tokenizer.json == tokenizer


def test_a_run_that_began_without_never_takes_the_base_model_later(base, begin):
    run, _ = begin(init="none")
    run.save_checkpoint()
    again, told = begin()
    assert not told
    assert "init" not in again.model.meta
    assert again.model.tokenizer.json == run.model.tokenizer.json
    with pytest.raises(UserError, match="did not begin with base"):
        begin(init="base")
    fresh, told = begin(fresh=True)
    assert len(told) == 1
    assert is_begun_with(fresh, base)


def test_a_file_named_base_is_no_base_model(base, begin, tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_model.meta = {"style": "mine"}
    torch.save(tiny_model.state_dict(), tmp_path / "base")
    run, _ = begin(left_open(channels=1), init="./base")
    assert run.model.meta["init"]["checkpoint"] == "./base"
    assert run.model.meta["init"]["style"] == "mine"
    assert begin(init="base", fresh=True)[0].model.meta["init"]["style"] == "all"


@pytest.mark.parametrize("flag", ["check", "estimate"])
def test_what_is_only_looked_at_is_the_model_that_training_would_begin_with(
    base, prints, tmp_path, capsys, flag
):
    settings = config(style="prints", data=prints, checkpoints=str(tmp_path / "run"))
    assert training_loop.main(left_open(), replace(settings, **{flag: True})) == 0
    assert "begins with the picture networks of the base model" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_a_run_that_began_with_the_base_model_trains_to_its_end(base, prints, tmp_path):
    folder = tmp_path / "run"
    settings = config(style="prints", data=prints, checkpoints=str(folder))
    training_loop.main(left_open(), settings)
    training_loop.main(left_open(), replace(settings, num_epochs=2))
    assert len(json.loads((folder / "metrics.json").read_text("utf-8"))) == 2
    model = MultimodalModel.from_checkpoint(folder / "best_model.pt")
    assert model.meta["init"]["checkpoint"] == "base"
