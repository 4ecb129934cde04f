"""What a person says of a run: lines of `corrections.jsonl`, in terms that hold in the next run as well.

A line names nuclei by frame and position, never by numbers that change. Lines are only ever added; undo is a
line, too. Each stage of a run reads the lines that are about its own result.
"""
