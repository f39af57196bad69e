"""[[work]] in the configuration file, and what probe says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.cli import main
from collectors.settings.file import SettingsError, load_settings
from collectors.work.options import ModelName
from collectors.work.probe import work_findings
from tests.support.stub_http import Reply, serving
from tests.support.work_servers import VllmStub

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def load(tmp_path):
    def read(text: str):
        path = tmp_path / "collect.toml"
        path.write_text(text)
        return load_settings(path)

    return read


def work(text: str = 'model = "m"', url: str = "http://x/metrics") -> str:
    return f'[[work]]\nurl = "{url}"\nkind = "vllm"\n{text}\n'


def test_the_example_is_sound():
    found = load_settings(ROOT / "examples" / "collectors" / "work.toml")
    vllm, triton, tgi, otel = found.work
    assert (vllm.model, vllm.model_version, vllm.service, vllm.every_s) == ("llama-3.1-8b", "2", "chat", 15.0)
    assert triton.models == {"ensemble": ModelName("street-scenes"), "resnet50": ModelName("resnet-50", "7")}
    assert triton.leave_out == ("preprocess", "postprocess")
    assert tgi.job_id == "cluster/4711"
    assert (otel.token_env, otel.every_s) == ("GATEWAY_TOKEN", 30)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (work(""), "model is missing: say what you call the model"),
        (work('models = {}\nmodel = "m"'), "models must be a table such as"),
        (work('models = { a = 1 }'), "models must be a table such as"),
        (work('models = { a = { model_version = "1" } }'), "models must be a table such as"),
        (work('models = { a = { model = " " } }'), "models must be a table such as"),
        (work('models = { a = "b" }\nmodel_version = "1"'), "belongs to `model`, which is missing"),
        (work('models = { a = "b" }\nleave_out = ["a"]'), "leave_out and models both name 'a'"),
        (work('model = "m"\nleave_out = "a"'), "leave_out must be a list of texts"),
        (work() + work(), "two .*work.* read http://x/metrics: its work would count twice"),
        (work('model = "m"\ntoken_env = "T"'), "the token would cross the network in the clear"),
        (work('model = "m"\ntoken = "abc"'), 'token_env = "NAME"'),
    ],
)  # fmt: skip
def test_every_mistake_names_key_and_what_is_expected(load, text, message):
    with pytest.raises(SettingsError, match=message) as error:
        load(text)
    assert "[[work]]" in str(error.value)
    assert "abc" not in str(error.value)


def test_a_server_that_is_not_verified_is_warned_of(load):
    (warning,) = load(work('model = "m"\nverify = false', "https://x/metrics")).warnings
    assert "[[work]] verify is false" in warning


def test_probe_says_what_each_server_counts_and_for_whom(load):
    with serving() as stub:
        stub.answers |= {"/vllm": VllmStub().reply, "/tgi": Reply(b"tgi_queue_size 0\n"), "/down": Reply(b"", 503)}
        both = "".join(f'nv_inference_request_success{{model="{name}",version="1"}} 1\n' for name in "ab")
        stub.answers["/both"] = Reply(both.encode())
        text = work(url=f"{stub.url}/vllm")
        for kind, path in (("tgi", "tgi"), ("vllm", "down"), ("triton", "both")):
            text += f'[[work]]\nurl = "{stub.url}/{path}"\nkind = "{kind}"\nmodel = "m"\n'
        vllm, tgi, down, both = work_findings(load(text).work, host="h")
    assert (vllm["status"], vllm["kind"], vllm["source"]) == ("counted", "work", "vllm")
    assert vllm["reason"] == "requests, input tokens, output tokens of m (it says meta-llama/Llama-3.1-8B)"
    assert (tgi["status"], tgi["reason"]) == ("counted", "nothing done yet")
    assert (down["status"], down["reason"]) == ("not counted", "it answers with status 503")
    assert f"curl {stub.url}/down" in down["fix"]
    assert both["reason"] == "requests of a, b; it does not count input tokens and output tokens"
    assert 'models = { "its name" = "your name" }' in both["fix"]


def test_probe_on_the_command_line(tmp_path, capsys):
    with serving() as stub:
        stub.answers["/metrics"] = VllmStub().reply
        path = tmp_path / "collect.toml"
        path.write_text(work(url=f"{stub.url}/metrics"))
        assert main(["probe", "--config", str(path)]) == 0
        assert "requests, input tokens, output tokens of m" in capsys.readouterr().out
        assert main(["probe", "--json", "--config", str(path)]) == 0
        (row,) = [row for row in json.loads(capsys.readouterr().out)["findings"] if row["kind"] == "work"]
        assert row["device"] == stub.url.removeprefix("http://")
