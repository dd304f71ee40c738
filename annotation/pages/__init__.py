"""The pages of the annotation tool. `annotation/app.py` decides who sees which; each page checks again."""
