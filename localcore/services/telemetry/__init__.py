"""Metrics of components."""
