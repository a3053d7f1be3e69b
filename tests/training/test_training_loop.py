"""Training does what it prints: losses with known answers, exact resume, nothing lost, nothing hidden."""

import copy
import json
import math
import os
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import training_loop
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model import checkpoint, latent_check
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import Tokenizer
from oneseed.training.data import PairLoader, create_data_loaders, drop_words, random_zoom
from oneseed.training.losses import MultimodalLoss, info_nce
from oneseed.training.optimizers import orthogonalise
from tests.conftest import CAPTIONS, tiny_config
from training_loop import MultimodalTrainer


def config(**changes):
    return TrainConfig(
        **{
            **dict(
                style="builtin",
                preset="small",
                num_epochs=3,
                batch_size=8,
                sampler_steps=20,
                checkpoint_every=2,
                device="cpu",
            ),
            **changes,
        }
    )


def trainer(data, folder, **changes):
    settings = config(data=str(data), checkpoints=str(folder), **changes)
    (train, val), tokenizer = create_data_loaders(tiny_config(vocab_size=0), settings)
    torch.manual_seed(0)
    return MultimodalTrainer(
        MultimodalModel(tiny_config(vocab_size=len(tokenizer)), tokenizer), train, val, settings
    )


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
    _, tokens, _ = run.train.batch(np.array([3, 5]))
    assert [run.model.tokenizer.decode(ids) for ids in tokens] == encoded and len(encoded) == 2


@torch.no_grad()
def test_before_its_first_step_a_model_shows_the_masses_of_a_picture(builtin_data, tmp_path):
    """Twelve minutes of training on real engravings had found less than the linear code knows at once."""
    run = trainer(builtin_data, tmp_path)
    run.set_linear_code()
    images, taught = (
        loader.batch(np.arange(len(loader.rows)))[0] for loader in (run.val, run.train)
    )
    code = run.model.image_encoder(images)

    def masses(images):
        return torch.nn.functional.avg_pool2d(images, 4)

    assert (masses(run.model.image_decoder(code)) - masses(images)).square().mean() < 0.4 * (
        masses(taught).mean(0) - masses(images)
    ).square().mean()
    assert code.square().mean() == pytest.approx(1, abs=1e-3)


def test_only_real_pictures_begin_with_a_linear_code_unless_told_otherwise():
    """Seeds of the built-in drawings, whose few facts take few directions, were drawn with ghosts."""
    left_open = tiny_config(linear_dims=-1)
    assert [
        training_loop.resolved(left_open, style, 320, 0).linear_dims
        for style in ("builtin", "engraving")
    ] == [0, 32]
    assert training_loop.resolved(tiny_config(linear_dims=5), "builtin", 320, 0).linear_dims == 5


def test_contrast_is_log_batch_when_nothing_is_known():
    assert info_nce(torch.ones(16, 8), torch.ones(16, 8)) == pytest.approx(math.log(16), abs=1e-4)


def test_contrast_falls_only_for_true_pairs():
    """The first public attempt contrasted z with itself: its loss was nil at birth and taught nothing."""
    images = torch.eye(16)
    captions = torch.eye(16)
    assert info_nce(images, captions) < 0.01
    assert info_nce(images, captions.roll(1, 0)) > math.log(16)


def test_the_total_is_the_weighted_sum_of_its_parts():
    torch.manual_seed(0)
    images = torch.rand(4, 1, 8, 8)
    target = torch.rand(4, 1, 8, 8)
    logits = torch.randn(4, 6, 20)
    tokens = torch.randint(4, 20, (4, 6))
    losses = MultimodalLoss(1.0, 2.0, 0.5)(
        images, target, logits, tokens, torch.randn(4, 8), torch.randn(4, 8)
    )
    assert float(losses["total"]) == pytest.approx(
        float(losses["reconstruction"] + 2 * losses["caption"] + 0.5 * losses["contrastive"]),
        abs=1e-4,
    )
    weighted = MultimodalLoss(3.0, 0.0, 0.0)(
        images, target, logits, tokens, torch.randn(4, 8), torch.randn(4, 8)
    )
    assert float(weighted["total"]) == pytest.approx(3 * float(losses["reconstruction"]), abs=1e-4)


def test_shape_looks_at_forms_and_not_at_lines():
    lines = torch.ones(1, 1, 16, 16)
    # fine hatching, grey on the whole
    lines[..., ::2, :] = -1
    blank = torch.zeros(1, 1, 16, 16)
    common = (
        torch.zeros(1, 3, 5),
        torch.ones(1, 3, dtype=torch.int64),
        torch.ones(1, 4),
        torch.ones(1, 4),
    )
    losses = MultimodalLoss(shape_weight=1.0)(lines, blank, *common)
    assert losses["shape"] < 1e-6 and losses["reconstruction"] == 2
    assert MultimodalLoss(shape_weight=1.0)(blank + 0.5, blank, *common)["shape"] == pytest.approx(
        0.75
    )


def test_focus_counts_errors_in_one_place_more_than_the_same_errors_everywhere():
    """The subject is a tenth of the picture and nearly all of its meaning; it stayed a smudge between sharp lines."""
    blank = torch.zeros(1, 1, 64, 64)
    common = (
        torch.zeros(1, 3, 5),
        torch.ones(1, 3, dtype=torch.int64),
        torch.ones(1, 4),
        torch.ones(1, 4),
    )
    everywhere = blank + 0.1
    one_place = blank.clone()
    # the same error in all
    one_place[..., 8:28, 8:28] = 0.1 * 4096 / 400
    spread, dense = (
        MultimodalLoss(focus_weight=1.0)(drawn, blank, *common) for drawn in (everywhere, one_place)
    )
    assert float(spread["focus"]) == pytest.approx(float(spread["reconstruction"]), rel=1e-3)
    assert dense["focus"] > 5 * dense["reconstruction"]
    assert float(MultimodalLoss(focus_weight=1.0)(blank, blank, *common)["focus"]) == 0


def test_jiggled_pictures_stay_upright_and_unmirrored():
    images = torch.zeros(64, 1, 32, 32)
    # the upper left quarter
    images[..., :16, :16] = 1
    moved = random_zoom(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape and not torch.equal(moved, images)
    assert (
        (moved[:, 0, 2, 2] > 0.99).all()
        and (moved[:, 0, -3, -3] < 0.01).all()
        and (moved[:, 0, 2, -3] < 0.01).all()
    )


def test_padding_costs_nothing():
    logits = torch.randn(2, 8, 20)
    tokens = torch.randint(4, 20, (2, 8))
    tokens[:, 5:] = 0
    common = (
        (torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)),
        (torch.randn(2, 8), torch.randn(2, 8)),
    )
    whole = MultimodalLoss()(*common[0], logits, tokens, *common[1])["caption"]
    cut = MultimodalLoss()(*common[0], logits[:, :5], tokens[:, :5], *common[1])["caption"]
    assert float(whole) == pytest.approx(float(cut), abs=1e-5)


def test_orthogonalised_steps_move_every_direction_alike():
    matrix = torch.randn(40, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * torch.logspace(
        0, -1, 40
    ).view(40, 1, 1, 1)
    strengths = torch.linalg.svdvals(orthogonalise(matrix).flatten(1))
    assert strengths.min() > 0.5 and strengths.max() < 1.3


@pytest.mark.parametrize("encoder", ["cnn", "vit"])
def test_overfits_eight_pairs(tmp_path, encoder):
    """The one that says the idea works: eight pairs, and each picture's own latent gives back picture and caption."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    pixels = (torch.rand(8, 8, 8, generator=generator) > 0.5).repeat_interleave(
        4, 1
    ).repeat_interleave(4, 2).numpy().astype(np.uint8) * 255
    tokenizer = Tokenizer.train(CAPTIONS, 320)
    loader = PairLoader(
        pixels,
        range(8),
        [tokenizer.encode(caption, 48) for caption in CAPTIONS],
        8,
        1,
        shuffle=True,
    )
    model = MultimodalModel(tiny_config(code_noise=0.1, encoder=encoder), tokenizer)
    run = MultimodalTrainer(
        model, loader, loader, config(learning_rate=5e-3, checkpoints=str(tmp_path))
    )
    for step in range(250):
        run.step(*loader.batch(np.arange(8))[:2], step, 250)
    model.eval()
    images, _tokens, _ = loader.batch(np.arange(8))
    run.fit_sampler(run.encode(loader, run.order), run.order, 1, 0)
    z = model.encode(images)
    assert model.decode_text(z) == CAPTIONS
    assert (model.decode_image(z)[:, :1] - images).abs().mean() < 0.1


def test_resumed_training_equals_uninterrupted(builtin_data, tmp_path):
    whole = trainer(builtin_data, tmp_path / "whole")
    whole.fit()
    first = trainer(builtin_data, tmp_path / "parts")
    with training_loop.Log(tmp_path / "log") as log:
        first.one_epoch(log)
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
    latest = json.load(open(tiny_run / "metrics.json"))[-1]
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
    """Every number that is asked for on the way holds a GPU until all that it was given is done; a loss has five parts, and a gradient a norm."""
    from torch.utils._python_dispatch import TorchDispatchMode

    asked = []
    tolist = torch.Tensor.tolist

    class Numbers(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            asked.extend(
                [str(operation)]
                * ("_local_scalar_dense" in str(operation) or "nonzero" in str(operation))
            )
            return operation(*args, **(kwargs or {}))

    run = trainer(builtin_data, tmp_path)
    images, tokens, _ = run.train.batch(np.arange(8))
    run.step(images, tokens, 0, 10)
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: asked.append("tolist") or tolist(self))
    with Numbers():
        run.step(images, tokens, 1, 10)
    assert asked == ["tolist"]


def test_the_printed_total_is_the_weighted_sum(tiny_run):
    """The first public attempt's status page printed 2.1234 above parts that sum to 11.893."""
    log = (tiny_run / "training.log").read_text("utf-8")
    for block in re.findall(r"Epoch \d+/2.*?Val Loss", log, re.DOTALL):
        total, reconstruction, caption, contrastive, shape, focus = map(
            float, re.findall(r": ([\d.]+)", block)[:6]
        )
        assert total == pytest.approx(
            reconstruction + 2 * caption + 0.5 * contrastive + 2 * shape + 3 * focus, abs=1e-3
        )
    assert "→ Saved to:" in log and "✅ BEST MODEL" in log


def test_every_checkpoint_can_be_sampled(tiny_run):

    for name in ("best_model.pt", "checkpoint_epoch_001.pt"):
        image, caption = MultimodalGenerator(tiny_run / name, device="cpu").generate(7)
        assert image.size == (32, 32) and isinstance(caption, str)


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
    assert (
        (tmp_path / "previous" / "best_model.pt").read_bytes()
        == old
        != (tmp_path / "best_model.pt").read_bytes()
    )


def test_a_larger_number_of_epochs_trains_on(builtin_data, tmp_path):
    settings = config(data=str(builtin_data), checkpoints=str(tmp_path), num_epochs=1)
    training_loop.main(tiny_config(vocab_size=0), settings)
    training_loop.main(tiny_config(vocab_size=0), replace(settings, num_epochs=2))
    assert [row["epoch"] for row in json.load(open(tmp_path / "metrics.json"))] == [1, 2]


def test_early_stopping_waits_for_patience(builtin_data, tmp_path):
    run = trainer(builtin_data, tmp_path, num_epochs=50, patience=3)
    run.metrics = [{"epoch": epoch, "best": epoch <= 2} for epoch in range(1, 5)]
    assert not run.stalled()
    run.metrics.append({"epoch": 5, "best": False})
    assert run.stalled()


def test_a_loss_that_is_no_number_stops_before_the_update(builtin_data, tmp_path):
    run = trainer(builtin_data, tmp_path)
    images, tokens, _ = run.train.batch(np.arange(4))
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    with pytest.raises(UserError, match="no longer a number") as stop:
        run.step(images * float("nan"), tokens, 0, 10)
    assert stop.value.code == 1
    assert all(torch.equal(before[key], value) for key, value in run.model.state_dict().items())


def test_missing_stages_name_the_script_to_run(tmp_path, builtin_data):
    with pytest.raises(UserError, match="caption_generation.py --style builtin"):
        create_data_loaders(tiny_config(), config(data=str(tmp_path)))
    with pytest.raises(
        UserError,
        match="not prepared at 64 px.*dataset_preparation.py --source builtin --preset small --image-size 64",
    ):
        create_data_loaders(tiny_config(image_size=64), config(data=str(builtin_data)))


def test_batches_hold_every_row_once_in_an_order_of_seed_and_epoch(builtin_data, tmp_path):
    run = trainer(builtin_data, tmp_path)
    orders = []
    for epoch in (0, 1, 0):
        run.train.epoch = epoch
        orders.append(torch.cat([rows for _, _, rows in run.train]).tolist())
    assert (
        sorted(orders[0]) == list(range(len(run.train.rows)))
        and orders[0] == orders[2] != orders[1]
    )


def test_check_looks_at_one_batch_and_says_so(builtin_data, tmp_path, capsys):
    assert (
        training_loop.main(
            tiny_config(vocab_size=0),
            config(data=str(builtin_data), checkpoints=str(tmp_path), check=True),
        )
        == 0
    )
    shown = capsys.readouterr().out
    assert (
        "every parameter has a gradient" in shown
        and "An engraving" in shown
        and not list(tmp_path.iterdir())
    )


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
    """Without training anew: a checkpoint of some hours keeps its weights, and so its fingerprint."""
    shutil.copytree(tiny_run, tmp_path / "run")
    model = MultimodalModel.from_checkpoint(tiny_run / "best_model.pt")
    quantiles = model.meta.pop("match")
    torch.save(model.state_dict(), tmp_path / "run" / "best_model.pt")
    training_loop.main(
        tiny_config(vocab_size=0),
        config(data=str(builtin_data), checkpoints=str(tmp_path / "run"), num_epochs=2),
    )
    again = MultimodalModel.from_checkpoint(tmp_path / "run" / "best_model.pt")
    assert (
        len(quantiles) == 101
        and quantiles == sorted(quantiles)
        and again.meta["match"] == pytest.approx(quantiles, abs=1e-6)
    )
    assert again.fingerprint() == model.fingerprint()


def test_two_sample_check_tells_a_gaussian_from_what_is_none():
    """Where 35 of 1,024 directions matter, a test of all of them has no power: it is made where the decoders look."""
    random = np.random.default_rng(0)
    assert latent_check.two_sample_auc(random.standard_normal((400, 10))) < latent_check.GATE
    assert latent_check.two_sample_auc(random.standard_normal((400, 10)) * 0.5) > 0.9
    clusters = random.choice([-1, 1], (400, 10)) + 0.2 * random.standard_normal((400, 10))
    assert latent_check.two_sample_auc(clusters) > 0.9


def test_too_few_pictures_are_no_proof_of_health(tiny_model):
    tokens = torch.tensor([tiny_model.tokenizer.encode(CAPTIONS[0], 48)])
    checked = latent_check.check_latent(tiny_model, torch.randn(6, 32), tokens, np.arange(6) % 3)
    assert (
        checked["auc"] is None
        and not checked["passed"]
        and "3 held-out pictures are too few" in latent_check.describe_latent(checked)
    )


def test_the_coordinate_that_chooses_clusters_is_checked_too(tiny_model, monkeypatch):
    """It chooses by jumps that no gradient shows: the directions that the decoders are sensitive to leave it out."""
    monkeypatch.setattr(
        latent_check,
        "sensitive_directions",
        lambda outputs, latent_dim, generator: torch.eye(latent_dim)[:, :5],
    )
    tokens = torch.tensor([tiny_model.tokenizer.encode(CAPTIONS[0], 48)])
    z = torch.randn(400, 32, generator=torch.Generator().manual_seed(0))
    assert latent_check.check_latent(tiny_model, z, tokens)["auc"] < latent_check.GATE
    z[:, -1] *= 0.2
    assert latent_check.check_latent(tiny_model, z, tokens)["auc"] > 0.8


def test_sensitive_directions_are_those_that_the_outputs_read():
    reading = torch.zeros(20, 5)
    reading[3, 0] = 1.0
    reading[7, 1] = 2.0
    directions = latent_check.sensitive_directions(
        lambda z: torch.tanh(z @ reading), 20, torch.Generator().manual_seed(0)
    )
    assert directions.shape[1] == 2
    assert torch.linalg.norm(directions[[3, 7]]) == pytest.approx(math.sqrt(2), abs=1e-4)


def test_prompts_are_captions_with_words_left_out():
    """People write "two small ships", not whole captions; a sampler that had met whole ones alone answered with nonsense."""
    caption = "An engraving of two small ships by the sea under a stormy sky, in stipple."
    made = [drop_words(caption, torch.Generator().manual_seed(seed)) for seed in range(200)]
    words = caption.split()
    for text in made:
        place = iter(words)
        # the same words in the same order
        assert text and all(word in place for word in text.split())
    assert (
        len(set(made)) > 50
        and 0.3 < sum(len(text.split()) for text in made) / 200 / len(words) < 0.75
    )
    assert drop_words("Ship.", torch.Generator().manual_seed(1)) == "Ship."


def test_the_last_fit_is_as_long_as_the_collection_is_large():
    """A number of steps that is right for 5,400 drawings shows 2,746 engravings to the sampler twice as often."""

    def steps(rows, **given):
        return training_loop.settled(TrainConfig(**given), rows).sampler_steps

    assert [range(steps(rows)) for rows in (10, 2746, 5400, 21_600)] == [
        range(200),
        range(1000),
        range(2000),
        range(8000),
    ] and steps(5400, sampler_steps=7) == 7
    assert [
        training_loop.settled(TrainConfig(num_epochs=epochs), 5400).num_epochs for epochs in (0, 3)
    ] == [4, 3]


def test_of_a_large_collection_the_codes_of_some_pictures_are_kept(
    builtin_data, tmp_path, monkeypatch
):
    """A hundred thousand codes and the features of as many captions took two gigabytes, and doubled in the fit."""
    for name, count in (("LARGE", 16), ("MOST_CODES", 24), ("MOST_CHECKED", 3)):
        monkeypatch.setattr(training_loop, name, count)
    run = trainer(builtin_data, tmp_path, num_epochs=1)
    seen = []
    kept = [run.order[:count].tolist() for count in (16, 24)]
    assert len(run.order) > 24 and kept[0] == kept[1][:16] != sorted(kept[0])
    fit = run.fit_sampler
    monkeypatch.setattr(
        run,
        "fit_sampler",
        lambda codes, *given, **named: (
            seen.append((codes, run.model.training)),
            fit(codes, *given, **named),
        ),
    )
    # so that the epoch's codes are those of the end, and the pictures as they are
    run.learning_rate = lambda step, steps: 0.0
    run.small = False
    run.config = replace(run.config, weight_decay=0.0)
    run.fit()
    assert [len(codes) for codes, _ in seen] == [16, 24 * run.views]
    assert torch.allclose(seen[0][0], run.encode(run.train, run.order[:16]), atol=1e-4)
    assert len(run.coordinates) == 24 * run.views and run.model.meta["health"]["rows"] == 3


def test_the_last_fit_begins_anew(tiny_model, tmp_path):
    """Begun from the epochs' short fits, that of real engravings ended with a lower loss and worse pictures (kernel distance .0030 instead of .0023)."""
    tokens = [tiny_model.tokenizer.encode(caption, 48) for caption in CAPTIONS] * 8
    loader = PairLoader(
        np.random.default_rng(0).integers(0, 256, (len(tokens), 32, 32), dtype=np.uint8),
        range(len(tokens)),
        tokens,
        8,
        1,
    )
    trainer = MultimodalTrainer(
        copy.deepcopy(tiny_model),
        loader,
        loader,
        TrainConfig(batch_size=8, checkpoints=str(tmp_path)),
    )
    codes = F.rms_norm(
        torch.randn(len(tokens), 32, generator=torch.Generator().manual_seed(0)), (32,)
    )
    found = []
    for epochs_before in (0, 3):
        for epoch in range(epochs_before):
            trainer.fit_sampler(codes, trainer.order, 5, epoch)
            trainer.fitting = None
        trainer.fit_sampler(codes, trainer.order, 10, 0, 2e-3, held_out=codes[:8])
        trainer.fitting = None
        found.append(
            {name: value.clone() for name, value in trainer.model.sampler.state_dict().items()}
        )
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_networks_are_compiled_where_that_pays(builtin_data, tmp_path, monkeypatch):
    """On two cores compiling takes 49 s and makes a step slower; on a GPU it is worth a minute of a long run, not of a short one."""
    found = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda part: found.append(part))
    run = trainer(builtin_data, tmp_path)
    assert not run.worth_compiling(1e6) and not found, "a processor"
    run.device = torch.device("cuda")
    assert run.worth_compiling(1000) and not run.worth_compiling(500)
    assert trainer(builtin_data, tmp_path, compile="on").compiled and len(found) == 5
    run = trainer(builtin_data, tmp_path, compile="off")
    run.device = torch.device("cuda")
    assert not run.worth_compiling(1e6) and len(found) == 5


def test_compiling_comes_when_the_pace_is_known(builtin_data, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "compile", lambda part: None)
    monkeypatch.setattr(training_loop, "TOLD_AFTER", 0)
    run = trainer(builtin_data, tmp_path)
    left = []
    monkeypatch.setattr(
        run, "worth_compiling", lambda seconds: left.append(seconds) or len(left) == 3
    )
    monkeypatch.setattr(run, "compile", lambda: left.append("compiled"))
    run.train_epoch(0)
    steps = len(run.train)
    seconds = [value for value in left if value != "compiled"]
    assert (
        left[3] == "compiled"
        and len(seconds) == steps
        and all(0 < value < 600 for value in seconds)
    )


@pytest.mark.skipif(not os.environ.get("LONG"), reason="compiling takes a minute")
def test_compiled_networks_learn_the_same(builtin_data, tmp_path):
    plain, fast = (trainer(builtin_data, tmp_path / name, compile=name) for name in ("off", "on"))
    images, tokens, _ = plain.train.batch(np.arange(8))
    for step in range(2):
        first, second = (run.step(images, tokens, step, 100)[0] for run in (plain, fast))
        assert first == pytest.approx(second, rel=1e-3)
    assert list(plain.model.state_dict()) == list(fast.model.state_dict())
