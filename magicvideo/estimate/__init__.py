"""What a pipeline of public weights costs, reckoned from its architectures at their true sizes without a GPU.

counting.py   operations, traffic and memory of one call, on any device, `meta` included
calls.py      which network runs how often in each stage of a preset
reckon.py     stages and arms: sums of calls
gpus.py       matrix rates and memory of GPUs, from their makers' data sheets
measure.py    the same calls with random weights, on a device that computes
table.py      tables for people, and docs/cost.md's
"""
