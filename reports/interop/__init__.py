"""Other tools' results in, ours out: VBench and FastVideo's evaluator are read, MLflow and TensorBoard are written."""
