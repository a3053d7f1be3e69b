"""What was left out, as rows with a reason."""

from oneseed.console.output import printable


def rejection(path, reason, file, line):
    """The report's row for a bad one; also what sentence() turns into "captions.csv, line 12: image not found: x.png"."""
    return {"path": path, "reason": reason, "file": file, "line": line}


def describe_rejection(row):
    """A row of the report in words."""
    where = row["file"] + (f", line {row['line']}" if row["line"] else "")
    return printable(
        (f"{where}: {row['reason']}" + (f": {row['path']}" if row["path"] != row["file"] else ""))[
            :200
        ]
    )
