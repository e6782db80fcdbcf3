"""Tokens of other components."""
