"""Latent optimisation (StyleCLIP, §4)."""
