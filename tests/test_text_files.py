"""Texts that people bring are read right, or refused with a reason; nothing in between."""

import os

import pytest

from oneseed.text_files import as_utf8, decode_text_file, read_text_file

TEXTS = ["a castle", "Schloß über dem Fluß", "山の上の城", "a fox 🦊\r\nand a hen\n", "a", ""]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", TEXTS)
def test_unicode_with_a_mark_is_read_letter_by_letter(text, encoding):
    """A spreadsheet saves "Unicode text" as UTF-16: it came out as � and blanks."""
    assert decode_text_file(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["a castle", "Schloß über dem Fluß", "file_name,text\n1.png,城\n"])
def test_unicode_without_a_mark_is_read_where_it_is_evident(text, encoding):
    assert decode_text_file(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "text, encoding",
    [
        ("Schloß über dem Fluß", "cp1252"),
        ("山の上の城", "shift_jis"),
        ("山の上の城", "euc_jp"),
        ("山の上の城", "iso2022_jp"),
        ("山上的城堡", "gbk"),
        ("замок на холме", "koi8-r"),
        ("Schloß", "cp437"),
    ],
)
def test_another_encoding_is_refused_and_called_so(text, encoding):
    """Bytes that are no UTF-8 became U+FFFD in captions, and the model learnt to write it."""
    with pytest.raises(ValueError, match="^is not UTF-8"):
        decode_text_file(text.encode(encoding))


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"\xff\xfea", "is UTF-16 that is damaged or cut off"),
        (b"\xff\xfe\0\0a", "is UTF-32 that is damaged or cut off"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is not UTF-8"),
        (b"abc\0", "control characters"),
        (b"castle\0\0\0\0", "control characters"),
        (b"\0" * 6, "is UTF-32 that is damaged or cut off"),
    ],
)
def test_what_is_damaged_or_no_text_is_refused(data, reason):
    with pytest.raises(ValueError, match=reason):
        decode_text_file(data)


def test_the_last_byte_of_an_old_text_and_doubled_marks_are_no_letters():
    assert decode_text_file(b"a castle\x1a") == "a castle"
    assert decode_text_file("\ufeff\ufeffa castle".encode()) == "a castle"


def test_bytes_of_no_encoding_stay_for_the_rows_that_hold_them():
    assert as_utf8(b"a\xffb") == b"a\xffb"
    assert as_utf8("ß".encode("utf-16")) == "ß".encode()


def test_a_text_that_cannot_be_read_is_told_in_few_words(tmp_path):
    (tmp_path / "long.txt").write_text("a" * 9)
    with pytest.raises(ValueError, match="is longer than 8 bytes"):
        read_text_file(tmp_path / "long.txt", max_bytes=8)
    with pytest.raises(ValueError, match=r"cannot be read \(No such file"):
        read_text_file(tmp_path / "gone.txt")
    with pytest.raises(ValueError, match="is not a plain file"):
        read_text_file(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "1.txt")
    with pytest.raises(ValueError, match="is not a plain file"):
        read_text_file(tmp_path / "1.txt")
