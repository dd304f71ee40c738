"""Reports: what a run showed, as a page that opens offline, as Markdown, as CSV.

Reads run folders; never imports torch, so a report can be made again on any laptop. Every number is derived from the
run's `scores.jsonl` and `items.jsonl` at the moment of writing; nothing is taken over from an earlier report.
"""
