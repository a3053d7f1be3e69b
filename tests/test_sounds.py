"""One seed, one sound, one caption: from a folder of recordings to pairs that can be heard."""

import json
import wave

import pytest
import torch
from PIL import Image

import caption_generation
import inference
from oneseed.config.captioning import CaptionConfig
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.dataset.code_texts import kept_caption
from oneseed.dataset.collection import Collection
from oneseed.generation.generator import MultimodalGenerator
from oneseed.training.augmentation import random_delay
from tests.recordings import SAYS, SIDE, STYLE, prepare, record, recordings

pytest.importorskip("soundfile", reason="pip install soundfile scipy")


def draw(checkpoint, out, **flags):
    inference.main(InferenceConfig(checkpoint=str(checkpoint), out=str(out), device="cpu", **flags))


def test_captions_of_sounds_stay_letter_by_letter(sound_run):
    """They became "A picture of a dog barks", and a table's own "medium" was taken for ours."""
    data, _ = sound_run
    rows = Collection(STYLE, data).read_metadata()
    assert {row["medium"] for row in rows} == {"sound"}
    assert set(SAYS) <= {row["caption"] for row in rows}
    train, val = Collection(STYLE, data).read_captions()
    assert {row["medium"] for row in train + val} == {"sound"}


@pytest.mark.parametrize(
    "given, kept",
    [("chirping_birds", "chirping birds"), ("snake_case is said", "snake_case is said"), ("_", "")],
)
def test_a_label_of_a_sound_is_read_as_words(given, kept):
    """ESC-50 calls its classes so."""
    assert kept_caption({"medium": "sound", "style": STYLE}, given) == kept


def test_a_seed_is_written_as_picture_caption_and_sound(sound_run, tmp_path):
    """The sound follows from the card: the same bytes whenever the card is made again."""
    _, checkpoint = sound_run
    draw(checkpoint, tmp_path / "one", seeds="3-4")
    draw(checkpoint, tmp_path / "two", seeds="3")
    row = json.loads((tmp_path / "one/000003.json").read_text("utf-8"))
    assert (row["medium"], row["sound"]) == ("sound", "000003.wav")
    sound = (tmp_path / "one/000003.wav").read_bytes()
    assert sound == (tmp_path / "two/000003.wav").read_bytes()
    assert sound != (tmp_path / "one/000004.wav").read_bytes()
    with wave.open(str(tmp_path / "one/000003.wav")) as file:
        assert file.getnframes() == SIDE * 256
    draw(checkpoint, tmp_path, verify=str(tmp_path / "one/000003.png"))


def test_a_sound_is_described_and_varied(sound_run, tmp_path):
    _, checkpoint = sound_run
    record(tmp_path / "mine.wav", 660)
    draw(checkpoint, tmp_path / "out", image=str(tmp_path / "mine.wav"), strength=0.3, seeds="0")
    (path,) = (tmp_path / "out").glob("*.wav")
    assert path.stat().st_size > SIDE * 256


def test_a_model_of_pictures_refuses_a_sound_in_a_sentence(tiny_run, tmp_path):
    record(tmp_path / "mine.wav", 660)
    with pytest.raises(UserError, match="a sound, where a picture is wanted"):
        draw(tiny_run / "best_model.pt", tmp_path, image=str(tmp_path / "mine.wav"))
    generator = MultimodalGenerator(tiny_run / "best_model.pt", device="cpu")
    assert generator.square == ("picture", 32)


def test_what_is_not_of_the_medium_is_counted_and_named(tmp_path, capsys):
    """A cover picture lay beside the recordings, and a recording beside the pictures."""
    folder = recordings(tmp_path / "mixed", 3)
    Image.new("L", (90, 90), 200).save(folder / "cover.png")
    prepare(folder, tmp_path / "data")
    shown = capsys.readouterr().out
    assert "1 a picture in a collection of sounds" in shown
    assert "the 0.5 s of each sound that hold most energy are learnt" in shown
    prepare(folder, tmp_path / "data", medium="picture", style="covers")
    assert "a sound in a collection of pictures" in capsys.readouterr().out
    (row,) = Collection("covers", tmp_path / "data").read_metadata()
    assert "medium" not in row


def test_captioners_do_not_hear(tmp_path):
    """BLIP-2 would be downloaded, and describe the spectra of recordings as blurred pictures."""
    folder = recordings(tmp_path / "silent captions", 3)
    (folder / "metadata.csv").unlink()
    prepare(folder, tmp_path / "data")
    with pytest.raises(UserError, match=r"captioners look at pictures and hear nothing; ways"):
        caption_generation.main(CaptionConfig(style=STYLE, data=str(tmp_path / "data")))


def test_training_moves_sounds_in_time_alone():
    """Zooming made low notes high ones, and slow ones fast, against what captions say."""
    images = torch.rand(6, 1, 20, 20) * 2 - 1
    moved = random_delay(images, torch.Generator().manual_seed(1), share=0.2)
    for before, after in zip(images, moved):
        delays = [
            delay
            for delay in range(-4, 5)
            if torch.equal(
                after[..., max(0, delay) : 20 + min(0, delay)],
                before[..., max(0, -delay) : 20 + min(0, -delay)],
            )
        ]
        assert len(delays) == 1
        silent = after[..., : delays[0]] if delays[0] > 0 else after[..., 20 + delays[0] :]
        assert (silent == 1).all()
    assert not torch.equal(images, moved)
