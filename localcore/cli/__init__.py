"""The `localcore` command: `greengrass-cli`'s verbs and flags, and more.

Exit status: 0 done; 1 refused, failed, or a deployment that failed; 2 wrong usage, or `start` on
a root in use; 3 no localcore runs on the root; 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence

from localcore.errors import LocalcoreError, UnreachableError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Errors are one line on stderr."""
    from localcore.cli.parser import build_parser  # noqa: PLC0415 (a short path to --help)

    options = build_parser().parse_args(arguments)
    try:
        status: int = options.perform(options)
    except UnreachableError as error:
        print(f"localcore: {error}", file=sys.stderr)
        return 3
    except LocalcoreError as error:
        print(f"localcore: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read the output has gone; keep Python from saying so again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status
