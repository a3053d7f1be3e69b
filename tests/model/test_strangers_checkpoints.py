"""What a stranger's checkpoint says and holds is looked at before anything is drawn from it.

Every harm here once ended in a traceback, in a black picture, or in gigabytes.
"""

import copy
import json
import math
import os
from collections import OrderedDict

import pytest
import torch

from oneseed.config.model import ModelConfig
from oneseed.console.command import UserError
from oneseed.model import checkpoint
from oneseed.model.caption_book import CaptionBook
from oneseed.model.multimodal import MultimodalModel, expected_weights
from oneseed.model.specs import SHOWN_PRESETS, preset_config
from oneseed.model.tokenizer import Tokenizer
from oneseed.model.weights import weights_of
from oneseed.seeds import latents
from tests.conftest import CAPTIONS, tiny_config

HEALTH = {
    "rows": 4,
    "low_power": True,
    "directions": 3,
    "auc": None,
    "auc_all": None,
    "mean": 0.0,
    "std": 1.0,
    "norm": 5.6,
    "read_mean": 0.1,
    "caption_spread": 0.5,
    "picture_spread": 0.5,
    "passed": False,
}
META = {
    "style": "holiday",
    "styles": ["line", "stipple"],
    "caption_source": "nearest",
    "words": ["an", "engraving"],
    "phrases": {"followers": {"an": [" engraving"]}, "apart": {}},
    "health": HEALTH,
    "match": [i / 100 for i in range(101)],
    "epoch": 3,
    "init": {"checkpoint": "a.pt", "sha256": "0" * 64, "style": None, "epoch": None},
    "training": {"learning_rate": 0.001},
}


@pytest.fixture(scope="module")
def good():
    """(weights, facts) of a whole checkpoint, which every harm changes a copy of."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = MultimodalModel(tiny_config(), Tokenizer.train(CAPTIONS, 320)).eval()
        model.caption_book = CaptionBook(torch.randn(3, 8), ["a", "b", "c"])
    model.meta = copy.deepcopy(META)
    # as the fit of styles leaves those that no row has
    model.sampler.style_scores[2:, -1] = -torch.inf
    weights = dict(model.state_dict())
    return weights, json.loads(weights["_extra_state"].numpy().tobytes())


def with_facts(weights, text):
    content = text if isinstance(text, bytes) else text.encode()
    state = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    return {**weights, "_extra_state": state}


def test_what_is_only_written_again_is_a_model_still(good, tmp_path):
    weights, facts = good
    torch.save(with_facts(weights, json.dumps(facts)), tmp_path / "same.pt")
    model = MultimodalModel.from_checkpoint(tmp_path / "same.pt")
    assert model.meta == META
    assert model.decode(latents([1, 2], 32))[1][0] in ("a", "b", "c")


# ---- facts ---------------------------------------------------------------------------------------


def at(*path, value=None):
    """A harm: the fact at this path becomes another, or with `...` goes."""

    def harm(facts):
        for key in path[:-1]:
            facts = facts[key]
        if value is ...:
            del facts[path[-1]]
        else:
            facts[path[-1]] = value

    return harm


def meta(name, value):
    return at("meta", name, value=value)


def config(name, value):
    return at("config", name, value=value)


def tokenizer(change):
    """A harm of the vocabulary."""

    def harm(facts):
        told = json.loads(facts["tokenizer"])
        change(told)
        facts["tokenizer"] = json.dumps(told)

    return harm


def vocabulary(change):
    return tokenizer(lambda told: change(told["model"]["vocab"]))


def last_of(vocab):
    return max(vocab, key=vocab.get)


FACTS = {
    "no format": at("format", value=...),
    "another format": at("format", value=3),
    "format is true": at("format", value=True),
    "no config": at("config", value=...),
    "config is a list": at("config", value=[1]),
    "an unknown setting": config("wings", 2),
    "a size as text": config("width", "16"),
    "a size as float": config("width", 16.0),
    "a size as truth": config("styles", True),
    "a size below 1": config("width", -16),
    "a size of terabytes": config("latent_dim", 10**7),
    "a size of a thousand digits": config("latent_dim", 10**1000),
    "two sizes of terabytes": lambda facts: facts["config"].update(
        flow_width=10**6, flow_dims=10**6, latent_dim=10**6 + 1
    ),
    "a billion layers": config("text_layers", 10**9),
    "layers that the file lacks": config("text_layers", 3),
    "another size": config("text_width", 64),
    "noise that is none": config("code_noise", math.nan),
    "endless noise": config("code_noise", math.inf),
    "an encoder of another program": config("encoder", "resnet"),
    "picture networks of another program": config("image_networks", "diffusion"),
    "picture networks of another version": config("image_networks", "regression"),
    "no picture networks, as in versions before": at("config", "blocks", value=...),
    "blocks that the file lacks": config("blocks", 2),
    "linear directions below 0": config("linear_dims", -1),
    "a preset of another program": config("preset", "\x1b[2J"),
    "no channels": config("channels", 0),
    "an odd image size": config("image_size", 33),
    "an open vocabulary": config("vocab_size", 0),
    "no meta": at("meta", value=None),
    "meta is a list": at("meta", value=[1]),
    "style is a number": meta("style", 5),
    "style is empty": meta("style", ""),
    "style is a book": meta("style", "x" * 10_000),
    "style is no text": meta("style", "\ud800"),
    "truncation of nothing": meta("truncation", 0),
    "truncation beyond all": meta("truncation", 1.5),
    "truncation is a text": meta("truncation", "half"),
    "truncation is a truth": meta("truncation", True),
    "styles are a text": meta("styles", "line"),
    "styles are numbers": meta("styles", [1, 2]),
    "a style twice": meta("styles", ["line", "line"]),
    "more styles than places": meta("styles", [f"style {i}" for i in range(100)]),
    "captions of nowhere": meta("caption_source", "oracle"),
    "captions of a list": meta("caption_source", ["decoder"]),
    "words are a number": meta("words", 5),
    "a word is a number": meta("words", [5]),
    "phrases are a list": meta("phrases", [1]),
    "phrases of numbers": meta("phrases", {"followers": {"an": [1]}}),
    "phrases of texts": meta("phrases", {"followers": "an"}),
    # the prompt "a ship sea" ended in a traceback
    "phrases of blanks": meta("phrases", {"followers": {"ship": [" "]}, "apart": {}}),
    "phrases behind no text": meta("phrases", {"followers": {"\ud800": [" sea"]}}),
    "match is none": meta("match", [math.nan] * 101),
    "match too short": meta("match", [0.0, 1.0]),
    "match falls": meta("match", [1 - i / 100 for i in range(101)]),
    "match of texts": meta("match", ["0"] * 101),
    "match is a number": meta("match", 5),
    "health is a list": meta("health", [1]),
    "health is a word": meta("health", "good"),
    "health is a part": meta("health", {"passed": True}),
    "health is no number": meta("health", {**HEALTH, "norm": None}),
    "health as text": meta("health", {**HEALTH, "auc": "0.5"}),
    "epoch is a text": meta("epoch", "3"),
    "epoch below 0": meta("epoch", -1),
    "began with a list": meta("init", []),
    "began with a number": meta("init", {"checkpoint": 5}),
    "settings are a list": meta("training", [1]),
    "no captions in the book": at("captions", value=...),
    "a book of numbers": at("captions", value=[1, 2, 3]),
    "a book of another length": at("captions", value=["a"]),
    "tokenizer is no JSON": at("tokenizer", value="{x"),
    "tokenizer is a number": at("tokenizer", value=5),
    "tokenizer is deep": at("tokenizer", value="[" * 100_000 + "]" * 100_000),
    "a token below 0": vocabulary(lambda vocab: vocab.update({last_of(vocab): -1})),
    "a token far away": vocabulary(lambda vocab: vocab.update({last_of(vocab): 10**6})),
    "a token twice": vocabulary(lambda vocab: vocab.update({last_of(vocab): 5})),
    "a token is a float": vocabulary(lambda vocab: vocab.update({last_of(vocab): 1.0})),
    "a byte is missing": vocabulary(lambda vocab: vocab.pop("!")),
    "more tokens than rows": vocabulary(
        lambda vocab: vocab.update({"x" * (i + 20): len(vocab) + i for i in range(400)})
    ),
    "a token of letters": vocabulary(lambda vocab: vocab.update({"an engraving": len(vocab)})),
    "a token without end": vocabulary(lambda vocab: vocab.update({"x" * 10**6: len(vocab)})),
    "a merge of strangers": tokenizer(lambda told: told["model"]["merges"].append(["zq", "qz"])),
    "a merge of one": tokenizer(lambda told: told["model"]["merges"].append(["a"])),
    "merges are a number": tokenizer(lambda told: told["model"].update(merges=5)),
    "no vocabulary": tokenizer(lambda told: told["model"].pop("vocab")),
    "another model": tokenizer(lambda told: told["model"].update(type="WordPiece")),
    "a regex that panics": tokenizer(
        lambda told: told.update(
            pre_tokenizer={
                "type": "Split",
                "pattern": {"Regex": "(?=(a+))*b"},
                "behavior": "Isolated",
                "invert": False,
            }
        )
    ),
    "a decoder that fills the memory": tokenizer(
        lambda told: told.update(
            decoder={"type": "Replace", "pattern": {"String": ""}, "content": "x" * 10**6}
        )
    ),
    "a normalizer": tokenizer(lambda told: told.update(normalizer={"type": "NFKC"})),
    "a post-processor": tokenizer(lambda told: told.update(post_processor={"type": "ByteLevel"})),
    "padding": tokenizer(lambda told: told.update(padding={"strategy": {"Fixed": 10**9}})),
    "other marks": tokenizer(lambda told: told["added_tokens"][2].update(content="<stop>")),
    "no marks": tokenizer(lambda told: told.update(added_tokens=[])),
    "dropout": tokenizer(lambda told: told["model"].update(dropout=0.5)),
}


def refused(path):
    """The sentence that refuses the checkpoint."""
    with pytest.raises(UserError) as error:
        MultimodalModel.from_checkpoint(path)
    sentence = str(error.value)
    assert error.value.code == 2
    assert path.name in sentence
    assert "training_loop.py --fresh" in sentence
    assert "\n" not in sentence
    assert len(sentence) < 1000
    return sentence


@pytest.mark.parametrize("harm", FACTS)
def test_a_wrong_fact_is_named_before_anything_is_drawn(good, tmp_path, harm):
    weights, facts = good
    facts = copy.deepcopy(facts)
    FACTS[harm](facts)
    torch.save(with_facts(weights, json.dumps(facts)), tmp_path / "broken.pt")
    refused(tmp_path / "broken.pt")


TEXTS = {
    "a list": "[1]",
    "no JSON": "{",
    "deep": "[" * 100_000 + "]" * 100_000,
    "no UTF-8": b'{"format": 2, "config": "\xff"}',
    "nothing": "null",
    "a number of many digits": '{"format": ' + "9" * 10_000 + "}",
}


@pytest.mark.parametrize("text", TEXTS)
def test_facts_of_another_shape_are_named(good, tmp_path, text):
    torch.save(with_facts(good[0], TEXTS[text]), tmp_path / "broken.pt")
    refused(tmp_path / "broken.pt")


def test_a_twice_told_vocabulary_is_refused(good, tmp_path):
    """Two readers would take different ones of two entries of one name."""
    weights, facts = good
    twice = facts["tokenizer"].replace('"vocab":{', '"vocab":{"<pad>":5,', 1)
    assert twice != facts["tokenizer"]
    torch.save(with_facts(weights, json.dumps({**facts, "tokenizer": twice})), tmp_path / "a.pt")
    refused(tmp_path / "a.pt")


# ---- weights -------------------------------------------------------------------------------------

FREED = "image_decoder.time.0.weight"


def numbers(name, value, place=slice(None)):
    """A harm: numbers of a tensor become others."""

    def harm(weights):
        weights[name] = weights[name].clone()
        weights[name][place] = value

    return harm


def as_tensor(change):
    """A harm: a tensor becomes another."""

    def harm(weights):
        weights[FREED] = change(weights[FREED])

    return harm


WEIGHTS = {
    "NaN": numbers(FREED, math.nan),
    "one NaN": numbers(FREED, math.nan, (0, 0)),
    "one infinity": numbers(FREED, math.inf, (3, 3)),
    "one minus infinity": numbers(FREED, -math.inf, (3, 3)),
    "NaN in the sampler": numbers("sampler.mean", math.nan),
    "NaN in the words": numbers("text_decoder.tokens.weight", math.nan),
    "NaN among the styles": numbers("sampler.style_scores", math.nan),
    "infinity among the styles": numbers("sampler.style_scores", math.inf),
    "NaN in the book": numbers("caption_book.coordinates", math.nan),
    "a tensor is missing": lambda weights: weights.pop(FREED),
    "a tensor of another program": lambda weights: weights.update(extra=torch.zeros(1)),
    "an extra state of another program": lambda weights: weights.update(
        {"head._extra_state": torch.zeros(1)}
    ),
    "no facts": lambda weights: weights.pop("_extra_state"),
    "facts are floats": lambda weights: weights.update(
        _extra_state=weights["_extra_state"].float()
    ),
    "facts are a text": lambda weights: weights.update(_extra_state="{}"),
    "no book": lambda weights: weights.pop("caption_book.coordinates"),
    "double precision": as_tensor(torch.Tensor.double),
    "half precision": as_tensor(torch.Tensor.bfloat16),
    "whole numbers": as_tensor(torch.Tensor.int),
    "truth values": as_tensor(torch.Tensor.bool),
    "complex": as_tensor(lambda tensor: tensor.to(torch.complex64)),
    "sparse": as_tensor(torch.Tensor.to_sparse),
    "quantised": as_tensor(lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)),
    "transposed": as_tensor(lambda tensor: tensor.T.contiguous()),
    "flat": as_tensor(torch.Tensor.flatten),
    "empty": as_tensor(lambda tensor: tensor[:0]),
    "expanded to gigabytes": as_tensor(lambda tensor: torch.zeros(1).expand(10**9)),
    "on no device": as_tensor(lambda tensor: tensor.to("meta")),
    "a list": as_tensor(torch.Tensor.tolist),
    "nothing": as_tensor(lambda tensor: None),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("harm", WEIGHTS)
def test_wrong_weights_are_named_before_anything_is_drawn(good, tmp_path, harm):
    weights = dict(good[0])
    WEIGHTS[harm](weights)
    torch.save(weights, tmp_path / "broken.pt")
    refused(tmp_path / "broken.pt")


def test_the_sentence_names_the_tensor(good, tmp_path):
    weights = dict(good[0])
    numbers(FREED, math.nan, (0, 0))(weights)
    torch.save(weights, tmp_path / "broken.pt")
    assert f"its {FREED} holds NaN or infinity" in refused(tmp_path / "broken.pt")
    # also where the digest says that nothing was changed
    checkpoint.save(tmp_path / "sealed.pt", weights)
    assert FREED in refused(tmp_path / "sealed.pt")


@pytest.mark.parametrize(
    "name",
    [
        FREED,
        "image_decoder.from_code.weight",
        "image_decoder.inward.weight",
        "sampler.flow.inward.weight",
        "sampler.frame",
        "text_decoder.tokens.weight",
    ],
)
def test_weights_that_are_numbers_and_too_large_draw_nothing(good, tmp_path, name):
    """Finite weights that overflow gave a black picture or an empty caption, and exit code 0."""
    weights, facts = good
    facts = {**facts, "meta": {**META, "caption_source": "decoder"}}
    weights = with_facts({**weights, name: torch.full_like(weights[name], 1e38)}, json.dumps(facts))
    torch.save(weights, tmp_path / "broken.pt")
    model = MultimodalModel.from_checkpoint(tmp_path / "broken.pt")
    with pytest.raises(UserError, match="no numbers"):
        model.decode(latents([1], 32))


def test_shapes_are_known_without_the_model():
    """What is compared with a file before memory is asked for is what would be built."""
    configs = [preset_config(name) for name in SHOWN_PRESETS]
    for settings in [tiny_config(), tiny_config(encoder="vit"), *configs[:1]]:
        assert isinstance(settings, ModelConfig)
        assert expected_weights(settings) == weights_of(MultimodalModel(settings))


# ---- files ---------------------------------------------------------------------------------------


def pipe(path):
    os.mkfifo(path)


def laughs(path):
    """A list of ten lists of ten lists …: a million million values in a few hundred bytes."""
    value = ["ha"]
    for _ in range(12):
        value = [value] * 10
    torch.save(OrderedDict(weights=value), path)


def circle(path):
    value = []
    value.append(value)
    torch.save({"weights": value}, path)


def packed(path):
    import zipfile

    torch.save({"weights": torch.zeros(2**20)}, path)
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)


def digest_of_another_kind(path):
    state = OrderedDict(a=torch.zeros(2))
    state.digest = torch.zeros(2)
    torch.save(state, path)


FILES = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": pipe,
    "a link to itself": lambda path: path.symlink_to(path),
    "empty": lambda path: path.write_bytes(b""),
    "a text": lambda path: path.write_text("hello"),
    "safetensors": lambda path: path.write_bytes(
        b'\x40\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}\0\0\0\0'
    ),
    "a list": lambda path: torch.save([1, 2], path),
    "a tensor": lambda path: torch.save(torch.zeros(3), path),
    "an older format of torch": lambda path: torch.save(
        {"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=False
    ),
    "half of one": lambda path: torch.save({"model": {"a.weight": torch.zeros(2)}}, path),
    "values without end": laughs,
    "a circle": circle,
    "a packed archive": packed,
    "a huge number": lambda path: torch.save({"a": 10**5000}, path),
    "a lone surrogate": lambda path: torch.save({"\ud800": 1}, path),
    "a digest of another kind": digest_of_another_kind,
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_no_checkpoint_is_named(tmp_path, kind):
    FILES[kind](tmp_path / "best_model.pt")
    with pytest.raises(UserError) as error:
        MultimodalModel.from_checkpoint(tmp_path / "best_model.pt")
    assert "best_model.pt" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    ["[]", "{", '{"../../x": "a"}', '{"x.pt": 5}', '{"x.pt": "../"}', "[" * 100_000, "null", '"x"'],
)
def test_a_list_of_checksums_of_another_program_costs_nothing(tmp_path, content):
    """A name with a slash, or a list, ended the save of a checkpoint in a traceback."""
    (tmp_path / "checksums.json").write_text(content)
    (tmp_path / "x.pt").touch()
    checkpoint.save(tmp_path / "a.pt", {"a": torch.zeros(1)})
    assert list(json.loads((tmp_path / "checksums.json").read_text())) == ["a.pt"]


def test_a_model_that_the_memory_cannot_hold_is_refused_before_it_is_built():
    """The machine swapped for minutes, and then something else was ended for want of memory."""
    with pytest.raises(UserError, match="GiB, and this machine has"):
        MultimodalModel(ModelConfig(text_width=65536))
