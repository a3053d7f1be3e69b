"""The scripts, chained by files, in one process.

A dozen pictures without captions, a tiny BLIP-2, a tiny model, a page.
"""

import json

import caption_generation
import dataset_preparation
import gradio_demo
import inference
import training_loop
from oneseed.config.captioning import CaptionConfig
from oneseed.config.inference import InferenceConfig
from oneseed.config.preparation import PrepareConfig
from oneseed.config.training import TrainConfig
from oneseed.dataset.collection import Collection
from oneseed.generation.generator import MultimodalGenerator
from oneseed.synthetic.engravings import attributes, drawing
from tests.conftest import tiny_config


def test_pipeline_end_to_end(tmp_path, tiny_blip2, capsys):
    prints = tmp_path / "prints"
    data = tmp_path / "data"
    runs = tmp_path / "checkpoints"
    out = tmp_path / "outputs"
    prints.mkdir()
    for number, facts in enumerate(attributes.collection(12)):
        drawing.draw(facts, number, 64).save(prints / f"{number}.png")
    (prints / "broken.jpg").write_bytes(b"\xff\xd8 cut")
    captioner = tiny_blip2(tmp_path / "blip2")

    assert not dataset_preparation.main(
        PrepareConfig(
            source=str(prints),
            style="engraving",
            preset="small",
            image_size=32,
            smallest=16,
            workers=1,
            data=str(data),
        )
    )
    report = json.loads((data / "metadata" / "engraving_report.json").read_text())
    assert report["found"] == 13
    assert report["prepared"] == 12

    assert not caption_generation.main(
        CaptionConfig(captioner=str(captioner), max_new_tokens=8, device="cpu", data=str(data))
    )
    train, val = Collection("engraving", data).read_captions()
    assert len(train) == 11
    assert len(val) == 1
    assert all(row["caption"].startswith("An engraving of") for row in train + val)

    training_loop.main(
        tiny_config(vocab_size=0),
        TrainConfig(
            preset="small",
            num_epochs=1,
            epoch_pictures=1,
            batch_size=4,
            sampler_steps=20,
            device="cpu",
            precision="fp32",
            data=str(data),
            checkpoints=str(runs),
        ),
    )
    assert not inference.main(
        InferenceConfig(
            seeds="0-1", checkpoint=str(runs / "best_model.pt"), out=str(out), device="cpu"
        )
    )
    assert len(list(out.glob("0000*.png"))) == 2

    assert gradio_demo.build_page(MultimodalGenerator(runs / "best_model.pt", device="cpu"))
