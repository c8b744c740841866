"""`python -m sltpack`: the same as the command `sltpack`."""

import os
import sys
from contextlib import suppress

# Python puts the working folder first, whose random.py or numpy.py would be taken for the real one. The command does
# not have it there either; a model of the user's own is looked for in it where --model names one.
with suppress(OSError):  # the folder may be gone
    if sys.path[:1] == [os.getcwd()]:
        del sys.path[0]

from sltpack_cli.main import cli

if __name__ == "__main__":
    cli()
