"""The commands that make what is missing, as sentences for the user name them."""

DEFAULT_DATA = "data"


def prepare_command(style: str = "") -> str:
    """Prepares the pictures of the collection; without a style, those of another source."""
    if not style:
        source = "--source PATH"
    elif style == "builtin":
        source = "--source builtin"
    else:
        source = f"--style {style} --source PATH"
    return f"python dataset_preparation.py {source}"


def caption_command(style: str, data: str = DEFAULT_DATA) -> str:
    """Writes the captions of the collection. data: the folder of --data."""
    return f"python caption_generation.py --style {style}{data_flag(data)}"


def train_command(style: str, options: str = "", data: str = DEFAULT_DATA) -> str:
    """Trains on the collection. options: further ones, such as " --preset small"."""
    return f"python training_loop.py --style {style}{options}{data_flag(data)}"


def data_flag(data: str) -> str:
    """The flag --data with a space before it, nothing where the folder is the default one."""
    return "" if data == DEFAULT_DATA else f" --data {data}"
