"""Power and energy by boundary."""

from __future__ import annotations

import pytest

from models.prediction.energy import IT, accelerator_power, device_power, energy, stated_power
from models.prediction.inputs import InputError
from models.prediction.tables import devices, find_device, power_measurements
from models.uncertain import exactly

RATED = [device for device in devices() if device.tdp_w is not None]


@pytest.mark.parametrize("device", RATED, ids=lambda device: device.name)
def test_an_accelerator_draws_less_than_with_its_host(device: object) -> None:
    whole, alone = device_power(device, IT), accelerator_power(device)  # type: ignore[arg-type]
    assert alone is None or alone.central < whole.central


def test_a_maker_that_was_never_measured_alone_has_no_accelerator_power() -> None:
    assert accelerator_power(find_device("TPU v4")) is None
    assert accelerator_power(find_device("MI300X")) is None


def test_a_measured_device_is_forecast_near_its_measurements() -> None:
    # TPU v3: 310, 289, 288, 245 W, geometric mean 282 W
    found = device_power(find_device("TPU v3"), IT)
    assert found.central == pytest.approx(282, rel=0.05)
    assert found.low < 245 < 310 < found.high


def test_a_device_that_was_not_measured_is_wider() -> None:
    measured, not_measured = (device_power(find_device(name), IT) for name in ("V100 32GB", "L40S"))
    assert not_measured.high / not_measured.low > measured.high / measured.low


def test_energy_by_hand() -> None:
    # 1,000 h x 500 W = 500 kWh IT, 400 accelerator; x 1.2 = 600 at the facility
    used = energy(exactly(1_000, "h"), stated_power(500), exactly(400, "W"), exactly(1.2, "1"))
    assert used.accelerator is not None
    assert (used.accelerator.central, used.it.central, used.facility.central) == pytest.approx((400, 500, 600))


def test_every_measurement_is_of_a_device_of_the_table() -> None:
    assert {m.device for m in power_measurements()} <= {device.name for device in devices()}


def test_without_a_design_power_nothing_is_guessed() -> None:
    with pytest.raises(InputError, match=r"TPU v5e.*states no design power; give device_power_w"):
        device_power(find_device("TPU v5e"), IT)


@pytest.mark.parametrize("watts", [0, -5, float("nan"), 1e6])
def test_an_impossible_power_is_refused(watts: float) -> None:
    with pytest.raises(InputError, match="device_power_w"):
        stated_power(watts)
