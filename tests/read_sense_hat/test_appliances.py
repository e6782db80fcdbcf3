import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from read_sense_hat.appliances import Appliance, ApplianceName
from read_sense_hat.appliances.catalogue import make_appliance
from read_sense_hat.appliances.faults import KINDS, FaultError, parse_faults
from read_sense_hat.appliances.grid import Grid

ORIGIN_S = 1_700_000_000.0
DAY_S = 86_400.0
NAMES: list[ApplianceName] = ["hvac", "refrigerator", "washing_machine"]


def make(name: ApplianceName, *faults: str, seed: int = 1) -> Appliance:
    return make_appliance(name, seed=seed, origin_s=ORIGIN_S, faults=faults)


def column(appliance: Appliance, metric: str, first_s: float, last_s: float) -> list[float]:
    index = appliance.metrics.index(metric)
    return [
        appliance.at(ORIGIN_S + second)[index] for second in range(int(first_s), int(last_s), 20)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_values_do_not_depend_on_when_and_how_often_one_looks(name: ApplianceName) -> None:
    faults = [f"{kind}@3600" for kind in KINDS[name]]
    times = [ORIGIN_S + 7.3 * i for i in range(3000)]
    steadily = make(name, *faults)
    expected = {time_s: steadily.at(time_s) for time_s in times}
    rarely = make(name, *faults)
    assert rarely.at(times[-1]) == expected[times[-1]]
    unevenly = make(name, *faults)
    some = random.Random(5).sample(times, 20)
    assert [unevenly.at(time_s) for time_s in some] == [expected[time_s] for time_s in some]


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_is_another_life(name: ApplianceName) -> None:
    times = [ORIGIN_S + 60.0 * i for i in range(100)]
    one, two = make(name, seed=1), make(name, seed=2)
    assert [one.at(t) for t in times] != [two.at(t) for t in times]


@pytest.mark.parametrize("name", NAMES)
def test_a_healthy_week_stays_in_its_normal_range(name: ApplianceName) -> None:
    appliance = make(name)
    every: dict[ApplianceName, dict[str, tuple[float, float]]] = {
        "hvac": {"temperature_c": (20, 26), "humidity_pct": (15, 75), "power_w": (0, 1200)},
        "refrigerator": {"temperature_c": (1.5, 9.5), "power_w": (0, 90)},
        "washing_machine": {"vibration_rms_g": (0, 0.12), "drum_speed_rpm": (0, 1230)},
    }
    for metric, (low, high) in every[name].items():
        values = column(appliance, metric, 0, 7 * DAY_S)
        assert low <= min(values)
        assert max(values) <= high


def test_a_room_needs_more_heat_in_winter_than_in_spring() -> None:
    january, april = 1_705_000_000.0, 1_713_000_000.0
    used = []
    for origin_s in (january, april):
        room = make_appliance("hvac", seed=3, origin_s=origin_s, faults=[])
        watts = [room.at(origin_s + 60.0 * i)[-1] for i in range(2 * 1440)]
        used.append(statistics.fmean(watts))
    assert used[0] > 1.3 * used[1] > 0


def test_a_room_dries_when_it_is_cooled() -> None:
    july = 1_721_000_000.0
    room = make_appliance("hvac", seed=4, origin_s=july, faults=[])
    rows = [room.at(july + 60.0 * i) for i in range(4 * 1440)]
    assert max(row[0] for row in rows) < 26.5
    assert any(row[3] < row[0] - 3.0 for row in rows), "never cooled in July"


def test_a_leaking_refrigerator_runs_longer_before_it_gets_warm() -> None:
    healthy, leaking = make("refrigerator"), make("refrigerator", f"leak@{DAY_S:.0f}")
    same = (0.0, DAY_S)
    assert column(healthy, "power_w", *same) == column(leaking, "power_w", *same)
    early = (DAY_S + 3600.0, DAY_S + 4 * 3600.0)
    duty = [
        statistics.fmean(watts > 20 for watts in column(fridge, "power_w", *early))
        for fridge in (healthy, leaking)
    ]
    assert duty[1] > 1.4 * duty[0]
    assert max(column(leaking, "temperature_c", *early)) < 8.0
    late = column(leaking, "temperature_c", 2 * DAY_S, 2 * DAY_S + 3600.0)
    assert min(late) > 10.0


def test_a_repair_ends_the_fault() -> None:
    fridge = make("refrigerator", "leak@3600", f"repair@{DAY_S:.0f}")
    assert max(column(fridge, "temperature_c", DAY_S - 3600, DAY_S)) > 10.0
    assert max(column(fridge, "temperature_c", 2 * DAY_S, 3 * DAY_S)) < 9.0


def test_a_worn_bearing_shows_in_the_spin_and_not_at_rest() -> None:
    healthy, worn = make("washing_machine"), make("washing_machine", "bearing@0")
    day = (DAY_S, 2 * DAY_S)
    assert max(column(worn, "vibration_rms_g", *day)) > 5 * max(
        column(healthy, "vibration_rms_g", *day)
    )
    for machine in (healthy, worn):
        rows = [machine.at(ORIGIN_S + DAY_S + 20 * i) for i in range(4320)]
        assert max(row[0] for row in rows if row[1] == 0.0) < 0.006


def test_a_blocked_filter_of_the_washing_machine_lengthens_draining() -> None:
    healthy, blocked = make("washing_machine"), make("washing_machine", "filter@0")
    pumping = [
        sum(30 < watts < 55 for watts in column(machine, "power_w", DAY_S, 3 * DAY_S))
        for machine in (healthy, blocked)
    ]
    assert pumping[1] > 1.5 * pumping[0]


def test_a_blocked_filter_of_the_room_makes_supply_air_hotter_and_heating_longer() -> None:
    winter = 1_705_000_000.0
    healthy = make_appliance("hvac", seed=3, origin_s=winter, faults=[])
    blocked = make_appliance("hvac", seed=3, origin_s=winter, faults=["filter@0"])
    later = [winter + DAY_S / 2 + 60.0 * i for i in range(360)]
    supply = [max(room.at(t)[3] for t in later) for room in (healthy, blocked)]
    duty = [statistics.fmean(room.at(t)[4] > 20 for t in later) for room in (healthy, blocked)]
    assert supply[1] > supply[0] + 2.0
    assert duty[1] > duty[0]


@given(texts=st.lists(st.text(max_size=12), max_size=3))
def test_faults_are_read_or_refused(texts: list[str]) -> None:
    try:
        schedule = parse_faults("hvac", texts)
    except FaultError:
        return
    assert schedule.age_s("leak", 1e9) >= 0.0


@settings(deadline=None)
@given(times=st.lists(st.floats(-100.0, 5000.0), max_size=30))
def test_a_grid_is_the_same_in_any_order(times: list[float]) -> None:
    grid = Grid(0.0, 10.0, 1.0, lambda time_s, state: state * 0.99 + time_s)
    states = [1.0]
    for k in range(502):
        states.append(states[-1] * 0.99 + k * 10.0)
    for time_s in times:
        before, after, part = grid.around(time_s)
        k = int(max(0.0, time_s) / 10.0)
        assert (before, after) == (states[k], states[k + 1])
        assert 0.0 <= part <= 1.0
