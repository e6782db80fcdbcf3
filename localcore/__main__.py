"""`python -m localcore`: the same as the `localcore` command."""

import sys

from localcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
