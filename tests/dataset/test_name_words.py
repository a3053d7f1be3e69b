"""What a file or a folder is called says what a picture shows, or says nothing."""

import pytest

from oneseed.dataset.name_words import folder_caption, name_caption
from oneseed.media.kinds import FILE_KINDS
from oneseed.sources.archive_members import ARCHIVE_SUFFIXES
from oneseed.sources.tables import TABLE_SUFFIXES


@pytest.mark.parametrize(
    "name, caption",
    [
        ("red_fox-03.jpg", "red fox"),
        ("RedFox2.png", "red fox"),
        ("redFox.PNG", "red fox"),
        ("red%20fox.jpg", "red fox"),
        ("red.fox.01.tif", "red fox"),
        ("plates/deep/red fox (1).png", "red fox"),
        ("plates\\red fox - Copy (2).png", "red fox"),
        ("Copy of red fox.webp", "red fox"),
        ("IMG_1234_red_fox.jpg", "red fox"),
        ("red-fox-1920x1080.jpg", "red fox"),
        ("fox2red3.png", "fox red"),
        ("a_red_fox.png", "a red fox"),
        ("19th_century_ship.jpg", "19th century ship"),
        ("St._Peter's_Church_(2).jpg", "st peter's church"),
        ("HTMLPage.png", "html page"),
        ("the_starry_night-h3451.jpg", "the starry night"),
        ("train.png", ""),
        ("TrainAtNight.png", "train at night"),
    ],
)
def test_names_that_people_give_become_words(name, caption):
    assert name_caption(name) == caption


@pytest.mark.parametrize(
    "name, caption",
    [
        ("naïveCafé.png", "naïve café"),
        ("ЗимнийЛес12.jpg", "зимний лес"),
        ("赤い狐_03.jpg", "赤い狐"),
        ("狐.png", "狐"),
        ("क्षत्रिय_1.png", "क्षत्रिय"),
        ("cafe\u0301_1.png", "café"),
        ("لوحة_قديمة_٣.jpg", "لوحة قديمة"),
    ],
)
def test_names_of_every_language_keep_their_letters(name, caption):
    """A pattern of a to z would leave these without a word, and marks belong to their letters."""
    assert name_caption(name) == caption


@pytest.mark.parametrize(
    "name",
    [
        "IMG_1234.JPG",
        "IMG-20200101-WA0001.jpg",
        "DSC0001.jpg",
        "DSCN0012.NEF",
        "P1010001.JPG",
        "PXL_20210101_123456789.jpg",
        "GOPR0001.JPG",
        "WhatsApp Image 2020-01-01 at 12.00.00.jpeg",
        "Screenshot 2020-01-01 at 12.00.00.png",
        "download (3).jpg",
        "untitled.png",
        "scan0001.tif",
        "001.png",
        "2020-01-01.png",
        "n02119789_1234.JPEG",
        "3f2a9c1b7d.png",
        "deadbeefcafebabe.png",
        "d41d8cd98f00b204e9800998ecf8427e.png",
        "550e8400-e29b-41d4-a716-446655440000.webp",
        "MVI_0012.MOV",
        "GX010012.MP4",
        "WhatsApp Video 2020-01-01 at 12.00.00.mp4",
        "Recording (3).m4a",
        "dQw4w9WgXcQ.jpg",
        "x.png",
        "",
    ],
)
def test_what_cameras_and_programs_call_a_file_says_nothing(name):
    """A caption "img" or "dsc" would teach that all pictures show the same."""
    assert name_caption(name) == ""


def test_the_nearest_folder_that_says_something_is_the_caption():
    assert folder_caption("birds/07.png", "/home/anna/animals") == "birds"
    assert folder_caption("birds/train/images/07.png", "/home/anna/animals") == "birds"
    assert folder_caption("07.png", "/home/anna/Red_Foxes.zip") == "red foxes"
    assert folder_caption("07.png", "/home/anna/red foxes/") == "red foxes"
    assert folder_caption("07.png", "hf:anna/red-foxes:train") == "red foxes"
    assert folder_caption("train/07.png", "/data/images") == ""


KIND_SUFFIXES = [suffix for suffixes in FILE_KINDS.values() for suffix in suffixes]


@pytest.mark.parametrize("suffix", sorted({*KIND_SUFFIXES, *ARCHIVE_SUFFIXES, *TABLE_SUFFIXES}))
def test_no_suffix_of_a_file_that_is_found_is_a_word_of_its_name(suffix):
    """cat.mov said "cat mov" and IMG_1234.mov said "mov", so that names were the way advised."""
    assert name_caption(f"red_fox-03{suffix}") == "red fox"
    assert name_caption(f"red_fox-03{suffix.upper()}") == "red fox"
    assert name_caption(f"IMG_1234{suffix}") == ""
