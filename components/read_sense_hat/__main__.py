"""Run com.hbs.hub.ReadSenseHAT under a nucleus."""

import sys

from hubkit.service import run
from read_sense_hat import COMPONENT
from read_sense_hat.configuration import ReadSenseHatConfiguration
from read_sense_hat.service import TOPIC_FILTERS, ReadSenseHat

if __name__ == "__main__":
    sys.exit(run(COMPONENT, ReadSenseHatConfiguration, ReadSenseHat, TOPIC_FILTERS))
