"""Folders for trials: where commands work, and what lies around that no command may touch."""

import base64
import contextlib
import hashlib
import io
import os
import random
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

NEEDLE = b"the-canary-sings-7f3a9"


class Place:
    """A folder for trials: work/ is the current folder of the commands, guard/ must not change."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root / "deep" / "work"
        self.pristine = root / "pristine"
        self.guard = root / "guard"
        self.home = root / "home"
        self.tmp = root / "tmp"
        # MiB more than this process that a fork has which does nothing
        self.idle_growth = 0.0

    def make(self) -> None:
        for folder in (self.work, self.pristine):
            folder.mkdir(parents=True)
        self.clear()

    def clear(self) -> None:
        """Empty folders, and the guarded ones as new."""
        for folder in (self.work, self.guard, self.home, self.tmp):
            remove(folder)
            folder.mkdir(parents=True)
        write_canaries(self.guard)
        # "../guard" of the work folder
        if not (self.root / "deep/guard").is_symlink():
            (self.root / "deep/guard").symlink_to(self.guard)

    def restore(self, parts: Iterable[str]) -> None:
        """Puts these files and folders of the pristine material into work/."""
        self.clear()
        for part in parts:
            source = self.pristine / part
            target = self.work / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True)
            elif source.exists():
                shutil.copy2(source, target)

    def around(self) -> dict[str, tuple[Any, ...]]:
        """Names, kinds, times and contents of all that no command may touch."""
        return snapshot(self.guard) | snapshot(self.home)


def write_canaries(folder: Path) -> None:
    """Files of somebody's own: text, picture, captions."""
    (folder / "precious.txt").write_bytes(b"An engraving of " + NEEDLE + b"\n")
    (folder / "captions.jsonl").write_bytes(b'{"caption": "' + NEEDLE + b'"}\n')
    noise = random.Random(5).randbytes(24 * 24)
    Image.frombytes("L", (24, 24), noise).save(folder / "secret.png")


def needles(guard: Path) -> list[bytes]:
    """Bytes that are found where a guarded file was copied, also as base64."""
    picture = (guard / "secret.png").read_bytes()
    inside = picture[60:120]
    coded = [base64.b64encode(data[shift:])[2:60] for data in (picture,) for shift in range(3)]
    return [NEEDLE, inside, *coded]


def remove(path: Path) -> None:
    """Removes whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def snapshot(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Path -> kind, time of change and digest or target, of all below the folder."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted([folder, *folder.rglob("*")]):
        state = path.lstat()
        content = ""
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path)] = (state.st_mode, state.st_mtime_ns, content)
    return found


def content_of(path: Path) -> bytes | None:
    """The bytes of a file; None where there is none, something else, or no right to read it."""
    with contextlib.suppress(PermissionError):
        if path.is_file() and not path.is_symlink():
            return path.read_bytes()
    return None


def difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Which of the guarded files are not as they were."""
    changed = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
    return ", ".join(sorted(changed))[:300]


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and those of the members of a zip."""
    data = content_of(path) or b""
    yield data
    if data.startswith(b"PK\x03\x04"):
        with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist()[:200]:
                with contextlib.suppress(Exception):
                    yield archive.read(member)
