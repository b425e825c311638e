"""`python -m mlpcli`."""

import sys

from mlpcli.cli import main

if __name__ == "__main__":
    sys.exit(main())
