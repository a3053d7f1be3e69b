"""A run may begin where another ended: its weights and its tokenizer, and nothing else of it."""

import json
import re
import shlex
from dataclasses import replace

import pytest
import torch

import training_loop
from oneseed.config.model import PRESETS, ModelConfig
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.console.flags import parse_configs
from oneseed.model import checkpoint
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.specs import MODEL_PARTS
from oneseed.model.tokenizer import Tokenizer
from tests.conftest import tiny_config


def config(**changes):
    return TrainConfig(
        **{
            **dict(
                style="builtin",
                preset="small",
                num_epochs=1,
                epoch_pictures=1,
                batch_size=8,
                sampler_steps=20,
                device="cpu",
                precision="fp32",
            ),
            **changes,
        }
    )


@pytest.fixture
def started(monkeypatch):
    """Trainers at the moment when training would begin; none trains."""
    found = []
    monkeypatch.setattr(
        training_loop.MultimodalTrainer, "fit", lambda self: found.append(self) or {"passed": True}
    )
    return found


def test_a_run_begins_with_the_weights_and_the_tokenizer_of_another(
    builtin_data, tiny_run, tmp_path, started
):
    settings = config(
        data=str(builtin_data),
        checkpoints=str(tmp_path),
        max_samples=12,
        init=str(tiny_run / "best_model.pt"),
    )
    training_loop.main(tiny_config(vocab_size=0), settings)
    (run,), other = started, MultimodalModel.from_checkpoint(tiny_run / "best_model.pt")
    for part in MODEL_PARTS:
        pairs = list(
            zip(
                getattr(run.model, part).parameters(),
                getattr(other, part).parameters(),
                strict=True,
            )
        )
        assert all(torch.equal(one, two) for one, two in pairs) == (part != "sampler"), part
    assert torch.equal(run.model.sampler.frame, torch.eye(32))
    assert not torch.equal(other.sampler.frame, torch.eye(32))
    assert not run.state.metrics
    optimizers = [*run.state.optimizers, run.state.prior_optimizer]
    assert not any(optimizer.state for optimizer in optimizers)
    captions = [other.tokenizer.decode(ids) for ids in run.train.tokens]
    assert list(run.train.tokens) == [other.tokenizer.encode(caption, 48) for caption in captions]
    # twelve captions would have made another
    assert run.model.tokenizer.json == other.tokenizer.json != Tokenizer.train(captions, 320).json
    assert (
        run.model.meta["init"].items()
        >= {"checkpoint": "best_model.pt", "style": "builtin", "epoch": other.meta["epoch"]}.items()
    )
    assert len(run.model.meta["init"]["sha256"]) == 64
    assert "health" not in run.model.meta
    assert str(tiny_run) not in json.dumps(run.model.meta)


def test_a_run_that_began_with_another_resumes_without_its_file(builtin_data, tiny_run, tmp_path):
    """Its captions are encoded by the tokenizer that lies in last.pt, not by one trained anew."""
    source = tmp_path / "other.pt"
    folder = tmp_path / "run"
    source.write_bytes((tiny_run / "best_model.pt").read_bytes())
    settings = config(
        data=str(builtin_data), checkpoints=str(folder), max_samples=12, init=str(source)
    )
    training_loop.main(tiny_config(vocab_size=0), settings)
    source.unlink()
    tokenizer = MultimodalModel.from_checkpoint(tiny_run / "best_model.pt").tokenizer.json
    # the same command
    training_loop.main(tiny_config(vocab_size=0), replace(settings, num_epochs=2))
    training_loop.main(tiny_config(vocab_size=0), replace(settings, num_epochs=3, init=""))
    assert [row["epoch"] for row in json.loads((folder / "metrics.json").read_text())] == [1, 2, 3]
    model = MultimodalModel.from_checkpoint(folder / "best_model.pt")
    assert model.tokenizer.json == tokenizer
    assert model.meta["init"]["checkpoint"] == "other.pt"


def test_another_configuration_is_refused_with_the_flags_that_mend_it(
    builtin_data, tiny_run, tmp_path
):
    settings = config(
        data=str(builtin_data),
        checkpoints=str(tmp_path / "run"),
        init=str(tiny_run / "best_model.pt"),
    )
    with pytest.raises(UserError, match="another model configuration") as refused:
        training_loop.main(tiny_config(vocab_size=0, width=8), settings)
    assert not (tmp_path / "run").exists()
    flags = re.search(r"give it the same: (--.*)", str(refused.value))[1]
    (model,) = parse_configs(ModelConfig, description="", presets=PRESETS, argv=shlex.split(flags))
    # both are left to the collection where none is named
    assert model == tiny_config(vocab_size=0, channels=0)


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("nowhere.pt", "is missing.*--init base"),
        ("last.pt", "not a checkpoint"),
        ("metrics.json", "damaged or no checkpoint"),
    ],
)
def test_what_is_no_model_is_refused_by_name(builtin_data, tiny_run, tmp_path, name, sentence):
    with pytest.raises(UserError, match=f"{name}.*{sentence}"):
        training_loop.main(
            tiny_config(vocab_size=0),
            config(
                data=str(builtin_data), checkpoints=str(tmp_path / "run"), init=str(tiny_run / name)
            ),
        )
    assert not (tmp_path / "run").exists()


def test_a_run_that_began_otherwise_does_not_take_the_weights_later(
    builtin_data, tiny_run, tmp_path, started
):
    before = (tiny_run / "last.pt").read_bytes()
    with pytest.raises(UserError, match="did not begin with.*--fresh"):
        training_loop.main(
            tiny_config(vocab_size=0),
            config(
                data=str(builtin_data),
                checkpoints=str(tiny_run),
                num_epochs=2,
                init=str(tiny_run / "best_model.pt"),
            ),
        )
    assert (tiny_run / "last.pt").read_bytes() == before
    assert not started


def test_captions_are_encoded_by_the_tokenizer_of_the_run(
    builtin_data, tmp_path, started, monkeypatch
):
    """Captions written anew train another tokenizer.

    A full-sized vocabulary hid that, and the run went on with ids of other words.
    """
    settings = config(data=str(builtin_data), checkpoints=str(tmp_path))
    training_loop.main(tiny_config(), settings)
    started[0].save_checkpoint()
    ids = list(started[0].train.tokens)
    assert checkpoint.load(tmp_path / "last.pt")["metrics"] == []
    monkeypatch.setattr(Tokenizer, "train", lambda *_: pytest.fail("trained again"))
    training_loop.main(tiny_config(), settings)
    assert list(started[1].train.tokens) == ids
