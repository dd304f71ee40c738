"""The pipeline under test: prompt -> reference image -> keyframes -> refined keyframes -> smooth video."""

__version__ = "0.1.0"
