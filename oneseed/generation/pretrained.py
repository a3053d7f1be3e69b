"""A generator from a folder of other people, or from the Hub, and into such a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from oneseed.hub_models import fetch_model
from oneseed.model import base

if TYPE_CHECKING:
    from oneseed.model.multimodal import MultimodalModel


class Pretrained:
    """Gives from_pretrained and save_pretrained to a class that is made from a checkpoint."""

    model: "MultimodalModel"

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        **options: Any,
    ) -> Self:
        """A folder that save_pretrained wrote, or "owner/name" on the Hugging Face Hub.

        The keywords are those of fetch_model, and mean nothing of a folder; options: device and
        others of the class. UserError where the model cannot be had, or is not what was saved.
        """
        folder = Path(name)
        if not folder.is_dir():
            folder = fetch_model(
                str(name),
                revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
            )
        return cls(folder, **options)  # ty: ignore[too-many-positional-arguments]

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json, tokenizer.json and model.safetensors; see base.save_pretrained."""
        base.save_pretrained(self.model, folder)
