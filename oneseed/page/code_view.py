"""A caption that is code, as the page shows it: its lines, coloured, and what HTML looks like.

Nothing of it runs. The text is escaped; the rendering of HTML stands in a frame whose sandbox
allows nothing, no scripts, forms or links, and whose own policy loads nothing from anywhere.
"""

import html
from types import ModuleType

from oneseed.dataset.languages import HTML, language_of
from oneseed.page.events import Component

# what a page within the frame may load
FRAME_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'"
# letters that templates of Gradio read as their own, also within a value
TEMPLATE_LETTERS = str.maketrans({letter: f"&#{ord(letter)};" for letter in "${}`"})
# a row for each field; black is the dark background that screens may have
FRAME_STYLE = (
    "body{font:16px sans-serif}form{padding:.5em 1em}label,button{display:block;margin:.6em 0}"
    'form[style*="black"]{color:white}'
)
# letters of a text that is coloured and rendered; of a longer one only the lines are shown
MAX_SHOWN_LETTERS = 20_000


def code_field(gr: ModuleType, elem_id: str) -> Component:
    """Where the code of a caption is shown; hidden while there is none."""
    return gr.HTML("", visible=False, elem_id=elem_id, elem_classes="code-view")


def shown_code(gr: ModuleType, caption: str, *, is_code: bool) -> Component:
    """An update of a code_field. is_code: False hides it."""
    return gr.HTML(code_html(caption) if is_code else "", visible=bool(is_code and caption))


def code_html(text: str) -> str:
    """A text of code -> HTML that shows it, and of HTML also what it looks like."""
    language = language_of(text) if len(text) <= MAX_SHOWN_LETTERS else ""
    named = language or "text"
    shown = '<button type="button" class="copy-code">Copy</button>'
    shown += f'<pre tabindex="0" aria-label="Code, {named}"><code>{coloured(text, language)}</code>'
    shown += "</pre>"
    if language == HTML:
        shown += frame_of(text)
    return shown.translate(TEMPLATE_LETTERS)


def coloured(text: str, language: str) -> str:
    """A text of code, escaped; its words in colours where its language and Pygments are there."""
    if not language:
        return html.escape(text)
    try:
        from pygments import highlight
        from pygments.formatters.html import HtmlFormatter
        from pygments.lexers import get_lexer_by_name
    except ImportError:
        return html.escape(text)
    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    shown = highlight(text, lexer, HtmlFormatter(nowrap=True, noclasses=True))
    # it ends the last line, whether the text does or not
    return shown if text.endswith("\n") else shown.removesuffix("\n")


def frame_of(text: str) -> str:
    """A text of HTML in a frame that runs nothing and loads nothing."""
    policy = f'<meta http-equiv="Content-Security-Policy" content="{FRAME_POLICY}">'
    inside = html.escape(f"<!doctype html>{policy}<style>{FRAME_STYLE}</style>{text}")
    return f'<iframe title="What the code looks like" sandbox="" srcdoc="{inside}"></iframe>'
