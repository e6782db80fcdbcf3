"""Reading, changing and following component configuration."""
