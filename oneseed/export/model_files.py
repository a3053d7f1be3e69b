"""The files of an export: traced, written, shortened and compared."""

import gzip
import itertools
import json
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from oneseed.config.export import EXPORT_FOLDER, OnnxConfig
from oneseed.config.model import FROZEN
from oneseed.config.options import PLAIN
from oneseed.console.command import UserError
from oneseed.dataset.commands import flag, python_name
from oneseed.export.compact import clean, in_half
from oneseed.export.comparison import (
    PAIRS_AT_ONCE,
    Comparison,
    ExportedFile,
    Pairs,
    Request,
    Speed,
    all_pairs,
    compare,
    pair_request,
    prompt_request,
    speed_of,
    torch_pairs,
)
from oneseed.export.consumer import consumer_config
from oneseed.export.folders import GRAPH_FILES, require_export_folder
from oneseed.export.graphs import PairGraph, PromptGraph, SeedGraph, example_inputs
from oneseed.files import whole_file, write_text
from oneseed.hub_models import CONFIG_FILE, TOKENIZER_FILE
from oneseed.model.caption_source import NONE, source_of
from oneseed.model.multimodal import MultimodalModel

if TYPE_CHECKING:
    import onnx  # ty: ignore[import-not-found]  # an extra

OUTPUTS = ["picture", "tokens"]
GRAPHS: dict[str, type[SeedGraph]] = {"pair": PairGraph, "prompt": PromptGraph}


def write_model_files(config: OnnxConfig) -> int:
    """What `python -m oneseed.export onnx` does -> exit status."""
    folder = Path(config.out)
    require_export_folder(folder)
    model = MultimodalModel.from_checkpoint(config.checkpoint, sees=False)
    if model.config.text_decoder == FROZEN:
        raise UserError(
            "ONNX files hold no frozen language model, and this model writes with one; train one "
            "with --text-decoder own"
        )
    if model.config.encoder == FROZEN:
        print("the frozen picture encoder is not exported: the files draw seeds and prompts alone")
    if model.finish != PLAIN:
        print("pictures are exported as the decoder draws them, without the picture book")
    kinds = ["pair"] if source_of(model.meta) == NONE else ["pair", "prompt"]
    graphs = {name: content for kind in kinds for name, content in traced_files(model, kind)}
    # of an earlier export, perhaps of another model; it stays where this one cannot be traced
    for name in (CONFIG_FILE, *itertools.chain(*GRAPH_FILES.values())):
        (folder / name).unlink(missing_ok=True)
    for name, content in graphs.items():
        with whole_file(folder / name) as partial:
            partial.write_bytes(content)
    write_text(folder / TOKENIZER_FILE, model.tokenizer.json)
    is_same = compare_files(model, kinds, config)
    facts = consumer_config(model, config.passes)
    write_text(folder / CONFIG_FILE, json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
    if not is_same:
        print("the exact files do not give the same pairs as PyTorch")
        return 1
    command = f"{python_name()} -m oneseed.export web {flag('model', config.out, EXPORT_FOLDER)}"
    print(f"written to {config.out}; as a page: {command.rstrip()}")
    return 0


def traced_files(model: MultimodalModel, kind: str) -> list[tuple[str, bytes]]:
    """The exact and the small file of a graph: their names and contents."""
    print(f"{GRAPH_FILES[kind][0]}: tracing the model, up to a minute", flush=True)
    before = time.perf_counter()
    exact = traced(GRAPHS[kind](model).eval())
    seconds = time.perf_counter() - before
    print(f"{GRAPH_FILES[kind][0]}: {len(exact.graph.node)} nodes in {seconds:.0f} s")
    return [
        (name, content.SerializeToString(deterministic=True))
        for name, content in zip(GRAPH_FILES[kind], (exact, in_half(exact)))
    ]


@torch.no_grad()
def traced(graph: SeedGraph) -> "onnx.ModelProto":
    """A graph of any batch size as ONNX."""
    inputs = example_inputs(graph)
    batch = torch.export.Dim("batch")
    sizes = {"z": {0: batch}}
    if isinstance(graph, PromptGraph):
        longest = len(graph.text_encoder.positions)
        sizes["prompt"] = {0: batch, 1: torch.export.Dim("length", max=longest)}
    with warnings.catch_warnings():
        # of torch, about itself
        warnings.simplefilter("ignore")
        # of its own: torch.onnx.export would go on with a fixed size where this one fails
        exported = torch.export.export(
            graph, tuple(inputs.values()), dynamic_shapes=tuple(map(sizes.get, inputs))
        )
        program = torch.onnx.export(
            exported, input_names=list(inputs), output_names=OUTPUTS, dynamo=True, verbose=False
        )
    assert program is not None, "with dynamo=True there is a program"
    found = program.model_proto
    clean(found)
    return found


def compare_files(model: MultimodalModel, kinds: list[str], config: OnnxConfig) -> bool:
    """Prints a table of all files beside PyTorch -> whether the exact ones give the same pairs."""
    request = pair_request(model, config.check, config.passes)
    is_same = True
    lines = [in_columns("", "MB (gz)", "captions equal", "pixels differ by", "processor ms a pair")]
    expected: Pairs = (np.empty(0), [])
    for kind in kinds:
        if kind == "prompt":
            request = prompt_request(model, request, expected[1])

        def by_torch(part: Request) -> Pairs:
            """As PyTorch answers."""
            return torch_pairs(model, part)

        expected = all_pairs(by_torch, request, f"{kind} by PyTorch")
        lines.append(comparison_line(f"{kind}, PyTorch", "", None, speed_of(by_torch, request)))
        for name in GRAPH_FILES[kind]:
            path = Path(config.out) / name
            file = ExportedFile(path, model)
            found = compare(file, request, expected, name)
            lines.append(comparison_line(name, size_of(path), found, found.speed))
            is_same = is_same and (found.is_same or name != GRAPH_FILES[kind][0])
    together = min(PAIRS_AT_ONCE, config.check)
    print(
        f"{config.check} seeds in {config.passes} passes; times: alone / in batches of {together}"
    )
    print("\n".join(lines))
    return is_same


def size_of(path: Path) -> str:
    """A file's size in MB, and that as web servers compress it."""
    content = path.read_bytes()
    return f"{len(content) / 1e6:.1f} ({len(gzip.compress(content, 6)) / 1e6:.1f})"


def comparison_line(name: str, size: str, found: Comparison | None, speed: Speed) -> str:
    """A line of the table; found: None for PyTorch itself."""
    captions = f"{found.equal_captions} of {found.seeds}" if found else ""
    pixels = f"{found.worst} ({found.mean:.4f})" if found else ""
    return in_columns(name, size, captions, pixels, f"{speed.alone:.1f} / {speed.together:.1f}")


def in_columns(*cells: str) -> str:
    """Five cells as a line, the first on the left."""
    widths = (-20, 14, 17, 19, 22)
    return "".join(
        cell.ljust(-width) if width < 0 else cell.rjust(width) for cell, width in zip(cells, widths)
    )
