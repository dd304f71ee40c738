"""Metrics, one file each: data about the metric and the function from what it has seen to a number."""
