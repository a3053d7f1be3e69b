"""Several machines index seeds, and the joined index is that of one run, byte for byte."""

import pytest

import inference
from oneseed.config.inference import InferenceConfig
from oneseed.console.command import UserError
from oneseed.generation import index_shards
from oneseed.generation.generator import MultimodalGenerator

# four batches of eight, and one of four
SEEDS = 36


@pytest.fixture
def drawn(monkeypatch):
    """Seeds that are drawn, in order."""
    seeds = []
    real = MultimodalGenerator.generate_batch

    def noted(self, batch, *more, **conditions):
        seeds.extend(batch)
        return real(self, batch, *more, **conditions)

    monkeypatch.setattr(MultimodalGenerator, "generate_batch", noted)
    return seeds


@pytest.fixture
def build(tiny_run, tmp_path):
    """Indexes seeds of a copy of the checkpoint in a folder -> the folder's files."""

    def build_in(name, **flags):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        checkpoint = folder / "model.pt"
        if not checkpoint.exists():
            checkpoint.write_bytes((tiny_run / "best_model.pt").read_bytes())
        settings = dict(index=SEEDS, batch_size=8, device="cpu", data=str(tmp_path / "nowhere"))
        inference.main(InferenceConfig(**settings | flags, checkpoint=str(checkpoint)))
        return {path.name: path.read_bytes() for path in folder.iterdir() if path != checkpoint}

    return build_in


@pytest.mark.parametrize("count", [2, 4])
def test_shards_and_a_gathering_run_write_the_index_of_one_run(build, drawn, count):
    one = build("one")
    assert list(one) == ["model.seeds.npz"]
    drawn.clear()
    for number in range(count, 0, -1):
        build("many", shard=f"{number}/{count}")
    assert sorted(drawn) == list(range(SEEDS))
    assert build("many") == one, "and nothing else is left"
    assert len(drawn) == SEEDS, "the gathering run draws nothing again"
    build("many", shard="1/2")
    assert build("many") == one
    assert len(drawn) == SEEDS


def test_an_index_that_grows_is_shared_from_where_it_stands(build, drawn):
    build("one", index=12)
    build("many", index=12)
    one = build("one")
    drawn.clear()
    for shard in ("1/2", "2/2"):
        build("many", shard=shard)
    assert sorted(drawn) == list(range(12, SEEDS))
    assert build("many") == one


def test_a_killed_shard_goes_on_and_a_missing_one_is_named(build, drawn, monkeypatch):
    real = index_shards.draw_seeds
    with monkeypatch.context() as patched:

        def killed(*arguments, **settings):
            for done in real(*arguments, **settings, seeds_between_saves=8):
                yield done
                raise KeyboardInterrupt

        patched.setattr(index_shards, "draw_seeds", killed)
        with pytest.raises(KeyboardInterrupt):
            build("many", shard="2/2")
    build("many", shard="1/2")
    with pytest.raises(UserError, match=r"of 2 shards 1 is not done \(2/2\): run python inference"):
        build("many")
    build("many", shard="2/2")
    assert sorted(drawn) == list(range(SEEDS)), "what it had drawn is not drawn again"
    drawn.clear()
    assert build("many") == build("one")


def test_a_damaged_block_is_drawn_again(build, drawn, tmp_path):
    for shard in ("1/2", "2/2"):
        build("many", shard=shard)
    (block,) = (tmp_path / "many").glob("*0000000000-*.npz")
    content = bytearray(block.read_bytes())
    content[len(content) // 2 :] = b""
    block.write_bytes(content)
    assert build("many") == build("one")


def test_blocks_of_a_larger_index_are_kept_for_whoever_gathers_it(build, drawn):
    """An index of fewer seeds, which was there already, removed what three machines had drawn."""
    build("one", index=12)
    one = build("one")
    build("many", index=12)
    for shard in ("1/2", "2/2"):
        build("many", shard=shard)
    drawn.clear()
    build("many", index=12)
    assert build("many") == one
    assert not drawn
