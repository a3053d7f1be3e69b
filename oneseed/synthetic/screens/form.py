"""A form in a window, told as HTML with its style inline."""

import re
from collections.abc import Sequence

from oneseed.synthetic.drawn import ABSENT, Facts
from oneseed.synthetic.grammar import Grammar, any_of, in_order
from oneseed.synthetic.screens.canvas import Canvas, Colour
from oneseed.synthetic.screens.reading import Element, html_tree
from oneseed.synthetic.screens.screen import (
    CHALK,
    NIGHT,
    PITCH,
    SNOW,
    OtherKindError,
    ScreenKind,
    UnlikeError,
    has_value,
    known_value,
    values_there,
)

# label -> the control that stands beside it: type of <input>, or another element
CONTROLS = {
    "Name": "text",
    "Email": "email",
    "Phone": "tel",
    "User": "text",
    "Search": "search",
    "Password": "password",
    "City": "select",
    "Date": "date",
    "Age": "number",
    "Notes": "textarea",
    "Time": "time",
    "Remember me": "checkbox",
    "Volume": "range",
    "Photo": "file",
    "Colour": "color",
    "I agree": "checkbox",
    "Street": "text",
    "Country": "select",
    "Company": "text",
    "Guests": "number",
    "Size": "range",
    "Language": "select",
    "Website": "url",
    "News by email": "checkbox",
    "Gift wrap": "checkbox",
}
FIELDS = {
    "first": ("Name", "Email", "Phone", "User", "Search"),
    "second": ("Password", "City", "Date", "Age", "Notes", "Time"),
    "third": ("Remember me", "Volume", "Photo", "Colour", "I agree", ABSENT),
}
MORE_FIELDS = {
    "fourth": ("Street", "Company", "Website"),
    "fifth": ("Country", "Guests", "Language", "Size"),
    "sixth": ("News by email", "Gift wrap", ABSENT),
}
FORM_TITLES = ("Sign in", "Sign up", "Contact", "Order", "Booking", "Profile", "Survey", "Support")
BUTTONS = ("Send", "Save", "Next", "Done")
# what CSS calls the ground -> page, sheet, ink, edge of controls
GROUND_STYLE = re.compile(r"\s*background\s*:\s*(\w+)\s*;?\s*")
THEMES: dict[str, tuple[Colour, Colour, Colour, Colour]] = {
    "white": (SNOW, SNOW, PITCH, (150, 152, 160)),
    "silver": ((192, 192, 192), (226, 226, 226), PITCH, (128, 128, 132)),
    "black": ((0, 0, 0), NIGHT, CHALK, (120, 124, 136)),
}


class FormScreen(ScreenKind):
    """Looks: labels above their controls, beside them, or within."""

    name = "form"
    language = "html"
    shaping = ("third", "theme")
    looks = 3

    def __init__(self, *, dense: bool) -> None:
        """dense: with twice as many fields."""
        self.fields = {**FIELDS, **(MORE_FIELDS if dense else {})}
        self.dense = dense
        self.attributes = {
            "title": FORM_TITLES,
            **self.fields,
            "button": BUTTONS,
            "theme": tuple(THEMES),
        }
        self.levels = {
            1: ("title",),
            2: ("title", "button"),
            3: ("title", "button", "first"),
            4: ("title", "button", "first", "second"),
            5: tuple(self.attributes),
        }
        if dense:
            self.shaping = ("third", "sixth", "theme")

    def ground(self, facts: Facts, look: int) -> Colour:
        """As the theme says."""
        return THEMES[facts["theme"] or "white"][0]

    def draw(self, canvas: Canvas, facts: Facts, look: int, colour: Colour) -> None:
        """A sheet with a title, fields below each other, and a button."""
        _, sheet, ink, edge = THEMES[facts["theme"] or "white"]
        side = canvas.grid
        canvas.box((6, 4, side - 6, side - 4), sheet, outline=edge, radius=5)
        canvas.box((6, 4, side - 6, 8), colour, radius=2)
        canvas.words((side / 2, 19), facts["title"], ink, size=14, anchor="mm", bold=True)
        height = 30 if self.dense else 24
        y = 31.0
        for label in values_there(facts, tuple(self.fields)):
            draw_field(canvas, (14, y, side - 14, y + height), label, look, (sheet, ink, edge))
            y += height
        if has_value(facts["button"]):
            right = side - 14
            canvas.box((right - 38, y + 2, right, y + 16), colour, radius=4)
            place = (right - 19, y + 9)
            canvas.words(place, facts["button"], SNOW, size=10, anchor="mm", bold=True)

    def tell(self, facts: Facts) -> str:
        """HTML of what is there."""
        style = f' style="background:{facts["theme"]}"' if has_value(facts["theme"]) else ""
        lines = [f"<form{style}>", f"<h1>{facts['title']}</h1>"]
        lines += [field_html(label) for label in values_there(facts, tuple(self.fields))]
        if has_value(facts["button"]):
            lines.append(f"<button>{facts['button']}</button>")
        return "\n".join([*lines, "</form>"])

    def grammar(self, told: Sequence[str]) -> Grammar:
        """As of ScreenKind."""
        parts: list[Grammar] = ["<form"]
        if "theme" in told:
            parts += [' style="background:', any_of(THEMES), '"']
        parts += [">\n<h1>", any_of(FORM_TITLES), "</h1>\n"]
        for name, labels in self.fields.items():
            if name in told:
                lines = [f"{field_html(one)}\n" if has_value(one) else "" for one in labels]
                parts.append(any_of(lines))
        if "button" in told:
            parts += ["<button>", any_of(BUTTONS), "</button>\n"]
        return in_order(*parts, "</form>")

    def parse(self, text: str) -> Facts:
        """The facts of one <form>."""
        tree = html_tree(text)
        if len(tree) != 1 or not isinstance(tree[0], Element) or tree[0].tag != "form":
            raise OtherKindError("it is not one form")
        facts: Facts = dict.fromkeys(self.attributes)
        if style := tree[0].attributes.pop("style", ""):
            ground = GROUND_STYLE.fullmatch(style)
            facts["theme"] = known_value(
                tuple(THEMES), ground[1] if ground else style, "the ground"
            )
        places = iter(self.fields)
        parts = list(tree[0].inside)
        title = plain_words(parts[0], "h1") if parts else None
        if tree[0].attributes or title is None:
            raise UnlikeError("its form does not begin with a title alone")
        facts["title"] = known_value(FORM_TITLES, title, "the title")
        parts.pop(0)
        button = plain_words(parts[-1], "button") if parts else None
        if button is not None:
            facts["button"] = known_value(BUTTONS, button, "the button")
            parts.pop()
        for part in parts:
            label = field_label(part)
            place = next((one for one in places if label in self.fields[one]), None)
            if place is None:
                raise UnlikeError(f"the field {label[:40]!r} is not where such fields stand")
            facts[place] = label
        if facts["theme"] is not None:
            for place, labels in self.fields.items():
                if facts[place] is None and ABSENT in labels:
                    facts[place] = ABSENT
        return facts


def plain_words(part: Element | str, tag: str) -> str | None:
    """The text of an element of this tag that holds nothing else; None where it is none."""
    if not isinstance(part, Element) or part.tag != tag or part.attributes:
        return None
    return part.words() if all(isinstance(one, str) for one in part.inside) else None


def field_html(label: str) -> str:
    """A label with its control."""
    kind = CONTROLS[label]
    if kind in ("select", "textarea"):
        return f"<label>{label} <{kind}></{kind}></label>"
    control = f'<input type="{kind}">'
    return (
        f"<label>{control} {label}</label>"
        if kind == "checkbox"
        else (f"<label>{label} {control}</label>")
    )


def field_label(part: Element | str) -> str:
    """The label of a field. UnlikeError where it is none, or has another control than it should."""
    if not isinstance(part, Element) or part.tag != "label" or part.attributes:
        raise UnlikeError("its form holds something else than labels, and a button at the end")
    label = known_value(tuple(CONTROLS), part.words(), "the label")
    controls = [one for one in part.inside if isinstance(one, Element)]
    kind = CONTROLS[label]
    wanted = (kind, {}) if kind in ("select", "textarea") else ("input", {"type": kind})
    if len(controls) != 1 or (controls[0].tag, controls[0].attributes) != wanted:
        raise UnlikeError(f"the field {label!r} has another control than it should")
    if controls[0].inside or isinstance(part.inside[0], Element) != (kind == "checkbox"):
        raise UnlikeError(f"the control of {label!r} is not where it should be")
    return label


def draw_field(
    canvas: Canvas,
    corners: tuple[float, float, float, float],
    label: str,
    look: int,
    colours: tuple[Colour, Colour, Colour],
) -> None:
    """A label and its control in a strip. colours: of sheet, ink and edges."""
    left, top, right, bottom = corners
    sheet, ink, _ = colours
    kind = CONTROLS[label]
    middle = (top + bottom) / 2
    if kind == "checkbox":
        canvas.box((left, middle - 5, left + 10, middle + 5), sheet, outline=ink, radius=2)
        tick = [(left + 2, middle), (left + 4, middle + 2.5), (left + 8, middle - 3)]
        canvas.smooth(tick, ink, width=1.3, closed=False)
        canvas.words((left + 14, middle), label, ink, size=10)
        return
    if look == 0:
        canvas.words((left, top + 5), label, ink, size=9)
        draw_control(canvas, (left, top + 11, right, bottom - 2), kind, colours)
    elif look == 1:
        canvas.words((left, middle), label, ink, size=9)
        far = left + 46
        draw_control(canvas, (far, middle - 7, right, middle + 7), kind, colours)
    else:
        box = (left, middle - 9, right, middle + 9)
        draw_control(canvas, box, kind, colours)
        width = canvas.width(label, 9) + 4
        canvas.box((left + 3, middle - 7, left + 5 + width, middle + 7), sheet)
        canvas.words((left + 5, middle), label, ink, size=9)


def draw_control(
    canvas: Canvas,
    corners: tuple[float, float, float, float],
    kind: str,
    colours: tuple[Colour, Colour, Colour],
) -> None:
    """A control, with the sign of its type at its right end."""
    left, top, right, bottom = corners
    sheet, ink, edge = colours
    middle = (top + bottom) / 2
    if kind == "range":
        canvas.box((left, middle - 1, right, middle + 1), edge)
        canvas.disc((right - 14, middle), 4, ink)
        return
    canvas.box(corners, None, outline=edge, radius=3)
    if kind == "textarea":
        slant = [(right - 2, bottom - 7), (right - 7, bottom - 2)]
        canvas.smooth(slant, ink, width=1, closed=False)
        canvas.smooth([(right - 2, bottom - 4), (right - 4, bottom - 2)], ink, width=1)
    elif kind == "file":
        canvas.box((right - 22, top + 2, right - 2, bottom - 2), edge, radius=2)
        canvas.words((right - 12, middle), "...", ink, size=9, anchor="mm")
    elif kind == "color":
        canvas.box((right - 18, top + 3, right - 3, bottom - 3), edge, radius=2)
        canvas.box((right - 11, top + 3, right - 3, bottom - 3), ink, radius=2)
    else:
        draw_sign(canvas, (right - 8, middle), kind, (sheet, ink))


def draw_sign(
    canvas: Canvas, middle: tuple[float, float], kind: str, colours: tuple[Colour, Colour]
) -> None:
    """The sign of a control's type, if it has one. colours: of sheet and ink."""
    x, y = middle
    sheet, ink = colours
    if kind == "select":
        canvas.smooth([(x - 4, y - 2), (x + 4, y - 2), (x, y + 3)], ink)
    elif kind == "date":
        canvas.box((x - 4, y - 4, x + 4, y + 4), None, outline=ink)
        canvas.box((x - 4, y - 4, x + 4, y - 1), ink)
    elif kind == "time":
        canvas.disc(middle, 4.5, ink)
        canvas.disc(middle, 3, sheet)
        canvas.smooth([(x, y - 3), (x, y), (x + 2, y)], ink, width=1, closed=False)
    elif kind == "password":
        for number in range(3):
            canvas.disc((x + 3 - 5 * number, y), 1.6, ink)
    elif kind == "number":
        canvas.smooth([(x - 3, y - 1), (x + 3, y - 1), (x, y - 5)], ink)
        canvas.smooth([(x - 3, y + 1), (x + 3, y + 1), (x, y + 5)], ink)
    elif kind == "search":
        canvas.disc((x - 1, y - 1), 3.6, ink)
        canvas.disc((x - 1, y - 1), 2.3, sheet)
        canvas.smooth([(x + 1, y + 1), (x + 4, y + 4)], ink, width=1.4)
    elif kind == "email":
        canvas.words(middle, "@", ink, size=9, anchor="mm")
