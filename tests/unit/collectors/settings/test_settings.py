"""The configuration file: what it becomes, and errors that name file, key and what is expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import collectors
from collectors.settings.file import AgentSettings, Settings, SettingsError, WorkSettings, load_settings
from collectors.sources.hwmon import SENSORS_PATH
from collectors.sources.options import (
    EstimateOptions,
    HwmonOptions,
    IpmiOptions,
    RedfishOptions,
    ScrapeOptions,
    SourceOptions,
)
from collectors.usage import UsageError

FULL = """
[agent]
landing = "landing"
host = "gpu-1"
state_dir = "/var/lib/wattledger"
interval_s = 2
flush_s = 60.5
spool_mb = 64
facility = "dc1"
provider = "aws"

[[redfish]]
url = "https://bmc.example"
user = "reader"
password_env = "BMC_PASSWORD"
auth = "basic"
chassis = "1"
power_control = "Server Power Control"
point = "dc"
device = "chassis-1"
every_s = 10
timeout_s = 3
ca_file = "bmc.pem"

[ipmi]
command = "/usr/bin/ipmitool"
believe_inactive = true

[[scrape]]
url = "http://localhost:9400/metrics"
host = "*"
kinds = ["gpu"]
max_mb = 1

[[scrape]]
url = "https://exporter.example/metrics"
token_env = "TOKEN"

[hwmon]
table = "mine.csv"
node_point = "dc"

[estimate]
estimate_denied = true

[[work]]
url = "http://localhost:8000/metrics"
kind = "vllm"
model = "m"
model_version = "2"
service = "chat"
"""


@pytest.fixture
def load(tmp_path):
    def read(text: str) -> Settings:
        for name in ("mine.csv", "sensors.csv"):
            (tmp_path / name).write_text(SENSORS_PATH.read_text())
        path = tmp_path / "collect.toml"
        path.write_text(text)
        return load_settings(path)

    return read


def test_a_full_file_becomes_what_it_says_with_paths_relative_to_it(load, tmp_path):
    assert load(FULL) == Settings(
        AgentSettings(
            str(tmp_path / "landing"), "gpu-1", "/var/lib/wattledger", 2.0, 60.5, 64.0, "dc1", "aws"
        ),
        SourceOptions(
            (
                RedfishOptions(
                    "https://bmc.example", "reader", "BMC_PASSWORD", "basic", "1", "Server Power Control", "dc",
                    "chassis-1", 10.0, 3.0, str(tmp_path / "bmc.pem"),
                ),
            ),
            IpmiOptions("/usr/bin/ipmitool", is_inactive_believed=True),
            (
                ScrapeOptions("http://localhost:9400/metrics", "*", kinds=("gpu",), max_bytes=1 << 20),
                ScrapeOptions("https://exporter.example/metrics", token_env="TOKEN"),
            ),
            HwmonOptions(table=tmp_path / "mine.csv", node_point="dc"),
            EstimateOptions(is_denied_modelled=True),
        ),
        (WorkSettings("http://localhost:8000/metrics", "vllm", "m", "2", "chat", 15.0),),
    )  # fmt: skip


def test_an_empty_file_changes_nothing(load):
    assert load("") == Settings()
    assert load("[ipmi]\n").sources.ipmi == IpmiOptions()
    assert load("[ipmi]\nenabled = false\n").sources.ipmi is None
    assert load('[agent]\nlanding = "s3://bucket/prefix"\n').agent.landing == "s3://bucket/prefix"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[agent]\nintervall_s = 1", r"\[agent\] intervall_s is not known; known are landing, host, .*interval_s"),
        ("[agents]\nhost = 'x'", r"collect.toml: agents is not known; known are agent, redfish"),
        ("host = 'x'", r"host is not known"),
        ("[agent]\ninterval_s = '1'", r"\[agent\] interval_s must be a number of seconds between 0.001 and 86400, not"),
        ("[agent]\ninterval_s = true", r"\[agent\] interval_s must be a number"),
        ("[agent]\ninterval_s = 0", r"\[agent\] interval_s must be a number"),
        ("[agent]\ninterval_s = nan", r"\[agent\] interval_s must be a number"),
        ("[agent]\nspool_mb = -1", r"\[agent\] spool_mb must be a number of MiB"),
        ("[agent]\nhost = ''", r"\[agent\] host must be a text, not ''"),
        ("[agent]\nhost = 5", r"\[agent\] host must be a text, not 5"),
        ("agent = 5", r"agent must be a table, not 5"),
        ("[redfish]\nurl = 'https://x'", r"redfish must be a list of tables, written with two brackets"),
        ("[[redfish]]\n", r"\[\[redfish\]\] url is missing"),
        ("[[redfish]]\nurl = 'bmc.example'", r"\[\[redfish\]\] url must be an address"),
        ("[[redfish]]\nurl = 'ftp://bmc.example'", r"\[\[redfish\]\] url must be an address"),
        ("[[redfish]]\nurl = 'https://bmc:x'", r"\[\[redfish\]\] url must be an address"),
        ("[[redfish]]\nurl = 'https://x'\nuser = 'u'", r"\[\[redfish\]\] password_env is missing"),
        ("[[redfish]]\nurl = 'https://x'\npassword_env = 'P'", r"\[\[redfish\]\] user is missing"),
        ("[[redfish]]\nurl = 'https://x'\nauth = 'digest'", r"auth must be one of session, basic, not 'digest'"),
        ("[[redfish]]\nurl = 'https://x'\npoint = 'board'", r"point must be one of dc, ac, not 'board'"),
        ("[[redfish]]\nurl = 'https://x'\ndevice = 'a b'", r"device must be a device id"),
        ("[[redfish]]\nurl = 'https://x'\nverify = 'no'", r"verify must be true or false, not 'no'"),
        ("[ipmi]\nenabled = 1", r"\[ipmi\] enabled must be true or false, not 1"),
        ("[[scrape]]\nurl = 'http://localhost'\nkinds = ['tpu']", r"kinds must be a list of gpu, cpu, dram, node"),
        ("[[scrape]]\nurl = 'http://localhost'\nkinds = []", r"kinds must be a list of"),
        ("[hwmon]\ntable = 'none.csv'", r"\[hwmon\] table cannot be used: .*none.csv"),
        ("[[work]]\nurl = 'http://x'\nmodel = 'm'\nkind = 'ollama'", r"kind must be one of vllm, tgi, triton, sglang"),
        ("[[work]]\nurl = 'http://x'\nkind = 'vllm'", r"\[\[work\]\] model is missing"),
        ("[agent", r"collect.toml: is no TOML"),
    ],
)  # fmt: skip
def test_every_mistake_names_file_key_and_what_is_expected(load, text, message):
    with pytest.raises(SettingsError, match=message) as error:
        load(text)
    assert "collect.toml" in str(error.value)
    assert isinstance(error.value, UsageError)  # so the command ends with 2


@pytest.mark.parametrize("key", ["password", "token", "secret"])
@pytest.mark.parametrize("table", ["redfish", "scrape"])
def test_secrets_do_not_stand_in_the_file(load, table, key):
    with pytest.raises(SettingsError, match=r"may not stand in the file: name the environment variable") as error:
        load(f"[[{table}]]\nurl = 'https://x'\n{key} = 's3cret-word'")
    assert "s3cret-word" not in str(error.value)


@pytest.mark.parametrize("table", ["redfish", "scrape"])
def test_a_secret_in_the_place_of_its_variable_or_in_the_address_is_refused_and_not_repeated(load, table):
    variable = "password_env" if table == "redfish" else "token_env"
    for text in (f"url = 'https://x'\n{variable} = 's3cret-word!'", "url = 'https://user:s3cret-word!@x'"):
        with pytest.raises(SettingsError) as error:
            load(f"[[{table}]]\n{text}")
        assert "s3cret-word" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("[[redfish]]\nurl = 'http://bmc.example'\nuser = 'u'\npassword_env = 'P'", True),
        ("[[redfish]]\nurl = 'http://localhost:8000'\nuser = 'u'\npassword_env = 'P'", False),
        ("[[redfish]]\nurl = 'http://simulator.example'", False),
        ("[[scrape]]\nurl = 'http://exporter.example'\ntoken_env = 'T'", True),
        ("[[scrape]]\nurl = 'http://exporter.example'", False),
    ],
)
def test_no_secret_crosses_the_network_in_the_clear(load, text, refused):
    if refused:
        with pytest.raises(SettingsError, match="in the clear"):
            load(text)
    else:
        assert load(text).warnings == ()


def test_a_host_that_is_not_verified_is_warned_of(load):
    settings = load("[[redfish]]\nurl = 'https://bmc.example'\nuser = 'u'\npassword_env = 'P'\nverify = false")
    (warning,) = settings.warnings
    assert re.search(r"collect.toml: \[\[redfish\]\] verify is false: .*bmc.example .*gets the password", warning)


def test_two_readings_of_one_node_are_refused(load):
    with pytest.raises(SettingsError, match=r"'node' is the device of two \[\[redfish\]\]"):
        load("[[redfish]]\nurl = 'https://a'\n[[redfish]]\nurl = 'https://b'")
    with pytest.raises(SettingsError, match="keep one of them"):
        load("[[redfish]]\nurl = 'https://a'\n[ipmi]")
    two = load("[[redfish]]\nurl = 'https://a'\n[[redfish]]\nurl = 'https://b'\ndevice = 'shelf'")
    assert [options.device for options in two.sources.redfish] == ["node", "shelf"]


def test_a_file_that_cannot_be_read_says_so(tmp_path):
    with pytest.raises(SettingsError, match=r"none.toml: cannot be read: No such file"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"bytes.toml: is no TOML"):
        load_settings(tmp_path / "bytes.toml")


def test_the_example_of_the_readme_is_sound(load):
    readme = (Path(collectors.__file__).parent / "README.md").read_text()
    example = re.search(r"<!-- example: collect.toml -->\n```toml\n(.*?)```", readme, re.DOTALL)
    assert load(example[1]).sources.redfish
    # What is commented out must be known and sound too; [ipmi] stands there in place of [[redfish]].
    active = re.sub(r"^# (?=\[|\w+ = )", "", example[1], flags=re.MULTILINE)
    before, redfish, ipmi, scrape = re.split(r"^(?=\[\[redfish|\[ipmi|\[\[scrape)", active, flags=re.MULTILINE)
    settings = load(before + redfish + scrape)
    assert settings.work
    assert len(settings.warnings) == 1
    assert load(before + ipmi + scrape).sources.ipmi
