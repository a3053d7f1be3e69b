"""Promises about names that come out of files: each is one part of a path, or refused."""

import os

import pytest

from oneseed.file_names import UnsafeNameError, named_file

LEADING_OUT = ["../mine.txt", "/etc/passwd", "a/b.png", "a\\b.png", "..", ".", "", "C:x.png"]
NO_NAMES = ["nul", "COM1.png", "a\0b.png", "a\nb.png", "\udcff.png", "x" * 256, 7, None, ["a.png"]]


@pytest.mark.parametrize("name", [*LEADING_OUT, *NO_NAMES], ids=ascii)
def test_a_name_that_is_a_path_or_a_device_is_refused_with_the_file_that_gave_it(tmp_path, name):
    """ "../../mine.txt" in a stranger's list was deleted, and exported from his metadata."""
    with pytest.raises(UnsafeNameError, match="list.json"):
        named_file(tmp_path / "folder", name, "list.json")


def test_a_link_that_leads_out_a_folder_and_a_pipe_are_no_files_of_the_folder(tmp_path):
    """A prepared picture that is a link may show a private one."""
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "private.png").write_bytes(b"mine")
    (folder / "out.png").symlink_to("../private.png")
    os.mkfifo(folder / "pipe.png")
    for name in ("out.png", "inner", "pipe.png"):
        with pytest.raises(UnsafeNameError):
            named_file(folder, name)


def test_plain_names_are_files_of_the_folder_there_or_not(tmp_path):
    (tmp_path / "there.png").write_bytes(b"x")
    (tmp_path / "link.png").symlink_to("there.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    for name in ("there.png", "link.png", "circle.png", "missing.png", "Brücke 1.png"):
        assert named_file(tmp_path, name) == tmp_path / name
