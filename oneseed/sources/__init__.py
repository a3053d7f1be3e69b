"""What --source may name: folders, archives, files of captions, data sets, drawn collections.

Files come from strangers: nothing is executed, and every loss is a counted reason.
"""
