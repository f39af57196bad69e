"""What the sources can be told: plain values, as the configuration file states them.

What belongs here: the options of each source and their defaults. What must not be here: reading or checking a file
(``settings``), or any source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

EVERY_S = 5.0
"""Time between two questions to a slow source [s]: the ledger bridges 10 s of power by a trapezoid."""
TIMEOUT_S = 4.0
"""Longest time for one answer [s]."""


class RedfishOptions(NamedTuple):
    """How the management controller of this host is asked for its power.

    Attributes:
        url: address of the controller, ``https://bmc.example``.
        user: user name; ``None`` for a controller that needs none.
        password_env: environment variable that holds the password.
        auth: ``session`` for a session token, ``basic`` for basic authentication.
        chassis: id of the chassis, if there are several.
        power_control: name or member id of the ``PowerControl`` entry, if there are several.
        point: where it measures: ``ac`` at the input of the power supplies, ``dc`` behind them.
        device: device id in the rows.
        every_s: time between two readings [s].
        timeout_s: longest time for one answer [s].
        ca_file: certificates to trust in place of the system's.
        is_verified: whether the controller's certificate must be trusted.
    """

    url: str
    user: str | None = None
    password_env: str | None = None
    auth: str = "session"
    chassis: str | None = None
    power_control: str | None = None
    point: str = "ac"
    device: str = "node"
    every_s: float = EVERY_S
    timeout_s: float = TIMEOUT_S
    ca_file: str | None = None
    is_verified: bool = True


class IpmiOptions(NamedTuple):
    """How the management controller of this host is asked by ``ipmitool``.

    Attributes:
        command: program to run.
        point: where it measures.
        every_s: time between two readings [s].
        timeout_s: longest time for one answer [s].
        is_inactive_believed: whether a reading counts though the controller calls power measurement inactive.
    """

    command: str = "ipmitool"
    point: str = "ac"
    every_s: float = EVERY_S
    timeout_s: float = TIMEOUT_S
    is_inactive_believed: bool = False


class ScrapeOptions(NamedTuple):
    """Which exporter of metrics is read, and what of it.

    Attributes:
        url: address of the metrics.
        host: what the exporter calls this host; ``*`` for whatever it says; ``None`` for this host's own name.
        host_label: the only label that names the host, where the usual ones mislead.
        kinds: kinds of device to take; empty for all.
        every_s: time between two readings [s].
        timeout_s: longest time for one answer [s].
        max_bytes: largest answer [bytes].
        token_env: environment variable that holds a bearer token.
        ca_file: certificates to trust in place of the system's.
        is_verified: whether the exporter's certificate must be trusted.
    """

    url: str
    host: str | None = None
    host_label: str | None = None
    kinds: tuple[str, ...] = ()
    every_s: float = EVERY_S
    timeout_s: float = TIMEOUT_S
    max_bytes: int = 8 << 20
    token_env: str | None = None
    ca_file: str | None = None
    is_verified: bool = True


class HwmonOptions(NamedTuple):
    """What of the kernel's power sensors is read.

    Attributes:
        is_enabled: whether any is.
        table: a table of sensors of the user's own, whose lines come first.
        node_point: where a meter of the whole node measures, if it is known.
    """

    is_enabled: bool = True
    table: Path | None = None
    node_point: str | None = None


class EstimateOptions(NamedTuple):
    """What is modelled where nothing is measured.

    Attributes:
        is_enabled: whether anything is.
        is_denied_modelled: whether a device whose counter this user may not read is modelled instead.
    """

    is_enabled: bool = True
    is_denied_modelled: bool = False


class SourceOptions(NamedTuple):
    """Options of all sources.

    Attributes:
        redfish: management controllers that are asked by Redfish.
        ipmi: the controller that is asked by IPMI, ``None`` if it is not.
        scrape: exporters that are read.
        hwmon: the kernel's power sensors.
        estimate: the model for what has no counter.
    """

    redfish: tuple[RedfishOptions, ...] = ()
    ipmi: IpmiOptions | None = None
    scrape: tuple[ScrapeOptions, ...] = ()
    hwmon: HwmonOptions = HwmonOptions()
    estimate: EstimateOptions = EstimateOptions()
