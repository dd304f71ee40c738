"""The sub-verbs of `magicvideo study`, one a module; named in `annotation.cli`."""
