"""What the tab Training makes of the files that a run leaves: curves, tables, pictures.

All text in them is a stranger's.
"""

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from oneseed.console.command import UserError
from oneseed.page.curves import curve, curves
from oneseed.page.training_results import (
    SeedBoard,
    health_table,
    read_metrics,
    report_tables,
    run_summary,
    seed_board,
)

HOSTILE = '<script>alert(1)</script>" onload="x'
HEALTH = {
    "passed": True,
    "auc": 0.563,
    "auc_all": None,
    "directions": 67,
    "norm": 32.1,
    "low_power": False,
    "rows": 600,
    "mean": -0.0017,
    "std": 1.0034,
    "caption_spread": 0.5,
    "picture_spread": 0.4,
}


def parsed(markup):
    """HTML of ours is well-formed XML, so that nothing can be half open."""
    return ElementTree.fromstring(f"<div>{markup}</div>".replace(" open>", ' open="">'))


def test_a_curve_draws_every_epoch_and_says_its_ends():
    figure = parsed(curve("Loss", {"train": [4.0, 2.0, 1.0], "held out": [3.0, 2.0, 2.0]}))
    lines = {
        line.get("class"): [
            tuple(map(float, point.split(","))) for point in line.get("points").split()
        ]
        for line in figure.iter("polyline")
    }
    assert list(lines) == ["held", "train"]
    assert all(len(points) == 3 for points in lines.values())
    heights = [y for _, y in lines["train"]]
    assert heights == sorted(heights), "a falling loss goes down the page; equal values meet"
    assert lines["held"][1] == lines["train"][1], (
        "a falling loss goes down the page; equal values meet"
    )
    label = next(figure.iter("svg")).get("aria-label")
    assert "train from 4 to 1" in label
    assert "held out from 3 to 2" in label
    assert {"train 1", "held out 2", "3 epochs"} <= {text.text for text in figure.iter("text")}


def test_labels_of_lines_that_end_together_keep_apart():
    heights = [
        float(text.get("y"))
        for text in parsed(curve("Loss", {"train": [2.0, 1.0], "held out": [2.0, 1.0]})).iter(
            "text"
        )
        if text.text.split()[0] in ("train", "held")
    ]
    assert abs(heights[0] - heights[1]) >= 12


@pytest.mark.parametrize(
    "values",
    [[float("nan")], [None, "x", None], [], [float("inf"), float("nan")]],
    ids=repr,
)
def test_a_curve_without_numbers_is_left_out(values):
    assert curve("Loss", {"train": values}) == ""


@pytest.mark.parametrize(
    "values",
    [
        [1.0],
        [0.0, 0.0],
        [-1.0, 2.0],
        [1e30, 1e-30],
        [float("nan"), 1.0, float("inf"), 2.0],
        [5] * 500,
    ],
)
def test_odd_numbers_still_give_a_picture(values):
    figure = parsed(curve("Loss", {"train": values}, ideal=1))
    numbers = re.findall(
        r"-?[\d.]+(?:e-?\d+)?", " ".join(line.get("points") for line in figure.iter("polyline"))
    )
    assert numbers
    assert all(0 <= float(number) <= 320 for number in numbers)


def test_text_of_a_strange_run_is_escaped():
    for markup in (
        curve(HOSTILE, {HOSTILE: [1.0, 2.0]}),
        curves([{"epoch": HOSTILE, "train_loss": 1.0, "val_loss": HOSTILE}]),
    ):
        assert "<script" not in markup
        assert 'onload="' not in markup
        assert len(list(parsed(markup).iter("svg"))) == 1


def test_metrics_that_are_missing_or_damaged_are_named(tmp_path, monkeypatch):
    # where nothing is prepared
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="metrics.json is not here.*python dataset_preparation"):
        read_metrics(tmp_path)
    for content in ("{", "[]", "{}", "[1]", "null"):
        (tmp_path / "metrics.json").write_text(content)
        with pytest.raises(UserError, match="metrics.json"):
            read_metrics(tmp_path)
    assert (
        run_summary(
            [{"epoch": 1, "best": True, "images_per_second": 200.0}, {"epoch": 2, "best": True}]
        )
        == "2 epochs · the best is epoch 2 · 200 pictures a second"
    )
    assert run_summary([{}]) == "1 epoch"


def test_curves_of_a_real_run_and_the_pictures_of_its_epochs(tiny_run):
    rows = read_metrics(tiny_run)
    titles = [figure.find("figcaption").text for figure in parsed(curves(rows, 32)).iter("figure")]
    assert titles[0] == "Loss, all parts weighted"
    assert {
        "Reconstruction",
        "Caption",
        "Contrastive",
        "Length of the latent",
    } <= set(titles)
    pictures, captions = seed_board(tiny_run / "tensorboard")[:2]
    assert [title for _, title in pictures] == ["after epoch 1", "after epoch 2"]
    assert pictures[0][0].size[0] > pictures[0][0].size[1]
    assert captions.count("\n") == 7
    assert captions.startswith("0:")
    assert seed_board(tiny_run / "nothing") == SeedBoard()


def test_the_report_is_shown_by_sections_and_escaped(tmp_path):
    one = {
        "title": HOSTILE,
        "value": 0.918,
        "floor": {"shuffled": 0.1},
        "ceiling": None,
        "wanted": "at least <1",
    }
    report = {
        "checkpoint": HOSTILE,
        "caption_source": "nearest",
        "seeds": 500,
        "first_seed": 10**9,
        "numbers": {
            "joint_strict": one,
            "joint_mean": {**one, "title": "mean"},
            "memory": {**one, "title": "MiB"},
        },
    }
    (tmp_path / "report.json").write_text(json.dumps(report))
    shown = parsed(report_tables(tmp_path / "report.json"))
    assert [summary.text for summary in shown.iter("summary")] == [
        "Pairs of seeds",
        "Latent and cost",
    ]
    assert [[cell.text for cell in row] for row in shown.iter("tr")][1] == [
        HOSTILE,
        "0.918",
        "shuffled 0.100",
        "-",
        "at least <1",
    ]
    assert [details.get("open") for details in shown.iter("details")] == ["", None]
    assert "Captions are those of the nearest training pictures" in shown.find("p").text


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"numbers": 1}',
        '{"numbers": {"x": 1}}',
        '{"numbers": {"x": {}}, "checkpoint": "", "seeds": 1, "first_seed": 1}',
        '{"numbers": {}, "checkpoint": "", "seeds": 1, "first_seed": "x"}',
    ],
)
def test_a_report_of_another_version_is_named_not_shown(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    assert "python evaluation.py writes it again" in report_tables(tmp_path / "report.json")
    assert "python evaluation.py writes it." in report_tables(tmp_path / "none.json")


def test_health_is_told_beside_what_is_wanted():
    told = " ".join(text for text in parsed(health_table(HEALTH)).itertext())
    assert "67 directions" in told
    assert "0.563" in told
    assert "at most 0.65" in told
    assert "not tested" in told
    assert "healthy" in told
    assert "failed" in health_table({**HEALTH, "passed": False})
    assert health_table(None) == ""


def test_health_is_told_in_words_before_the_table_and_few_pictures_give_no_verdict():
    """A table with "failed" in it frightened people whose collection was only small."""
    shown = parsed(health_table(HEALTH))
    assert [part.tag for part in shown] == ["p", "details"]
    assert shown[0].text == "Pairs from seeds should look like redrawn pictures."
    weak = {**HEALTH, "auc": 0.81, "rows": 19, "low_power": True, "passed": False}
    told = " ".join(parsed(health_table(weak)).itertext())
    assert "19 held-out pictures are too few for a verdict" in told
    assert "none, too few held-out pictures" in told
    assert "failed" not in told
