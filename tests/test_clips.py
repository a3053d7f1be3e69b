"""One seed, one clip, one caption: from a folder of moving pictures to pairs that move."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

import caption_generation
import inference
from oneseed.config.captioning import CaptionConfig
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.dataset.collection import Collection
from oneseed.generation.generator import MultimodalGenerator
from oneseed.media.clip import frames_of_sheet
from oneseed.page.watching import watching_updates
from oneseed.training.augmentation import vary_batch, view_count
from oneseed.training.data import Batch
from tests.moving_pictures import SAYS, SIDE, STYLE, frames, moving, moving_pictures, prepare


def draw(checkpoint, out, **flags):
    inference.main(InferenceConfig(checkpoint=str(checkpoint), out=str(out), device="cpu", **flags))


def test_a_folder_of_moving_pictures_is_a_collection_of_clips(clip_run):
    """They were pictures of their first frames; captions stay letter by letter."""
    data, _ = clip_run
    rows = Collection(STYLE, data).read_metadata()
    assert len(rows) == 24
    assert {row["medium"] for row in rows} == {"clip"}
    assert {row["caption"] for row in rows} == set(SAYS)
    assert all(row["seconds"] == pytest.approx(2.0) for row in rows)
    with Image.open(Collection(STYLE, data).picture(rows[0])) as sheet:
        shown = frames_of_sheet(sheet)
    assert len({frame.tobytes() for frame in shown}) > 4


def test_a_seed_is_written_as_sheet_caption_and_clip(clip_run, tmp_path):
    """The clip follows from the card: the same bytes whenever the card is made again."""
    _, checkpoint = clip_run
    draw(checkpoint, tmp_path / "one", seeds="3-4")
    draw(checkpoint, tmp_path / "two", seeds="3")
    row = json.loads((tmp_path / "one/000003.json").read_text("utf-8"))
    assert (row["medium"], row["clip"]) == ("clip", "000003.gif")
    clip = (tmp_path / "one/000003.gif").read_bytes()
    assert clip == (tmp_path / "two/000003.gif").read_bytes()
    assert clip != (tmp_path / "one/000004.gif").read_bytes()
    with Image.open(io.BytesIO(clip)) as file:
        assert file.size == (SIDE // 4, SIDE // 4)
    draw(checkpoint, tmp_path, verify=str(tmp_path / "one/000003.png"))


def test_a_clip_is_described_and_varied(clip_run, tmp_path):
    """All of its frames are looked at: the same first frame and another motion is another clip."""
    _, checkpoint = clip_run
    (tmp_path / "mine.gif").write_bytes(moving(frames()).getvalue())
    draw(checkpoint, tmp_path / "out", image=str(tmp_path / "mine.gif"), strength=0.3, seeds="0")
    assert len(list((tmp_path / "out").glob("*.gif"))) == 1
    generator = MultimodalGenerator(checkpoint, device="cpu")
    (tmp_path / "still.gif").write_bytes(moving([*frames(1) * 9, *frames(2)]).getvalue())
    seen = [
        inference.open_pictures(str(tmp_path / name), generator.square)[0]
        for name in ("mine.gif", "still.gif")
    ]
    assert not np.array_equal(*map(np.asarray, seen))


def test_a_model_of_pictures_sees_the_first_frame(tiny_run, tmp_path):
    (tmp_path / "mine.gif").write_bytes(moving(frames()).getvalue())
    draw(tiny_run / "best_model.pt", tmp_path / "out", image=str(tmp_path / "mine.gif"))
    assert not list((tmp_path / "out").glob("*.gif"))


def test_what_is_not_of_the_medium_is_counted_and_named(tmp_path, capsys):
    """A poster lay beside the clips; among pictures one that moves is a picture as before."""
    folder = moving_pictures(tmp_path / "mixed", 3)
    Image.new("L", (90, 90), 200).save(folder / "poster.png")
    prepare(folder, tmp_path / "data")
    shown = capsys.readouterr().out
    assert "1 a picture in a collection of clips" in shown
    assert "16 frames of the first 2.0 s of each clip are learnt" in shown
    prepare(folder, tmp_path / "data", medium="picture", style="posters")
    rows = Collection("posters", tmp_path / "data").read_metadata()
    assert len(rows) == 4
    assert not any("medium" in row for row in rows)
    for number in range(3):
        Image.new("L", (90, 90), 40 * number).save(folder / f"{number}_still.png")
    prepare(folder, tmp_path / "data", style="more")
    assert len(Collection("more", tmp_path / "data").read_metadata()) == 7


def test_the_same_files_as_clips_and_as_pictures_are_told_apart(tmp_path):
    """The journal remembered the first frames: --medium clip gave pictures."""
    folder = moving_pictures(tmp_path / "clips", 3)
    prepare(folder, tmp_path / "data", medium="picture")
    prepare(folder, tmp_path / "data", medium="clip")
    rows = Collection(STYLE, tmp_path / "data").read_metadata()
    assert [row["width"] for row in rows] == [SIDE] * 3


def test_a_video_among_pictures_is_named_and_one_that_cannot_be_read_too(tmp_path, capsys):
    folder = moving_pictures(tmp_path / "clips", 3)
    (folder / "a.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(90))
    prepare(folder, tmp_path / "data", medium="picture")
    assert "1 a clip in a collection of pictures" in capsys.readouterr().out
    prepare(folder, tmp_path / "data")
    shown = capsys.readouterr().out
    assert "unreadable" in shown or "pip install -r requirements-clips.txt" in shown


def test_captioners_see_nothing_move(tmp_path):
    """BLIP-2 would describe sheets of sixteen frames as "a collage of a box"."""
    folder = moving_pictures(tmp_path / "clips", 3)
    (folder / "metadata.csv").unlink()
    prepare(folder, tmp_path / "data")
    with pytest.raises(UserError, match=r"captioners look at pictures and see nothing move; ways"):
        caption_generation.main(CaptionConfig(style=STYLE, data=str(tmp_path / "data")))


def test_training_leaves_sheets_as_they_are():
    """Zooming moved frames across the borders of their sheet; mirrored ones went left for right."""
    images = torch.rand(3, 1, 16, 16)
    fields = dict.fromkeys(Batch._fields)
    batch = Batch(**{**fields, "images": images, "rows": torch.arange(3)})
    assert vary_batch(batch, "1", "clip").images is images
    assert not torch.equal(vary_batch(batch, "1").images, images)
    assert view_count(100, "clip") == 1 < view_count(100)


def test_the_page_shows_the_clip_of_a_sheet(clip_run, tmp_path):
    """The sheet stays where it is, hidden: it is the card that people save."""
    import gradio as gr

    _, checkpoint = clip_run
    draw(checkpoint, tmp_path / "out", seeds="3")
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "3.png").write_bytes((tmp_path / "out/000003.png").read_bytes())
    shown = watching_updates(gr, {"path": str(cache / "3.png")}, str(cache), "Seed 3")
    assert (shown.sheet.visible, shown.player.visible, shown.button.visible) == (False, True, True)
    (clip,) = cache.rglob("clip.gif")
    assert clip.read_bytes() == (tmp_path / "out/000003.gif").read_bytes()
