"""The equations once more, in exact arithmetic: the judge of everything else.

Each file has the name of the operation that it judges. The functions are plain loops over nested lists of
numbers, number-generic: they run on `fractions.Fraction` (exactly), on dual numbers (and so differentiate
themselves), on floats and on complex numbers. They import nothing of what they judge.
"""
