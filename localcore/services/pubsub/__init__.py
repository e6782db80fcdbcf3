"""Local publish/subscribe between components."""
