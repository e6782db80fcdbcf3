"""The process of com.hbs.hub.WriteSenseHAT."""

import sys

from hubkit.service import run
from write_sense_hat.configuration import WriteSenseHatConfiguration
from write_sense_hat.service import TOPIC_FILTERS, build

if __name__ == "__main__":
    sys.exit(run("com.hbs.hub.WriteSenseHAT", WriteSenseHatConfiguration, build, TOPIC_FILTERS))
