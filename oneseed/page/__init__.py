"""The page: layout in tabs, what visitors send, what they get.

A tab is a file of layout and wiring (generate_tab, picture_tab, ...); what it does on the server is
a class of handlers, in a file of its own where it is long. Shared are events (settings, messages,
Stop), components (fields and frames), uploads (checks of files that strangers bring), pair_rows
(cards and rows of galleries) and links. page.css and page.js are the browser's part. What stands
before all of it is in oneseed.web.
"""
