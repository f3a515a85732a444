"""Faces in pictures: cutting them out as FFHQ does, whose they are (ArcFace), and their latent codes (e4e)."""

from engines.faces.alignment import align_face, quad_from_clicks, quad_from_landmarks, quad_side
from engines.faces.e4e import Encoder, load_encoder, picture_to_tensor
from engines.faces.identity import IdentityNetwork, face_crop, identity_loss, load_identity

__all__ = [
    "Encoder",
    "IdentityNetwork",
    "align_face",
    "face_crop",
    "identity_loss",
    "load_encoder",
    "load_identity",
    "picture_to_tensor",
    "quad_from_clicks",
    "quad_from_landmarks",
    "quad_side",
]
