"""A card says how its pair was made, and whoever has the model can see whether that is true."""

import json
import os
import re

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from inference import main
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError, run
from oneseed.generation import cards
from oneseed.generation.generator import MultimodalGenerator
from oneseed.generation.rendering import save_pair
from oneseed.model.multimodal import MultimodalModel
from tests.generation.conftest import HOLIDAY_CAPTIONS

HOW_MANY = 200 if os.environ.get("LONG") else 3


@pytest.fixture(scope="module")
def generator(tiny_run):
    return MultimodalGenerator(tiny_run / "best_model.pt", device="cpu")


def write(run, folder, **flags):
    main(
        InferenceConfig(
            checkpoint=str(run / "best_model.pt"), out=str(folder), device="cpu", **flags
        )
    )
    return sorted(path for path in folder.glob("*.png") if path.name != "sheet.png")


def rewritten(path, change=lambda facts: None, pixels=lambda array: None, signed=False):
    """The card with changed facts or pixels, beside it -> its path.

    signed: whoever changed it also wrote the digests anew.
    """
    image, facts = cards.read_card(path)
    array = np.array(image)
    change(facts)
    pixels(array)
    image = Image.fromarray(array)
    if signed:
        facts = cards.sign(
            image, {key: value for key, value in facts.items() if key not in cards.DIGESTS}
        )
    changed = path.with_name(f"changed_{path.name}")
    changed.write_bytes(cards.encode_card(image, facts))
    return changed


@pytest.fixture(scope="module")
def some(tiny_run, tmp_path_factory):
    return write(tiny_run, tmp_path_factory.mktemp("cards"), seeds=f"0-{HOW_MANY - 1}")


def test_every_card_of_a_batch_is_true_when_made_again_alone(generator, some):
    assert len(some) == HOW_MANY
    assert not [path.name for path in some if cards.differences(generator, path)]


@pytest.mark.parametrize("signed", [False, True])
def test_another_caption_or_seed_is_found_even_where_the_digests_were_written_anew(
    generator, some, signed
):
    def speak(facts):
        facts["caption"] += " Indeed."

    def move_seed(facts):
        facts["seed"] += 1000

    for path in some:
        found = cards.differences(generator, rewritten(path, speak, signed=signed))
        assert any("Indeed." in sentence for sentence in found)
        assert any("digest" in sentence for sentence in found) is not signed
        found = cards.differences(generator, rewritten(path, move_seed, signed=signed))
        assert any("away from what the model draws" in sentence for sentence in found)
        assert any("digest" in sentence for sentence in found) is not signed


def test_one_pixel_one_step_brighter_is_found_by_the_digest_and_two_steps_without_it(
    generator, some
):
    def brighter(steps):
        def change(array):
            array[3, 5] = np.where(array[3, 5] < 128, array[3, 5] + steps, array[3, 5] - steps)

        return change

    for path in some:
        (found,) = cards.differences(generator, rewritten(path, pixels=brighter(1)))
        assert "pixels were changed" in found
        found = cards.differences(generator, rewritten(path, pixels=brighter(3), signed=True))
        assert re.search("[23]/255 away", " ".join(found))


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.update(cosine=facts["cosine"] + 0.1),
        lambda facts: facts.update(match=(facts["match"] + 37) % 101),
        lambda facts: facts.update(cosine=float("nan")),
    ],
)
def test_a_better_match_score_than_the_pair_has_is_found(generator, some, change):
    (found,) = cards.differences(generator, rewritten(some[0], change, signed=True))
    assert "match score" in found


@pytest.mark.parametrize(
    "flags",
    [
        dict(seeds="3,4", prompt="a ship by the sea", guidance=1.5),
        dict(seeds="3", style="stipple"),
        dict(seeds="5", best_of=5),
        dict(interpolate=3, seeds="4,6"),
        dict(interpolate=3, seeds="4,6", passes=1),
        dict(seeds="3", prompt="a ship by the sea", passes=3),
        dict(image="a.png"),
        dict(image="a.png", passes=3),
        dict(image="a.png", style="line", strength=0.1),
        dict(image="a.png", strength=0.9, seeds="1,2"),
    ],
)
def test_every_way_to_ask_writes_cards_that_can_be_made_again(
    generator, tiny_run, tmp_path, monkeypatch, capsys, flags
):
    monkeypatch.chdir(tmp_path)
    Image.effect_noise((40, 30), 60).save("a.png")
    files = write(tiny_run, tmp_path / "out", **flags)
    check = dict(checkpoint=str(tiny_run / "best_model.pt"), image=flags.get("image"), device="cpu")
    assert files
    for path in files:
        assert main(InferenceConfig(verify=str(path), **check)) == 0
    assert capsys.readouterr().out.count("true:") == len(files)
    if "image" in flags:
        for other, sentence in (
            (None, "made from the picture a.png"),
            (Image.new("L", (40, 30)), "names another"),
        ):
            with pytest.raises(UserError, match=sentence):
                cards.differences(generator, files[0], other)


def test_captions_drawn_at_a_temperature_are_drawn_again(generator, tiny_run, tmp_path):
    for path in write(tiny_run, tmp_path, seeds="0-3", temperature=1.5):
        assert not cards.differences(generator, path)


@pytest.mark.parametrize("passes", [1, 3])
def test_a_card_is_made_again_in_its_own_passes_whatever_the_reader_s_are(
    generator, tiny_run, tmp_path, passes
):
    """The default of a later version, or a flag beside --verify, would call true cards false."""
    (path,) = write(tiny_run, tmp_path, seeds="5", passes=passes)
    assert cards.read_card(path)[1]["passes"] == passes
    for other in (1, 2, 5):
        assert not cards.differences(generator.in_passes(other), path)
    found = cards.differences(
        generator, rewritten(path, lambda facts: facts.update(passes=4), signed=True)
    )
    assert any("away from what the model draws" in sentence for sentence in found)


def test_a_card_without_passes_is_of_two(generator, tiny_run, tmp_path):
    (path,) = write(tiny_run, tmp_path, seeds="5")
    silent = rewritten(path, lambda facts: facts.pop("passes"), signed=True)
    assert not cards.differences(generator.in_passes(1), silent)


def test_a_billion_passes_are_no_pair_card(generator, some):
    """A stranger's card would keep the machine busy for years."""
    many = rewritten(some[0], lambda facts: facts.update(passes=10**9), signed=True)
    with pytest.raises(UserError, match="is no pair card: .*--passes goes from 1 to 64"):
        cards.differences(generator, many)


def test_exit_codes_say_what_became_of_a_card(tiny_run, some, tmp_path, capsys):
    other = MultimodalModel.from_checkpoint(tiny_run / "best_model.pt")
    with torch.no_grad():
        other.image_decoder.outward.bias += 1e-6
    torch.save(other.state_dict(), tmp_path / "other.pt")
    Image.new("L", (32, 32)).save(tmp_path / "plain.png")
    (tmp_path / "no.png").write_text("no picture")
    forged = rewritten(some[0], lambda facts: facts.update(caption="\x1b[2J"), signed=True)
    for card, checkpoint, code, said in (
        (some[0], tiny_run / "best_model.pt", 0, "true"),
        (forged, tiny_run / "best_model.pt", 1, r"\x1b[2J"),
        (some[0], tmp_path / "other.pt", 2, "another model"),
        (tmp_path / "plain.png", tiny_run / "best_model.pt", 2, "no pair card"),
        (tmp_path / "no.png", tiny_run / "best_model.pt", 2, "cannot be read"),
    ):
        with pytest.raises(SystemExit) as ended:
            run(main, InferenceConfig(verify=str(card), checkpoint=str(checkpoint), device="cpu"))
        printed = "".join(capsys.readouterr())
        assert ended.value.code == code, printed
        assert said in printed
        assert "\x1b" not in printed


@pytest.mark.parametrize(
    "change",
    [
        dict(seed=-1),
        dict(seed="x"),
        dict(seed=2**32),
        dict(guidance="nan", prompt="a ship"),
        dict(prompt="x" * 501),
        dict(prompt=""),
        dict(asked_style="oil"),
        dict(temperature=1e9),
        dict(passes=0),
        dict(passes=65),
        dict(passes="many"),
        dict(strength=2.0),
        {"from": 1, "to": 2, "step": 0, "steps": 10**9},
        {"from": 1, "to": 2, "step": 5, "steps": 5},
        dict(card=2),
        dict(fingerprint="\x1b[2J"),
    ],
)
def test_a_card_of_nonsense_is_refused_in_a_sentence(generator, some, change):
    """A billion steps or a megabyte of prompt from a stranger's card would be made."""

    original = Image.new("RGB", (8, 8))

    def changed(facts):
        facts.update(change)
        if "strength" in change:
            facts.update(image="a.png", image_sha256=cards.digest_of_pixels(original))

    with pytest.raises(UserError) as error:
        cards.differences(generator, rewritten(some[0], changed), original)
    assert "\x1b" not in str(error.value)
    assert len(str(error.value)) < 600


def test_a_card_that_lacks_what_it_was_made_of_is_refused(generator, some):
    with pytest.raises(UserError, match="cannot be made"):
        cards.differences(generator, rewritten(some[0], lambda facts: facts.pop("seed")))


def test_any_text_survives_in_a_card(tmp_path):
    caption = 'Ein Kupferstich von Dürer\u2028\u202e 🖼 <script>\x00 "=cmd"'
    saved = save_pair(
        tmp_path,
        "one",
        Image.new("RGB", (8, 8)),
        {"caption": caption, "prompt": None, "seed": 7, "guidance": 2.5, "fingerprint": "f"},
    )
    _, facts = cards.read_card(tmp_path / "one.png")
    assert facts["caption"] == caption
    assert (facts["seed"], facts["guidance"]) == (7, 2.5)
    assert "prompt" not in facts
    assert {**facts, "picture": "one.png"} == saved


@pytest.mark.parametrize("source", ["decoder", "nearest", "none"])
def test_a_card_says_who_wrote_its_caption_and_is_true(run_with_source, source, tmp_path):
    """A borrowed caption looked like the model's own, and a missing one like a broken card."""
    run_folder = run_with_source(source)
    (path,) = write(run_folder, tmp_path / "out", seeds="1")
    facts = cards.read_card(path)[1]
    assert facts["caption_source"] == source
    assert json.loads((tmp_path / "out" / "000001.json").read_text())["caption_source"] == source
    assert json.loads((tmp_path / "out" / "pairs.json").read_text())[0]["caption_source"] == source
    same = MultimodalGenerator(run_folder / "best_model.pt", device="cpu")
    assert same.caption_source == source
    assert cards.differences(same, path) == []
    shown = same.generate_with_metadata(1)
    assert (shown["caption_source"], shown["caption"]) == (source, facts["caption"])
    assert (facts["caption"] in HOLIDAY_CAPTIONS) == (source == "nearest")
    assert (facts["caption"] == "") == (source == "none")
    assert ("cosine" in facts) == (source != "none"), "without a caption there is no match"


def test_a_card_that_names_another_writer_is_not_true(run_with_source, tmp_path):
    run_folder = run_with_source("nearest")
    (path,) = write(run_folder, tmp_path / "out", seeds="1")
    lie = rewritten(path, lambda facts: facts.update(caption_source="decoder"), signed=True)
    same = MultimodalGenerator(run_folder / "best_model.pt", device="cpu")
    assert cards.differences(same, lie) == [
        "the card says that the caption comes from 'decoder', the model's come from 'nearest'"
    ]


def test_a_card_from_before_the_question_is_still_true(run_with_source, tmp_path):
    run_folder = run_with_source("decoder")
    (path,) = write(run_folder, tmp_path / "out", seeds="1")
    old = rewritten(path, lambda facts: facts.pop("caption_source"), signed=True)
    same = MultimodalGenerator(run_folder / "best_model.pt", device="cpu")
    assert "caption_source" not in cards.read_card(old)[1]
    assert cards.differences(same, old) == []


def test_a_card_stays_one_when_another_program_saves_it_without_loss(generator, some, tmp_path):
    with Image.open(some[0]) as image:
        text = PngImagePlugin.PngInfo()
        for key, value in image.text.items():
            text.add_text(key, str(value), zip=True)
        image.convert("RGB").save(tmp_path / "copy.png", pnginfo=text, optimize=True)
    assert not cards.differences(generator, tmp_path / "copy.png")


def test_the_fingerprint_is_of_what_a_model_gives_and_not_of_its_file(
    generator, tiny_run, tmp_path
):
    model = MultimodalModel.from_checkpoint(tiny_run / "best_model.pt")
    health = {**model.meta["health"], "passed": False}
    model.meta |= {"health": health, "epoch": 99, "match": None}
    torch.save(model.state_dict(), tmp_path / "same.pt", _use_new_zipfile_serialization=False)
    same = MultimodalModel.from_checkpoint(tmp_path / "same.pt")
    assert same.fingerprint() == generator.fingerprint
    assert len(generator.fingerprint) == 64
    for change in (
        lambda: same.meta.update(styles=["line"]),
        lambda: same.sampler.spread.mul_(1.0001),
    ):
        before = same.fingerprint()
        change()
        assert same.fingerprint() != before
