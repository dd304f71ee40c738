"""One file a page; each has `page()`. They lie in a folder of their own because Streamlit puts the folder of its script
first on the path of imports, where a page called `ablations` would hide the package of that name."""
