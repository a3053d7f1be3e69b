"""Films of walks: there and back, of one size, and small enough to send."""

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from inference import main
from oneseed.config.inference import MAX_FILM, InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation import film
from oneseed.synthetic.engravings import attributes, drawing

GREY_LEVEL = 255 / (film.FILM_GREYS - 1)


def walk(steps, mode="RGB"):
    """Pairs whose pictures a film can tell apart."""
    facts = attributes.collection(steps, seed=5)
    return [
        (drawing.draw(fact, seed, 128).convert(mode), attributes.tell(fact, seed))
        for seed, fact in enumerate(facts)
    ]


def frames_of(gif):
    with Image.open(io.BytesIO(gif)) as opened:
        return [frame.convert("RGB").copy() for frame in ImageSequence.Iterator(opened)]


def test_a_film_goes_there_and_back_for_ever():
    pairs = walk(5)
    gif = film.film_gif(pairs)
    frames = frames_of(gif)
    assert len(frames) == 8
    for frame, back in zip(frames[1:4], frames[:4:-1]):
        assert frame.tobytes() == back.tobytes()
    with Image.open(io.BytesIO(gif)) as opened:
        assert (opened.format, opened.info["loop"]) == ("GIF", 0)
        pauses = [frame.info["duration"] for frame in ImageSequence.Iterator(opened)]
    assert pauses == [800, 160, 160, 160, 800, 160, 160, 160]


def test_a_film_without_captions_is_its_pictures_three_times_as_large():
    pairs = walk(3)
    frames = frames_of(film.film_gif(pairs, captions=False))
    assert {frame.size for frame in frames} == {(384, 384)}
    for frame, (image, _) in zip(frames, pairs):
        wanted = np.asarray(image.resize((384, 384), Image.Resampling.LANCZOS), dtype=int)
        assert np.abs(np.asarray(frame, dtype=int) - wanted).max() <= GREY_LEVEL / 2 + 1


def test_captions_of_a_film_are_in_one_size_and_all_there():
    captions = ["A ship.", "An engraving of a ship. " * 9, ""]
    texts = film.set_captions(captions)
    assert len({text.size for text in texts.values()}) == 1
    assert [" ".join(texts[caption].lines) for caption in captions] == [
        caption.strip() for caption in captions
    ]
    assert all(text.height <= film.FILM_CAPTION for text in texts.values())


def test_a_film_of_24_engravings_has_3_mb_at_most():
    """Twenty-four unlike pictures are more than any walk between two seeds."""
    assert len(film.film_gif(walk(24))) <= 3_000_000


def test_a_film_of_coloured_pictures_stays_coloured():
    red = Image.new("RGB", (16, 16), (200, 30, 20))
    blue = Image.new("RGB", (16, 16), (20, 30, 200))
    frames = frames_of(film.film_gif([(red, "red"), (blue, "blue")]))
    for frame, wanted in zip(frames, ((200, 30, 20), (20, 30, 200))):
        middle = frame.getpixel((200, 200))
        assert max(abs(a - b) for a, b in zip(middle, wanted)) <= 8


# ---------------------------------------------------------------- in the terminal


def draw_walk(run, folder, **more):
    main(
        InferenceConfig(
            checkpoint=str(run / "best_model.pt"),
            out=str(folder),
            device="cpu",
            interpolate=3,
            seeds="3,9,4",
            **more,
        )
    )


def test_without_ffmpeg_the_gif_is_written_alone_and_a_sentence_says_so(
    tiny_run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(film, "find_ffmpeg", lambda: None)
    draw_walk(tiny_run, tmp_path, film="captions")
    assert film.NO_FFMPEG in capsys.readouterr().out
    assert (tmp_path / "film.gif").exists()
    assert not (tmp_path / "film.mp4").exists()
    with pytest.raises(UserError, match="ffmpeg is not here"):
        film.film_mp4(tmp_path / "film.gif", tmp_path / "film.mp4")


@pytest.mark.skipif(film.find_ffmpeg() is None, reason="needs ffmpeg")
def test_with_ffmpeg_the_same_film_is_there_as_mp4(tiny_run, tmp_path, capsys):
    draw_walk(tiny_run, tmp_path, film="pictures")
    assert "film.mp4" in capsys.readouterr().out
    assert (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"


def test_a_failing_ffmpeg_is_said_in_a_sentence_and_leaves_no_file(tmp_path, monkeypatch):
    gif = tmp_path / "film.gif"
    gif.write_bytes(film.film_gif(walk(2)))
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho no such encoder >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(film, "find_ffmpeg", lambda: str(program))
    with pytest.raises(UserError, match="no such encoder"):
        film.film_mp4(gif, tmp_path / "film.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {"film.gif", "ffmpeg"}


def test_a_film_is_of_a_walk_and_of_a_size_that_can_be_sent():
    with pytest.raises(ValueError, match="--interpolate 24 --seeds 3,9 --film captions"):
        InferenceConfig(film="captions")
    with pytest.raises(ValueError, match=f"at most {MAX_FILM} pairs"):
        InferenceConfig(film="captions", interpolate=300, seeds="1-3")
