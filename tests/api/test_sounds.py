"""Sounds by the API: the WAV of a seed, and a sound that is sent."""

import base64

import inference
from oneseed.config.inference import InferenceConfig
from oneseed.generation.generator import MultimodalGenerator
from tests.recordings import record


def test_the_api_gives_the_sound_of_a_seed_and_reads_sounds(sound_run, serve_api, tmp_path):
    _, checkpoint = sound_run
    made = InferenceConfig(checkpoint=str(checkpoint), seeds="3", out=str(tmp_path), device="cpu")
    inference.main(made)
    record(tmp_path / "mine.wav", 660)
    generator = MultimodalGenerator(checkpoint, "cpu")
    client = serve_api(lambda: generator)
    answer = client.get("/v1/pairs/3.wav")
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.content == (tmp_path / "000003.wav").read_bytes()
    tag = {"if-none-match": answer.headers["etag"]}
    assert client.get("/v1/pairs/3.wav", headers=tag).status_code == 304
    assert client.get("/v1/pairs/3.png").headers["etag"] != answer.headers["etag"]
    sent = base64.b64encode((tmp_path / "mine.wav").read_bytes()).decode()
    assert client.post("/v1/captions", json={"image": sent}).json()["caption"]


def test_a_model_of_pictures_has_no_sounds(api_generator, serve_api, tmp_path):
    client = serve_api(lambda: api_generator)
    assert client.get("/v1/pairs/3.wav").status_code == 404
    record(tmp_path / "mine.wav", 660)
    refused = client.post("/v1/captions", content=(tmp_path / "mine.wav").read_bytes())
    assert refused.status_code == 422
    assert "a sound, where a picture is wanted" in refused.text
