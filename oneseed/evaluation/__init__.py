"""Numbers with floor and ceiling: do picture and caption belong together?"""
