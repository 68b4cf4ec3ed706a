"""Siamese networks: template and search image through one backbone, then a cross-correlation."""
