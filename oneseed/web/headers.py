"""What every answer of the page tells a browser to allow, and of what type a visitor's file is.

Source: OWASP HTTP Headers Cheat Sheet, https://cheatsheetseries.owasp.org/
"""

import base64
import hashlib
import re
from collections.abc import Iterable

# script and style elements without src are within the page
INLINE_SCRIPT = re.compile(rb"<script(?P<marks>[^>]*)>(?P<text>.*?)</script>", re.DOTALL)
# for answers that show nothing by themselves
BARE_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# for files of visitors; sandbox: even shown alone they could do nothing
QUOTED_NONE = "'none'"
FILE_POLICY = f"{BARE_POLICY}; sandbox"
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-permitted-cross-domain-policies": "none",
    "permissions-policy": (
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), geolocation=(), "
        "gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
    ),
}
# begin of a file -> its type; browsers show these and run nothing in them
PICTURE_MARKS = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
)


def script_source(text: bytes) -> str:
    """A script -> how a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"


def page_policy(page: bytes, scripts: Iterable[str] = (), framed_by: Iterable[str] = ()) -> str:
    """The content security policy of an HTML page.

    Scripts run where they are files of the server or stand in the page as it was sent; what is put
    into it later, such as an attribute onerror, does not run. scripts: texts of further ones.
    framed_by: origins whose pages may show this one within a frame.
    Gradio makes functions of text and writes styles into elements, so both are allowed.
    """
    texts = [text.encode() for text in scripts]
    texts += [
        # a browser reads every end of a line as \n
        found["text"].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        for found in INLINE_SCRIPT.finditer(page)
        if b"src=" not in found["marks"]
    ]
    sources = " ".join(sorted({script_source(text) for text in texts}))
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'unsafe-eval' {sources}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' data: blob:",
            "connect-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "frame-src 'self'",
            "base-uri 'self'",
            "form-action 'self'",
            f"frame-ancestors {' '.join(framed_by) or QUOTED_NONE}",
        ]
    )


def picture_type(begin: bytes) -> str:
    """The first bytes of a file -> the type of a picture, "" for anything else."""
    return next((kind for mark, kind in PICTURE_MARKS if mark.match(begin)), "")


def one_site(cookie: str) -> str:
    """A Set-Cookie header -> the same cookie, which other websites cannot have sent."""
    parts = [part.strip() for part in cookie.split(";")]
    kept = [part for part in parts if not part.lower().startswith("samesite")]
    if not any(part.lower() == "httponly" for part in kept):
        kept.append("HttpOnly")
    return "; ".join([*kept, "SameSite=Lax"])
