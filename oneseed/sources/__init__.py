"""What --source may name. Files come from strangers: nothing is executed, every loss is a counted reason."""
