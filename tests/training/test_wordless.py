"""A run on pictures alone: words are neither learnt nor asked for, and everything else is."""

import json
import shutil
from pathlib import Path

import pytest
import torch

import caption_generation
import training_loop
from oneseed.config.captioning import CaptionConfig
from oneseed.config.training import TrainConfig
from oneseed.console.command import UserError
from oneseed.generation import index
from oneseed.generation.generator import MultimodalGenerator
from oneseed.model.multimodal import MultimodalModel
from oneseed.seeds import latents
from oneseed.training.gradient_cache import GradientCache
from oneseed.training.losses import MultimodalLoss, make_loss
from oneseed.training.objective import Objective
from oneseed.training.preflight import silent_parameters
from tests.conftest import tiny_config


@pytest.fixture(scope="module")
def run(builtin_data, tmp_path_factory):
    """Data and folder of a finished run on the built-in pictures without their captions."""
    folder = tmp_path_factory.mktemp("wordless")
    data = shutil.copytree(builtin_data, folder / "data")
    flags = {"style": "builtin", "data": str(data)}
    caption_generation.main(CaptionConfig(captioner="none", **flags))
    config = TrainConfig(
        preset="small",
        num_epochs=1,
        epoch_pictures=1,
        batch_size=8,
        sampler_steps=20,
        max_samples=16,
        checkpoints=str(folder / "checkpoints"),
        device="cpu",
        precision="fp32",
        **flags,
    )
    assert training_loop.main(tiny_config(vocab_size=0), config) == 0
    return config


@pytest.fixture(scope="module")
def generator(run):
    return MultimodalGenerator(f"{run.checkpoints}/best_model.pt", "cpu")


def test_metrics_keep_their_keys_with_words_at_zero(run):
    rows = json.loads(Path(run.checkpoints, "metrics.json").read_text("utf-8"))
    assert len(rows) == 1
    for row in rows:
        assert row["train_caption"] == row["val_caption"] == 0
        assert row["train_contrastive"] == row["val_contrastive"] == 0
        assert row["train_reconstruction"] > 0
        assert not [note for note in row["notes"] if "gradient" in note or "caption" in note]


def test_the_model_says_that_it_has_no_words(generator):
    assert generator.caption_source == "none"
    assert generator.model.decode_text(latents([1, 2], 32)) == ["", ""]
    assert [caption for _, caption in generator.generate_batch([1, 2])] == ["", ""]
    assert generator.percentile(0.5) is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda generator: generator.generate(1, "a ship"),
        lambda generator: generator.best_of(1, 2),
        lambda generator: generator.caption_features(["a ship"]),
        lambda generator: generator.match([generator.generate(1)]),
    ],
    ids=["prompt", "best_of", "features", "match"],
)
def test_what_needs_words_is_refused_in_a_sentence_that_names_the_way(ask, generator):
    with pytest.raises(UserError, match="pictures alone and knows no words.*caption_generation.py"):
        ask(generator)


def test_seeds_are_found_by_a_picture(generator):
    image, _ = generator.generate(3)
    index.index_seeds(generator, 8, 4)
    found = generator.find_seeds(image=image, count=8)
    assert found[0]["seed"] == 3
    assert {row["caption"] for row in found} == {""}


def test_pictures_are_learnt_and_caption_networks_are_left_alone(run, generator):
    torch.manual_seed(run.seed)
    untrained = MultimodalModel(generator.model.config, generator.model.tokenizer)
    before = untrained.state_dict()
    after = generator.model.state_dict()
    for name, weight in before.items():
        if name.startswith(("text_encoder.", "text_decoder.")) and weight.is_floating_point():
            assert torch.equal(weight, after[name]), name
    moved = [name for name in before if name.startswith("image_") and "weight" in name]
    assert any(not torch.equal(before[name], after[name]) for name in moved)


def test_a_run_does_not_go_on_with_words_that_it_never_learnt(run):
    caption_generation.main(CaptionConfig(style="builtin", captioner="existing", data=run.data))
    with pytest.raises(UserError, match="is a run without captions, not with: .*--fresh"):
        training_loop.main(tiny_config(vocab_size=0), run)


def test_gradients_in_parts_are_those_of_the_whole_batch(tiny_model):
    """The contrast over micro-batches must not come back in where there are no words."""
    tiny_model.meta["caption_source"] = "none"
    gradients = []
    for micro_batch in (0, 2):
        loss = make_loss(TrainConfig(), wordless=True)
        objective = Objective(tiny_model, loss, torch.device("cpu"), "fp32", seed=0)
        images = torch.rand(4, 1, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
        batch = training_loop.Batch(images, torch.tensor([[1, 2]] * 4), torch.arange(4))
        result = GradientCache(objective, micro_batch).forward_backward(
            batch, objective.noise(4, "step")
        )
        parts = dict(zip(loss.weights, result.losses.tolist()))
        assert parts["caption"] == parts["contrastive"] == 0
        named = dict(tiny_model.image_encoder.named_parameters())
        gradients.append(
            {name: weight.grad.clone() for name, weight in named.items() if weight.grad is not None}
        )
        assert not silent_parameters(tiny_model)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], atol=1e-6), name


def test_only_a_wordless_loss_does_without_captions():
    picture = torch.zeros(2, 1, 32, 32)
    tokens = torch.tensor([[1, 2]] * 2)
    code = torch.zeros(2, 8)
    losses = MultimodalLoss(wordless=True)(picture, picture, None, tokens, code, None)
    assert float(losses["total"]) == 0
    with pytest.raises(AssertionError, match="wordless"):
        MultimodalLoss()(picture, picture, None, tokens, code, None)
