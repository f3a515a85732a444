"""Numbers shared by the kernels, all float32."""

from __future__ import annotations

import numpy as np

f32, i32, u64 = np.float32, np.int32, np.uint64

ZERO, ONE, TWO, THREE, SIX, HALF = f32(0), f32(1), f32(2), f32(3), f32(6), f32(0.5)
TINY, SMALL, BIG = f32(1e-6), f32(1e-12), f32(1e30)

# As in the torch backend:
STROKE_TOLERANCE, FILL_TOLERANCE = f32(0.25), f32(0.005)
PIXEL_RADIUS = f32(np.sqrt(0.5))
MIN_SLOPE, MIN_REACH, MIN_SHORT, NEAR = f32(0.1), f32(0.1), f32(2.0**-17), f32(1e-3)
UNSEEN, BORDER = f32(1e-5), f32(1e-5)
FAR = f32(1e6)
MAX_CHORDS, ROUNDING = 64, f32(1e-4)

BAND = 16  # rows
LANES = 16  # pixels per block
RECORD = 15  # fields per pixel: t, κ, V (2), W (2), ∂κ/∂r; C (3), A, S (3) behind the path; gradient of κ
BLOCK = RECORD * LANES

# Columns of the chord table: start a, edge e, 1/|e|², parameter t at the start and its length; then for the row at
# height y: the middle of the slab around the chord moves by LEAN·y and is SLAB wide on either side; the line across the
# chord's start moves by -ACROSS·y.
AX, AY, EX, EY, INVERSE, T0, DT, LEAN, SLAB, ACROSS = range(10)
