"""`python -m herdsite.client`."""

import sys

from herdsite.client.cli import main

sys.exit(main(sys.argv[1:]))
