"""Clips by the API: the GIF of a seed, and a clip that is sent."""

import base64

import inference
from oneseed.config.inference import InferenceConfig
from oneseed.generation.generator import MultimodalGenerator
from tests.moving_pictures import frames, moving


def test_the_api_gives_the_clip_of_a_seed_and_reads_clips(clip_run, serve_api, tmp_path):
    _, checkpoint = clip_run
    made = InferenceConfig(checkpoint=str(checkpoint), seeds="3", out=str(tmp_path), device="cpu")
    inference.main(made)
    generator = MultimodalGenerator(checkpoint, "cpu")
    client = serve_api(lambda: generator)
    answer = client.get("/v1/pairs/3.gif")
    assert answer.headers["content-type"] == "image/gif"
    assert answer.content == (tmp_path / "000003.gif").read_bytes()
    tag = {"if-none-match": answer.headers["etag"]}
    assert client.get("/v1/pairs/3.gif", headers=tag).status_code == 304
    assert client.get("/v1/pairs/3.wav").status_code == 404
    sent = base64.b64encode(moving(frames()).getvalue()).decode()
    assert client.post("/v1/captions", json={"image": sent}).json()["caption"]


def test_a_model_of_pictures_has_no_clips(api_generator, serve_api):
    client = serve_api(lambda: api_generator)
    refused = client.get("/v1/pairs/3.gif")
    assert refused.status_code == 404
    assert "it has learnt no clips" in refused.text
