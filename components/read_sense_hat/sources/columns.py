"""Which column of a recording is which metric: no I/O.

A recording is recognised by its header, cleaned of quotes and blanks. Every column of a known
recording is kept; one with text (a name, a comment) would be no such recording. Built-in layouts:

    astro_pi    the Astro Pi flight log of 2015: `ROW_ID,temp_cpu,temp_h,...,time_stamp`
    mark2       the Astro Pi Mark II log of 2022: `Date/Time,Latitude,Longitude,Temperature,...`
    occupancy   the Occupancy detection data: `"date","Temperature",...`, where the header lacks the
                first column, the row's number
    skab        the SKAB pump: `datetime;Accelerometer1RMS;...`, with or without the two labels
    nab         the Numenta Anomaly Benchmark: `timestamp,value`

Any other recording needs a mapping of column to metric; it takes the columns that it names and no
other. The column named `time` holds the time stamps, ISO 8601 or seconds since 1970, UTC where no
zone is given.

>>> header = ["date", "Temperature", "Humidity", "Light", "CO2", "HumidityRatio", "Occupancy"]
>>> layout = recognise(header)
>>> layout.name, layout.width, layout.time_index, layout.metrics[:3]
('occupancy', 8, 1, ('row_number', 'temperature_c', 'humidity_pct'))
>>> map_columns(["When", "Temp", "Note"], {"When": "time", "Temp": "temperature_c"}).indices
(1,)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TIME = "time"

_ASTRO_PI = {
    "ROW_ID": "row_number",
    "temp_cpu": "temperature_cpu_c",
    "temp_h": "temperature_humidity_sensor_c",
    "temp_p": "temperature_pressure_sensor_c",
    "humidity": "humidity_pct",
    "pressure": "pressure_hpa",
    "pitch": "pitch_deg",
    "roll": "roll_deg",
    "yaw": "yaw_deg",
    "mag_x": "magnetic_x_ut",
    "mag_y": "magnetic_y_ut",
    "mag_z": "magnetic_z_ut",
    "accel_x": "acceleration_x_g",
    "accel_y": "acceleration_y_g",
    "accel_z": "acceleration_z_g",
    "gyro_x": "rotation_x_rad_s",
    "gyro_y": "rotation_y_rad_s",
    "gyro_z": "rotation_z_rad_s",
    "reset": "reset_count",
    "time_stamp": TIME,
}
_MARK2 = {
    "Date/Time": TIME,
    "Latitude": "latitude_deg",
    "Longitude": "longitude_deg",
    "Temperature": "temperature_c",
    "Humidity": "humidity_pct",
    "Pressure": "pressure_hpa",
    "Compass": "compass_deg",
    "MagX": "magnetic_x_ut",
    "MagY": "magnetic_y_ut",
    "MagZ": "magnetic_z_ut",
    "Pitch": "pitch_deg",
    "Roll": "roll_deg",
    "Yaw": "yaw_deg",
    "AccelX": "acceleration_x_g",
    "AccelY": "acceleration_y_g",
    "AccelZ": "acceleration_z_g",
    "R": "colour_red_count",
    "G": "colour_green_count",
    "B": "colour_blue_count",
    "C": "colour_clear_count",
    "Motion": "motion_flag",
}
_OCCUPANCY = {
    "": "row_number",
    "date": TIME,
    "Temperature": "temperature_c",
    "Humidity": "humidity_pct",
    "Light": "light_lx",
    "CO2": "co2_ppm",
    "HumidityRatio": "humidity_ratio_kg_per_kg",
    "Occupancy": "occupancy_flag",
}
_SKAB = {
    "datetime": TIME,
    "Accelerometer1RMS": "vibration_1_rms_g",
    "Accelerometer2RMS": "vibration_2_rms_g",
    "Current": "current_a",
    "Pressure": "pressure_bar",
    "Temperature": "temperature_engine_c",
    "Thermocouple": "temperature_fluid_c",
    "Voltage": "voltage_v",
    "Volume Flow RateRMS": "flow_rms_l_min",
    "anomaly": "anomaly_flag",
    "changepoint": "changepoint_flag",
}
_NAB = {"timestamp": TIME, "value": "value"}

_BUILT_IN: tuple[tuple[str, dict[str, str]], ...] = (
    ("astro_pi", _ASTRO_PI),
    ("mark2", _MARK2),
    ("occupancy", _OCCUPANCY),
    ("skab", _SKAB),
    ("skab", {key: name for key, name in _SKAB.items() if not name.endswith("_flag")}),
    ("nab", _NAB),
)


class ColumnsError(ValueError):
    """The columns of a recording are not known or not there; the message says what is."""


@dataclass(frozen=True)
class Layout:
    """Where a recording's metrics are: `indices[i]` is the column of `metrics[i]`.

    A row has `width` cells. `time_index` is None when nothing stamps the rows.
    """

    name: str
    width: int
    time_index: int | None
    metrics: tuple[str, ...]
    indices: tuple[int, ...]


def recognise(header: Sequence[str]) -> Layout:
    """The built-in layout with exactly this header.

    Raises:
        ColumnsError: None has it.
    """
    for name, columns in _BUILT_IN:
        keys = list(columns)
        # R writes a data frame's row names without naming their column.
        if list(header) == keys or (keys[0] == "" and list(header) == keys[1:]):
            return _layout(name, keys, columns)
    known = ", ".join(dict.fromkeys(name for name, _ in _BUILT_IN))
    raise ColumnsError(
        f"the header {','.join(header)[:200]!r} is none of {known}: name the columns in the "
        "device's `columns`, as {'Date': 'time', 'Temp': 'temperature_c'}"
    )


def map_columns(header: Sequence[str], columns: Mapping[str, str]) -> Layout:
    """The layout that a user's mapping of column to metric gives.

    Raises:
        ColumnsError: A column that it names is not there, or is there twice.
    """
    for column in columns:
        if list(header).count(column) != 1:
            raise ColumnsError(
                f"the column {column!r} is {list(header).count(column)} times in the header "
                f"{','.join(header)[:200]!r}, not once"
            )
    return _layout("columns", list(header), columns)


def _layout(name: str, keys: Sequence[str], columns: Mapping[str, str]) -> Layout:
    chosen = [(index, columns[key]) for index, key in enumerate(keys) if key in columns]
    times = [index for index, metric in chosen if metric == TIME]
    rest = [(index, metric) for index, metric in chosen if metric != TIME]
    return Layout(
        name=name,
        width=len(keys),
        time_index=times[0] if times else None,
        metrics=tuple(metric for _, metric in rest),
        indices=tuple(index for index, _ in rest),
    )
