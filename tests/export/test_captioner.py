"""caption_finetuning.py --push sends what a run has made, and a card of that run's own figures."""

import json
import re
import shutil
from pathlib import Path

import pytest

import caption_finetuning
from oneseed.config.finetuning import FinetuningConfig
from oneseed.console.command import UserError
from oneseed.export.captioner import base_license, base_on_hub, teaching_command
from oneseed.export.captioner_card import captioner_card
from tests.finetuning.tiny import saved_qwen, teach, tiny_collection

pytest.importorskip("peft", reason="pip install -r requirements-captioner.txt")

WEIGHTS = {"config.json", "generation_config.json", "model.safetensors", "captioner.json"}


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A run that has ended -> its folder; what it was taught on lies beside it."""
    place = tmp_path_factory.mktemp("taught")
    data = tiny_collection(place / "data", 20).data
    base = saved_qwen(place / "base")
    assert teach(base, data, place / "run", question="What is <this>?", dora=True) == 0
    return place / "run"


@pytest.fixture
def run(taught, tmp_path):
    """A copy of that run."""
    return Path(shutil.copytree(taught, tmp_path / "run"))


def push(run, **flags):
    config = FinetuningConfig(**{"push": "owner/name", "checkpoints": str(run), **flags})
    return caption_finetuning.main(config)


def change(run, **changes):
    """Changes metrics.json."""
    path = run / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def test_the_merged_checkpoint_is_sent_and_nothing_that_is_somebody_s(run, hub, capsys):
    """A run's folder holds pictures in report.html, paths in metrics.json, and what a user left."""
    (run / "private.txt").write_text("mine")
    (run / "vocab.json").symlink_to(run / "training.log")
    assert push(run, private=True) == 0
    assert hub.files.keys() >= WEIGHTS | {"README.md", "tokenizer.json"}
    assert not hub.files.keys() & {"private.txt", "metrics.json", "report.html", "last.pt"}
    assert not hub.files.keys() & {"vocab.json", "checksums.json", "training.log"}
    for name, content in hub.files.items():
        assert content == (run / name).read_bytes(), name
        assert str(run.parent).encode() not in content, name
        assert b"pytest-of" not in content, f"{name} names a folder of this machine"
    (created,) = hub.created
    assert created["visibility"] == "private"
    said = capsys.readouterr().out
    assert "sent: https://huggingface.co/owner/name" in said
    assert "states no licence; say it with --license" in said


def test_the_card_says_what_the_run_measured_and_how_it_was_taught(run, hub):
    from huggingface_hub import ModelCard

    assert push(run, license="apache-2.0") == 0
    text = hub.files["README.md"].decode()
    data = ModelCard(text).data
    assert (data.license, data.library_name) == ("apache-2.0", "transformers")
    assert (data.pipeline_tag, data.base_model) == ("image-text-to-text", None)
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    for name, found in (
        ("before", metrics["looks"][0]),
        ("taught", metrics["after"]["figures"]),
        ("floor", metrics["after"]["floor"]),
    ):
        numbers = " | ".join(f"{found[one]:.3f}" for one in ("exact", "valid", "similarity"))
        assert f"| {name} | {numbers} |" in text
    assert "Of 2 held-out pictures" in text
    assert "18 of them, with 2 held out" in text
    assert "    What is <this>?\n" in text
    command = re.search(r"    python caption_finetuning\.py .*", text)[0].strip()
    for words in ("--model base", "--dora", "--rank 4", "--question 'What is <this>?'"):
        assert words in command
    assert "--data" not in command and "--style" not in command, "it is the usual one"


def test_a_card_that_somebody_has_edited_is_sent_as_it_is(run, hub, capsys):
    """A second push wrote over what its owner had corrected in the card."""
    assert push(run) == 0
    assert "stays as it is" not in capsys.readouterr().out
    edited = (run / "README.md").read_text("utf-8").replace("## Use", "## How it is used")
    (run / "README.md").write_text(edited, "utf-8")
    assert push(run) == 0
    assert hub.files["README.md"].decode() == edited
    assert "stays as it is" in capsys.readouterr().out


def test_the_python_on_the_card_loads_what_was_sent(run, hub, tmp_path):
    assert push(run) == 0
    text = hub.files["README.md"].decode()
    for name, content in hub.files.items():
        (tmp_path / "sent").mkdir(exist_ok=True)
        (tmp_path / "sent" / name).write_bytes(content)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names = {}
    exec(code.replace("owner/name", str(tmp_path / "sent")), names)
    assert names["model"].config.model_type == "qwen2_vl"
    assert names["processor"].chat_template


def test_an_adapter_goes_alone_where_its_base_is_on_the_hub(run, hub):
    with pytest.raises(UserError, match="a folder of this machine that nobody else has"):
        push(run, adapter=True)
    settings = json.loads((run / "metrics.json").read_text("utf-8"))["settings"]
    change(run, settings=settings | {"model": "anna/base"})
    assert push(run, adapter=True, create_pr=True) == 0
    weights = {"adapter_config.json", "adapter_model.safetensors"}
    assert hub.files.keys() == {"README.md", "captioner.json", *weights}
    text = hub.files["README.md"].decode()
    assert 'base_model: "anna/base"' in text
    assert 'library_name: "peft"' in text
    assert '.from_pretrained("anna/base"), "owner/name")' in text, "never without peft: DoRA"
    assert "--model anna/base" in text


@pytest.mark.parametrize("status, sentence", [(401, "hf auth login"), (400, "nothing was sent")])
def test_a_refusal_of_the_hub_is_one_sentence(run, hub, status, sentence):
    hub.status = status
    with pytest.raises(UserError, match=sentence):
        push(run)


def test_what_has_not_ended_or_is_not_what_was_taught_is_not_sent(run, hub, tmp_path):
    with pytest.raises(UserError, match="holds no captioner that was taught here"):
        push(tmp_path / "nowhere")
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    change(run, after=None)
    with pytest.raises(UserError, match="has not ended: run the command that taught it again"):
        push(run)
    change(run, after=metrics["after"] | {"equal_texts": 1})
    with pytest.raises(UserError, match="answers other texts than its adapter"):
        push(run)
    change(run, after=metrics["after"])
    (run / "model.safetensors").unlink()
    with pytest.raises(UserError, match="holds no merged checkpoint"):
        push(run)
    assert hub.created == []


@pytest.mark.parametrize(
    "damage",
    [
        {"settings": {}},
        {"settings": {"model": "x"}},
        {"settings": []},
        {"looks": []},
        {"looks": [{}]},
        {"after": {}},
        {"after": [1]},
    ],
)
def test_figures_that_no_run_wrote_are_one_sentence(run, hub, damage):
    change(run, **damage)
    with pytest.raises(UserError, match=r"metrics\.json does not tell of a run|has not ended"):
        push(run)
    assert hub.created == []


def test_a_licence_is_the_one_that_the_base_states_or_none(tmp_path):
    """A card that makes up a licence lets others do what its author never allowed."""
    card = tmp_path / "README.md"
    assert base_license(str(tmp_path)) == ""
    card.write_text("---\nlicense: gemma\n---\n# A base\n")
    assert base_license(str(tmp_path)) == "gemma"
    for stated in ("license: [1]", "{", "license: !!python/name:os.system"):
        card.write_text(f"---\n{stated}\n---\n")
        assert base_license(str(tmp_path)) == ""


def test_the_card_of_two_towers_shows_their_searches():
    shares = {"text finds picture, first": 0.5}
    metrics = {
        "settings": {"objective": "contrastive", "style": "prints", "samples": [48, 16]},
        "looks": [{"retrieval": {"text finds picture, first": 0.125}}],
        "after": {"retrieval": shares, "chance": {"text finds picture, first": 0.12}},
    }
    text = captioner_card(FinetuningConfig(push="a/b"), metrics, None, "anna/clip", "", "python x")
    assert "| text finds picture, first | 0.120 | 0.125 | 0.500 |" in text
    assert 'pipeline_tag: "zero-shot-image-classification"' in text
    assert "48 of them, with 16 held out" in text
    assert "AutoModel.from_pretrained" in text
    assert "captioner.json" not in text


def test_names_of_folders_are_no_names_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert base_on_hub("anna/base") == "anna/base"
    (tmp_path / "anna" / "base").mkdir(parents=True)
    assert base_on_hub("anna/base") == ""
    assert base_on_hub("/home/anna/base") == ""
    assert teaching_command({"model": "/home/anna/base"}).endswith("--model base")


@pytest.mark.parametrize(
    "flags", [{"push": "anna"}, {"adapter": True}, {"private": True}, {"license": "mit"}]
)
def test_flags_of_a_push_need_a_place(flags):
    with pytest.raises(ValueError, match="--push"):
        FinetuningConfig(**flags)


def test_one_command_at_a_time():
    with pytest.raises(ValueError, match="--export and --push are two commands"):
        FinetuningConfig(push="anna/x", export="gguf")
