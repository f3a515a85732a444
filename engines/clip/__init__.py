"""CLIP as a guide: encoders, weighted prompts, random views, and the loss."""
