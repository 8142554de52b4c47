"""Segmentation from boxes with Segment Anything: an encoder, own or swapped in, and a mask decoder that is trained."""
