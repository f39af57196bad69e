"""Published tables of cloud regions: carbon-free share, power and water usage effectiveness, intensities by year.

What belongs here: reading of the publications (``google_regions``, ``gsf_table``), the faults that they are known to
have (``faults``), the checks that name them (``checks_*``), the verdict (``judge``) and the landing of what passed
(``landing``). What must not be here: grid feeds by the hour, and the region map itself (``models/regions``).
"""
