"""``python -m keraunos``: the command line."""

import sys

from keraunos.cli import main

sys.exit(main())
