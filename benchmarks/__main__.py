"""All measurements that take minutes, one table each: `make bench`."""

import sys

from benchmarks import clipdraw_step, nada_step, page, rasterizer, stylegan2, styles


def main() -> None:
    for title, measurement in (
        ("Rasteriser", rasterizer),
        ("CLIPDraw step, default pocket settings", clipdraw_step),
        ("StyleCLIPDraw, 6 prompts in 6 styles", styles),
        ("StyleGAN2 generator", stylegan2),
        ("StyleGAN-NADA step", nada_step),
        ("The page", page),
    ):
        print(f"\n{title}\n", flush=True)
        sys.argv = [measurement.__name__]
        measurement.main()


if __name__ == "__main__":
    main()
