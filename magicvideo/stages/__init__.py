"""The four stages: each a function from a clip (or a prompt) to a clip."""
