"""The HTTP API: pairs, captions and search for programs, with or without the page.

`python -m oneseed.api` serves it alone, and gradio_demo.py beside the page. What stands between it
and the network is the gate of oneseed.web.
"""
