"""Networks of the pocket pipeline. Models see tensors; they know no switches, prompts or files."""
