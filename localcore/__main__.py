"""`python -m localcore`: the same as the `localcore` command."""

import sys

from localcore.cli import main

sys.exit(main())
