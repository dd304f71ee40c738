"""Preference studies: people compare videos side by side, and the statistics of their votes."""
