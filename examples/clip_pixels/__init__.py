"""An example of a method of your own: the pixels of a picture, optimised until CLIP sees the prompt."""
