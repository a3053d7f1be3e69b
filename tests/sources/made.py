"""A folder of empty pictures and files of captions, as annotations.describe sees it."""

import json

from oneseed.sources import annotations


def describe_made(folder, files, pictures=("1.png", "2.png"), **options):
    """Writes the files and pictures -> what is described.

    files: {path: bytes, text, or a value for JSON}.
    """
    for path in pictures:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"\x89PNG\r\n\x1a\n")
    for path, content in files.items():
        if not isinstance(content, str | bytes):
            content = json.dumps(content, ensure_ascii=False)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return annotations.describe(names, folder.joinpath, base=folder.as_posix(), **options)


def captions_of(described):
    """{picture: caption} of those that have one."""
    return {path: row["caption"] for path, row in described.rows.items() if row["caption"]}


def reasons_of(described):
    """{file: reason} of what was lost."""
    return {row["file"]: row["reason"] for row in described.lost}


def further_captions(described):
    """How many captions were not used."""
    return sum(row.get("further_captions", 0) for row in described.formats)
