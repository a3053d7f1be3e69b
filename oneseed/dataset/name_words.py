"""What the name of a file or folder says of a picture: `red_fox-03.jpg` says "red fox".

name_caption("plates/RedFox2.png")      # "red fox"
name_caption("plates/IMG_1234.JPG")     # "": a camera counted
folder_caption("birds/train/07.png", "/home/anna/animals")      # "birds"
"""

import posixpath
import re
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from oneseed.media.kinds import FILE_KINDS

# of archives and tables, whose own names count where no folder in them says anything
SOURCE_SUFFIXES = (
    *(".zip", ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".gz", ".bz2", ".xz"),
    *(".json", ".jsonl", ".ndjson", ".jsonlines", ".csv", ".tsv", ".tab", ".psv"),
    *(".parquet", ".arrow", ".feather"),
)
NAME_ENDS = [*SOURCE_SUFFIXES, *(suffix for suffixes in FILE_KINDS.values() for suffix in suffixes)]
# what ends a name and is no word of it, also several such as .tar.gz
SUFFIXES = re.compile(rf"(?:{'|'.join(map(re.escape, NAME_ENDS))})+$", re.IGNORECASE)
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
HEX_DIGEST = re.compile(r"(?=[0-9a-f]*[0-9])[0-9a-f]{8,}|[0-9a-f]{16,}", re.IGNORECASE)
# letters and figures in turn, such as dQw4w9WgXcQ, and what shows that a person wrote them
MIXED_ID = re.compile(r"[a-z]*[0-9]+[a-z]+[0-9]+[a-z0-9]*", re.IGNORECASE)
WRITTEN_WORD = re.compile(r"[A-Z][a-z]{2}|[a-z]{3}")
ORDINAL = re.compile(r"[0-9]+(?:st|nd|rd|th)", re.IGNORECASE)
NUMBER = re.compile(r"\d+")
# what cameras, telephones and programs put before their numbers
OF_PROGRAMS = """
    img dsc dscn dscf cimg pxl mvimg gopr dji hpim sam kif imag pict vid wa fb pano burst
    mvi mov gh gx
    dpi px jpg jpeg png webp tif tiff bmp gif uhd hdr
"""
PROGRAM_WORDS = frozenset(OF_PROGRAMS.split())
# words that say nothing where they stand alone
SAYING_NOTHING = """
    image images picture pictures photo photos pic pics file files untitled unnamed unknown
    download downloads scan scans screenshot screenshots screen shot capture snapshot copy kopie
    copie copia new temp tmp test sample samples example item data dataset train training val
    valid validation frame page received signal whatsapp export output outputs result results
    final edit edited resized thumb thumbnail unpacked raw processed whats app bild bilder foto
    fotos imagen imagenes at am pm no nr of the a an and video videos clip clips audio sound sounds
    recording recordings
"""
SILENT_WORDS = frozenset(SAYING_NOTHING.split())
# what programs append to the name of a second file
COPY_WORDS = {"copy", "kopie", "copie", "copia", "edit", "edited", "resized", "thumb", "thumbnail"}


def name_caption(path: str) -> str:
    """What a picture's file name says, in lower case; "" where it says nothing."""
    return words_of_name(posixpath.basename(path.replace("\\", "/")))


def folder_caption(path: str, source: str = "") -> str:
    """What the nearest folder above a picture says whose name says something; "" for none.

    path: the picture's, below its source. source: of the collection, a path whose own name counts
    where no folder below it says anything.
    """
    folders = path.replace("\\", "/").split("/")[:-1]
    own = source.replace("\\", "/").rstrip("/").rpartition("/")[2].partition(":")[0]
    captions = map(words_of_name, [*reversed(folders), own])
    return next(filter(None, captions), "")


def words_of_name(name: str) -> str:
    """The words of one name, without suffix, numbers, and what programs put into names."""
    name = SUFFIXES.sub("", unicodedata.normalize("NFC", unquote(name)))
    found = list(spoken_words(pieces_of_name(UUID.sub(" ", name))))
    while found and found[-1] in COPY_WORDS:
        found.pop()
    if found[:2] == ["copy", "of"]:
        del found[:2]
    says_nothing = all(word in SILENT_WORDS or is_single_letter(word) for word in found)
    return "" if says_nothing else " ".join(found)


def pieces_of_name(name: str) -> list[str]:
    """What stands between blanks, hyphens, underscores and other marks; "don't" is one piece.

    Marks that belong to a letter, and joiners between letters, stay.
    """
    letters = [letter if is_of_word(letter) else " " for letter in name]
    return "".join(letters).replace(" '", " ").replace("' ", " ").strip("'").split()


def is_of_word(letter: str) -> bool:
    """Whether a character may stand within a word: letters, their marks, numbers, joiners."""
    return letter in "'\u2019\u200c\u200d" or unicodedata.category(letter)[0] in "LMN"


def spoken_words(pieces: Iterable[str]) -> Iterator[str]:
    """The words of the pieces in lower case, without numbers, digests and programs' own words."""
    for piece in pieces:
        if is_identifier(piece):
            continue
        parts = [piece] if ORDINAL.fullmatch(piece) else NUMBER.split(piece)
        for part in parts:
            # "h3451" is no word, "a" is one
            if len(parts) > 1 and is_single_letter(part):
                continue
            words = [unicodedata.normalize("NFC", word.lower()) for word in at_capitals(part)]
            yield from (word for word in words if word not in PROGRAM_WORDS)


def is_identifier(piece: str) -> bool:
    """Whether a program made this piece: a digest, or figures and letters in turn."""
    if HEX_DIGEST.fullmatch(piece):
        return True
    return bool(MIXED_ID.fullmatch(piece)) and not WRITTEN_WORD.search(piece)


def at_capitals(part: str) -> list[str]:
    """ "RedFox" -> ["Red", "Fox"], "HTMLPage" -> ["HTML", "Page"], in every alphabet."""
    marked = ""
    for place, letter in enumerate(part):
        before = part[place - 1 : place]
        after = part[place + 1 : place + 2]
        begins_word = before.islower() or (before.isupper() and after.islower())
        marked += f" {letter}" if letter.isupper() and begins_word else letter
    return marked.split()


def is_single_letter(word: str) -> bool:
    """Whether it is one Latin letter; one letter of Chinese is a word."""
    return len(word) == 1 and word.isascii()
