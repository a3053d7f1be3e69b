"""Captions that are code keep their lines where people read them."""

from PIL import Image

from oneseed.captioning.review import article
from oneseed.evaluation.report import figure_of_pair

CODE = "def area(n):\n    return n"


def test_the_report_and_the_review_show_the_lines_of_code(tmp_path):
    """Each line end was shown as a backslash and an n, and indentation was gone."""
    pair = {"seed": 7, "caption": CODE, "verdict": [], "image": Image.new("RGB", (8, 8))}
    row = {"caption": CODE, "split": "train", "filename": "a.png"}
    for page in (figure_of_pair(pair), article(row, [], tmp_path)):
        assert "\\n" not in page
        assert "def area(n):</bdi>\n<bdi>    return n" in page
