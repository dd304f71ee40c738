"""Preference studies: people compare videos side by side. Nothing here yet."""
