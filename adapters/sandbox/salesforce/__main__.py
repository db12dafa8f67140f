"""``python -m adapters.sandbox.salesforce``: the same arguments as ``isthmus sandbox salesforce``."""

from __future__ import annotations

import sys

from adapters.sandbox.salesforce.server import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
