"""A model of people's own pictures carries them, and its seeds are engraved from them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import caption_generation
import dataset_preparation
import inference
import training_loop
from oneseed.config.captioning import CaptionConfig
from oneseed.config.inference import InferenceConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.generation.generator import MultimodalGenerator
from oneseed.training.setup import build_run
from tests.conftest import tiny_config


@pytest.fixture(scope="module")
def run(builtin_data, tmp_path_factory):
    """Settings of a finished run on a folder of somebody's pictures."""
    folder = tmp_path_factory.mktemp("own")
    raw = shutil.copytree(builtin_data / "raw" / "builtin", folder / "plates")
    flags = {"style": "plates", "data": str(folder / "data")}
    dataset_preparation.main(
        PrepareConfig(
            source=str(raw), preset="small", image_size=32, smallest=16, workers=1, **flags
        )
    )
    caption_generation.main(CaptionConfig(**flags))
    config = TrainConfig(
        preset="small",
        num_epochs=1,
        epoch_pictures=1,
        batch_size=8,
        sampler_steps=20,
        checkpoints=str(folder / "checkpoints"),
        device="cpu",
        precision="fp32",
        **flags,
    )
    training_loop.main(tiny_config(vocab_size=0), config)
    return config


@pytest.fixture(scope="module")
def generator(run):
    return MultimodalGenerator(f"{run.checkpoints}/best_model.pt", "cpu")


def test_a_model_of_own_pictures_carries_those_it_was_trained_on(run, generator):
    lines = Path(run.data, "captions/plates_train.jsonl").read_text("utf-8").splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert sorted(generator.model.picture_book.ids) == sorted(ids)
    assert generator.finish == "book"
    log = Path(run.checkpoints, "training.log").read_text("utf-8")
    assert f"engraves the drafts from {len(ids)} training pictures" in log


def test_a_drawn_collection_draws_what_it_has_learnt(tiny_run):
    model = MultimodalGenerator(f"{tiny_run}/best_model.pt", "cpu").model
    assert model.picture_book is None
    assert model.finish == "plain"


def test_seeds_and_prompts_are_engraved_and_nothing_else(generator):
    plain = generator.in_finish("plain")
    assert generator.generate(3)[0] != plain.generate(3)[0]
    assert generator.generate(3, "a ship")[0] != plain.generate(3, "a ship")[0]
    picture = plain.generate(3)[0]
    assert generator.reconstruct([picture]) == plain.reconstruct([picture])
    assert generator.vary(picture, [1]) == plain.vary(picture, [1])
    assert generator.interpolate(3, 4, 3) == plain.interpolate(3, 4, 3)


def test_a_card_says_how_its_seed_was_finished_and_is_made_again_so(run, tmp_path, capsys):
    common = {"checkpoint": f"{run.checkpoints}/best_model.pt", "data": run.data, "device": "cpu"}
    pictures = []
    for finish in ("plain", "book"):
        out = tmp_path / finish
        inference.main(InferenceConfig(seeds="7", finish=finish, out=str(out), **common))
        card = json.loads((out / "000007.json").read_text("utf-8"))
        assert card["finish"] == finish
        capsys.readouterr()
        checked = InferenceConfig(verify=str(out / "000007.png"), **common)
        assert inference.main(checked) == 0, capsys.readouterr().out
        pictures.append((out / "000007.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_a_walk_is_drawn_and_its_cards_do_not_say_that_it_is_engraved(run, tmp_path):
    """Patches would jump from one step to the next."""
    common = {"checkpoint": f"{run.checkpoints}/best_model.pt", "data": run.data, "device": "cpu"}
    inference.main(InferenceConfig(seeds="3,4", interpolate=3, out=str(tmp_path), **common))
    cards = [json.loads(path.read_text("utf-8")) for path in tmp_path.glob("0*.json")]
    assert len(cards) == 3
    assert not any("finish" in card for card in cards)


def test_a_new_fit_of_the_prior_drops_the_pictures_of_the_last_one(run, generator, tmp_path):
    """Going back to the best epoch of a run that had ended brings its book back."""
    config = replace(run, init="none", checkpoints=str(tmp_path))
    model, train, val, _ = build_run(tiny_config(vocab_size=0), config)
    trainer = training_loop.MultimodalTrainer(model, train, val, config)
    model.picture_book = generator.model.picture_book
    model.meta["finish"] = "book"
    trainer.run_epoch()
    assert model.picture_book is None
    assert model.finish == "plain"


def test_what_is_saved_between_two_fits_carries_no_pictures(run, tmp_path):
    """Their drafts in the book are those of the finished model: an epoch later they are wrong."""
    folder = shutil.copytree(run.checkpoints, tmp_path / "checkpoints")
    longer = replace(run, num_epochs=2, checkpoint_every=1, checkpoints=str(folder))
    training_loop.main(tiny_config(vocab_size=0), longer)
    finished = MultimodalGenerator(f"{folder}/best_model.pt", "cpu").model
    assert finished.picture_book is not None
    between = MultimodalGenerator(f"{folder}/checkpoint_epoch_002.pt", "cpu").model
    assert between.picture_book is None
    assert between.finish == "plain"
