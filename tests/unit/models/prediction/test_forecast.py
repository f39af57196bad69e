"""The whole forecast of a plan: the seed's scenario by hand, phases, places, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from models import factors
from models.pedigree import Z_95
from models.prediction.efficiency import OWN, Case, OwnRun
from models.prediction.forecast import ForecastRecord, Line, forecast
from models.prediction.inputs import InputError
from models.prediction.request import RunPlan, plan
from models.uncertain import Z_90

SEED_30B = RunPlan("30B", 30e9, device="A100", devices_n=512, days=30, device_power_w=330, pue=1.15, gco2e_per_kwh=350)
TOKENS_30B = replace(SEED_30B, days=None, tokens_n=600e9, device_power_w=None)


def line(record: ForecastRecord, phase: str, component: str) -> Line:
    return next(one for one in record.lines if (one.phase, one.component) == (phase, component))


@pytest.mark.parametrize(
    ("size", "devices", "days", "watts", "tonnes"),
    [
        # 512 x 330 W x 24 x 30 / 1e6 x 1.15 x 0.35 = 48.96; at 400 W 59.35; 60 days twice that
        (30e9, 512, 30, 330, 48.96),
        (30e9, 512, 30, 400, 59.35),
        (100e9, 512, 60, 330, 97.93),
        (100e9, 512, 60, 400, 118.70),
        # LLMCarbon's own counts: 928 devices, 253.6 MWh; 1,200 devices, 655.8 MWh
        (30e9, 928, 30, 330, 88.75),
        (100e9, 1_200, 60, 330, 229.52),
    ],
)
def test_the_seed_scenario_follows_from_devices_days_and_power(
    size: float, devices: float, days: float, watts: float, tonnes: float
) -> None:
    asked = replace(SEED_30B, parameters_n=size, devices_n=devices, days=days, device_power_w=watts)
    found = line(forecast(asked), "training", "operational")
    assert found.central / 1e3 == pytest.approx(tonnes, abs=0.01)
    assert (found.low, found.high, found.tier) == (found.central, found.central, "stated")


def test_embodied_by_hand() -> None:
    # 512 x 30 x 24 = 368,640 h. Host 5,652 kg / 8 / 43,800 h = 16.130 g/h; building 10.2 kW / 8 x 980 kg / 175,200 h
    # = 7.132 g/h: 5,946 kg and 2,629 kg
    record = forecast(SEED_30B)
    assert line(record, "training", "embodied_server").central == pytest.approx(5_946, rel=1e-3)
    assert line(record, "training", "embodied_building").central == pytest.approx(2_629, rel=1e-3)
    chip = factors.find_hardware_factor("NVIDIA A100 SXM4 80GB", "accelerator")
    assert chip is not None
    expected = chip.factor.kgco2e / chip.factor.life_h * 368_640
    assert line(record, "training", "embodied_chip").central == pytest.approx(expected)


def test_boundaries_are_a_ladder() -> None:
    record = forecast(TOKENS_30B)
    board, it, site = (line(record, "training", f"energy_{name}") for name in ("accelerator", "it", "facility"))
    assert board.central < it.central < site.central
    assert site.central == pytest.approx(1.15 * it.central)


def test_emissions_add_up_and_common_inputs_stay_common() -> None:
    # Fine-tuning on a tenth of the tokens shares utilisation, power, PUE and grid: one relative interval for all.
    record = forecast(replace(TOKENS_30B, fine_tuning_tokens_n=60e9))
    trained, tuned, both = (line(record, phase, "operational") for phase in ("training", "fine_tuning", "all"))
    assert tuned.central == pytest.approx(trained.central / 10)
    assert both.central == pytest.approx(trained.central + tuned.central)
    assert both.high / both.central == pytest.approx(trained.high / trained.central)
    parts = [line(record, "training", name).central for name in ("operational", "embodied_chip", "embodied_server",
                                                                 "embodied_building")]  # fmt: skip
    assert line(record, "training", "emissions").central == pytest.approx(sum(parts))


def test_adapters_take_two_thirds_of_full_fine_tuning() -> None:
    full = forecast(replace(TOKENS_30B, fine_tuning_tokens_n=60e9))
    frozen = forecast(replace(TOKENS_30B, fine_tuning_tokens_n=60e9, fine_tuning_frozen=True))
    ratio = line(frozen, "fine_tuning", "device_hours").central / line(full, "fine_tuning", "device_hours").central
    assert ratio == pytest.approx(2 / 3)


def test_experimentation_by_share_by_trials_and_by_the_published_range() -> None:
    share = forecast(replace(TOKENS_30B, experimentation_share=0.5))
    training = line(share, "training", "energy_it").central
    assert line(share, "experimentation", "energy_it").central == pytest.approx(0.5 * training)
    trials = replace(TOKENS_30B, trials_n=10, trial_parameters_n=1e9, trial_tokens_n=20e9, utilisation_fraction=0.4)
    # 10 x 6 x 1e9 x 20e9 / (0.4 x 312e12 x 3600) = 1.2e21 / 4.4928e17 = 2,671 h
    assert line(forecast(trials), "experimentation", "device_hours").central == pytest.approx(2_671, rel=1e-3)
    published = forecast(replace(TOKENS_30B, experimentation_share="published"))
    assert "experimentation_share" in {note.field for note in published.assumed}
    wide = line(published, "experimentation", "energy_it")
    assert wide.high / wide.low > 4.6 / 0.5


def test_inference_keeps_busy_and_standing_energy_apart() -> None:
    asked = replace(TOKENS_30B, parameters_n=8e9, tokens_n=None, device="H100", devices_n=None, requests_per_day_n=1e5,
                    input_tokens_n=500, output_tokens_n=300, batch_n=16, inference_days=365)  # fmt: skip
    record = forecast(asked)
    busy, standing = line(record, "inference", "energy_busy"), line(record, "inference", "energy_standing")
    assert line(record, "inference", "energy_it").central == pytest.approx(busy.central + standing.central)
    held = line(record, "inference", "devices").central * 365 * 24
    assert line(record, "inference", "device_hours").central == held
    assert standing.central > 0
    # 8e9 x 2 B / 16 a token: 1 GB x 300 / (3350 GB/s x 0.5) = 0.1791 s; prefill 2 x 8e9 x 500 / 494.7e12 = 0.0162 s
    # 0.1953 s x 36.5e6 requests / 3600 = 1,980 h
    assert line(record, "inference", "busy_device_hours").central == pytest.approx(1_980, rel=2e-3)
    assert {"weight_bytes", "shape"} <= {note.field for note in record.assumed}


def test_storage_and_stated_data_processing() -> None:
    asked = RunPlan(storage_tb=100, storage_days=365, storage_media="ssd", data_processing_kwh=500, pue=1.2,
                    gco2e_per_kwh=300)  # fmt: skip
    record = forecast(asked)
    # 100 TB x 1.5 W x 8,760 h = 1,314 kWh; x 1.2 x 0.3 = 473.04 kg; 500 x 1.2 x 0.3 = 180 kg
    assert line(record, "storage", "operational").central == pytest.approx(473.04)
    assert line(record, "data_processing", "operational").central == pytest.approx(180)
    assert line(record, "all", "operational").central == pytest.approx(653.04)


def test_a_zone_gives_its_factor_and_says_so() -> None:
    asked = replace(SEED_30B, gco2e_per_kwh=None, zone="DE", year=2024.0)
    record = forecast(asked)
    factor = factors.nearest_grid_factor("DE", 2024)
    assert factor is not None
    mwh = line(record, "training", "energy_facility").central
    found = line(record, "training", "operational")
    assert found.central == pytest.approx(mwh * factor.factor.gco2e_per_kwh / 1000)
    assert found.low < found.central < found.high
    note = next(note for note in record.assumed if note.field == "gco2e_per_kwh")
    assert (note.tier, note.source_ids) == ("zone_year", (factor.factor.source_id,))


def test_an_older_factor_is_wider_by_its_age() -> None:
    # power and PUE are stated: the interval is the grid's own, widened by the drift of its age, from 95 to 90 %
    found = line(forecast(replace(SEED_30B, gco2e_per_kwh=None, zone="DE", year=2027.0)), "training", "operational")
    held = factors.nearest_grid_factor("DE", 2027)
    assert held is not None
    age, factor = factors.grid_age_spread()[held.age_years], held.factor
    assert held.age_years == 3
    down = math.log(factor.gco2e_per_kwh / (factor.low_gco2e_per_kwh * age.low_factor)) * Z_90 / Z_95
    up = math.log(factor.high_gco2e_per_kwh * age.high_factor / factor.gco2e_per_kwh) * Z_90 / Z_95
    assert found.low == pytest.approx(found.central * math.exp(-down))
    assert found.high == pytest.approx(found.central * math.exp(up))


def test_a_region_gives_zone_and_pue() -> None:
    region = next(r for r in factors.region_zones(2024) if r.pue is not None)
    asked = replace(SEED_30B, pue=None, gco2e_per_kwh=None, region=f"{region.provider}:{region.region}", year=2024.0)
    record = forecast(asked)
    assert line(record, "training", "energy_facility").central == pytest.approx(
        line(record, "training", "energy_it").central * (region.pue or 0)
    )
    assert {note.field for note in record.assumed} >= {"pue", "gco2e_per_kwh"}


def test_a_pue_that_is_not_stated_is_a_noted_range() -> None:
    record = forecast(replace(SEED_30B, pue=None))
    note = next(note for note in record.assumed if note.field == "pue")
    assert note.value == "1.25 (1.08-1.60)"
    facility = line(record, "training", "energy_facility")
    assert (facility.low, facility.high) == pytest.approx((253_440 * 0.48 * 1.08, 253_440 * 0.48 * 1.6), rel=1e-3)


def test_own_history_goes_before_published_runs() -> None:
    case = Case(OWN, "ampere", 30e9, devices_n=512)
    own = [OwnRun(case, 0.5)] * 20
    used = line(forecast(TOKENS_30B, own), "training", "utilisation")
    assert used.central == pytest.approx(0.5, rel=0.05)
    assert used.high / used.low < 1.5


def test_a_device_of_ones_own_takes_the_generic_accelerator_visibly() -> None:
    asked = replace(TOKENS_30B, device="our chip", peak_tflops=500, device_power_w=600)
    notes = {note.field: note.value for note in forecast(asked).assumed}
    assert notes["embodied_chip"] == "*generic accelerator"


def test_a_model_that_does_not_fit_into_its_devices_is_noted() -> None:
    # 30e9 x 16 B = 480 GB: six A100 hold it, five do not
    for devices, noted in ((6, False), (5, True)):
        record = forecast(replace(SEED_30B, devices_n=devices))
        assert ("memory" in {note.field for note in record.assumed}) is noted


def test_the_id_follows_from_content_alone() -> None:
    one, same, other = forecast(SEED_30B), forecast(replace(SEED_30B)), forecast(replace(SEED_30B, pue=1.2))
    assert one.forecast_id == same.forecast_id != other.forecast_id
    assert json.loads(one.inputs)["pue"] == 1.15
    row = next(one.rows())
    assert list(row) == ["forecast_id", "method_version", "run", "phase", "component", "low", "central", "high", "unit",
                         "tier", "source_ids"]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"gco2e_per_kwh": None}, "no grid is stated: give gco2e_per_kwh, zone"),
        ({"gco2e_per_kwh": None, "zone": "DE"}, "year is needed"),
        ({"gco2e_per_kwh": None, "zone": "XX", "year": 2024.0}, "zone = 'XX' is not known"),
        ({"region": "aws:mars-1"}, "region = 'aws:mars-1' is not known"),
        ({"device": ""}, "device is not stated"),
        ({"device": "TPU v5e", "device_power_w": None}, "its maker states no design power; give device_power_w"),
        ({"peak_tflops": 100.0, "device_power_w": None}, "give device_power_w"),
        ({"parameters_n": None}, "parameters_n or shape is needed"),
        ({"pue": 0.9}, r"pue = 0.9 is outside \[1, 3\]"),
        ({"days": None}, "states no phase"),
        ({"requests_per_day_n": 1e3}, "needs input_tokens_n, output_tokens_n, inference_days too"),
        ({"storage_tb": 5.0}, "storage_tb needs storage_days and storage_media"),
        ({"trials_n": 5.0}, "trials_n needs trial_parameters_n"),
        ({"device_power_w": 99_999.0}, "device_power_w = 99999 is outside"),
    ],
)
def test_what_nothing_may_stand_in_for_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        forecast(replace(SEED_30B, **change))  # type: ignore[arg-type]


def test_plans_are_read_with_suffixes_and_strict_names() -> None:
    read = plan({"parameters_n": "30B", "tokens_n": "0.6T", "precision": "bf16", "devices_n": "512", "pue": ""})
    assert (read.parameters_n, read.tokens_n, read.precision, read.devices_n, read.pue) == (
        30e9,
        600e9,
        "16bit",
        512,
        None,
    )
    with pytest.raises(InputError, match="the field 'parametres' is not known; known: active_parameters_n"):
        plan({"parametres": "7B"})
    with pytest.raises(InputError, match=r"parameters_n = 7 is outside .* write 7e9 or 7B"):
        plan({"parameters_n": 7})
    with pytest.raises(InputError, match="precision = 'fp12' is not known"):
        plan({"precision": "fp12"})
    with pytest.raises(InputError, match="year = 24 is outside"):
        plan({"year": "24"})
    with pytest.raises(InputError, match="fine_tuning_frozen must be true or false, not 'maybe'"):
        plan({"fine_tuning_frozen": "maybe"})
    with pytest.raises(InputError, match="days must be a number, not 'many'"):
        plan({"days": "many"})
    with pytest.raises(InputError, match=r"shape: .*width"):
        plan({"shape": {"width": 5}})


def test_a_shape_gives_the_size_and_must_not_contradict_it() -> None:
    shape = {"layers_n": 32, "hidden_size": 4096, "heads_n": 32, "kv_heads_n": 8, "head_size": 128, "ff_size": 14_336,
             "vocabulary_n": 128_256, "gated": True, "tied": False, "norm": "rmsnorm"}  # fmt: skip
    stated = {"device": "H100", "devices_n": 512, "tokens_n": "1T", "pue": 1.1, "gco2e_per_kwh": 100}
    read = plan({**stated, "shape": shape, "sequence_length_n": 8192})
    flop = line(forecast(read), "training", "model_flop").central
    # 6 x 8.030261248e9 + 12 x 32 x 32 x 128 x 8192 = 4.81816e10 + 1.28849e10 a token
    assert flop == pytest.approx((4.818157e10 + 1.288490e10) * 1e12, rel=1e-5)
    with pytest.raises(InputError, match="parameters_n = 7e\\+09, but the shape has"):
        forecast(replace(read, parameters_n=7e9))
