"""Frozen language models: a prefix of the code is learnt, and no weight of theirs moves."""

import shutil

import numpy as np
import pytest
import torch

from oneseed.config.model import FROZEN, OWN_TEXT_DECODER
from oneseed.console.command import UserError
from oneseed.generation.reading import PictureReader
from oneseed.model import checkpoint
from oneseed.model.checkpoint_facts import config_of_settings
from oneseed.model.frozen_language import FrozenLanguage
from oneseed.model.multimodal import MultimodalModel
from oneseed.model.tokenizer import END, PAD, START
from oneseed.synthetic.screens.collection import SCREENS
from oneseed.training.losses import caption_loss
from tests.conftest import tiny_config
from tests.tiny_languages import tiny_language

TEXTS = [SCREENS.tell(facts, 0, 5) for facts in SCREENS.collection(60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_language(tmp_path_factory.mktemp("language") / "tiny", TEXTS)


@pytest.fixture
def model(folder):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = MultimodalModel(tiny_config(text_decoder=str(folder), max_caption_length=44)).eval()
        torch.nn.init.normal_(made.text_decoder.connector.weight, std=2.0)
    return made


def codes(count):
    return torch.randn(count, 32, generator=torch.Generator().manual_seed(1))


def rows_of(model, texts):
    ids = [torch.tensor(model.tokenizer.encode(text, 44)) for text in texts]
    return torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=PAD)


def test_texts_survive_its_vocabulary_letter_by_letter(model):
    for text in [*TEXTS[:20], "  Été\n\t船 <eos> ", ""]:
        ids = model.tokenizer.encode(text, 500)
        assert (ids[0], ids[-1]) == (START, END)
        assert model.tokenizer.decode(ids) == text
    assert model.config.vocab_size == len(model.tokenizer)
    # its own mark of the end is no word, and neither are ours
    assert set(model.text_decoder.unused.nonzero().flatten().tolist()) == {PAD, START, 3, 4}


def test_logits_use_the_code_and_every_past_token_and_no_future_one(model):
    tokens = rows_of(model, TEXTS[:1])[:, :9]
    with torch.no_grad():
        logits = model.text_decoder(codes(1), tokens)
        other = model.text_decoder(codes(2)[1:], tokens)
        changed = tokens.clone()
        changed[0, 5] = changed[0, 5] + 1
        after = model.text_decoder(codes(1), changed)
    assert logits.shape == (1, 9, model.config.vocab_size)
    moved = (logits - other).nan_to_num().abs().amax(-1)[0]
    assert moved.min() > 1e-4
    assert torch.equal(logits[:, :5], after[:, :5])
    assert (logits - after).nan_to_num().abs().amax(-1)[0, 5:].min() > 1e-5


def test_word_by_word_equals_reading_all_tokens_again(model):
    quick = model.decode_tokens(codes(2))
    assert quick == model.decode_tokens(codes(2), use_cache=False)
    assert [quick[1]] == model.decode_tokens(codes(2)[1:2])
    assert len({tuple(row) for row in quick}) == 2


def test_the_connector_learns_and_the_language_model_does_not(model):
    language = model.text_decoder.language
    before = {name: weight.clone() for name, weight in language.network.named_parameters()}
    tokens = rows_of(model, TEXTS[:4])
    optimizer = torch.optim.Adam(model.text_decoder.parameters(), lr=0.02)
    losses = []
    for _ in range(8):
        loss = caption_loss(model.text_decoder(codes(4), tokens), tokens)
        optimizer.zero_grad()
        loss.backward()
        assert all(one.grad.any() for one in model.text_decoder.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.05
    for name, weight in language.network.named_parameters():
        assert torch.equal(weight, before[name]), name
    names = [name for name in model.state_dict() if name.startswith("text_decoder.")]
    assert names == ["text_decoder.connector.weight", "text_decoder.connector.bias"]


def test_a_checkpoint_gives_the_same_captions_and_says_where_it_lies(model, folder, tmp_path):
    path = tmp_path / "best_model.pt"
    checkpoint.save(path, model.state_dict())
    again = MultimodalModel.from_checkpoint(path)
    assert again.config.text_decoder == FROZEN
    assert again.meta["text_decoder_path"] == str(folder)
    assert again.fingerprint() == model.fingerprint()
    assert again.captions_of(codes(2)) == model.captions_of(codes(2))
    assert torch.equal(again.features_of(TEXTS[:2]), model.features_of(TEXTS[:2]))


def test_one_that_has_moved_is_named_and_another_one_refused(model, folder, tmp_path):
    path = tmp_path / "best_model.pt"
    model.meta["text_decoder_path"] = str(tmp_path / "gone")
    checkpoint.save(path, model.state_dict())
    with pytest.raises(UserError, match="no language model in .*gone, .* --text-decoder PATH"):
        MultimodalModel.from_checkpoint(path)
    moved = MultimodalModel.from_checkpoint(path, text_decoder=folder)
    assert moved.fingerprint() == model.fingerprint()
    other = tiny_language(tmp_path / "other", TEXTS, seed=1)
    with pytest.raises(UserError, match="another SHA-256"):
        MultimodalModel.from_checkpoint(path, text_decoder=other)


def test_what_is_none_is_refused_in_a_sentence(folder, tiny_model, tmp_path):
    with pytest.raises(ValueError, match="--text-decoder is own, or the folder"):
        tiny_config(text_decoder=str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="named by its folder"):
        tiny_config(text_decoder=FROZEN)
    checkpoint.save(tmp_path / "best_model.pt", tiny_model.state_dict())
    with pytest.raises(UserError, match="leave --text-decoder out"):
        MultimodalModel.from_checkpoint(tmp_path / "best_model.pt", text_decoder=folder)
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="is no language model"):
        FrozenLanguage(broken)
    settings = tiny_config().settings() | {"text_decoder": str(folder)}
    with pytest.raises(UserError, match="its text_decoder is"):
        config_of_settings(settings)
    assert tiny_config().text_decoder == OWN_TEXT_DECODER
    assert "text_decoder" not in tiny_config().settings()


def test_its_captions_can_be_held_to_a_grammar(model):
    model.meta.update(style="screens", caption_kind="code", caption_source="decoder")
    reader = PictureReader(model, is_constrained=True)
    texts = model.captions_of(codes(4), constraint=reader.constraint)
    assert [SCREENS.check(text).reason for text in texts] == [""] * 4
    assert all(SCREENS.check(text).reason for text in model.captions_of(codes(4)))


def test_prompts_and_pictures_work_as_before(model):
    model.meta.update(style="screens", caption_kind="code", words=["select"])
    reader = PictureReader(model)
    assert reader.read_prompt("SELECT").text == " SELECT"
    assert np.isfinite(reader.caption_features(["SELECT name", "x"]).numpy()).all()
