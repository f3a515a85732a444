"""The inner loops of the native CPU backend, compiled by numba. `native_backend.py` calls them.

The picture is cut into bands of rows. In a band, paths are drawn in painter's order: every chord of a stroke writes its
distance into the pixels around it (`strokes.py`), every chord of a filled outline its winding (`fills.py`); one pass
turns that into coverage, blends (`blending.py`), and keeps a record per pixel for the backward pass, which replays the
band's records in reverse (`passes.py`). A band is the work of one thread, and gradients are summed band by band:
results do not depend on the number of threads.

Records lie in blocks of 16 pixels, field by field, so that the compiler turns the loop over a block into vector
instructions. Such loops have no branches, no calls and no index that could be negative (hence `u64`).

All numbers are float32: mixing in an integer or a Python float would silently compute in float64.
"""
