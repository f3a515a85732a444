"""Opens the page from a checkout: `python app.py` is `atelier`."""

import sys

from atelier.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
