"""One HTML page for every report: text escaped, pictures inside, nothing asked of any host.

    page = html_page("What was found", STYLE, ["<h1>", safe_text(name), "</h1>", image_tag(png)])

What names and captions say comes from strangers. A content security policy lets no page of ours run
a script or load anything, and `safe_text` keeps each text within itself.
"""

import base64
import html
from collections.abc import Iterable

from oneseed.console.output import printable

CONTENT_SECURITY_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def safe_text(value: object) -> str:
    """Any value as text of a page, escaped; control characters are shown as escapes.

    <bdi> keeps letters that turn the direction of writing from reaching beyond it.
    """
    return f"<bdi>{html.escape(printable(str(value)))}</bdi>"


def safe_lines(text: str) -> str:
    """As safe_text, with the lines of the text; its blanks count where the style says so."""
    return "\n".join(safe_text(line) for line in text.split("\n"))


def data_url(image: bytes, kind: str = "png") -> str:
    """The bytes of a picture file as an address that holds them. kind: png or jpeg."""
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def html_page(title: str, style: str, body: Iterable[str]) -> str:
    """A whole page. title: plain text; style: CSS; body: pieces of HTML, escaped already."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(printable(title))}</title><style>{style}</style></head><body>",
            *body,
            "</body></html>",
            "",
        ]
    )
