"""--objective contrastive: two towers learn a collection, and retrieval says what it was worth."""

import json
from types import SimpleNamespace

import pytest
import torch

from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.finetuning import contrastive_run
from oneseed.finetuning.contrastive import (
    SearchPair,
    chance_of,
    contrastive_loss,
    equal_captions,
    load_towers,
    measure_retrieval,
    read_search_pairs,
    tower_modules,
)
from tests.finetuning.tiny_qwen import caption_of, picture_of

pytest.importorskip("peft", reason="pip install -r requirements-captioner.txt")

CPU = torch.device("cpu")
TOWER = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)


def tiny_tokenizer(length):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE(unk_token=None))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.train_from_iterator(
        [caption_of(number) for number in range(8)] * 4,
        trainers.BpeTrainer(
            vocab_size=330,
            special_tokens=["<pad>", "<s>", "</s>"],
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    # the networks look at the place of the end mark
    from tokenizers.processors import TemplateProcessing

    words.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=length,
    )


def make_towers(family, folder, *, length=64):
    """Writes a checkpoint of two towers with random weights -> its folder."""
    from transformers import (
        CLIPConfig,
        CLIPImageProcessor,
        CLIPModel,
        CLIPProcessor,
        SiglipConfig,
        SiglipImageProcessor,
        SiglipModel,
        SiglipProcessor,
    )

    tokenizer = tiny_tokenizer(length)
    text = dict(
        **TOWER,
        vocab_size=len(tokenizer),
        max_position_embeddings=length,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        projection_dim=32,
        projection_size=32,
    )
    vision = dict(**TOWER, image_size=32, patch_size=8, projection_dim=32)
    torch.manual_seed(0)
    if family == "clip":
        sizes = dict(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
        processor = CLIPProcessor(CLIPImageProcessor(**sizes), tokenizer)
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=32))
    else:
        size = {"height": 32, "width": 32}
        processor = SiglipProcessor(SiglipImageProcessor(size=size), tokenizer)
        model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
        # as after its pretraining, not as it begins
        model.logit_scale.data.fill_(2.3)
        model.logit_bias.data.fill_(-4.0)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """64 pictures of eight kinds, dealt: each kind has eight pictures and one caption."""
    place = tmp_path_factory.mktemp("data")
    collection = Collection("squares", place)
    collection.resized.mkdir(parents=True)
    rows = []
    for number in range(64):
        name = f"{number:016x}"
        picture_of(number).save(collection.resized / f"{name}.png")
        row = {"id": name, "filename": f"{name}.png", "caption": caption_of(number)}
        rows.append(row | {"style": "squares"})
    collection.train.parent.mkdir(parents=True)
    for path, several in ((collection.train, rows[:48]), (collection.val, rows[48:])):
        path.write_text("".join(json.dumps(row) + "\n" for row in several))
    return place


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    place = tmp_path_factory.mktemp("towers")
    return {family: make_towers(family, place / family) for family in ("clip", "siglip")}


def settings(model, data, folder, **changes):
    from oneseed.config.finetuning import FinetuningConfig

    values = dict(
        model=str(model),
        style="squares",
        data=str(data),
        checkpoints=str(folder),
        train="language,vision",
        rank=8,
        learning_rate=1e-2,
        batch_size=16,
        num_epochs=8,
        device="cpu",
    )
    return FinetuningConfig(**{**values, **changes})


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize(("family", "dora"), [("clip", False), ("siglip", True)])
def test_retrieval_rises_and_frozen_weights_stay(tmp_path, data, checkpoints, family, dora):
    """Of eight kinds a blind guess finds one in eight."""
    config = settings(
        checkpoints[family], data, tmp_path, dora=dora, num_epochs=20, checkpoint_every=30
    )
    assert contrastive_run.teach_towers(config, CPU) == 0
    found = metrics_of(tmp_path)
    before = found["looks"][0]["retrieval"]
    after = found["after"]["retrieval"]
    for direction in ("image to text, 1", "text to image, 1"):
        # three searches of sixteen more
        assert after[direction] >= before[direction] + 0.18
    assert found["after"]["chance"]["image to text, 1"] == pytest.approx(1 / 8)
    assert found["after"]["largest_difference"] <= 1e-5
    # the merged checkpoint differs where it was taught, and nowhere else
    old = load_towers(config, CPU).model.state_dict()
    new = contrastive_run.load_merged(tmp_path, CPU).model.state_dict()
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    taught = ("proj", ".fc", "text_model.head")
    assert all(any(part in name for part in taught) for name in changed), changed
    assert not any("embed" in name or "norm" in name for name in changed)


def test_only_the_tower_that_is_named_learns(tmp_path, data, checkpoints):
    config = settings(checkpoints["clip"], data, tmp_path, train="vision", num_epochs=1)
    assert contrastive_run.teach_towers(config, CPU) == 0
    old = load_towers(config, CPU).model.state_dict()
    new = contrastive_run.load_merged(tmp_path, CPU).model.state_dict()
    changed = {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert changed == {"vision_model", "visual_projection"}


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path, data, checkpoints, monkeypatch):
    config = settings(checkpoints["clip"], data, tmp_path / "a", num_epochs=3)
    contrastive_run.teach_towers(config, CPU)
    stopped = settings(checkpoints["clip"], data, tmp_path / "b", num_epochs=3)
    step = contrastive_run.ContrastiveTrainer.train_step

    def interrupted(self):
        if self.state.step == 4:
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(contrastive_run.ContrastiveTrainer, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        contrastive_run.teach_towers(stopped, CPU)
    monkeypatch.undo()
    contrastive_run.teach_towers(stopped, CPU)
    one, other = metrics_of(tmp_path / "a"), metrics_of(tmp_path / "b")
    assert one["looks"] == other["looks"]
    assert one["after"] == other["after"]


# ---- the loss and the figures --------------------------------------------------------------------


class Features:
    """Towers whose features are given."""

    def __init__(self, images, texts, bias=None):
        self.images = torch.nn.functional.normalize(images, dim=-1)
        self.texts = torch.nn.functional.normalize(texts, dim=-1)
        self.within = SimpleNamespace(logit_scale=torch.tensor(0.0))
        if bias is not None:
            self.within.logit_bias = torch.tensor(bias)
        self.model = torch.nn.Identity()

    def image_features(self, pairs):
        return self.images[[pair.picture for pair in pairs]]

    def text_features(self, pairs):
        return self.texts[[pair.picture for pair in pairs]]


def pairs_of(*captions):
    return [SearchPair(number, caption) for number, caption in enumerate(captions)]


def test_the_loss_of_clip_is_that_of_its_own_forward(data, checkpoints):
    """Against an independent implementation: transformers' own, which knows no twins."""
    towers = load_towers(settings(checkpoints["clip"], data, "x"), CPU)
    train, _ = read_search_pairs(Collection("squares", data))
    pairs = train[:8]
    assert len({pair.caption for pair in pairs}) == 8
    images = [picture_of(number) for number in range(8)]
    inputs = towers.processor(
        images=images, text=[pair.caption for pair in pairs], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        theirs = towers.model(**inputs, return_loss=True).loss
        ours = contrastive_loss(towers, pairs)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("bias", [None, -1.0])
def test_a_picture_with_the_same_caption_is_no_false_pair(bias):
    """Its own text cannot be told from the other's, so the loss could never fall."""
    images = torch.eye(3)
    texts = torch.eye(3)
    apart = contrastive_loss(Features(images, texts, bias), pairs_of("a", "b", "c"))
    twins = contrastive_loss(Features(images, texts, bias), pairs_of("a", "a", "c"))
    # two of the three rows of each direction lose one false pair
    assert twins < apart


def test_a_search_is_right_where_the_caption_is_whoever_has_it():
    images = torch.eye(4)
    texts = torch.eye(4)[[1, 0, 2, 3]]
    found = measure_retrieval(Features(images, texts), pairs_of("a", "b", "c", "d"), batch_size=3)
    assert found.shares["image to text, 1"] == 0.5
    found = measure_retrieval(Features(images, texts), pairs_of("a", "a", "c", "d"), batch_size=3)
    assert found.shares["image to text, 1"] == found.shares["text to image, 1"] == 1.0


def test_a_blind_guess_is_counted():
    right = equal_captions(pairs_of("a", "a", "b", "b"))
    assert chance_of(right, 1) == pytest.approx(0.5)
    assert chance_of(right, 2) == pytest.approx(1 - (2 / 4) * (1 / 3))
    assert chance_of(right, 5) == 1.0


# ---- what cannot be taught -----------------------------------------------------------------------


def test_a_captioner_is_no_pair_of_towers(tmp_path, data):
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_vl"}')
    with pytest.raises(UserError, match="no two towers"):
        load_towers(settings(tmp_path, data, tmp_path / "out"), CPU)


def test_a_damaged_picture_is_named_with_what_mends_it(data, checkpoints):
    """It ended in a traceback, perhaps after hours."""
    train, _ = read_search_pairs(Collection("squares", data))
    whole = train[0].picture.read_bytes()
    train[0].picture.write_bytes(b"no picture")
    towers = load_towers(settings(checkpoints["clip"], data, "x"), CPU)
    try:
        with pytest.raises(UserError, match=r"dataset_preparation\.py"):
            towers.image_features(train[:2])
    finally:
        train[0].picture.write_bytes(whole)


def test_captions_that_are_too_long_are_counted(tmp_path, data):
    """They were cut without a word."""
    folder = make_towers("clip", tmp_path / "short", length=12)
    towers = load_towers(settings(folder, data, "x"), CPU)
    assert towers.count_cut([SearchPair(None, "a"), SearchPair(None, caption_of(0) * 4)]) == 1


def test_no_layer_inside_torchs_own_attention_is_taught(data, checkpoints):
    """It calls the weights without calling the layer, and what is beside them is never used."""
    towers = load_towers(settings(checkpoints["siglip"], data, "x"), CPU)
    names = tower_modules(towers.model, ["vision"])
    assert names
    assert not any(".head.attention." in name for name in names)
    assert any("q_proj" in name for name in names)
