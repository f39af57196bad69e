"""The configuration file of the agent: reading it, and saying what is wrong with it.

What belongs here: which keys there are, what each may be, and what they become. What must not be here: sources, flags,
the environment (whoever runs the agent decides what wins).

A key that is not known is an error, because a misspelt one would silently change nothing. Secrets do not stand in the
file: it names environment variables that hold them. Paths are relative to the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ..closed_sets import DEVICE_KINDS, POINTS, WORK_KINDS
from ..sources.options import (
    EVERY_S,
    TIMEOUT_S,
    EstimateOptions,
    HwmonOptions,
    IpmiOptions,
    RedfishOptions,
    ScrapeOptions,
    SourceOptions,
)
from ..work.options import WORK_EVERY_S, WORK_TIMEOUT_S, ModelName, WorkSettings
from .table import (
    SettingsError,
    Table,
    UnexpectedError,
    a_device,
    a_flag,
    a_number,
    a_text,
    a_url,
    a_variable,
    one_of,
    seconds,
    some_of,
    some_texts,
)

if TYPE_CHECKING:
    from pathlib import Path

_TABLES = ("agent", "redfish", "ipmi", "scrape", "hwmon", "estimate", "work")
_SCRAPED_KINDS = tuple(kind for kind in DEVICE_KINDS if kind in ("gpu", "cpu", "dram", "node"))
_NODE_POINTS = tuple(point for point in POINTS if point in ("ac", "dc"))
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MB = 1 << 20
_MEGABYTES = a_number(0.001, 1 << 20, "MiB")


class AgentSettings(NamedTuple):
    """How the host is sampled; ``None`` for what the file does not say.

    Attributes:
        landing: landing folder, or address of an object store.
        host: name of this host in the rows.
        state_dir: folder for locks and spool.
        interval_s: time between two samples [s].
        flush_s: time between two landings [s].
        spool_mb: largest size of the spool [MiB].
        facility: facility id of the configuration.
        provider: cloud provider.
    """

    landing: str | None = None
    host: str | None = None
    state_dir: str | None = None
    interval_s: float | None = None
    flush_s: float | None = None
    spool_mb: float | None = None
    facility: str | None = None
    provider: str | None = None


class Settings(NamedTuple):
    """What a configuration file says.

    Attributes:
        agent: how the host is sampled.
        sources: options of the sources.
        work: inference servers.
        warnings: what is allowed and risky, one sentence each.
    """

    agent: AgentSettings = AgentSettings()
    sources: SourceOptions = SourceOptions()
    work: tuple[WorkSettings, ...] = ()
    warnings: tuple[str, ...] = ()


def load_settings(path: Path) -> Settings:
    """Return what a configuration file says.

    Args:
        path: TOML file.

    Raises:
        SettingsError: if it cannot be read, or a key or a value is not one that is expected.
    """
    import tomllib

    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise SettingsError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: is no TOML: {error}"
        raise SettingsError(msg) from error
    top = Table(path, "", found)
    warnings: list[str] = []
    agent = _agent(top.table("agent"))
    sources = SourceOptions(
        tuple(_redfish(table, warnings) for table in top.tables("redfish")),
        _ipmi(top.table("ipmi")) if "ipmi" in found else None,
        tuple(_scrape(table, warnings) for table in top.tables("scrape")),
        _hwmon(top.table("hwmon")),
        _estimate(top.table("estimate")),
    )
    work = tuple(_work(table, warnings) for table in top.tables("work"))
    top.finish(_TABLES)
    _check_nodes(path, sources)
    _check_works(path, work)
    return Settings(agent, sources, work, tuple(warnings))


def _agent(table: Table) -> AgentSettings:
    landing = table.get("landing", a_text)
    settings = AgentSettings(
        landing=landing if landing is None or "://" in landing else str(table.folder / landing),
        host=table.get("host", a_text),
        state_dir=table.get("state_dir", table.a_path_text),
        interval_s=table.get("interval_s", seconds),
        flush_s=table.get("flush_s", seconds),
        spool_mb=table.get("spool_mb", _MEGABYTES),
        facility=table.get("facility", a_text),
        provider=table.get("provider", a_text),
    )
    table.finish()
    return settings


def _redfish(table: Table, warnings: list[str]) -> RedfishOptions:
    options = RedfishOptions(
        url=table.need("url", a_url),
        user=table.get("user", a_text),
        password_env=table.get("password_env", a_variable),
        auth=table.get("auth", one_of("session", "basic"), "session"),
        chassis=table.get("chassis", a_text),
        power_control=table.get("power_control", a_text),
        point=table.get("point", one_of(*_NODE_POINTS), "ac"),
        device=table.get("device", a_device, "node"),
        every_s=table.get("every_s", seconds, EVERY_S),
        timeout_s=table.get("timeout_s", seconds, TIMEOUT_S),
        ca_file=table.get("ca_file", table.a_path_text),
        is_verified=table.get("verify", a_flag, default=True),
    )
    table.finish()
    if (options.user is None) != (options.password_env is None):
        lacking = "user" if options.user is None else "password_env"
        raise table.error(lacking, "is missing: user and password_env go together")
    secret = "password" if options.user is not None else None
    _check_transport(table, options.url, secret, warnings, is_verified=options.is_verified)
    return options


def _ipmi(table: Table) -> IpmiOptions | None:
    options = IpmiOptions(
        command=table.get("command", a_text, "ipmitool"),
        point=table.get("point", one_of(*_NODE_POINTS), "ac"),
        every_s=table.get("every_s", seconds, EVERY_S),
        timeout_s=table.get("timeout_s", seconds, TIMEOUT_S),
        is_inactive_believed=table.get("believe_inactive", a_flag, default=False),
    )
    is_enabled = table.get("enabled", a_flag, default=True)
    table.finish()
    return options if is_enabled else None


def _scrape(table: Table, warnings: list[str]) -> ScrapeOptions:
    options = ScrapeOptions(
        url=table.need("url", a_url),
        host=table.get("host", a_text),
        host_label=table.get("host_label", a_text),
        kinds=table.get("kinds", some_of(*_SCRAPED_KINDS), ()),
        every_s=table.get("every_s", seconds, EVERY_S),
        timeout_s=table.get("timeout_s", seconds, TIMEOUT_S),
        max_bytes=int(table.get("max_mb", _MEGABYTES, 8.0) * _MB),
        token_env=table.get("token_env", a_variable),
        ca_file=table.get("ca_file", table.a_path_text),
        is_verified=table.get("verify", a_flag, default=True),
    )
    table.finish()
    secret = "token" if options.token_env is not None else None
    _check_transport(table, options.url, secret, warnings, is_verified=options.is_verified)
    return options


def _hwmon(table: Table) -> HwmonOptions:
    options = HwmonOptions(
        is_enabled=table.get("enabled", a_flag, default=True),
        table=table.get("table", table.a_path),
        node_point=table.get("node_point", one_of(*_NODE_POINTS)),
    )
    table.finish()
    if options.table is not None:
        from ..sources.hwmon import load_sensors

        try:
            load_sensors(options.table)
        except (OSError, ValueError) as error:
            refused = table.error("table", f"cannot be used: {error}")
            raise refused from error
    return options


def _estimate(table: Table) -> EstimateOptions:
    options = EstimateOptions(
        is_enabled=table.get("enabled", a_flag, default=True),
        is_denied_modelled=table.get("estimate_denied", a_flag, default=False),
    )
    table.finish()
    return options


def _work(table: Table, warnings: list[str]) -> WorkSettings:
    options = WorkSettings(
        url=table.need("url", a_url),
        kind=table.need("kind", one_of(*WORK_KINDS)),
        model=table.get("model", a_text),
        model_version=table.get("model_version", a_text),
        service=table.get("service", a_text),
        every_s=table.get("every_s", seconds, WORK_EVERY_S),
        job_id=table.get("job_id", a_text),
        models=table.get("models", _model_names, {}),
        leave_out=table.get("leave_out", some_texts, ()),
        timeout_s=table.get("timeout_s", seconds, WORK_TIMEOUT_S),
        max_bytes=int(table.get("max_mb", _MEGABYTES, 8.0) * _MB),
        token_env=table.get("token_env", a_variable),
        ca_file=table.get("ca_file", table.a_path_text),
        is_verified=table.get("verify", a_flag, default=True),
    )
    table.finish()
    if options.model is None and not options.models:
        problem = "is missing: say what you call the model, or models = { its-name = your-name }"
        raise table.error("model", problem)  # noqa: EM101 - a key
    if options.model is None and options.model_version is not None:
        problem = 'belongs to `model`, which is missing; write models = { "x" = { model = "y", model_version = "1" } }'
        raise table.error("model_version", problem)  # noqa: EM101 - a key
    if twice := set(options.models) & set(options.leave_out):
        problem = f"and models both name {sorted(twice)[0]!r}"
        raise table.error("leave_out", problem)  # noqa: EM101 - a key
    secret = "token" if options.token_env is not None else None
    _check_transport(table, options.url, secret, warnings, is_verified=options.is_verified)
    return options


def _model_names(value: object) -> dict[str, ModelName]:
    """Return what the organisation calls the models of a server, by the server's names."""
    msg = (
        'a table such as { "its name" = "your name" } or { "its name" = { model = "your name", model_version = "1" } }'
    )
    if not isinstance(value, dict) or not value:
        raise UnexpectedError(msg)
    found: dict[str, ModelName] = {}
    for served, name in value.items():
        parts = {"model": name} if isinstance(name, str) else name
        if not isinstance(parts, dict) or not {"model"} <= set(parts) <= {"model", "model_version"}:
            raise UnexpectedError(msg)
        if not all(isinstance(text, str) and text.strip() for text in parts.values()):
            raise UnexpectedError(msg)
        found[served] = ModelName(**parts)
    return found


def _check_works(path: Path, works: tuple[WorkSettings, ...]) -> None:
    """Refuse to count one server twice."""
    urls = [options.url for options in works]
    repeated = next((url for url in urls if urls.count(url) > 1), None)
    if repeated is not None:
        msg = f"{path}: two [[work]] read {repeated}: its work would count twice; several models of it go into `models`"
        raise SettingsError(msg)


def _check_nodes(path: Path, sources: SourceOptions) -> None:
    """Refuse two readings of one device: they would be interleaved as if they were one meter."""
    devices = [options.device for options in sources.redfish]
    repeated = next((name for name in devices if devices.count(name) > 1), None)
    if repeated is not None:
        msg = f"{path}: {repeated!r} is the device of two [[redfish]]: each needs a `device` of its own"
        raise SettingsError(msg)
    if sources.ipmi is not None and "node" in devices:
        msg = f"{path}: [[redfish]] and [ipmi] ask the same controller for the node: keep one of them"
        raise SettingsError(msg)


def _check_transport(table: Table, url: str, secret: str | None, warnings: list[str], *, is_verified: bool) -> None:
    """Refuse to send a secret in the clear, and warn of a host that is not verified."""
    parts = urlsplit(url)
    if parts.scheme == "http" and secret is not None and parts.hostname not in _LOOPBACK:
        refused = table.error("url", f"must begin with https://: the {secret} would cross the network in the clear")
        raise refused
    if parts.scheme == "https" and not is_verified:
        given = "" if secret is None else f" and gets the {secret}"
        warnings.append(
            f"{table.file}: {table.name}verify is false: whoever answers at {parts.netloc} is believed{given}; name "
            "its authority by ca_file instead"
        )
