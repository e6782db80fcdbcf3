"""`python aggregator.pyz`: what the recipe's run step starts."""

import sys

from aggregator.configuration import AggregatorConfiguration
from aggregator.service import COMPONENT, TOPIC_FILTERS, AggregatorService
from hubkit.service import run

if __name__ == "__main__":
    sys.exit(run(COMPONENT, AggregatorConfiguration, AggregatorService, TOPIC_FILTERS))
