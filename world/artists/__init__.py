"""Pictures by many artists, from packages that anyone can install: `python -m world.artists` (or `make world`).

`sources.py` lists the packages, `fetch.py` gets them, one reader per kind of package yields drawings (`iconify.py`,
`openclipart.py`, `dicebear.py`), `render.py` turns SVG into pixels, `gallery.py` keeps the pixels in one
memory-mapped file with an index.
"""
