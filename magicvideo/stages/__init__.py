"""The four stages: each a function of a prompt, a clip and a seed. They know models, not the store."""
