"""What no picture tells, as names and dates, weighs less in the loss of captions."""

import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import caption_generation
import dataset_preparation
import training_loop
from oneseed.config.captioning import CaptionConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.dataset.collection import Collection
from oneseed.model import checkpoint
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import Tokenizer
from oneseed.training import distributed
from oneseed.training.losses import caption_loss, caption_weight_sum
from oneseed.training.prospects import describe_prospects
from oneseed.training.word_weights import RARE_CAPTIONS, ToldWords, WordWeights, told_words
from tests.conftest import tiny_config
from tests.preparation.test_dataset_preparation import picture
from tests.training.test_distributed import gradients
from tests.training.test_training_loop import config, trainer

PICTURES = 40
NAMES = ("Theodosius", "Atmeidan", "Allom", "Corfe", "Ravenna")


def titles(count):
    """Captions of which all words are frequent but a name and a year."""
    return [
        f"An engraving of {NAMES[n % len(NAMES)]}{chr(97 + n // len(NAMES))} by the sea, {1800 + n}"
        for n in range(count)
    ]


def rows_of(captions, style="engraving"):
    return [{"caption": caption, "style": style} for caption in captions]


@pytest.fixture(scope="module")
def titles_data(tmp_path_factory):
    """A data folder with forty prepared pictures whose captions are titles -> its path."""
    folder = tmp_path_factory.mktemp("titles")
    (folder / "set").mkdir()
    lines = []
    for number, title in enumerate(titles(PICTURES)):
        picture(number).save(folder / "set" / f"{number}.png")
        lines.append(json.dumps({"file_name": f"{number}.png", "caption": title}))
    (folder / "set" / "metadata.jsonl").write_text("\n".join(lines), "utf-8")
    data = str(folder / "data")
    prepare = PrepareConfig(
        source=str(folder / "set"),
        style="engraving",
        preset="small",
        image_size=32,
        smallest=16,
        workers=1,
        data=data,
    )
    dataset_preparation.main(prepare)
    caption_generation.main(CaptionConfig(style="engraving", captioner="existing", data=data))
    return folder / "data"


def told_of(captions):
    return ToldWords.of(rows_of(captions))


def light_text(weights, row, tokenizer, ids):
    """What the tokens of a caption say that weigh less than 1."""
    light = [token for token, weight in zip(ids, weights[row], strict=True) if weight < 1]
    return tokenizer.decode(light)


# Which words


def test_a_word_of_five_captions_is_told_and_one_of_four_is_not():
    captions = ["A Ship"] * 4 + ["a ship, a ship"] + ["a boat boat boat"] * (RARE_CAPTIONS - 1)
    told = told_of(captions)
    assert told.words == {"a", "ship"}
    assert told.untold_share == 4 / (9 + 5 + 4)


def test_a_number_is_untold_however_often_it_is_said():
    assert told_of(["Plate 7 of the 19th century"] * 20).words == {"plate", "of", "the", "century"}


def test_nothing_is_weighed_where_every_word_is_frequent():
    captions = ["An engraving of a ship.", "A castle, an engraving!"] * RARE_CAPTIONS
    assert told_words(rows_of(captions)) is None
    assert told_words(rows_of([*captions, "A castle, an engraving of Corfe"]))
    assert told_words(rows_of([""] * 20)) is None


def test_drawn_captions_say_what_was_drawn_so_their_words_are_told_beside_others():
    drawn = rows_of(["Three windmills, 12 trees"], "builtin")
    assert told_words(drawn) is None
    told = told_words([*drawn, *rows_of(["Three ships at Corfe"])])
    assert told.words == {"three", "windmills", "12", "trees"}


# Which tokens


@pytest.mark.parametrize("vocabulary", [260, 400])
def test_a_name_that_one_caption_has_weighs_a_tenth(vocabulary):
    """In all of its tokens, with the rest of the caption untouched."""
    captions = titles(PICTURES)
    tokenizer = Tokenizer.train(captions, vocabulary)
    weights = WordWeights(captions, tokenizer, 100, told_of(captions), 0.1)
    ids = tokenizer.encode(captions[3], 100)
    assert set(weights[3]) == {0.1, 1.0}
    light = light_text(weights, 3, tokenizer, ids)
    assert light.split() == ["Corfea", "1803"] or light.replace(" ", "") == "Corfea1803"
    assert weights[3][-1] == 1, "the end can be told"


@pytest.mark.parametrize("length", range(4, 60))
def test_weights_stay_with_their_tokens_where_a_caption_is_cut(length):
    caption = "An engraving of Theodosius and Théodora. A ship by the sea near Corfe, 城堡 1852"
    common = ["An engraving of and a ship by the sea near"] * RARE_CAPTIONS
    tokenizer = Tokenizer.train(common, 300)
    weights = WordWeights([caption], tokenizer, length, told_of([*common, caption]), 0.1)
    ids = tokenizer.encode(caption, length)
    kept = tokenizer.decode(ids)
    light = light_text(weights, 0, tokenizer, ids).replace(" ", "")
    # in their order; the last may be cut within
    untold = "TheodosiusThéodoraCorfe城堡1852"
    assert untold.startswith(light)
    for word in ("Theodosius", "Théodora", "Corfe", "城", "堡", "1852"):
        assert (word in kept) == (word in light)


def test_validation_captions_are_weighed_by_what_training_captions_say(titles_data, tmp_path):
    run = trainer(titles_data, tmp_path, style="engraving")
    train, val = Collection("engraving", str(titles_data)).read_captions()
    assert run.val.word_weights.told is run.train.word_weights.told
    assert run.val.word_weights.told == ToldWords.of(train)
    tokenizer = run.train.tokenizer
    for row, known in enumerate(val):
        said = light_text(run.val.word_weights, row, tokenizer, run.val.tokens[row])
        name = known["caption"].split()[3]
        assert said.replace(" ", "") == name + known["caption"].split()[-1]


# The loss


def test_the_loss_is_the_weighted_mean_in_nats_per_token():
    torch.manual_seed(0)
    logits = torch.randn(2, 6, 20)
    tokens = torch.randint(4, 20, (2, 6))
    tokens[1, 4:] = 0
    weights = torch.tensor([[1, 1, 0.1, 0.1, 1, 1], [1, 0.1, 1, 1, 0, 0]])
    errors = [
        float(weights[row, t + 1] * F.cross_entropy(logits[row, t], tokens[row, t + 1]))
        for row, end in ((0, 6), (1, 4))
        for t in range(end - 1)
    ]
    assert float(caption_weight_sum(tokens, weights)) == pytest.approx(3.2 + 2.1)
    loss = float(caption_loss(logits, tokens, weights))
    assert loss == pytest.approx(sum(errors) / 5.3, abs=1e-5)
    nats = float(caption_loss(logits, tokens, weights, reduction="sum"))
    assert nats == pytest.approx(sum(errors), abs=1e-5)
    nothing_known = caption_loss(torch.zeros(2, 6, 20), tokens, weights)
    assert float(nothing_known) == pytest.approx(math.log(20), abs=1e-5)


def test_weights_of_one_are_no_weights():
    torch.manual_seed(0)
    logits = torch.randn(2, 6, 20)
    tokens = torch.randint(4, 20, (2, 6))
    tokens[1, 4:] = 0
    weights = (tokens != 0).float()
    weighed = float(caption_loss(logits, tokens, weights))
    assert weighed == pytest.approx(float(caption_loss(logits, tokens)), abs=1e-5)
    assert caption_weight_sum(tokens, None) == caption_weight_sum(tokens, weights) == 8


def test_a_drawn_collection_trains_exactly_as_without_word_weights(builtin_data, tmp_path):
    """Its captions are few here, and rare words among them."""
    runs = [trainer(builtin_data, tmp_path, untold_weight=weight) for weight in (0.1, 1.0)]
    train, _ = Collection("builtin", str(builtin_data)).read_captions()
    assert ToldWords.of(rows_of([row["caption"] for row in train])).untold_share > 0
    for run in runs:
        assert run.train.word_weights is run.val.word_weights is None
        assert run.train.batch(np.arange(4)).word_weights is None
    steps = [run.train_step(run.train.batch(np.arange(8)), 0) for run in runs]
    assert steps[0].losses == steps[1].losses
    assert steps[0].grad_norm == steps[1].grad_norm


def test_names_move_the_weights_less_and_an_untold_weight_of_one_is_the_plain_loss(
    titles_data, tmp_path
):
    losses = {}
    for weight in (0.0, 0.1, 1.0):
        run = trainer(titles_data, tmp_path, style="engraving", untold_weight=weight)
        batch = run.train.batch(np.arange(8))
        assert (batch.word_weights is None) == (weight == 1)
        noise = run.objective.noise(8, "test")
        with torch.no_grad():
            whole, _ = run.objective.losses(batch, noise)
            plain, _ = run.objective.losses(batch._replace(word_weights=None), noise)
        losses[weight] = float(whole["caption"])
        assert {name for name in whole if whole[name] != plain[name]} <= {"caption", "total"}
        assert (losses[weight] == float(plain["caption"])) == (weight == 1)
    assert len(set(losses.values())) == 3


def test_padding_weighs_nothing(titles_data, tmp_path):
    run = trainer(titles_data, tmp_path, style="engraving")
    batch = run.train.batch(np.arange(8))
    assert batch.word_weights.shape == batch.tokens.shape
    assert torch.equal(batch.word_weights == 0, batch.tokens == 0)


# In parts


@pytest.mark.parametrize("micro_batch", [1, 2, 6])
def test_micro_batches_of_weighted_captions_add_up_to_the_batch(titles_data, tmp_path, micro_batch):
    """A piece with many names must not weigh as much as one with few."""
    full = gradients(trainer(titles_data, tmp_path, style="engraving"), 0)
    pieces = gradients(trainer(titles_data, tmp_path, style="engraving"), micro_batch)
    assert full[0] == pytest.approx(pieces[0], abs=1e-4)
    assert (full[1] - pieces[1]).norm() < 1e-5 * full[1].norm()


@pytest.mark.parametrize("processes", [2, 3, 9])
def test_several_processes_have_the_weights_that_one_would(
    titles_data, tmp_path, monkeypatch, processes
):
    run = trainer(titles_data, tmp_path, style="engraving")
    (whole, *_) = run.train.batches()
    total = 0.0
    rows = 0
    monkeypatch.setattr(distributed, "world_size", lambda: processes)
    for rank in range(processes):
        monkeypatch.setattr(distributed, "rank", lambda number=rank: number)
        (part, *_) = run.train.batches()
        total += float(caption_weight_sum(part.tokens, part.word_weights))
        length = part.tokens.shape[1]
        assert part.word_weights.shape == part.tokens.shape
        assert torch.equal(
            part.word_weights, whole.word_weights[rows : rows + len(part.tokens), :length]
        )
        rows += len(part.tokens)
    assert total == pytest.approx(float(caption_weight_sum(whole.tokens, whole.word_weights)))


# A run


def test_a_run_on_titles_says_how_many_words_weigh_less(titles_data, builtin_data, tmp_path):
    run = trainer(titles_data, tmp_path, style="engraving", untold_weight=0.2)
    told = describe_prospects(run.objective, run.train, run.val, run.config, run.schedule)
    (line,) = [line for line in told.splitlines() if "--untold-weight" in line]
    assert "25% of their words" in line
    assert "each weighs 0.2 in training" in line
    run = trainer(builtin_data, tmp_path)
    told = describe_prospects(run.objective, run.train, run.val, run.config, run.schedule)
    assert "--untold-weight" not in told


def test_a_run_begun_before_there_were_word_weights_goes_on(titles_data, tmp_path):
    """Its saved settings lack the flag."""
    settings = config(
        style="engraving", data=str(titles_data), checkpoints=str(tmp_path), num_epochs=1
    )
    training_loop.main(tiny_config(vocab_size=0), settings)
    for name in ("last.pt", "best_model.pt"):
        saved = checkpoint.load(tmp_path / name)
        weights = saved.get("model", saved)
        facts = json.loads(weights["_extra_state"].numpy().tobytes())
        del facts["meta"]["training"]["untold_weight"]
        content = bytearray(json.dumps(facts).encode())
        weights["_extra_state"] = torch.frombuffer(content, dtype=torch.uint8)
        checkpoint.save(tmp_path / name, saved)
    again = config(
        style="engraving", data=str(titles_data), checkpoints=str(tmp_path), num_epochs=2
    )
    training_loop.main(tiny_config(vocab_size=0), again)
    rows = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert [row["epoch"] for row in rows] == [1, 2]
    model = MultimodalModel.from_checkpoint(tmp_path / "best_model.pt")
    assert model.meta["training"]["untold_weight"] == 0.1


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_an_untold_weight_goes_from_0_to_1(weight):
    with pytest.raises(ValueError, match="--untold-weight goes from 0 to 1"):
        config(untold_weight=weight)
