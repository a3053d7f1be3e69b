"""One picture whose name is written in several ways: found where only one fits, never guessed.

Captions come from other systems and other folders than pictures do. Accents are one letter or two,
suffixes are in capitals, separators lean the other way, a path begins in a folder that is not here,
or an address of a file stands where a path should.
"""

import bisect
import functools
import posixpath
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote

# folders that only say that pictures lie in them, or captions
PICTURE_FOLDER = re.compile(r"\.?|images?|imgs?|pictures?|pics?|photos?|files|jpe?gs?|pngs?")
CAPTION_FOLDER = re.compile(
    r"txts?|tags|.*(annotation|caption|label|meta|text|json|prompt|conversation|chat).*"
)


class Found(NamedTuple):
    """A picture's path, and whether the name led straight to it, not by the end of its path."""

    path: str
    is_exact: bool


def name_key(name: str) -> str:
    """What two spellings of one path have in common.

    Accents as one letter (NFC), / as separator, the shortest form, the suffix in lower case.
    """
    name = unicodedata.normalize("NFC", name).replace("\\", "/")
    stem, suffix = posixpath.splitext(posixpath.normpath(name))
    return stem + suffix.lower()


def name_spellings(name: str) -> list[str]:
    """A path as written, and as it reads where it is an address of a file or has escapes (%20)."""
    # 1.png#3 is the fourth caption of 1.png
    numbered = re.fullmatch(r"(.*\.\w+)#\d+", name, re.DOTALL)
    address = re.match(r"file:(?://(?:localhost(?=/))?)?", name, re.IGNORECASE)
    path = name[address.end() :] if address else name
    # file:///C:/set/1.png
    path = re.sub(r"^/(?=[A-Za-z]:[\\/])", "", path)
    found = [unquote(path), path] if address else [path, unquote(path), path.strip()]
    return list(dict.fromkeys([*found, *([numbered[1]] if numbered else [])]))


def parts_of(path: str) -> tuple[str, ...]:
    """What tells a path from others, in any case of letters: its folders but plain ones, its name.

    "Images/Train/1.PNG" -> ("train", "1.png").
    """
    *folders, base = name_key(path).casefold().split("/")
    return (*(folder for folder in folders if not is_plain_folder(folder)), base)


@functools.lru_cache(maxsize=4096)
def is_plain_folder(name: str) -> bool:
    """True for a folder's name that only says that pictures or captions lie in it."""
    return PICTURE_FOLDER.fullmatch(name.casefold()) is not None or is_caption_folder(name)


def is_caption_folder(name: str) -> bool:
    """True for a folder's name that only says that captions lie in it."""
    return CAPTION_FOLDER.fullmatch(name.casefold()) is not None


def part_below(path: str, folder: str) -> str:
    """What of a path stands below a folder that it begins in; the root is ""."""
    return path.removeprefix(f"{folder}/") if folder else path


def begins_in_captions(path: str, folder: str) -> bool:
    """Whether a path goes on below `folder` by a folder of captions."""
    first, *others = part_below(path, folder).split("/")
    return bool(others) and is_caption_folder(first)


def without_suffix(path: str) -> str:
    """The path without its last suffix."""
    return posixpath.splitext(path)[0]


class EndIndex:
    """Pictures of one folder by the ends of their paths."""

    def __init__(self, paths: Iterable[str], folder: str, *, by_stem: bool) -> None:
        # {name of a file: the first two pictures that have it, which tells one from many}
        self.by_name: dict[str, list[str]] = {}
        # {the last two parts, or the only one: (parts, picture)}
        self.by_end: dict[tuple[str, ...], list[tuple[tuple[str, ...], str]]] = {}
        for path in paths:
            below = part_below(path, folder)
            parts = parts_of(without_suffix(below) if by_stem else below)
            named = self.by_name.setdefault(parts[-1], [])
            if len(named) < 2:
                named.append(path)
            self.by_end.setdefault(parts[-2:], []).append((parts, path))

    def fitting(self, name: str) -> list[str]:
        """Pictures whose path ends like `name`, or with whose path `name` ends."""
        wanted = parts_of(name)
        if len(wanted) == 1:
            return self.by_name.get(wanted[0], [])
        near = [*self.by_end.get(wanted[-2:], []), *self.by_end.get(wanted[-1:], [])]
        fits = []
        for parts, path in near:
            length = min(len(parts), len(wanted))
            if parts[-length:] == wanted[-length:]:
                fits.append(path)
        return fits


class PictureFinder:
    """The pictures below one root, to be found by names that others gave them."""

    def __init__(self, pictures: Iterable[str]) -> None:
        self.pictures = sorted(pictures)
        self.exact = set(self.pictures)
        self.ends: dict[tuple[str, bool], EndIndex] = {}

    @functools.cached_property
    def by_key(self) -> dict[str, list[str]]:
        """{name_key: pictures}, made when it is first asked for."""
        found: dict[str, list[str]] = {}
        for path in self.pictures:
            found.setdefault(name_key(path), []).append(path)
        return found

    @functools.cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """The same without the pictures' suffixes."""
        found: dict[str, list[str]] = {}
        for key, paths in self.by_key.items():
            found.setdefault(without_suffix(key), []).extend(paths)
        return found

    @functools.cached_property
    def folders(self) -> set[str]:
        """The folders that hold pictures at any depth; the root is ""."""
        found = {""} if self.pictures else set()
        for path in self.pictures:
            folder = posixpath.dirname(path)
            while folder not in found:
                found.add(folder)
                folder = posixpath.dirname(folder)
        return found

    def find(self, name: str, folder: str) -> Found | None:
        """The picture that a file of captions in `folder` calls `name`; None where there is none.

        folder: below the root, "" for the root. A name of folders and a file may begin at any
        folder above, too. ValueError where several fit.
        """
        has_folders = "/" in name_key(name)
        for base in (folder, *(above(folder) if has_folders else ())):
            path = posixpath.normpath(posixpath.join(base, name))
            if path in self.exact:
                return Found(path, is_exact=True)
            key = name_key(path)
            # a name without a suffix, such as 000123, is that of the picture 000123.jpg
            fits = self.by_key.get(key) or self.by_stem.get(key)
            if fits:
                return Found(only_one(fits), is_exact=True)
        return self.find_by_end(name, folder)

    def find_by_end(self, name: str, folder: str) -> Found | None:
        """The one picture whose path ends like `name`, in the nearest folder that holds any.

        A folder of captions may hold a preview or masks: what is not in it is looked for beside it.
        ValueError where several fit.
        """
        scope = self.nearest(folder)
        fits = self.fitting_in(scope, name, folder)
        while is_caption_folder(posixpath.basename(scope)):
            if fits and len(parts_of(part_below(fits[0], scope))) <= len(parts_of(name)):
                break
            scope = posixpath.dirname(scope)
            beside = self.fitting_in(scope, name, folder)
            if fits:
                # another folder of captions has pictures of its own
                others = [path for path in beside if not begins_in_captions(path, scope)]
                fits = [*fits, *others]
                break
            fits = beside
        return Found(only_one(fits), is_exact=False) if fits else None

    def nearest(self, folder: str) -> str:
        """The folder itself, or the first above it that holds pictures."""
        while folder and folder not in self.folders:
            folder = posixpath.dirname(folder)
        return folder

    def fitting_in(self, scope: str, name: str, folder: str) -> list[str]:
        """The pictures in `scope` that a file in `folder`, below it, may call `name`."""
        if scope != folder:
            # val/captions.csv tells of val/1.png, not of train/1.png
            name = posixpath.join(part_below(folder, scope), name)
        for by_stem in (False, True):
            fits = self.end_index(scope, by_stem=by_stem).fitting(name)
            if fits:
                return fits
        return []

    def end_index(self, folder: str, *, by_stem: bool) -> EndIndex:
        """The index of a folder, made when it is first asked for."""
        if (folder, by_stem) not in self.ends:
            inside = self.pictures
            if folder:
                first = bisect.bisect_left(inside, f"{folder}/")
                # the character after /
                last = bisect.bisect_left(inside, f"{folder}0")
                inside = inside[first:last]
            self.ends[folder, by_stem] = EndIndex(inside, folder, by_stem=by_stem)
        return self.ends[folder, by_stem]


def above(folder: str) -> Iterable[str]:
    """The folders that hold a folder, the nearest first, the root "" last."""
    while folder:
        folder = posixpath.dirname(folder)
        yield folder


def only_one(fits: list[str]) -> str:
    """The picture itself. ValueError where there are several."""
    if len(fits) > 1:
        raise ValueError(f"the name fits several pictures, such as {fits[0]} and {fits[1]}")
    return fits[0]
