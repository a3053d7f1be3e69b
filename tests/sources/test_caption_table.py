"""--captions: a table gives each picture its own caption, and no picture another's."""

from oneseed.sources.caption_table import read_caption_table


def rows_of(*originals):
    return [
        {"id": f"{number:016x}", "filename": f"{number:016x}.png", "original": name}
        for number, name in enumerate(originals)
    ]


def captions_of(tmp_path, rows, *lines):
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["file_name,caption", *lines]) + "\n")
    found = read_caption_table(table, rows)
    name_of = {row["id"]: row["original"] for row in rows}
    return {name_of[row_id]: text for row_id, text in found.captions.items()}, found


def test_of_two_pictures_of_one_name_neither_caption_is_guessed(tmp_path):
    """The folder val was prepared, and the owl of val/1.png was called the fox of train/1.png."""
    rows = rows_of("1.png", "2.png")
    lines = ["train/1.png,a fox", "val/1.png,an owl", "val/2.png,a hen"]
    captions, found = captions_of(tmp_path, rows, *lines)
    assert captions == {"2.png": "a hen"}
    assert any("val/1.png and train/1.png may both be one picture" in line for line in found.unread)


def test_a_name_that_is_a_picture_s_own_wins(tmp_path):
    lines = ["old/1.png,wrong", "1.png,right", "older/1.png,wrong too"]
    captions, _ = captions_of(tmp_path, rows_of("1.png"), *lines)
    assert captions == {"1.png": "right"}


def test_of_several_captions_of_one_picture_the_first_counts(tmp_path):
    lines = ["val/1.png,a fox", "val/1.png,an owl"]
    captions, _ = captions_of(tmp_path, rows_of("1.png"), *lines)
    assert captions == {"1.png": "a fox"}


def test_a_name_as_long_as_a_text_is_shown_in_short(tmp_path):
    """A picture written into its line was printed as a line of 3,320 letters."""
    lines = ["1.png,a fox", f"{'x' * 3000}.png,an owl", f"/9j/{'AbC+' * 400},a hen"]
    captions, found = captions_of(tmp_path, rows_of("1.png"), *lines)
    assert captions == {"1.png": "a fox"}
    assert all(len(line) < 300 for line in found.lines())
    assert "it holds a picture instead of its name" in found.unread[0]
