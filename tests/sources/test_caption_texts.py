"""Captions of any file that preparing reads, whether pictures lie beside it or not."""

import json

import pytest

from oneseed.console.command import UserError
from oneseed.sources.caption_texts import read_caption_texts

BOTH = ["a castle", "a ship"]
FILES = {
    "plain.jsonl": '{"caption": "a castle"}\n{"caption": "a ship"}\n',
    "text.jsonl": '{"image": "1.png", "text": "a castle"}\n{"image": "2.png", "text": "a ship"}\n',
    "web.jsonl": '{"image": "https://x.org/1.png", "caption": "a castle"}\n{"caption": "a ship"}\n',
    "list.json": json.dumps([{"caption": "a castle"}, {"caption": "a ship"}]),
    "parted.jsonl": '{"caption": "a\u2028castle"}\n{"caption": "a\\nship"}\n',
    "commas.csv": "file_name,caption\n1.png,a castle\n2.png,a ship\n",
    "excel.csv": "sep=;\r\nfile_name;caption\r\n1.png;a castle\r\n2.png;a ship\r\n",
    "own.csv": "picture file;what is to be seen\n1.png;a castle\n2.png;a ship\n",
    "tabs.tsv": "filepath\ttitle\n1.png\ta castle\n2.png\ta ship\n",
    "lines.txt": "a castle\r\na ship\r\n\r\na castle\r\n",
    "lines": "a castle\na ship",
    "lines.md": "a castle\na ship\n",
    "table.txt": "1.png\ta castle\n2.png\ta ship\n",
    "names.txt": "1.png a castle\n2.png a ship\n",
    "llava.json": json.dumps(
        [
            {"image": f"{n}.png", "conversations": [{"from": "gpt", "value": text}]}
            for n, text in enumerate(BOTH)
        ]
    ),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_of_captions_is_read_in_every_form(name, encoding, tmp_path):
    """--find read nothing but JSON Lines with the key caption, and fell over a byte order mark."""
    (tmp_path / name).write_bytes(FILES[name].encode(encoding))
    assert read_caption_texts(tmp_path / name, tmp_path / "data").texts == BOTH


def test_lines_that_say_nothing_are_named_and_the_others_kept(tmp_path):
    path = tmp_path / "captions.jsonl"
    path.write_bytes(
        b'{"caption": "a castle"}\n{"caption": null}\n{broken\n[1]\n\xff\xfe\xff\n'
        b'{"caption": "a ship"}\n{"image": "1.png"}\n{"caption": "  "}\n'
    )
    found = read_caption_texts(path, tmp_path / "data")
    assert found.texts == BOTH
    assert [row["line"] for row in found.lost] == [2, 3, 4, 5, 7, 8]
    assert {row["reason"] for row in found.lost if row["line"] in (2, 7, 8)} == {"no caption"}
    assert {row["loses"] for row in found.lost} == {"caption"}


def test_a_folder_gives_the_captions_of_its_pictures(tmp_path):
    for name in ("1.png", "sub/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\x89PNG")
    (tmp_path / "1.txt").write_text("a castle", "utf-8")
    (tmp_path / "sub" / "metadata.csv").write_text("file_name,text\n2.png,a ship\n", "utf-8")
    assert read_caption_texts(tmp_path, tmp_path / "data").texts == BOTH


@pytest.mark.parametrize(
    "name, data, sentence",
    [
        ("gone.jsonl", None, "there is no .*gone.jsonl; name a file of captions"),
        ("empty.jsonl", b"", "holds no captions; name"),
        ("empty.txt", b"\n\n", "holds no captions; name"),
        ("other.jsonl", b'{"a": 1}\n', r"holds no captions \(no caption\); name"),
        ("latin.txt", "Schloß\n".encode("latin-1"), "is not UTF-8; save it as UTF-8"),
        ("1.png", b"\x89PNG\r\n\x1a\n\0\0", "is not UTF-8; save it as UTF-8, or name"),
        ("folder", "folder", "holds no captions; name"),
    ],
)
def test_what_holds_no_captions_ends_in_one_sentence(name, data, sentence, tmp_path):
    path = tmp_path / name
    if data == "folder":
        path.mkdir()
    elif data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError, match=sentence):
        read_caption_texts(path, tmp_path / "data")
