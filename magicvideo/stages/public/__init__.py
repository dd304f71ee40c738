"""The stages of presets of public weights. Like the pocket ones: functions of a prompt, clips and a seed.

Networks, attention processors and samplers are diffusers'. The loops are ours, so that noise comes by name, the noise
prior enters in every sampler's own scale, and long clips go by windows. Without these they give what diffusers' ready
pipelines give (tests/presets/test_reference.py).
"""
