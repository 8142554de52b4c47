"""Encoders: the networks that pre-training is for; timm provides them."""
