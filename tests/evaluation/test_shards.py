"""Several machines judge one model, and the report is that of one run."""

import json

import pytest

import evaluation
from oneseed.console.command import UserError
from oneseed.evaluation import picture_judges, shards
from tests.evaluation.fakes import BarcodeJudge, Perfect, config

# what clocks and the system say
MEASURED_HERE = ("seconds", "seconds_per_pair", "memory")
# blocks of 64, 64 and 12 pairs
SEEDS = 140


@pytest.fixture
def drawn(monkeypatch, barcodes):
    """Seeds that are drawn without a prompt, in order; whoever judges reads bar codes."""
    seeds = []

    class Counted(Perfect):
        def generate_batch(self, batch, prompt=None, style=None):
            seeds.extend(batch if batch[0] >= 1_000_000_000 else [])
            return super().generate_batch(batch, prompt, style)

    monkeypatch.setattr(evaluation, "MultimodalGenerator", lambda *given, **more: Counted())
    monkeypatch.setattr(evaluation, "require_checkpoint", lambda *given: None)
    monkeypatch.setattr(picture_judges, "load_judge", lambda path, drawn: BarcodeJudge())
    return seeds


def report_of(folder):
    """What report.json says, but for what is another at each run."""
    report = json.loads((folder / "report" / "report.json").read_text("utf-8"))
    for name in MEASURED_HERE:
        assert report["numbers"].pop(name)["value"] > 0
    return report


def run(folder, judge="judge.pt", **flags):
    # the notes of a report name the folder of the data
    evaluation.main(config(folder, SEEDS, judge=judge, data="nowhere", **flags))


@pytest.mark.parametrize("count", [2, 4])
def test_shards_and_a_gathering_run_report_what_one_run_reports(drawn, tmp_path, count):
    run(tmp_path / "one")
    assert len(drawn) == SEEDS
    drawn.clear()
    for number in range(count, 0, -1):
        run(tmp_path / "many", shard=f"{number}/{count}")
    # one more a shard, which says how large the pictures are
    assert len(drawn) == SEEDS + count
    assert not (tmp_path / "many" / "report" / "report.json").exists()
    drawn.clear()
    run(tmp_path / "many")
    assert not drawn, "the gathering run draws nothing again"
    assert report_of(tmp_path / "many") == report_of(tmp_path / "one")
    pages = [
        (tmp_path / name / "report" / "index.html").read_text("utf-8") for name in ("many", "one")
    ]
    assert len(pages[0]) == pytest.approx(len(pages[1]), abs=50)
    names = sorted(path.name for path in (tmp_path / "many" / "report").iterdir())
    assert names == ["index.html", "report.json"], "nothing is left of the shards"


def test_a_killed_shard_goes_on_and_a_missing_one_is_named(drawn, tmp_path, monkeypatch):
    real = shards.judged_block

    def killed(generator, seeds, judge):
        if seeds[0] > 1_000_000_000:
            raise KeyboardInterrupt
        return real(generator, seeds, judge)

    with monkeypatch.context() as patched:
        patched.setattr(shards, "judged_block", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, shard="1/2")
    run(tmp_path, shard="2/2")
    drawn.clear()
    with pytest.raises(
        UserError, match=r"of 2 shards 1 is not done \(1/2\): run python evaluation"
    ):
        run(tmp_path)
    run(tmp_path, shard="1/2")
    assert len(drawn) == 12 + 1, "its first block was kept"
    run(tmp_path)
    assert len(drawn) == 12 + 1


def test_parts_of_another_order_or_damaged_ones_are_made_again(drawn, tmp_path):
    """Pairs of an earlier model would have stood in the report of a later one."""
    for shard in ("1/2", "2/2"):
        run(tmp_path, shard=shard)
    parts = tmp_path / "report" / ".parts"
    block = sorted(parts.glob("pairs_*.npz"))[0]
    block.write_bytes(block.read_bytes()[:-200])
    section = parts / "section_walks.json"
    section.write_text(
        section.read_text("utf-8").replace('"order": "', '"order": "another'), "utf-8"
    )
    drawn.clear()
    run(tmp_path)
    assert len(drawn) == 64
    found = report_of(tmp_path)
    run(tmp_path / "one")
    assert found == report_of(tmp_path / "one")
    run(tmp_path, shard="1/2")
    drawn.clear()
    run(tmp_path, judge="another.pt", shard="1/1")
    assert len(drawn) == SEEDS


def test_a_gathering_run_that_forgets_a_flag_removes_nothing(drawn, tmp_path):
    """A report of other seeds, into the same folder, removed what four machines had made."""
    for shard in ("1/2", "2/2"):
        run(tmp_path, shard=shard, first_seed=2_000_000_000)
    parts = sorted((tmp_path / "report" / ".parts").iterdir())
    assert parts
    told = r"--first-seed 2000000000.*--shard 1/1"
    with pytest.raises(UserError, match=told):
        run(tmp_path)
    assert sorted((tmp_path / "report" / ".parts").iterdir()) == parts
    run(tmp_path, first_seed=2_000_000_000)
    assert not (tmp_path / "report" / ".parts").exists()
