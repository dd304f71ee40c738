"""Trainers of the shipped evaluation networks; `magicvideo.train.cli` lists them with the others."""
