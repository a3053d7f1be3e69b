"""Before a captioner learns, it is told what will be taught, or why it cannot be."""

import sys
from pathlib import Path

import pytest

from oneseed.captioning import adapters
from oneseed.console.command import UserError
from tests.captioning.families import tiny_qwen
from tests.finetuning.tiny import TURNS, saved, saved_qwen, teach, tiny_collection

pytest.importorskip("peft", reason="pip install -r requirements-captioner.txt")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_collection(tmp_path_factory.mktemp("pairs"), 20).data


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return saved_qwen(tmp_path_factory.mktemp("base"))


def test_an_estimate_needs_no_weights(base, data, tmp_path, capsys):
    """Parts, first batch, memory and time are told of 12 billion parameters on a laptop, too."""
    (Path(base) / "model.safetensors").rename(tmp_path / "away")
    try:
        assert teach(base, data, tmp_path / "run", estimate=True, dora=True) == 0
        wide = capsys.readouterr().out
        assert teach(base, data, tmp_path / "run", estimate=True, dora=True, bits=4) == 0
        few = capsys.readouterr().out
    finally:
        (tmp_path / "away").rename(Path(base) / "model.safetensors")
    assert not (tmp_path / "run").exists()
    rows = {line.split()[0]: line.split() for line in wide.splitlines() if line.split()}
    assert rows["vision"][3] == "0"
    assert int(rows["language"][3].replace(",", "")) > 0
    assert int(rows["all"][1].replace(",", "")) == 122_784
    assert "<|image_pad|> x 4<|vision_end|>Describe this picture.<|im_end|>" in wide
    assert "8 tokens of the answer count, the last one as its end" in wide
    assert "    An engraving of castle 0<|im_end|>\n" in wide
    assert "  activations" in wide
    assert "time: very roughly" in wide
    frozen = [text.split("frozen weights")[1].split()[0] for text in (wide, few)]
    assert float(frozen[1]) < float(frozen[0])


def test_what_an_estimate_counts_is_what_a_run_teaches(base, data, tmp_path, capsys):
    changes = dict(rslora=True, connector="whole", max_samples=4)
    assert teach(base, data, tmp_path / "run", estimate=True, **changes) == 0
    estimated = capsys.readouterr().out.splitlines()[:5]
    assert teach(base, data, tmp_path / "run", **changes) == 0
    assert capsys.readouterr().out.splitlines()[:5] == estimated
    connector = estimated[2].split()
    assert connector[1] == connector[3], "all of it is taught"


def test_a_captioner_whose_template_leaves_pictures_out_is_refused(data, tmp_path):
    """Templates of language models do; then nothing of a picture would be learnt."""
    blind = TURNS.replace("<|vision_start|><|image_pad|><|vision_end|>", "")
    model = saved(tiny_qwen, tmp_path / "blind", template=blind)
    with pytest.raises(UserError, match=r"blind reads no picture together .* leave pictures out"):
        teach(model, data, tmp_path / "run")


def test_a_picture_that_would_be_cut_ends_the_run_before_it_begins(base, data, tmp_path):
    with pytest.raises(
        UserError, match=r"the picture and its question take 38 tokens \(4 of them the picture\)"
    ):
        teach(base, data, tmp_path / "run", max_length=20)


def test_long_captions_are_left_out_and_counted(base, tmp_path, capsys):
    collection = tiny_collection(tmp_path / "data", 20)
    text = collection.train.read_text().replace("castle 5", "castle 5" + " of stone" * 30)
    collection.train.write_text(text)
    assert teach(base, collection.data, tmp_path / "run", estimate=True, max_length=60) == 0
    shown = capsys.readouterr().out
    assert "17 pairs to train and 2 to validate" in shown
    assert "left out, since they are too long: 1" in shown
    with pytest.raises(UserError, match="no pair is short enough"):
        teach(base, collection.data, tmp_path / "run", estimate=True, max_length=40)


def test_captions_that_the_tokens_change_are_found(base, data):
    """A tokenizer that joins blanks makes Python out of Python that does not run."""
    from tokenizers import normalizers

    from oneseed.captioning.huggingface import load_captioner
    from oneseed.dataset.collection import Collection
    from oneseed.finetuning.examples import read_examples
    from oneseed.finetuning.preflight import changed_by_tokens

    captioner = load_captioner(base, "cpu")
    examples = read_examples(Collection("engraving", data), "").train[:3]
    assert changed_by_tokens(examples, captioner) == []
    words = captioner.processor.tokenizer.backend_tokenizer
    words.normalizer = normalizers.Lowercase()
    assert changed_by_tokens(examples, captioner) == examples


def test_without_peft_a_sentence_names_the_command(base, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError) as refused:
        teach(base, data, tmp_path / "run")
    assert str(refused.value) == (
        "caption_finetuning.py needs the library peft: pip install -r requirements-captioner.txt, "
        "then run the same command again"
    )
    assert adapters.INSTALL_CAPTIONER in str(refused.value)


def test_four_bits_without_their_library_name_the_command(base, data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match=r"--bits 4 needs the library bitsandbytes: pip install"):
        teach(base, data, tmp_path / "run", bits=4)


@pytest.mark.parametrize(
    "model, sentence",
    [("", "which captioner is to be taught"), ("RUN", "the folder that this run writes to")],
)
def test_a_missing_captioner_and_its_own_folder_are_refused(data, tmp_path, model, sentence):
    run = tmp_path / "run"
    with pytest.raises(UserError, match=sentence):
        teach(model and str(run), data, run)


def test_an_adapter_is_no_captioner_to_begin_with(data, tmp_path):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(UserError, match="is an adapter, which lies beside its merged checkpoint"):
        teach(tmp_path / "adapter", data, tmp_path / "run")


def test_a_collection_without_captions_names_the_command(base, tmp_path):
    collection = tiny_collection(tmp_path / "data", 20)
    lines = collection.val.read_text().splitlines()
    collection.val.write_text("")
    collection.train.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=r"no captioned picture to validate with: .*caption_gen"):
        teach(base, collection.data, tmp_path / "run")
