"""JEDi's distance (Luo 2024, "Beyond FVD") on the suite's own video features instead of V-JEPA's: 100 times MMD^2 with
the kernel (x.y/d)^2. Once as upstream estimates it, with each row paired with itself, and once unbiased.
"""

from __future__ import annotations

from evals.distances import JEDI
from evals.metrics.kvd import READS, kernel_metric

BIASED = kernel_metric(
    "jedi_mmd",
    "JEDi-style MMD (I3D)",
    "100 x squared MMD",
    "how far the set's second moments are from the reference's; too high at small N: compare at equal numbers of clips",
    "100 MMD^2 with the diagonal, kernel (x.y/d)^2 on I3D logits",
    JEDI,
    100,
    biased=True,
    min_frames=10,
    scale=(0, None),
)
UNBIASED = kernel_metric(
    "jedi_mmd_unbiased",
    "JEDi-style MMD (I3D), unbiased",
    "100 x squared MMD",
    READS,
    "100 unbiased MMD^2 between prompts, kernel (x.y/d)^2 on I3D logits",
    JEDI,
    100,
    min_frames=10,
)
