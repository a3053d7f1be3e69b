"""A captioner's run as one page: its parts, its curve, and held-out pictures with their answers."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneseed.console.html import data_url, html_page, safe_lines, safe_text
from oneseed.dataset.jsonl import Row
from oneseed.files import write_text
from oneseed.finetuning.looks import LOOK_FIGURES, AnswerJudge, HeldOutAnswer
from oneseed.finetuning.parts import PartSize

# answers that the page shows, the wrong ones first
SHOWN_ANSWERS = 24
# pixels of a picture on the page
SHOWN_SIDE = 200
PAGE_STYLE = f"""
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem }}
table {{ border-collapse: collapse; margin: 1rem 0 }}
th, td {{ padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #8886 }}
th:first-child, td:first-child {{ text-align: left }}
section {{ display: grid; grid-template-columns: {SHOWN_SIDE}px 1fr 1fr; gap: 1rem }}
img {{ width: {SHOWN_SIDE}px }}
pre {{ white-space: pre-wrap; margin: 0; overflow-wrap: anywhere }}
"""


def write_run_page(
    path: Path,
    title: str,
    *,
    sizes: Sequence[PartSize],
    looks: Sequence[Row],
    answers: Sequence[HeldOutAnswer],
    judge: AnswerJudge,
    after: Row | None = None,
) -> None:
    """Writes the page of a run. answers: of its last look; after: figures of what it has made."""
    body = [
        f"<h1>{safe_text(title)}</h1>",
        *parts_table(sizes),
        *looks_table(looks),
        *after_lines(after),
        "<h2>Held-out pictures</h2>",
        "<p>Picture, true text, answer; wrong answers first.</p>",
    ]
    for answer in sorted(answers, key=judge.is_exact)[:SHOWN_ANSWERS]:
        body += answer_section(answer, judge)
    write_text(path, html_page(title, PAGE_STYLE, body))


def parts_table(sizes: Sequence[PartSize]) -> list[str]:
    """What of the captioner is taught."""
    total = sum(size.parameters for size in sizes)
    rows = [
        page_row(
            [
                size.part,
                f"{size.parameters:,}",
                f"{size.parameters / max(1, total):.1%}",
                f"{size.trained:,}",
                f"{size.trained / max(1, size.parameters):.2%}",
            ]
        )
        for size in sizes
    ]
    head = page_row(["part", "parameters", "share", "trained", "of the part"], "th")
    return ["<h2>What is taught</h2><table>", head, *rows, "</table>"]


def looks_table(looks: Sequence[Row]) -> list[str]:
    """The figures of all looks; the best one is marked."""
    head = page_row(["step", "epoch", "train loss", "held-out loss", *LOOK_FIGURES, ""], "th")
    rows = []
    for look in looks:
        train = "" if look["train_loss"] is None else f"{look['train_loss']:.4f}"
        figures = [f"{look[name]:.3f}" for name in LOOK_FIGURES]
        best = "best so far" if look["is_best"] else ""
        rows.append(
            page_row(
                [look["step"], f"{look['epoch']:.2f}", train, f"{look['val_loss']:.4f}", *figures]
                + [best]
            )
        )
    return ["<h2>What it has learnt</h2><table>", head, *rows, "</table>"]


def after_lines(after: Row | None) -> list[str]:
    """Figures of the merged checkpoint, with floor and by kinds; [] until the run has ended."""
    if after is None:
        return []
    head = page_row(["", *LOOK_FIGURES, "asked"], "th")
    rows = [figures_row("the merged checkpoint", after["figures"])]
    rows += [
        figures_row(f"of {kind}", found)
        for kind, found in after["figures"].get("kinds", {}).items()
    ]
    rows.append(figures_row("floor: the text of another picture", after["floor"]))
    return ["<h2>What it is now</h2><table>", head, *rows, "</table>"]


def figures_row(name: str, figures: Row) -> str:
    """A row of a table of figures; those that are missing stay empty."""
    shown = ["" if figure not in figures else f"{figures[figure]:.3f}" for figure in LOOK_FIGURES]
    return page_row([name, *shown, figures["asked"]])


def page_row(cells: Sequence[Any], tag: str = "td") -> str:
    """A row of a table. tag: td, or th for a head."""
    return "<tr>" + "".join(f"<{tag}>{safe_text(cell)}</{tag}>" for cell in cells) + "</tr>"


def answer_section(answer: HeldOutAnswer, judge: AnswerJudge) -> list[str]:
    """One held-out picture with what is true and what was said."""
    urls = map(picture_url, answer.example.pictures)
    images = "".join(f'<img alt="" src="{url}">' for url in urls)
    marks = [
        "exact" if judge.is_exact(answer) else "not exact",
        "valid" if judge.is_valid(answer) else "not valid",
    ]
    if answer.is_cut:
        marks.append("cut off")
    return [
        "<section>",
        f"<div>{images}</div>",
        f"<pre>{safe_lines(answer.example.answer)}</pre>",
        f"<div><pre>{safe_lines(answer.text)}</pre><p>{safe_text(', '.join(marks))}</p></div>",
        "</section>",
    ]


def picture_url(path: Path) -> str:
    """A prepared picture inside the page; one that is gone is an empty one."""
    return data_url(path.read_bytes()) if path.is_file() else data_url(base64.b64decode(b""))
