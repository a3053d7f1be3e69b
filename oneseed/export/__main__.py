"""Gives a checkpoint to other programs.

python -m oneseed.export onnx --help     # ONNX files, for any language
python -m oneseed.export web --help      # a page that any static host serves
python -m oneseed.export hub --help      # the Hugging Face hub
python -m oneseed.export space --help    # a Space there
"""

import importlib
import sys
from collections.abc import Sequence

# name -> module with main(argv), which is loaded when it is asked for
EXPORTS = {
    "onnx": "oneseed.export.onnx",
    "web": "oneseed.export.web",
    "hub": "oneseed.export.hub",
    "space": "oneseed.export.space",
}


def main(argv: Sequence[str]) -> int:
    """The words of the command line, the kind of export first -> exit status."""
    kind, *others = argv or [""]
    if kind in ("-h", "--help"):
        print(__doc__)
        return 0
    if kind not in EXPORTS:
        given = f"not {kind!r}" if kind else "and none is given"
        sys.stderr.write(f"error: what to export is one of {', '.join(EXPORTS)}, {given}\n")
        return 2
    sys.argv[0] = f"-m oneseed.export {kind}"
    importlib.import_module(EXPORTS[kind]).main(others)
    return 0


if __name__ == "__main__":
    from oneseed.console.command import begin

    begin()
    raise SystemExit(main(sys.argv[1:]))
