"""What several formats have in common, or could have.

What belongs here: modules that know no format: stated figures, jobs of a run, meters, logs in archives. What must not
be here: the columns, names or files of one tool; what every format needs (see the folder above).
"""
