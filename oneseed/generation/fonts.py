"""Fonts that have the letters of a text: the built-in one, installed packages, the system's.

fonts = fonts_of(12)                   # 12 pixels high
font = fonts.font_of("castle")         # the built-in one
font = fonts.font_of("山")             # one that has it, or None: that is said once
"""

import functools
import importlib.util
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.ImageFont import FreeTypeFont

from oneseed.console.output import is_control

FONT_SUFFIXES = (".ttf", ".otf", ".ttc")
# modules of the packages of the extra "fonts" -> their names for pip
FONT_PACKAGES = {"manimgx_fonts": "manimgx-fonts", "noto_cjk_sans_otc": "noto-cjk-sans-otc"}
# fonts of macOS and Windows, where no fontconfig lists them
SYSTEM_FONTS = """
    /System/Library/Fonts/Supplemental/Arial Unicode.ttf
    /System/Library/Fonts/PingFang.ttc
    /System/Library/Fonts/Hiragino Sans GB.ttc
    /System/Library/Fonts/AppleSDGothicNeo.ttc
    C:/Windows/Fonts/segoeui.ttf
    C:/Windows/Fonts/msyh.ttc
    C:/Windows/Fonts/msgothic.ttc
    C:/Windows/Fonts/malgun.ttf
    C:/Windows/Fonts/Nirmala.ttc
    C:/Windows/Fonts/Nirmala.ttf
    C:/Windows/Fonts/LeelawUI.ttf
    C:/Windows/Fonts/mmrtext.ttf
    C:/Windows/Fonts/ebrima.ttf
    C:/Windows/Fonts/seguisym.ttf
    C:/Windows/Fonts/seguiemj.ttf
"""
# what letters of the East are called in their Unicode names
EASTERN = (
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "HANGUL",
    "BOPOMOFO",
    "IDEOGRAPHIC",
    "FULLWIDTH",
    "HALFWIDTH",
)
# code points of the invisible tags that name a region behind a flag, and of the letters they mean
VISIBLE_TAGS = {tag: chr(tag - 0xE0000) for tag in range(0xE0021, 0xE007F)}
# a code point that no font has a glyph for
NO_LETTER = "\uffff"
# seconds that fontconfig may take
MAX_LISTING = 10


class Fonts:
    """Fonts of one size, loaded as letters ask for them."""

    def __init__(self, size: int) -> None:
        """size: the height, in pixels."""
        self.size: int = size
        default = ImageFont.load_default(size=size)
        assert isinstance(default, FreeTypeFont), "Pillow was built without FreeType"
        self.loaded: dict[str, FreeTypeFont] = {"": default}
        # letter of a font -> whether it has it
        self.known: dict[tuple[str, str], bool] = {}

    @property
    def default(self) -> FreeTypeFont:
        """The built-in font."""
        return self.loaded[""]

    def font_of(self, text: str) -> FreeTypeFont | None:
        """A font that has all letters of a text, None where there is none."""
        letters = [letter for letter in dict.fromkeys(text) if is_drawn(letter)]
        for path in list(self.loaded):
            if self.has_all(path, letters):
                return self.loaded[path]
        lacking = next(letter for letter in letters if not self.has("", letter))
        for path in font_files(lacking):
            if self.load(path) and self.has_all(path, letters):
                return self.loaded[path]
        return None

    def font_has(self, font: FreeTypeFont, text: str) -> bool:
        """Whether one of the loaded fonts has all letters of a text."""
        path = next(path for path, loaded in self.loaded.items() if loaded is font)
        return self.has_all(path, [letter for letter in text if is_drawn(letter)])

    def load(self, path: str) -> bool:
        """Whether a font file can be used; a font of coloured pictures has no such size."""
        if path not in self.loaded:
            try:
                self.loaded[path] = ImageFont.truetype(path, self.size)
            except OSError:
                return False
        return True

    def has_all(self, path: str, letters: list[str]) -> bool:
        """Whether a loaded font has all of the letters."""
        return all(self.has(path, letter) for letter in letters)

    def has(self, path: str, letter: str) -> bool:
        """Whether a loaded font draws a letter otherwise than what it lacks, and at all."""
        if (path, letter) not in self.known:
            glyph = self.drawn(path, letter)
            is_other = glyph.tobytes() != self.drawn(path, NO_LETTER).tobytes()
            self.known[path, letter] = is_other and glyph.getbbox() is not None
        return self.known[path, letter]

    def drawn(self, path: str, letter: str) -> Image.Image:
        """A letter in a loaded font, white on black."""
        glyph = Image.new("L", (3 * self.size, 3 * self.size))
        place = (self.size, self.size)
        ImageDraw.Draw(glyph).text(place, letter, 255, self.loaded[path])
        return glyph


@functools.cache
def fonts_of(size: int) -> Fonts:
    """The fonts of a size, in pixels; the same at each call."""
    return Fonts(size)


def is_drawn(letter: str) -> bool:
    """Whether a character needs a glyph; blanks, joiners and variation selectors do not.

    Tags do: without them the flags of England and Scotland look alike.
    """
    if ord(letter) in VISIBLE_TAGS:
        return True
    is_selector = "\ufe00" <= letter <= "\ufe0f"
    is_blank = unicodedata.category(letter)[0] == "Z"
    return not (is_control(letter) or is_blank or is_selector)


@functools.cache
def font_files(letter: str) -> list[str]:
    """Paths of font files that may have a letter, those of the installed packages first."""
    files = [*package_fonts(), *map(str.strip, SYSTEM_FONTS.strip().splitlines())]
    if lister := shutil.which("fc-list"):
        command = [lister, f":charset={ord(letter):x}", "--format", "%{file}\n"]
        try:
            listed = subprocess.run(command, capture_output=True, timeout=MAX_LISTING, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return [path for path in files if Path(path).exists()]
        # Upright and regular ones have the shortest names, in most families.
        names = listed.stdout.decode("utf-8", "replace").split("\n")
        files += sorted(filter(None, names), key=lambda path: (len(path), path))
    return [path for path in dict.fromkeys(files) if Path(path).exists()]


@functools.cache
def package_fonts() -> list[str]:
    """The font files of the installed packages."""
    found = []
    for module in FONT_PACKAGES:
        spec = importlib.util.find_spec(module)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            paths = sorted(Path(folder).rglob("*"))
            found += [str(path) for path in paths if path.suffix in FONT_SUFFIXES]
    return [path for path in found if "Italic" not in path]


def script_of(letter: str) -> str:
    """What a letter's script is called: "THAI"; "CJK" for Chinese, Japanese and Korean."""
    # letters newer than Python's Unicode are mostly pictographs
    if unicodedata.category(letter) in ("So", "Sk", "Cn"):
        return "PICTOGRAPHIC"
    name = unicodedata.name(letter, "UNKNOWN").split()[0]
    return "CJK" if name.startswith(EASTERN) else name


@functools.cache
def say_missing(script: str) -> None:
    """Says, once for each script, that no font has its letters, and what brings one."""
    module = "noto_cjk_sans_otc" if script == "CJK" else "manimgx_fonts"
    remedy = f"pip install {FONT_PACKAGES[module]}, or a font of the system"
    if importlib.util.find_spec(module):
        remedy = "a font of the system that has them"
    named = "Chinese, Japanese and Korean" if script == "CJK" else script.capitalize()
    print(
        f"no font here has the {named} letters of a caption or name: on pictures they are boxes "
        f"with their code points; this shows them: {remedy}",
        file=sys.stderr,
    )
