"""The `atelier` program: opens the page, or draws from the command line. See `atelier --help`."""
