"""One file a page; each has `page()`. They lie in a folder of their own because Streamlit puts the folder of its script
first on the path of imports, where a page called `ablations` would hide the package of that name; and the folder is not
called `pages`, because Streamlit would take its files for scripts and run one when its address is opened first."""
