"""One module per method, each with `build(context)`."""
