"""The dashboard's pages. Started by `magicvideo dashboard`; Streamlit runs this file at every visit and change."""

from __future__ import annotations

import streamlit as st

from reports.dashboard.navigation import navigate

st.set_page_config("magicvideo", layout="wide")
navigate().run()
