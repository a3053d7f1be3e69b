"""Training does what it prints.

Losses with known answers, exact resume, nothing lost, nothing hidden.
"""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import training_loop
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.device import pick_device
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model import checkpoint
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import Tokenizer
from oneseed.training import prospects
from oneseed.training.data import PairLoader
from oneseed.training.encoding import encode_codes
from oneseed.training.loaders import create_data_loaders
from oneseed.training.prior_fit import fit_prior_briefly
from tests.conftest import CAPTIONS, tiny_config
from training_loop import MultimodalTrainer


def config(**changes):
    return TrainConfig(
        **{
            **dict(
                style="builtin",
                preset="small",
                num_epochs=3,
                epoch_pictures=1,
                batch_size=8,
                sampler_steps=20,
                checkpoint_every=2,
                device="cpu",
                # exact on every processor
                precision="fp32",
            ),
            **changes,
        }
    )


def trainer(data_folder, folder, **changes):
    settings = config(data=str(data_folder), checkpoints=str(folder), **changes)
    train, val = create_data_loaders(tiny_config(vocab_size=0), settings)
    torch.manual_seed(0)
    model = MultimodalModel(tiny_config(vocab_size=len(train.tokenizer)), train.tokenizer)
    return MultimodalTrainer(model, train, val, settings)


def test_captions_are_encoded_when_their_batch_comes(builtin_data, tmp_path, monkeypatch):
    """All of 100,000 at once kept training from its first step for seconds."""
    encoded = []
    encode = Tokenizer.encode
    monkeypatch.setattr(
        Tokenizer,
        "encode",
        lambda self, text, *more: encoded.append(text) or encode(self, text, *more),
    )
    run = trainer(builtin_data, tmp_path)
    assert not encoded
    tokens = run.train.batch(np.array([3, 5])).tokens
    assert len(encoded) == 2
    assert [run.model.tokenizer.decode(ids) for ids in tokens] == encoded


@pytest.mark.parametrize("encoder", ["cnn", "vit"])
def test_overfits_eight_pairs(tmp_path, encoder):
    """The one that says the idea works.

    Of eight pairs, each picture's own latent gives back picture and caption.
    """
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    pixels = (torch.rand(8, 8, 8, generator=generator) > 0.5).repeat_interleave(
        4, 1
    ).repeat_interleave(4, 2).numpy().astype(np.uint8) * 255
    tokenizer = Tokenizer.train(CAPTIONS, 320)
    loader = PairLoader(
        pixels,
        np.arange(8),
        [tokenizer.encode(caption, 48) for caption in CAPTIONS],
        batch_size=8,
        channels=1,
        shuffle=True,
    )
    model = MultimodalModel(tiny_config(code_noise=0.1, encoder=encoder), tokenizer)
    settings = config(learning_rate=5e-3, checkpoints=str(tmp_path), num_epochs=250)
    run = MultimodalTrainer(model, loader, loader, settings)
    orders = np.random.default_rng(0)
    for step in range(250):
        # every other row of a batch is a draft: each picture has its turns as both
        run.train_step(loader.batch(orders.permutation(8)), step)
    model.eval()
    codes = encode_codes(model, loader, run.kept)
    fit_prior_briefly(run.prior_fitter, codes, run.kept, steps=1, epoch=0)
    images = loader.batch(np.arange(8)).images
    z = model.encode(images)
    assert model.decode_text(z, finish="plain") == CAPTIONS
    for passes in (1, 2):
        assert (model.decode_image(z, passes, "plain")[:, :1] - images).abs().mean() < 0.1


def test_resumed_training_equals_uninterrupted(builtin_data, tmp_path):
    trainer(builtin_data, tmp_path / "whole").fit()
    trainer(builtin_data, tmp_path / "parts").run_epoch()
    second = trainer(builtin_data, tmp_path / "parts")
    assert second.load_checkpoint()
    second.fit()
    for name in ("best_model.pt", "last.pt"):
        one, other = (checkpoint.load(tmp_path / run / name) for run in ("whole", "parts"))
        one = one.get("model", one)
        other = other.get("model", other)
        different = [key for key in one if not torch.equal(one[key], other[key])]
        assert not different, (name, different)
    ours, theirs = (
        json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("whole", "parts")
    )
    timeless = [
        {key: value for key, value in row.items() if key != "images_per_second"} for row in ours
    ]
    assert timeless == [
        {key: value for key, value in row.items() if key != "images_per_second"} for row in theirs
    ]


def test_a_finished_run_writes_every_file_of_the_contract(tiny_run):
    names = {path.name for path in tiny_run.iterdir()}
    assert {
        "best_model.pt",
        "last.pt",
        "checkpoint_epoch_001.pt",
        "checkpoint_epoch_002.pt",
        "metrics.json",
        "training.log",
        "tensorboard",
    } <= names
    latest = json.loads((tiny_run / "metrics.json").read_text())[-1]
    assert {
        "epoch",
        "train_loss",
        "val_loss",
        "train_reconstruction",
        "val_reconstruction",
        "train_caption",
        "val_caption",
        "train_contrastive",
        "val_contrastive",
        "learning_rate",
        "grad_norm",
        "latent_mean",
        "latent_std",
        "latent_norm",
        "images_per_second",
        "best",
    } <= latest.keys()
    assert latest["epoch"] == 2
    assert not list(tiny_run.glob("*.partial"))


def test_a_step_waits_for_the_device_once(builtin_data, tmp_path, monkeypatch):
    """Every number that is asked for holds a GPU until all that it was given is done.

    A loss has six parts, and a gradient a norm.
    """
    from torch.utils._python_dispatch import TorchDispatchMode

    asked = []
    tolist = torch.Tensor.tolist

    class Numbers(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            if "_local_scalar_dense" in str(operation) or "nonzero" in str(operation):
                asked.append(str(operation))
            return operation(*args, **(kwargs or {}))

    run = trainer(builtin_data, tmp_path)
    batch = run.train.batch(np.arange(8))
    run.train_step(batch, 0)
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: asked.append("tolist") or tolist(self))
    with Numbers():
        run.train_step(batch, 1)
    assert asked == ["tolist"]


def test_the_printed_total_is_the_weighted_sum(tiny_run):
    """The first public attempt's status page printed 2.1234 above parts that sum to 11.893."""
    log = (tiny_run / "training.log").read_text("utf-8")
    for block in re.findall(r"Epoch \d+/2.*?Val Loss", log, re.DOTALL):
        total, reconstruction, caption, contrastive, flow, shape, focus = map(
            float, re.findall(r": ([\d.]+)", block)[:7]
        )
        pictures = reconstruction + 3 * flow + 2 * shape + 3 * focus
        assert total == pytest.approx(pictures + 2 * caption + 0.5 * contrastive, abs=1e-3)
    assert "→ Saved to:" in log
    assert "✅ BEST MODEL" in log


def test_every_checkpoint_can_be_sampled(tiny_run):

    for name in ("best_model.pt", "checkpoint_epoch_001.pt"):
        image, caption = MultimodalGenerator(tiny_run / name, device="cpu").generate(7)
        assert image.size == (32, 32)
        assert isinstance(caption, str)


def test_another_model_or_style_changes_nothing_and_says_what_to_do(
    builtin_data, tiny_run, tmp_path
):
    before = (tiny_run / "last.pt").read_bytes()
    other = config(data=str(builtin_data), checkpoints=str(tiny_run), num_epochs=2)
    with pytest.raises(UserError, match="--fresh"):
        training_loop.main(tiny_config(vocab_size=0, width=8), other)
    assert (tiny_run / "last.pt").read_bytes() == before


def test_fresh_moves_the_old_run_away(builtin_data, tmp_path):
    settings = config(data=str(builtin_data), checkpoints=str(tmp_path), num_epochs=1)
    training_loop.main(tiny_config(vocab_size=0), settings)
    old = (tmp_path / "best_model.pt").read_bytes()
    training_loop.main(tiny_config(vocab_size=0), replace(settings, fresh=True, seed=1))
    assert (tmp_path / "previous" / "best_model.pt").read_bytes() == old
    second = (tmp_path / "best_model.pt").read_bytes()
    assert second != old
    # it deleted the first one, though a run with --fresh that is stopped says to run it again
    training_loop.main(tiny_config(vocab_size=0), replace(settings, fresh=True, seed=2))
    assert (tmp_path / "previous" / "best_model.pt").read_bytes() == old
    assert (tmp_path / "previous-2" / "best_model.pt").read_bytes() == second


def test_a_larger_number_of_epochs_trains_on(builtin_data, tmp_path):
    settings = config(data=str(builtin_data), checkpoints=str(tmp_path), num_epochs=1)
    training_loop.main(tiny_config(vocab_size=0), settings)
    training_loop.main(tiny_config(vocab_size=0), replace(settings, num_epochs=2))
    assert [row["epoch"] for row in json.loads((tmp_path / "metrics.json").read_text())] == [1, 2]


def test_a_model_that_is_trained_on_is_measured_anew(builtin_data, tmp_path):
    """The best epoch after a cool-down had the latent check of the model before, and so neither a
    last fit of the prior nor a book of pictures."""
    run = trainer(builtin_data, tmp_path)
    run.model.meta |= {"health": {"auc": 0.5, "passed": True}, "match": [0.0] * 101}
    run.run_epoch()
    assert not {"health", "match"} & run.model.meta.keys()


def test_a_run_that_goes_on_takes_the_weight_decay_that_is_asked_for(builtin_data, tmp_path):
    """Its checkpoints said the new one, and it was trained with the old one."""
    first = trainer(builtin_data, tmp_path, weight_decay=0.01)
    first.save_checkpoint()
    again = trainer(builtin_data, tmp_path, weight_decay=0.3)
    assert again.load_checkpoint()
    groups = [group for optimizer in again.state.optimizers for group in optimizer.param_groups]
    assert {group["weight_decay"] for group in groups} <= {0.0, 0.3}
    assert 0.3 in {group["weight_decay"] for group in groups}


def test_a_batch_that_is_too_much_for_a_gpu_does_not_end_the_run_before_it_begins(
    builtin_data, tmp_path, monkeypatch
):
    """To time a step a whole batch was taken, before the run could halve it."""
    run = trainer(builtin_data, tmp_path)

    def step(objective, train, pictures):
        if pictures > 2:
            raise torch.OutOfMemoryError
        return 0.01

    monkeypatch.setattr(prospects, "time_step", step)
    assert prospects.time_picture(run.objective, run.train, 8) == pytest.approx(0.005)


def test_the_gpu_of_a_mac_is_refused_in_a_sentence(monkeypatch):
    """It has no float64, and each command ended in a traceback."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("auto").type in ("cpu", "cuda")
    with pytest.raises(UserError, match="use --device cpu"):
        pick_device("mps")


def test_a_loss_that_is_no_number_stops_before_the_update(builtin_data, tmp_path):
    run = trainer(builtin_data, tmp_path)
    batch = run.train.batch(np.arange(4))
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    with pytest.raises(UserError, match="no longer a number") as stop:
        run.train_step(batch._replace(images=batch.images * float("nan")), 0)
    assert stop.value.code == 1
    assert all(torch.equal(before[key], value) for key, value in run.model.state_dict().items())


def test_missing_stages_name_the_script_to_run(tmp_path, builtin_data):
    with pytest.raises(UserError, match="dataset_preparation.py --source builtin"):
        create_data_loaders(tiny_config(), config(data=str(tmp_path)))
    with pytest.raises(
        UserError,
        match="not prepared at 64 px.*dataset_preparation.py --source builtin --preset small "
        "--image-size 64",
    ):
        create_data_loaders(tiny_config(image_size=64), config(data=str(builtin_data)))


def test_batches_hold_every_row_once_in_an_order_of_seed_and_epoch(builtin_data, tmp_path):
    run = trainer(builtin_data, tmp_path)
    orders = []
    for epoch in (0, 1, 0):
        run.train.epoch = epoch
        orders.append(torch.cat([batch.rows for batch in run.train]).tolist())
    assert sorted(orders[0]) == list(range(len(run.train.rows)))
    assert orders[0] == orders[2]
    assert orders[0] != orders[1]


def test_check_looks_at_one_batch_and_says_so(builtin_data, tmp_path, capsys):
    assert (
        training_loop.main(
            tiny_config(vocab_size=0),
            config(data=str(builtin_data), checkpoints=str(tmp_path), check=True),
        )
        == 0
    )
    shown = capsys.readouterr().out
    assert "every parameter has a gradient" in shown
    assert "An engraving" in shown
    assert not list(tmp_path.iterdir())


def test_latent_dim_and_caption_length_are_the_user_s(builtin_data, tmp_path):

    training_loop.main(
        tiny_config(vocab_size=0, latent_dim=16, max_caption_length=20),
        config(data=str(builtin_data), checkpoints=str(tmp_path), num_epochs=1),
    )
    model = MultimodalGenerator(tmp_path / "best_model.pt", device="cpu").model
    assert (model.config.latent_dim, model.config.max_caption_length) == (16, 20)


def test_a_run_that_ended_before_pairs_were_scored_is_calibrated_by_running_it_again(
    tiny_run, builtin_data, tmp_path
):
    """Without training anew: a checkpoint keeps its weights, and so its fingerprint."""
    shutil.copytree(tiny_run, tmp_path / "run")
    model = MultimodalModel.from_checkpoint(tiny_run / "best_model.pt")
    quantiles = model.meta.pop("match")
    torch.save(model.state_dict(), tmp_path / "run" / "best_model.pt")
    training_loop.main(
        tiny_config(vocab_size=0),
        config(data=str(builtin_data), checkpoints=str(tmp_path / "run"), num_epochs=2),
    )
    again = MultimodalModel.from_checkpoint(tmp_path / "run" / "best_model.pt")
    assert len(quantiles) == 101
    assert quantiles == sorted(quantiles)
    assert again.meta["match"] == pytest.approx(quantiles, abs=1e-6)
    assert again.fingerprint() == model.fingerprint()
