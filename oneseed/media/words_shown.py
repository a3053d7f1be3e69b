"""The words that a picture shows, read by optical character recognition, which is optional.

    words_shown(Image.open("form.png"))    # ["Log in", "E-mail", "Password"]

They help whoever looks at a caption, and a captioner that is taught with --ocr; the model of pairs
knows nothing of them. The recogniser runs on this machine and brings its weights along.
"""

import functools
from typing import Any

import numpy as np
from PIL import Image

from oneseed.console.command import UserError

# a smaller picture is enlarged before it is read, in pixels of its longer side
LEAST_SIDE = 512
INSTALL_READER = "pip install -r requirements-ocr.txt"


@functools.cache
def recogniser(asker: str) -> Any:
    """A reader of pictures, loaded once. asker: what needs it, for a sentence.

    UserError with the command that installs it.
    """
    try:
        from rapidocr import RapidOCR  # ty: ignore[import-not-found]  # an extra
    except ImportError as error:
        raise UserError(
            f"{asker} needs the library rapidocr: {INSTALL_READER}, then run the same command again"
        ) from error
    # it would tell of each file that it loads
    return RapidOCR(params={"Global.log_level": "critical"})


def words_shown(picture: Image.Image, asker: str = "--read") -> list[str]:
    """The texts in a picture of any mode, from top to bottom; [] where there are none.

    asker: what needs them, for a sentence. UserError without the library.
    """
    read = recogniser(asker)
    image = picture.convert("RGB")
    scale = max(1, -(-LEAST_SIDE // max(image.size)))
    if scale > 1:
        size = (image.width * scale, image.height * scale)
        image = image.resize(size, Image.Resampling.LANCZOS)
    # the library reads blue first, as OpenCV does
    result = read(np.asarray(image)[:, :, ::-1])
    return [str(text) for text in result.txts or ()]
