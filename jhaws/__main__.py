"""Run the command `jhaws` as `python -m jhaws`."""

import sys

from .cli import main

sys.exit(main())
