"""What GPUs can do at most, from their maker's own papers: matrix rate in bfloat16, memory and its bandwidth.

The rate is that of dense matrices with sums in float32. NVIDIA's data sheets of Hopper print twice as much, for
matrices half of whose entries are zero in a fixed pattern.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    name: str
    rate: float
    """Operations a second."""
    memory: float
    """Bytes."""
    bandwidth: float
    """Bytes a second."""
    source: str


GPUS = (
    Gpu("H200", 989e12, 141e9, 4.8e12, "NVIDIA H200 Tensor Core GPU data sheet (SXM; 1,979 TFLOPS with sparsity)"),
    Gpu("H100", 989e12, 80e9, 3.35e12, "NVIDIA H100 Tensor Core GPU data sheet (SXM; 1,979 TFLOPS with sparsity)"),
    Gpu("A100", 312e12, 80e9, 2.039e12, "NVIDIA A100 80GB Tensor Core GPU data sheet (SXM)"),
    Gpu("RTX 4090", 165.2e12, 24e9, 1.008e12, "NVIDIA Ada GPU architecture white paper (FP16 with FP32 accumulate)"),
)
