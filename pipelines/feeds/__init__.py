"""Grid-intensity and cloud feeds: one source a file behind one interface (``feed``).

What belongs here: asking providers and reading their answers. What must not be here: emission factors and equations
(``models``), what is kept and which value applies (``warehouse``).
"""
