"""What `python -m oneseed.export hub` writes and sends is the model, with a card that is true."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import inference
from inference import MultimodalGenerator
from oneseed.config.base_model import BASE_FILE
from oneseed.config.hub import HubConfig, SpaceConfig
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.console.flags import parse_configs
from oneseed.dataset.commands import script_command
from oneseed.export.hub import export_model, own_report, push_to_hub, write_model
from oneseed.export.model_card import figures_of_report, in_cell, license_of, report_command
from oneseed.export.repository import Repository, front_matter, is_edited, send, write_card
from tests.test_documents import commands

ROOT = Path(__file__).resolve().parents[2]
SHA = "0123456789abcdef0123456789abcdef01234567"
MODEL = {"config.json", "tokenizer.json", "model.safetensors"}


def export(**settings):
    """Runs the command with two pairs -> the text of the card."""
    export_model(HubConfig(**{"seeds": "0-1", **settings}))
    return Path(settings.get("out", "outputs/hub"), "README.md").read_text("utf-8")


def report_of(fingerprint, value=0.875):
    """A report as evaluation.py writes it, with one number."""
    number = {"title": "strict | all", "value": value, "floor": 0.125, "ceiling": 1.0}
    return {
        "fingerprint": fingerprint,
        "style": "prints",
        "caption_source": "decoder",
        "seeds": 500,
        "first_seed": 10_000,
        "warnings": ["few pictures"],
        "notes": [],
        "numbers": {"joint_strict": {**number, "wanted": "at least 0.9", "interval": [0.8, 0.9]}},
    }


def write_report(report):
    path = Path("outputs/report/report.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report), "utf-8")


def test_the_folder_is_the_model_and_its_pairs_are_cards(tiny_checkpoint):
    export()
    folder = Path("outputs/hub")
    assert {path.name for path in folder.iterdir()} == MODEL | {"README.md", "samples"}
    own = MultimodalGenerator(tiny_checkpoint, "cpu")
    other = MultimodalGenerator.from_pretrained("outputs/hub", device="cpu")
    assert other.fingerprint == own.fingerprint
    assert other.generate(7)[1] == own.generate(7)[1]
    card = InferenceConfig(
        checkpoint="outputs/hub", verify="outputs/hub/samples/000001.png", device="cpu"
    )
    assert inference.main(card) == 0


def test_the_card_says_what_the_hub_asks_and_how_the_model_is_used(tiny_checkpoint):
    from huggingface_hub import ModelCard

    text = export(license="cc-by-4.0", pictures="848 prints of our archive")
    data = ModelCard(text).data
    assert (data.license, data.library_name) == ("cc-by-4.0", "pytorch")
    assert data.pipeline_tag == "text-to-image"
    assert {"unconditional-image-generation", "image-to-text"} <= set(data.tags)
    generator = MultimodalGenerator(tiny_checkpoint, "cpu")
    assert generator.fingerprint in text
    assert "848 prints of our archive. Collection: prints. Styles: etching. Epochs: 3." in text
    for seed in (0, 1):
        assert f"![seed {seed}](samples/{seed:06d}.png)" in text
        assert in_cell(f"seed {seed}: {generator.generate(seed)[1]}") in text


def test_no_licence_is_made_up():
    """The pictures of a model of one's own have a licence that nobody here knows."""
    assert license_of(HubConfig()) is None
    assert license_of(HubConfig(checkpoint="base")) == "mit"
    assert license_of(HubConfig(checkpoint="base", license="cc0-1.0")) == "cc0-1.0"


def test_the_three_lines_on_the_card_give_a_pair(tiny_checkpoint, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", export(), re.DOTALL)
    monkeypatch.setattr(Path, "is_dir", lambda path: True)
    lines = code.replace("OWNER/NAME", "outputs/hub").splitlines()
    assert len(lines) == 3
    names = {}
    exec("\n".join(lines), names)
    image, caption = names["image"], names["caption"]
    assert (image.size, type(caption)) == ((32, 32), str)


def test_the_figures_are_those_of_this_models_report(tiny_checkpoint, capsys):
    """A report lies where the last evaluation left it, whichever model that was of."""
    generator = MultimodalGenerator(tiny_checkpoint, "cpu")
    assert own_report(generator, HubConfig()) is None
    assert "python evaluation.py" in capsys.readouterr().out
    write_report(report_of("0" * 64))
    assert "They were not measured" in export()
    assert "is of another model" in capsys.readouterr().out
    write_report(report_of(generator.fingerprint))
    text = export()
    row = "| strict \\| all | 0.875 \\[0.800, 0.900\\] | 0.125 | 1.000 | at least 0.9 |"
    assert row in text
    assert "Of 500 seeds from 10000" in text
    assert "few pictures" in text


def test_a_report_that_is_none_ends_in_one_sentence(tiny_checkpoint):
    report = report_of("0" * 64)
    del report["numbers"]["joint_strict"]["title"]
    with pytest.raises(UserError, match="is of another version of this program"):
        figures_of_report(report, "python evaluation.py")
    write_report({})
    with pytest.raises(UserError, match=r"--report outputs/report/report\.json is no report"):
        export()
    assert not Path("outputs/hub").exists()


def test_the_hint_at_a_report_makes_the_one_that_is_asked_for():
    """With --report my/report.json it named a command that writes outputs/report/report.json."""
    assert report_command(HubConfig()) == script_command("evaluation.py")
    config = HubConfig(checkpoint="base", report="my figures/report.json")
    assert report_command(config).endswith(" --checkpoint base --out 'my figures'")
    assert "--out" not in report_command(HubConfig(report="figures.json"))


def test_the_next_command_can_be_typed(tiny_checkpoint, capsys):
    """A folder with a blank in its name stood in the printed command without quotes."""
    export(out="my model")
    assert "inference.py --checkpoint 'my model'," in capsys.readouterr().out


def test_the_card_of_sounds_names_them_and_leads_to_them(tiny_checkpoint):
    """The JSON of a pair named a .wav that was not among the files that are sent."""
    generator = MultimodalGenerator(tiny_checkpoint, "cpu")
    generator.model.meta["medium"] = "sound"
    folder = Path("outputs/hub")
    files = write_model(generator, folder, HubConfig(seeds="1"))
    assert set(files) == {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert json.loads((folder / "samples/000001.json").read_text("utf-8"))["sound"] == "000001.wav"
    assert "samples/000001.wav" in files
    text = (folder / "README.md").read_text("utf-8")
    assert "One seed gives a sound and the caption that belongs to it" in text
    assert "[![seed 1](samples/000001.png)](samples/000001.wav)" in text


def test_captions_that_are_code_are_sent_as_the_files_that_their_pairs_name(tiny_checkpoint):
    """The JSON of a pair named an .html or .txt that was not among the files that are sent."""
    generator = MultimodalGenerator(tiny_checkpoint, "cpu")
    generator.model.meta["caption_kind"] = "code"
    files = write_model(generator, Path("outputs/hub"), HubConfig(seeds="1"))
    row = json.loads(Path("outputs/hub/samples/000001.json").read_text("utf-8"))
    assert f"samples/{row['code']}" in files


def test_no_word_of_a_caption_is_markup():
    assert in_cell("a | b\n<img src=x> *c* [d](e)") == (r"a \| b &lt;img src=x&gt; \*c\* \[d\](e)")
    assert front_matter({"title": 'a: "b"\n---', "license": "", "models": None}) == (
        '---\ntitle: "a: \\"b\\"\\n---"\n---\n'
    )


# ---- sending -------------------------------------------------------------------------------------


def test_what_is_sent_is_the_folder_and_nothing_else(tiny_checkpoint, hub, capsys):
    Path("outputs/hub").mkdir(parents=True)
    Path("outputs/hub/private.txt").write_text("mine")
    text = export(push="owner/name", private=True)
    assert "sent: https://huggingface.co/owner/name" in capsys.readouterr().out
    assert hub.branch == "main"
    (created,) = hub.created
    assert (created["organization"], created["name"]) == ("owner", "name")
    assert created["visibility"] == "private"
    samples = {f"samples/00000{seed}.{suffix}" for seed in (0, 1) for suffix in ("png", "json")}
    assert hub.files.keys() == MODEL | {"README.md"} | samples
    for name, content in hub.files.items():
        assert content == Path("outputs/hub", name).read_bytes(), name
    assert 'from_pretrained("owner/name")' in text
    assert json.loads(hub.files["samples/000001.json"])["checkpoint"] == "hub:owner/name"


def test_a_card_that_somebody_has_edited_is_kept_and_sent(tiny_checkpoint, hub, capsys):
    """The documents say: look at the folder, then --push. What was corrected in the card between
    the two was written over without a word."""
    export()
    assert "stays as it is" not in capsys.readouterr().out
    card = Path("outputs/hub/README.md")
    edited = card.read_text("utf-8").replace("## Use", "## How it is used")
    card.write_text(edited, "utf-8")
    assert export(push="owner/name") == edited
    assert hub.files["README.md"].decode() == edited
    assert "outputs/hub/README.md was not written so" in capsys.readouterr().out


def test_a_card_that_nobody_has_edited_is_written_anew(tiny_checkpoint, hub):
    export()
    assert 'from_pretrained("owner/name")' in export(push="owner/name")


def test_a_card_of_others_stays(tmp_path):
    (tmp_path / "README.md").write_text("# My own notes\n", "utf-8")
    write_card(tmp_path, "# A card\n")
    assert (tmp_path / "README.md").read_text("utf-8") == "# My own notes\n"
    (tmp_path / "README.md").unlink()
    write_card(tmp_path, "# A card\n")
    assert not is_edited(tmp_path / "README.md")
    write_card(tmp_path, "# Another card\n")
    assert (tmp_path / "README.md").read_text("utf-8").startswith("# Another card\n")


def test_the_base_model_keeps_its_licence_where_python_sends_it(tiny_checkpoint, hub, monkeypatch):
    """push_to_hub took the checkpoint of the command, checkpoints/best_model.pt, for the model's,
    so the card of the base model stated no licence."""
    generator = MultimodalGenerator(tiny_checkpoint, "cpu")
    push_to_hub(generator, "owner/name", seeds="3")
    assert b"license:" not in hub.files["README.md"]
    monkeypatch.setattr(generator, "checkpoint", BASE_FILE)
    push_to_hub(generator, "owner/name", seeds="3")
    assert b'license: "mit"' in hub.files["README.md"]


def test_python_sends_a_model_as_a_proposal(tiny_checkpoint, hub):
    generator = MultimodalGenerator(tiny_checkpoint, "cpu")
    address = push_to_hub(generator, "owner/name", create_pr=True, token="hf_x", seeds="3")
    assert address == f"{hub.address}/owner/name/discussions/3"
    assert hub.branch.replace("%2F", "/") == "refs/pr/3"
    assert hub.created == []
    assert hub.files.keys() >= MODEL | {"samples/000003.png"}


@pytest.mark.parametrize(
    "status, sentence",
    [(401, "log in with hf auth login"), (403, "log in with hf auth login"), (400, "was sent to")],
)
def test_a_refusal_is_one_sentence(hub, tmp_path, status, sentence):
    hub.status = status
    (tmp_path / "README.md").write_text("# A model")
    with pytest.raises(UserError, match=sentence):
        send(tmp_path, ["README.md"], Repository("owner/name"))


def test_a_proposal_that_is_refused_is_not_told_to_be_one(hub, tmp_path):
    """With --create-pr the sentence advised --create-pr."""
    hub.status = 403
    (tmp_path / "README.md").write_text("# A model")
    with pytest.raises(UserError, match="hf auth login") as caught:
        send(tmp_path, ["README.md"], Repository("owner/name", create_pr=True))
    assert "--create-pr" not in str(caught.value)


@pytest.mark.parametrize(
    "flags", [{"push": "anna"}, {"push": "a/b@c"}, {"private": True}, {"create_pr": True}]
)
def test_a_place_that_is_none_is_refused_before_anything_is_drawn(flags):
    with pytest.raises(ValueError, match="--push"):
        HubConfig(**flags)


# ---- the command ---------------------------------------------------------------------------------


def test_a_script_draws_with_a_model_of_the_cache_without_a_network(tiny_checkpoint, tmp_path):
    """HF_HUB_OFFLINE is read when the library is imported, so it is tried in a process."""
    export()
    storage = tmp_path / "cache" / "models--owner--name"
    (storage / "refs").mkdir(parents=True)
    (storage / "refs" / "main").write_text(SHA)
    shutil.copytree("outputs/hub", storage / "snapshots" / SHA)
    command = [sys.executable, str(ROOT / "inference.py"), "--seeds", "7", "--device", "cpu"]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [*command, "--checkpoint", "hub:owner/name"], env=offline, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "next: python gradio_demo.py --checkpoint hub:owner/name" in done.stdout
    drawn = json.loads(Path("outputs/000007.json").read_text("utf-8"))
    own = MultimodalGenerator(tiny_checkpoint, "cpu")
    assert drawn["fingerprint"] == own.fingerprint
    assert (drawn["checkpoint"], drawn["caption"]) == ("hub:owner/name", own.generate(7)[1])


@pytest.mark.parametrize("kind", ["hub", "space"])
def test_help_shows_examples_before_any_heavy_import(kind):
    command = [sys.executable, "-X", "importtime", "-m", "oneseed.export", kind, "--help"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr[-500:]
    assert f"python -m oneseed.export {kind} --checkpoint base" in shown.stdout
    loaded = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
    assert not loaded & {"torch", "gradio", "huggingface_hub"}


def test_every_command_of_the_documents_is_one_that_the_export_accepts():
    configs = {"hub": HubConfig, "space": SpaceConfig}
    shown = [one for one in commands() if one.program == "oneseed.export" and one.flags]
    known = [one for one in shown if one.flags[0] in configs]
    assert len(known) >= 8, known
    for kind, *flags in (one.flags for one in known):
        parse_configs(configs[kind], description="", argv=flags)
