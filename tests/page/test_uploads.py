"""Files that strangers bring to the page, and files that they only name."""

import re

import pytest
from PIL import Image

from oneseed.console.command import UserError
from oneseed.page.uploads import uploaded_image
from oneseed.web.inputs import PAGE_MAX_PIXELS


@pytest.mark.parametrize(
    "value",
    [
        None,
        "x.png",
        [],
        {},
        {"path": None},
        {"path": ["x.png"]},
        7,
        True,
        {"path": "/etc/passwd"},
        {"path": "up/../../secret.png"},
        {"path": "up/\0"},
    ],
    ids=repr,
)
def test_what_is_no_uploaded_file_is_asked_for(value, tmp_path, monkeypatch):
    """Gradio checks only paths that come with its own mark.

    Without it, any picture of the server could be looked at.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "up").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "secret.png")
    (tmp_path / "up/link.png").symlink_to(tmp_path / "secret.png")
    for one in (value, {"path": str(tmp_path / "secret.png")}, {"path": "up/link.png"}):
        with pytest.raises(UserError, match="^Bring a picture first"):
            uploaded_image(one, tmp_path / "up")


def test_files_that_are_no_good_picture_are_refused_without_naming_the_server_s_paths(tmp_path):
    Image.new("L", (64, 48), 200).save(tmp_path / "good.png")
    assert uploaded_image({"path": str(tmp_path / "good.png")}, tmp_path).size == (64, 48)
    Image.new("1", (7000, PAGE_MAX_PIXELS // 7000 + 1)).save(tmp_path / "bomb.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    (tmp_path / "page.png").write_text("<svg onload=alert(1)>")
    for name, sentence in (
        ("bomb.png", "read as a picture: more than 40,000,000 pixels; bring another"),
        ("cut.png", "read as a picture: unreadable .cut off.; bring another"),
        ("page.png", "read as a picture: SVG is not read: save it as PNG; bring another"),
        ("none.png", "read as a picture: there is no file of this name; bring another"),
    ):
        with pytest.raises(UserError, match=sentence) as refused:
            uploaded_image({"path": str(tmp_path / name)}, tmp_path)
        assert str(tmp_path) not in str(refused.value)
        assert not re.search("[<>]", str(refused.value))
