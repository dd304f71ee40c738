"""The dashboard: Streamlit pages over a store of runs and studies. Reads only; needs no torch.

`serve` starts it, `app` is the file that Streamlit runs, `views` holds one file a page, and the other modules hold what
pages share. What a page shows is named in its address, so an address can be sent to somebody. Text that came from a
user is never read as Markdown or HTML.
"""
