"""Screens: forms, tables, charts, flowcharts and listings, told as the code that makes them."""
