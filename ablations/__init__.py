"""Ablations: what to vary (`grid`), what is left to do (`plan`), doing it (`execute`), what it showed (`effects`)."""
