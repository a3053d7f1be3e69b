"""The page as Gradio's Blocks, whose errors are sentences.

What a visitor sends passes through Gradio first: it looks into files, fetches addresses, and speaks
of pydantic where a value is of another kind.
"""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from oneseed.console.command import UserError
from oneseed.page.events import Component
from oneseed.page.sentences import Tell
from oneseed.page.uploads import lies_within
from oneseed.web.gate import to_stderr
from oneseed.web.visit import incident

WRONG_VALUES = "This cannot be used here: a value is of another kind, or one is missing."
NO_UPLOAD = "Bring the file first: only what was uploaded here is read."


def file_fields(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a value of JSON that names a file or an address."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "path" in one or "url" in one:
                yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def keep_to_uploads(inputs: list[Any], uploads: Path) -> None:
    """Takes addresses out of what came in. UserError for a file outside of the folder uploads."""
    for fields in file_fields(inputs):
        fields["url"] = None
        path = fields.get("path")
        if not isinstance(path, str) or not lies_within(path, uploads):
            raise UserError(NO_UPLOAD)


def blocks_of_page(gr: ModuleType, tell: Tell = str, **settings: Any) -> Component:
    """A gr.Blocks whose events end in an answer or in one sentence.

    tell: how that is said to whoever reads the page. settings: for gr.Blocks.
    """

    class Page(gr.Blocks):
        """Blocks that trust nobody."""

        async def preprocess_data(
            self, block_fn: Any, inputs: list[Any], *others: Any, **more: Any
        ) -> Any:
            """Gradio's own, where the values can be used at all."""
            if len(inputs) != len(block_fn.inputs):
                raise UserError(WRONG_VALUES)
            keep_to_uploads(inputs, Path(self.GRADIO_CACHE))
            try:
                return await super().preprocess_data(block_fn, inputs, *others, **more)
            except Exception as error:
                # whatever is wrong here came from the visitor
                raise UserError(WRONG_VALUES) from error

        async def process_api(self, *inputs: Any, **more: Any) -> Any:
            """Gradio's own; every error is a gr.Error of one sentence."""
            try:
                return await super().process_api(*inputs, **more)
            except gr.Error as error:
                error.message = tell(error.message)
                error.print_exception = False
                raise
            except UserError as error:
                raise gr.Error(tell(str(error)), print_exception=False) from None
            except Exception:
                refused = incident("an event of the page", to_stderr)
                raise gr.Error(refused.sentence, print_exception=False) from None

    return Page(**settings)
