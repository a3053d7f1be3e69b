"""Originals in storage by URL: copied into data/raw/<style>/unpacked/, then read as any folder.

Decoding, hashing and looking for twins read each file several times, so the originals must lie on
this machine while they are prepared. A file that is here already, as long as there, is not copied
again, so that an interrupted copy goes on.
"""

import posixpath
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oneseed.console.command import UserError
from oneseed.console.output import progress
from oneseed.sources.archive_members import DEFAULT_LIMITS, Limits
from oneseed.sources.archive_names import name_problem
from oneseed.sources.rejections import Rejection, passed_over, rejection
from oneseed.sources.walking import is_clutter
from oneseed.storage import FileInStore, Store
from oneseed.workers import chunks

# files that are copied at the same time
COPIES_AT_ONCE = 8
# files that wait to be copied
COPIES_AHEAD = 512


def fetch_stored(
    url: str, folder: Path, limits: Limits = DEFAULT_LIMITS
) -> tuple[Path, list[Rejection]]:
    """Copies what lies at a URL -> the folder, or the one file, on this machine; what was left out.

    url: as storage.checked_url gives it. UserError where nothing lies there, or the store does not
    answer.
    """
    storage = Store.at(url)
    if storage.is_file():
        path = folder / (posixpath.basename(url) or "file")
        if not path.is_file():
            storage.fetch("", path)
        return path, []
    found = storage.listed()
    if not found:
        raise UserError(f"--source {url} holds no files; name a URL with pictures below it")
    lost: list[Rejection] = []
    wanted = list(harmless_files(found, limits, lost))
    missing = [file for file in wanted if not is_copied(folder / file.name, file.size)]
    with (
        ThreadPoolExecutor(COPIES_AT_ONCE) as pool,
        progress(label="copying", total=len(wanted), initial=len(wanted) - len(missing)) as bar,
    ):
        for some in chunks(missing, COPIES_AHEAD):
            for _ in pool.map(lambda file: storage.fetch(file.name, folder / file.name), some):
                bar.update()
    return folder, lost


def harmless_files(
    found: list[FileInStore], limits: Limits, lost: list[Rejection]
) -> Iterator[FileInStore]:
    """The files that are copied; what is left out goes into `lost`, with its reason."""
    total = 0
    for number, file in enumerate(found):
        # of an archive's member; a store may hold archives
        problem = name_problem(file.name, "")
        if "\\" in file.name or any(ord(letter) < 32 for letter in file.name):
            problem = "a name that is no path"
        if is_clutter(file.name):
            continue
        total += file.size
        if number >= limits.members or total > limits.total_bytes:
            rest = len(found) - number
            lost.append(passed_over(file.name, f"beyond what is copied of one source: {rest:,}"))
            return
        if problem:
            lost.append(rejection(file.name, problem, file=file.name))
            total -= file.size
        else:
            yield file


def is_copied(path: Path, size: int) -> bool:
    """Whether a file of so many bytes lies at the path."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False
