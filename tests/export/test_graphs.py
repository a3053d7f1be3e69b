"""The graphs that are exported give what the model gives; tests of the files: test_onnx.py."""

import numpy as np
import pytest
import torch

from oneseed.config.export import OnnxConfig
from oneseed.export.comparison import (
    pair_request,
    prompt_request,
    prompt_tokens,
    torch_pairs,
)
from oneseed.export.consumer import consumer_config
from oneseed.export.graphs import PairGraph, PromptGraph
from oneseed.export.model_files import compare_files
from oneseed.model.tokenizer import END, PAD

SEEDS = 24


@torch.no_grad()
def graph_pairs(graph, model, request, guidance=3.0):
    """The pairs of a request by a graph."""
    inputs = [request.z]
    if request.prompts:
        tokens = torch.from_numpy(prompt_tokens(model, request.prompts))
        inputs += [tokens, torch.tensor(guidance)]
    pixels, tokens = graph(*inputs, torch.tensor(request.passes))
    return pixels.numpy(), [model.tokenizer.decode(row) for row in tokens.tolist()]


def require_same(found, expected):
    """Captions are equal, and pixels to a step of 255."""
    pixels, captions = found
    assert captions == expected[1]
    assert np.abs(pixels.astype(int) - expected[0]).max() <= 1


@pytest.mark.parametrize("passes, truncation", [(1, 1.0), (3, 1.0), (2, 0.5)])
def test_the_graph_of_seeds_gives_their_pairs(clustered_model, quick_loops, passes, truncation):
    clustered_model.meta["truncation"] = truncation
    request = pair_request(clustered_model, SEEDS, passes)
    expected = torch_pairs(clustered_model, request)
    assert len({*expected[1]}) > 1
    require_same(graph_pairs(PairGraph(clustered_model), clustered_model, request), expected)


def test_the_graph_of_prompts_gives_their_pairs(clustered_model, quick_loops):
    """Some of the seeds are too long for what is asked for, and are shortened; most are not."""
    seeds = pair_request(clustered_model, SEEDS, 2)
    request = prompt_request(clustered_model, seeds, ["two ships", "a castle"] * (SEEDS // 2))
    graph = PromptGraph(clustered_model)
    given = []
    pull_back = graph.pull_back
    graph.pull_back = lambda leading, last: given.append(leading) or pull_back(leading, last)
    expected = torch_pairs(clustered_model, request)
    require_same(graph_pairs(graph, clustered_model, request), expected)
    moved = (pull_back(given[0], request.z[:, -1])[0] != given[0]).any(1)
    assert 0 < int(moved.sum()) < SEEDS


def test_captions_that_are_looked_up_are_those_of_the_book(book_model, quick_loops):
    request = pair_request(book_model, SEEDS, 1)
    expected = torch_pairs(book_model, request)
    assert len({*expected[1]}) > 1
    require_same(graph_pairs(PairGraph(book_model), book_model, request), expected)


def test_a_model_of_pictures_alone_has_no_captions_and_no_prompts(clustered_model, quick_loops):
    clustered_model.meta["caption_source"] = "none"
    request = pair_request(clustered_model, 2, 1)
    _, captions = graph_pairs(PairGraph(clustered_model), clustered_model, request)
    assert captions == ["", ""]
    facts = consumer_config(clustered_model, 1)
    assert list(facts["files"]) == ["pair"]
    assert facts["prompts"] is None


def test_the_table_of_times_names_the_batches_that_were_timed(tiny_model, capsys):
    """With --check 5 it spoke of batches of 20."""
    assert compare_files(tiny_model, [], OnnxConfig(check=5))
    assert "times: alone / in batches of 5\n" in capsys.readouterr().out
    assert compare_files(tiny_model, [], OnnxConfig(check=50))
    assert "in batches of 20\n" in capsys.readouterr().out


def test_behind_its_end_a_caption_is_padding(clustered_model, quick_loops):
    """A consumer may stop at END or cut PAD off: both give the same."""
    request = pair_request(clustered_model, SEEDS, 1)
    with torch.no_grad():
        _, tokens = PairGraph(clustered_model)(request.z, torch.tensor(1))
    for row in tokens.tolist():
        behind = row[row.index(END) + 1 :] if END in row else []
        assert not any(behind)
        assert PAD not in row[: len(row) - len(behind)]
