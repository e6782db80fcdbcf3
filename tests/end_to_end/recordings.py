"""Recordings read with the csv module alone: a second opinion on what the readings must be."""

import csv
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# Column -> metric, as the product's documentation says; written down here once more.
ASTRO_PI = {
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
}
MARK2 = {
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
OCCUPANCY = {
    "": "row_number",
    "Temperature": "temperature_c",
    "Humidity": "humidity_pct",
    "Light": "light_lx",
    "CO2": "co2_ppm",
    "HumidityRatio": "humidity_ratio_kg_per_kg",
    "Occupancy": "occupancy_flag",
}
SKAB = {
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

Values = dict[str, float | None]


@dataclass(frozen=True)
class Recording:
    """A file and how it is written."""

    file: Path
    metrics: dict[str, str]
    time: str
    separator: str = ","

    @property
    def device_id(self) -> str:
        """What the run calls it: its name, with dashes for what a topic does not take."""
        return self.file.stem

    def rows(self, without: frozenset[int] = frozenset()) -> list[tuple[float, Values]]:
        """Time and values of every row, but for those on the lines `without`."""
        with self.file.open(newline="") as stream:
            reader = csv.reader(stream, delimiter=self.separator)
            header = next(reader)
            rows = []
            for cells in reader:
                if reader.line_num in without:
                    continue
                # The occupancy files do not name the column of row numbers.
                names = header if len(header) == len(cells) else ["", *header]
                row = dict(zip(names, cells, strict=True))
                stamp = datetime.fromisoformat(row.pop(self.time)).replace(tzinfo=UTC)
                values = {self.metrics[name]: _value(cell) for name, cell in row.items()}
                rows.append((stamp.timestamp(), values))
            return rows


def _value(cell: str) -> float | None:
    number = float(cell or "nan")
    return number if math.isfinite(number) else None
