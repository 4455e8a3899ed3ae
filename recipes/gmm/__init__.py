"""Samplers measured against exact posteriors of Gaussian-mixture problems."""
