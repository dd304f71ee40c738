"""Trainers of the pocket weights, one a part, on one generic loop."""
